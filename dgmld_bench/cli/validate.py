"""``dgmld-bench validate`` and ``dgmld-bench schema``: the format, without any data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from dgmld_bench.cli.app import JsonPath, emit_json


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(validate)
    app.command()(schema)


def validate(
    files: Annotated[list[Path], typer.Argument(help="Predictions JSON files.", show_default=False)],
    json: JsonPath = None,
) -> None:
    """Check predictions files: format, names, numbers, completeness. Needs no data; exit code 1 at any fault.

    dgmld-bench validate preds.json
    """
    from rich.console import Console

    from dgmld_bench.errors import DataError
    from dgmld_bench.predictions import Predictions
    from dgmld_bench.validation import find_problems

    results: list[dict[str, Any]] = []
    for file in files:
        try:
            predictions = Predictions.load(file)
            problems, summary = find_problems(predictions), f"{len(predictions.seeds)} of 3 seeds"
            summary += f", splits {', '.join(predictions.splits)}"
        except DataError as error:
            problems, summary = [str(error).removeprefix(f"{file}: ")], ""
        results.append({"file": str(file), "valid": not problems, "summary": summary, "problems": problems})
    emit_json(results, json)
    if str(json) != "-":
        out = Console(soft_wrap=True, highlight=False, markup=False)
        for result in results:
            if result["valid"]:
                out.print(f"{result['file']}: valid ({result['summary']})")
            for problem in result["problems"]:
                out.print(f"{result['file']}: {problem}")
    if not all(r["valid"] for r in results):
        raise typer.Exit(1)


def schema(json: JsonPath = None) -> None:
    """Print the JSON Schema of the predictions format."""
    from dgmld_bench.predictions import json_schema

    emit_json(json_schema(), json or Path("-"))
