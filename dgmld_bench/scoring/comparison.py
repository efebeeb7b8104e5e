"""Two methods on the same cases: the difference, how sure it is, and a picture of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dgmld_bench.errors import DataError
from dgmld_bench.scoring.metrics import mean_radial_error
from dgmld_bench.scoring.statistics import PairedDifference, case_means, holm, paired_difference

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[np.float64]


@dataclass(frozen=True)
class MethodErrors:
    """The radial errors of one method on one split: from a score, or from the board, without coordinates.

    Attributes
    ----------
    name : str
    ids, landmarks : tuple of str
    errors_mm : array, shape (seed, case, landmark)
    reference_sha256 : str
        Of the reference that they were measured against.
    """

    name: str
    ids: tuple[str, ...]
    landmarks: tuple[str, ...]
    errors_mm: Array
    reference_sha256: str


@dataclass(frozen=True)
class Comparison:
    """Method A against method B; negative differences favour A. ``per_landmark`` has Holm-adjusted p."""

    a: MethodErrors
    b: MethodErrors
    overall: PairedDifference
    per_landmark: dict[str, PairedDifference]

    @property
    def better(self) -> MethodErrors | None:
        """The method that interval and test of the difference favour; None where either does not."""
        return (self.a if self.overall.difference_mm < 0 else self.b) if self.overall.is_sure else None

    def to_dict(self) -> dict[str, Any]:
        """Return what ``compare --json`` writes."""
        return {
            "a": {"name": self.a.name, "mre_mm": float(mean_radial_error(self.a.errors_mm).mean())},
            "b": {"name": self.b.name, "mre_mm": float(mean_radial_error(self.b.errors_mm).mean())},
            **asdict(self.overall),
            "per_landmark": {name: asdict(d) for name, d in self.per_landmark.items()},
        }


def compare(a: MethodErrors, b: MethodErrors) -> Comparison:
    """Compare two methods on the points that every run of both predicts; the result holds these points only.

    Raises
    ------
    DataError
        When landmarks or references differ, or no point is common to both.
    """
    if a.landmarks != b.landmarks:
        raise DataError(f"'{a.name}' and '{b.name}' have different landmarks")
    if set(a.ids) == set(b.ids) and a.reference_sha256 != b.reference_sha256:  # the hash is of the cases on disk
        raise DataError(
            f"'{a.name}' and '{b.name}' were measured against different references "
            f"({a.reference_sha256[:12]} and {b.reference_sha256[:12]}); score both on the same data"
        )
    common = tuple(i for i in a.ids if i in set(b.ids))
    if not common:
        raise DataError(f"'{a.name}' and '{b.name}' have no case in common")
    errors = [_of_cases(m, common) for m in (a, b)]
    shared = np.asarray(~np.isnan(np.concatenate(errors)).any(axis=0))  # (case, landmark)
    a, b = (replace(m, ids=common, errors_mm=np.where(shared, e, np.nan)) for m, e in zip((a, b), errors, strict=True))
    single = {
        name: paired_difference(a.errors_mm[:, :, [k]], b.errors_mm[:, :, [k]])
        for k, name in enumerate(a.landmarks)
        if shared[:, k].any()
    }
    adjusted = holm([d.p for d in single.values()])
    per_landmark = {name: replace(d, p=float(p)) for (name, d), p in zip(single.items(), adjusted, strict=True)}
    return Comparison(a, b, paired_difference(a.errors_mm, b.errors_mm), per_landmark)


def _of_cases(method: MethodErrors, ids: Sequence[str]) -> Array:
    place = {case: i for i, case in enumerate(method.ids)}
    return method.errors_mm[:, [place[i] for i in ids]]


def draw_comparison(comparison: Comparison) -> Figure:
    """Draw each case's error under A against its error under B, and the differences with their intervals."""
    from matplotlib.figure import Figure

    a, b = comparison.a, comparison.b
    a_name, b_name = (m.name[:40].replace("$", r"\$") for m in (a, b))  # a dollar would begin a formula
    x, y = case_means(a.errors_mm), case_means(b.errors_mm)
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
