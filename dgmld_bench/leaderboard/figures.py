"""Figure 3 of the paper from the board's rows: SDR curves with a band over seeds, one panel per split and backbone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dgmld_bench.leaderboard import plots
from dgmld_bench.leaderboard.layouts import in_paper_order, shown_rows
from dgmld_bench.leaderboard.model import Row, SplitBoard
from dgmld_bench.leaderboard.submissions import slug
from dgmld_bench.scoring.metrics import SDR_CURVE_MM, success_rates
from dgmld_bench.text import clean

FIGURES = "figures"
"""Folder of the panels in the site, each a picture that stands alone."""


@dataclass(frozen=True)
class Panel:
    """The row of each method with one backbone on one split, as many as there are colours.

    Of several rows it is the one without a tag, else the best.
    """

    split: str
    backbone: str
    file: str
    rows: tuple[Row, ...]

    @property
    def title(self) -> str:
        """Split and backbone."""
        return f"{self.split}, {clean(self.backbone, 40)}"

    @property
    def curves(self) -> list[plots.Curve]:
        """The curves, in the paper's order of methods."""
        return [curve_of(row, f"{self.file.removesuffix('.svg')}-{i}", row.name) for i, row in enumerate(self.rows)]


def panels(split: SplitBoard) -> list[Panel]:
    """Return the panels of a split, by backbone."""
    rows = [row for row in shown_rows(split) if row.kind == "measured" and row.average is not None]
    found: list[Panel] = []
    for backbone in sorted({row.backbone for row in rows}):
        of_method: dict[str, Row] = {}
        for row in sorted((r for r in rows if r.backbone == backbone), key=lambda r: (bool(r.tag), _average(r))):
            of_method.setdefault(row.method, row)
        chosen = tuple(in_paper_order(sorted(of_method.values(), key=_average)[: plots.N_COLOURS]))
        name = f"{split.split.name}-{slug(backbone)[:60] or 'other'}"
        taken = {p.file for p in found}
        names = (f"{name}.svg", *(f"{name}-{i}.svg" for i in range(2, len(found) + 2)))
        found.append(Panel(split.split.name, backbone, next(f for f in names if f not in taken), chosen))
    return found


def curve_of(row: Row, key: str, name: str) -> plots.Curve:
    """Return the SDR curve of a row whose errors are at hand."""
    errors = np.asarray(row.errors_mm)
    percent = success_rates(errors, SDR_CURVE_MM)  # (seed, threshold)
    std = percent.std(axis=0) if len(errors) > 1 else None
    return plots.Curve(key, name, percent.mean(axis=0), std)


def _average(row: Row) -> float:
    return row.average.mean if row.average else np.inf
