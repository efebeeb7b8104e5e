"""The way out to a terminal: whatever is shown goes through here, so that no foreign text is obeyed by a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dgmld_bench.text import inert

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.progress import Progress as Bars
    from rich.progress import TaskID
    from rich.table import Table

    from dgmld_bench.files import Progress


def echo(message: str = "", *, err: bool = False) -> None:
    """Print a line; what a terminal could obey in it is shown as U+FFFD."""
    print(inert(message), file=sys.stderr if err else sys.stdout, flush=True)


def make_console(*, stderr: bool = False, soft_wrap: bool = False, markup: bool = True) -> Console:
    """Return a console that colours nothing by itself and lets no foreign control character through."""
    from rich.console import Console
    from rich.segment import Segment

    class InertConsole(Console):
        def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
            for segment in super().render(renderable, options):
                yield segment if segment.control else Segment(inert(segment.text), segment.style)

    return InertConsole(stderr=stderr, highlight=False, soft_wrap=soft_wrap, markup=markup)


def width_of(console: Console, shown: RenderableType) -> int:
    """Return how many columns something takes when nothing of it is wrapped or cut."""
    return console.measure(shown, options=console.options.update(width=1000)).maximum


def print_whole(console: Console, table: RenderableType) -> None:
    """Print a table uncut: on a terminal that is too narrow its lines run over, because half a number misleads."""
    width = console.width
    console.width = max(width, width_of(console, table))
    console.print(table)
    console.width = width


def titled_table(title: str, first: str, *headings: str) -> Table:
    """Return an empty table under its title: names at the left, numbers at the right, as wide as its title."""
    from rich import box
    from rich.table import Table

    table = Table(
        title=title, title_justify="left", title_style="bold", box=box.SIMPLE, show_edge=False, pad_edge=False
    )
    table.min_width = len(title)
    table.add_column(first, no_wrap=True)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


@contextmanager
def progress_bars(console: Console) -> Iterator[Progress]:
    """Give a callable ``(step, done, total)`` that shows one bar per step; silent where there is no terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with (
        Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars,
        steps_of(bars) as report,
    ):
        yield report


@contextmanager
def steps_of(bars: Bars) -> Iterator[Progress]:
    """Give a callable ``(step, done, total)`` that shows one bar per step among others, and takes them away after."""
    tasks: dict[str, TaskID] = {}

    def report(step: str, done: int, total: int) -> None:
        if step not in tasks:
            tasks[step] = bars.add_task(step, total=total, note="")
        bars.update(tasks[step], completed=done, total=total)

    try:
        yield report
    finally:
        for task in tasks.values():
            bars.remove_task(task)
