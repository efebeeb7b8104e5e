"""Two methods on the same cases: the difference, how sure it is, and a picture of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dgmld_bench.drawing import title_of
from dgmld_bench.errors import DataError
from dgmld_bench.scoring.errors_table import ErrorsTable
from dgmld_bench.scoring.parts_difference import PartsDifference, parts_difference
from dgmld_bench.scoring.statistics import PairedDifference, TrainingSpread, holm, paired_difference

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Comparison:
    """Method A against method B; negative differences favour A. ``per_landmark`` has Holm-adjusted p.

    ``parts`` says which part of the errors the difference is; None where one of the two does not know its parts, or
    they are compared on fewer points than those were told from.
    """

    a: ErrorsTable
    b: ErrorsTable
    overall: PairedDifference
    per_landmark: dict[str, PairedDifference]
    parts: PartsDifference | None = None

    @property
    def better(self) -> ErrorsTable | None:
        """The method that the difference surely favours, if any."""
        return (self.a if self.overall.difference_mm < 0 else self.b) if self.overall.is_sure else None

    @property
    def is_of_equals(self) -> bool:
        """Whether both have the same error at every point, as a file and its copy do."""
        return np.array_equal(self.a.errors_mm, self.b.errors_mm, equal_nan=True)

    def to_dict(self) -> dict[str, Any]:
        """Return what ``compare --json`` writes."""
        return {
            "a": {"name": self.a.name, "mre_mm": float(self.a.per_seed_mm.mean())},
            "b": {"name": self.b.name, "mre_mm": float(self.b.per_seed_mm.mean())},
            **asdict(self.overall),
            "per_landmark": {name: asdict(d) for name, d in self.per_landmark.items()},
            "parts": self.parts and self.parts.to_dict(),
        }


def compare(a: ErrorsTable, b: ErrorsTable, spread: TrainingSpread | None = None) -> Comparison:
    """Compare two methods on the points that every run of both predicts; the result holds these points only.

    Parameters
    ----------
    a, b : ErrorsTable
    spread : TrainingSpread, optional
        How much trainings differ on the split, where the board knows; by default what these two methods show. Single
        landmarks differ otherwise, and are always compared by themselves.

    Raises
    ------
    DataError
        When landmarks or references differ, or no point is common to both.
    """
    if a.landmarks != b.landmarks:
        raise DataError(f"'{a.name}' and '{b.name}' have different landmarks")
    if set(a.cases) == set(b.cases) and a.reference_sha256 != b.reference_sha256:  # the hash is of the cases on disk
        raise DataError(
            f"'{a.name}' and '{b.name}' were measured against different references "
            f"({a.reference_sha256[:12]} and {b.reference_sha256[:12]}); score both on the same data"
        )
    common = tuple(c for c in a.cases if c in set(b.cases))
    if not common:
        raise DataError(f"'{a.name}' and '{b.name}' have no case in common")
    a, b = a.of_cases(common), b.of_cases(common)
    parts = parts_difference(a, b)
    shared = np.asarray(~np.isnan(np.concatenate([a.errors_mm, b.errors_mm])).any(axis=0))  # (case, landmark)
    a, b = (replace(m, errors_mm=np.where(shared, m.errors_mm, np.nan)) for m in (a, b))
    single = {
        name: paired_difference(a.errors_mm[:, :, [k]], b.errors_mm[:, :, [k]])
        for k, name in enumerate(a.landmarks)
        if shared[:, k].any()
    }
    adjusted = holm([d.p for d in single.values()])
    per_landmark = {name: replace(d, p=float(p)) for (name, d), p in zip(single.items(), adjusted, strict=True)}
    return Comparison(a, b, paired_difference(a.errors_mm, b.errors_mm, spread), per_landmark, parts)


def draw_comparison(comparison: Comparison) -> Figure:
    """Draw each case's error under A against its error under B, and the differences with their intervals."""
    from matplotlib.figure import Figure

    a, b = comparison.a, comparison.b
    a_name, b_name = title_of(a.name), title_of(b.name)
    x, y = a.per_case_mm, b.per_case_mm
    rows = {**comparison.per_landmark, "Average": comparison.overall}
    figure = Figure(figsize=(11, max(5.0, 0.3 * len(rows))), dpi=120, layout="constrained")
    left, right = figure.subplots(1, 2)

    top = max(float(np.nanmax([x, y])) * 1.05, 0.1)  # also where nothing errs
    left.fill_between([0, top], [0, top], top, color="#2563eb", alpha=0.06, linewidth=0)
    left.plot([0, top], [0, top], color="0.6", linewidth=1)
    left.scatter(x, y, s=14, color="#2563eb", alpha=0.7)
    left.set(xlim=(0, top), ylim=(0, top), aspect="equal", title="Mean radial error of each case, mm")
    left.set(xlabel=f"A: {a_name}   (better in the shaded half)", ylabel=f"B: {b_name}")

    middle = np.array([d.difference_mm for d in rows.values()])
    ends = np.array([d.ci95_mm or (d.difference_mm, d.difference_mm) for d in rows.values()])
    for row in range(len(rows)):
        total = row == len(rows) - 1
        style = {"color": "0.1" if total else "#2563eb", "linewidth": 2.5 if total else 1.5}
        right.plot(ends[row], [row, row], solid_capstyle="butt", **style)
        right.plot(middle[row], row, "D" if total else "o", markersize=5, color=style["color"])
    right.axvline(0, color="0.6", linewidth=1)
    right.set_yticks(range(len(rows)), list(rows))
    right.invert_yaxis()
    right.set(title="Difference A − B with 95 % interval, mm", xlabel="← A better        B better →")
    return figure
