"""``dgmld-bench combine``: the mean of a method's seeds, as a method of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dgmld_bench.cli.options import file_argument, refuse_overwriting


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(combine)


def combine(
    file: Annotated[Path, file_argument("Predictions JSON with several runs.")],
    out: Annotated[Path, typer.Option(help="The predictions JSON to write.", show_default=False)],
) -> None:
    """Write the mean of a file's seeds as predictions of their own.

    The method's name says that it is a mean: it took as many trainings as there are seeds, so the board lists it
    beside the method, not in its place.

    dgmld-bench combine preds.json --out mean.json
    """
    from dgmld_bench.errors import DataError
    from dgmld_bench.scoring.combining import combine as mean_of
    from dgmld_bench.scoring.predictions import Predictions

    refuse_overwriting([file], out)
    try:
        result = mean_of(Predictions.load(file))
    except DataError as error:
        raise DataError(error.message, file) from None
    result.save(out)
    typer.echo(f"wrote {out}: {result.method}")
