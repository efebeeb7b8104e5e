"""``dgmld-bench combine``: the mean of several runs, as a method of its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dgmld_bench.cli.options import DataDir, file_argument, refuse_overwriting
from dgmld_bench.terminal import echo, make_console, print_whole

if TYPE_CHECKING:
    from dgmld_bench.scoring.combining import Pool, Step


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(combine)


def combine(
    files: Annotated[
        list[Path], file_argument("Predictions JSON with several runs, or several files of one track, of any methods.")
    ],
    out: Annotated[Path, typer.Option(help="The predictions JSON to write.", show_default=False)],
    choose: Annotated[
        str | None,
        typer.Option(
            help="A validation split: take only those runs whose mean is best there, by forward selection.",
            show_default=False,
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="What to call it. Default: that it is a mean, and of how many.")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Write the mean of several runs as predictions of their own.

    The method's name says that it is a mean: it took as many trainings as there are
    runs, so the board lists it beside the methods, not in their place.

    Examples:

        dgmld-bench combine preds.json --out mean.json

        dgmld-bench combine one.json two.json --choose isbi-val --out best.json
    """
    from dgmld_bench.errors import DataError
    from dgmld_bench.scoring.combining import Pool
    from dgmld_bench.scoring.combining import choose as choose_runs
    from dgmld_bench.scoring.combining import combine as mean_of
    from dgmld_bench.scoring.predictions import Predictions
    from dgmld_bench.scoring.reference import load_reference

    refuse_overwriting(files, out)
    reference = None if choose is None else load_reference(choose, data_dir)
    try:
        pool = Pool(tuple(Predictions.load(file) for file in files))
        if reference is not None:
            steps = choose_runs(pool, reference)
            _print_steps(pool, steps, reference.split.name)
            pool = pool.of_runs(step.place for step in steps)
        result = mean_of(pool, name=name, chosen_on=choose)
    except DataError as error:
        raise DataError(error.message, error.file or (files[0] if len(files) == 1 else None)) from None
    result.save(out)
    echo(f"wrote {out}: {result.method}")
    every = dict.fromkeys(split for p in pool.files for split in p.splits)
    if left := [split for split in every if split not in pool.splits]:
        echo(f"left out, not predicted by all: {', '.join(left)}")


def _print_steps(pool: Pool, steps: list[Step], split: str) -> None:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    console = make_console()
    table = Table(box=box.SIMPLE, show_edge=False, pad_edge=False, header_style="bold")
    table.add_column("taken")
    table.add_column(f"mean of these, {escape(split)} \\[mm]", justify="right")
    for step in steps:
        table.add_row(escape(pool.labels[step.place]), f"{step.mre_mm:.3f}")
    print_whole(console, table)
    if left := len(pool.labels) - len(steps):
        console.print(f"[dim]{left} more would not make it smaller.[/]\n")
