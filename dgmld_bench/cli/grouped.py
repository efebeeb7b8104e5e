"""How errors by group of cases are printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dgmld_bench.terminal import print_whole, titled_table
from dgmld_bench.text import p_value, signed

if TYPE_CHECKING:
    from rich.console import Console

    from dgmld_bench.scoring.groups import ByGroup, DifferenceByGroup, GroupTest


def print_groups(console: Console, grouped: ByGroup) -> None:
    """Print a method's errors by group, with intervals and a bar each, and whether the groups differ."""
    from rich.bar import Bar
    from rich.markup import escape

    table = titled_table(f"By {grouped.by}", "", "cases", "Average, mm", "95 % interval", "")
    top = max((g.ci95_mm or (0.0, g.mean_mm))[1] for g in grouped.groups)
    for group in grouped.groups:
        low, high = group.ci95_mm or (None, None)
        interval = "–" if low is None else f"{low:.3f} … {high:.3f}"
        bar = Bar(top or 1.0, 0, group.mean_mm, width=12, color="cyan")
        table.add_row(escape(group.name), str(group.n_cases), f"{group.mean_mm:.3f}", interval, bar)
    console.print()
    print_whole(console, table)
    _says(console, grouped.test, "errors differ between groups", grouped.n_unknown)


def print_difference_by_group(console: Console, grouped: DifferenceByGroup) -> None:
    """Print the difference of two methods by group, and whether it depends on the group."""
    from rich.markup import escape

    table = titled_table(f"By {grouped.by}", "", "cases", "A − B, mm", "95 % interval")
    for name, difference in grouped.groups:
        ends = difference.ci95_mm
        interval = "–" if ends is None else f"{signed(ends[0], 3)} … {signed(ends[1], 3)}"
        table.add_row(escape(name), str(difference.n_cases), signed(difference.difference_mm, 3), interval)
    console.print()
    print_whole(console, table)
    _says(console, grouped.test, "the difference depends on the group (interaction)", grouped.n_unknown)


def _says(console: Console, test: GroupTest, question: str, n_unknown: int) -> None:
    if test.p is None:
        console.print(f"Whether {question} is not tested: {test.reason}.", soft_wrap=True)
    else:
        p = p_value(test.p)
        p = p if p.startswith("<") else f"= {p}"
        console.print(
            f"That {question}: p {p}, by permutation of {test.n_cases} cases in {test.n_groups} groups "
            "[dim](of these trainings)[/].",
            soft_wrap=True,
        )
    if n_unknown:
        console.print(f"[yellow]note:[/] {n_unknown} cases are in no group: theirs is not known")
