"""What a split's page says about groups of cases: choices of order and digits, and no metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from dgmld_bench.leaderboard import plots
from dgmld_bench.leaderboard.model import Row
from dgmld_bench.scoring.groups import ByGroup
from dgmld_bench.text import p_value


@dataclass(frozen=True)
class Cell:
    """A method's error in one group: text, interval as text, and a small plot of both."""

    text: str
    interval: str
    spark: Markup


@dataclass(frozen=True)
class Line:
    """One method: a cell per group, and p of their difference, empty where it was not asked."""

    label: str
    cells: tuple[Cell, ...]
    p: str


@dataclass(frozen=True)
class GroupTable:
    """Methods by groups; ``heads`` are names and numbers of cases, ``note`` says what was tested."""

    by: str
    heads: tuple[tuple[str, int], ...]
    lines: tuple[Line, ...]
    note: str


def group_tables(rows: Sequence[Row], labels: Mapping[str, str]) -> list[GroupTable]:
    """Return a table for each way to group the cases of a split; none where nothing is known.

    Parameters
    ----------
    rows : sequence of Row
        In the order of the page.
    labels : mapping of row id to name
    """
    found: dict[str, list[tuple[str, ByGroup]]] = {}
    for row in rows:
        for one in row.groups:
            found.setdefault(one.by, []).append((labels[row.id], one))
    return [_table(by, known) for by, known in found.items()]


def _table(by: str, known: Sequence[tuple[str, ByGroup]]) -> GroupTable:
    first = known[0][1]
    heads = tuple((group.name, group.n_cases) for group in first.groups)
    alike = [(label, one) for label, one in known if tuple((g.name, g.n_cases) for g in one.groups) == heads]
    tops = [g.ci95_mm[1] if g.ci95_mm else g.mean_mm for _, one in alike for g in one.groups]
    middle = sorted(tops)[len(tops) // 2]
    limits = (0.0, min(max(tops), 2.5 * middle) or 1.0)
    lines = tuple(
        Line(
            label,
            tuple(
                Cell(
                    f"{g.mean_mm:.2f}",
                    "" if g.ci95_mm is None else f"{g.ci95_mm[0]:.2f}–{g.ci95_mm[1]:.2f}",
                    plots.interval_cell(g.mean_mm, g.ci95_mm, limits),
                )
                for g in one.groups
            ),
            "" if one.test.p is None else p_value(one.test.p),
        )
        for label, one in alike
    )
    test = first.test
    note = f"Not tested: {test.reason}." if test.reason else f"p: {test.n_cases} cases in {test.n_groups} groups."
    if first.n_unknown:
        note += f" Of {first.n_unknown} cases it is not known."
    return GroupTable(by, heads, lines, note)
