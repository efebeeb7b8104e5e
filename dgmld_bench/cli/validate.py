"""``dgmld-bench validate`` and ``dgmld-bench schema``: the format, without any data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dgmld_bench.cli.options import JsonPath, emit_json, file_argument, refuse_overwriting

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
    from dgmld_bench.leaderboard.validation import validate as validate_file
    from dgmld_bench.terminal import make_console
    from dgmld_bench.text import clean

    refuse_overwriting(files, json)
    results = [validate_file(file, split) for file in files]
    emit_json([result.to_dict() for result in results], json)
    if str(json) != "-":
        out = make_console(soft_wrap=True, markup=False)
        for result in results:
            name = clean(str(result.file))
            if result.valid:
                out.print(f"{name}: valid ({result.summary})")
            for problem in result.problems[:MAX_LISTED]:
                for line in problem.splitlines():
                    out.print(f"{name}: {clean(line)}")
            if len(result.problems) > MAX_LISTED:
                out.print(f"{name}: and {len(result.problems) - MAX_LISTED} more (--json lists them)")
            for lack in result.to_submit[:MAX_LISTED]:
                out.print(f"{name}: to submit it: {clean(lack)}")
    if not all(result.valid for result in results):
        raise typer.Exit(1)


def schema(json: JsonPath = None) -> None:
    """Print the JSON Schema of the predictions format."""
    from dgmld_bench.scoring.predictions import json_schema

    emit_json(json_schema(), json or Path("-"))
