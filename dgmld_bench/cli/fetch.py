"""``dgmld-bench download``: data onto the user's disk."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from dgmld_bench.cli.app import DataDir


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(download)


def download(
    sources: Annotated[
        list[str] | None, typer.Argument(help="Sources, as `dgmld-bench datasets` lists them. Default: dgmld.")
    ] = None,
    size: Annotated[
        Literal["full", "small"], typer.Option(help="phantom only: 315 cases, or the first 46 of them for a try.")
    ] = "full",
    data_dir: DataDir = None,
) -> None:
    """Get a source's data: the phantom is generated; for the others, prints how to get and import them.

    dgmld-bench download phantom
    """
    from dgmld_bench.errors import DataError
    from dgmld_bench.sources import get_source, how_to_get

    missing = []
    for name in sources or ["dgmld"]:
        get_source(name)
        if name == "phantom":
            _generate(size, data_dir)
        else:
            missing.append(f"source '{name}' is not fetched by this version. {how_to_get(name)}")
    if missing:
        raise DataError("\n".join(missing))


def _generate(size: Literal["full", "small"], data_dir: DataDir) -> None:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from dgmld_bench.sources.phantom import SOURCE

    columns = (TextColumn("generating the phantom"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress:
        task = progress.add_task("", total=None)
        register = SOURCE.generate(
            data_dir, size=size, progress=lambda done, total: progress.update(task, completed=done, total=total)
        )
    typer.echo(f"{len(register.cases)} simulated cases are in {register.folder}")
