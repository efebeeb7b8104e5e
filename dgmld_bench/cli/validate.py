"""``dgmld-bench validate`` and ``dgmld-bench schema``: the format, without any data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dgmld_bench.cli.options import JsonPath, emit_json, file_argument, refuse_overwriting

if TYPE_CHECKING:
    from dgmld_bench.scoring.predictions import Predictions

MAX_LISTED = 20


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(validate)
    app.command()(schema)


def validate(
    files: Annotated[list[Path], file_argument("Predictions JSON files, or with --split bare files and tables.")],
    split: Annotated[
        str | None, typer.Option(help="The split that bare files, CSV and TSV are for.", show_default=False)
    ] = None,
    json: JsonPath = None,
) -> None:
    """Check predictions files: format, names, numbers, completeness, size. Needs no data; exit code 1 at any fault.

    A file below submissions/ must be a submission: name, selection and training data are checked too. Of any other file
    the same is said, as what it lacks to be one.

    dgmld-bench validate preds.json
    """
    from dgmld_bench.terminal import make_console
    from dgmld_bench.text import clean

    refuse_overwriting(files, json)
    results = [_validate(file, split) for file in files]
    emit_json(results, json)
    if str(json) != "-":
        out = make_console(soft_wrap=True, markup=False)
        for result in results:
            name, problems = clean(result["file"]), result["problems"]
            if result["valid"]:
                out.print(f"{name}: valid ({result['summary']})")
            for problem in problems[:MAX_LISTED]:
                out.print(f"{name}: {clean(problem)}")
            if len(problems) > MAX_LISTED:
                out.print(f"{name}: and {len(problems) - MAX_LISTED} more (--json lists them)")
            for lack in result["to_submit"][:MAX_LISTED]:
                out.print(f"{name}: to submit it: {clean(lack)}")
    if not all(r["valid"] for r in results):
        raise typer.Exit(1)


def _validate(file: Path, split: str | None) -> dict[str, Any]:
    from dgmld_bench.errors import DataError
    from dgmld_bench.leaderboard.reported import FILE as REPORTED
    from dgmld_bench.leaderboard.submissions import (
        FOLDER,
        MAX_BYTES,
        SIDECAR,
        content_faults,
        find_faults,
        quote_faults,
        read_provenance,
    )
    from dgmld_bench.scoring.notes import N_SEEDS
    from dgmld_bench.scoring.predictions import Predictions
    from dgmld_bench.scoring.validation import find_problems

    place = file.parent.resolve() / file.name  # a link stays a link
    root = next((p.parent for p in place.parents if p.name == FOLDER and (p.parent / REPORTED).is_file()), None)
    problems: list[str] = []
    to_submit: list[str] = []
    summary = ""
    try:
        if file.name.endswith(SIDECAR):
            read_provenance(file.with_name(file.name.removesuffix(SIDECAR) + ".json"))
            return _result(file, [], "how a submission was made", [])
        if root is not None:
            problems = find_faults(place, root)
        if not problems:
            predictions = _read(file, split) if split else Predictions.load(file, max_bytes=MAX_BYTES)
            problems = find_problems(predictions)
            summary = f"{len(predictions.seeds)} of {N_SEEDS} seeds, splits {', '.join(predictions.splits)}"
            to_submit = [fault for fault in content_faults(predictions) if fault not in problems]
            run = file.with_name("run.json")
            to_submit += quote_faults(run) if run.is_file() else []
    except DataError as error:
        problems = [error.message]
    return _result(file, problems, summary, to_submit)


def _result(file: Path, problems: list[str], summary: str, to_submit: list[str]) -> dict[str, Any]:
    valid = not problems
    return {"file": str(file), "valid": valid, "summary": summary, "problems": problems, "to_submit": to_submit}


def _read(file: Path, name: str) -> Predictions:
    """Read a file as predictions of a split, its ids as `score` would match them."""
    from dgmld_bench.scoring.predictions import read_predictions
    from dgmld_bench.splits import get_split, get_track

    split = get_split(name)
    predictions = read_predictions(file, split, get_track(split.track).landmarks)
    return predictions.with_ids(name, split.case_ids or ())[0]


def schema(json: JsonPath = None) -> None:
    """Print the JSON Schema of the predictions format."""
    from dgmld_bench.scoring.predictions import json_schema

    emit_json(json_schema(), json or Path("-"))
