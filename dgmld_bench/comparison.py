"""Two methods on the same cases: the difference, how sure it is, and a picture of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dgmld_bench.errors import DataError
from dgmld_bench.metrics import mean_radial_error
from dgmld_bench.statistics import PairedDifference, case_means, holm, paired_difference

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
    """

    name: str
    ids: tuple[str, ...]
    landmarks: tuple[str, ...]
    errors_mm: Array


@dataclass(frozen=True)
class Comparison:
    """Method A against method B; negative differences favour A. ``per_landmark`` has Holm-adjusted p."""

    a: MethodErrors
    b: MethodErrors
    overall: PairedDifference
    per_landmark: dict[str, PairedDifference]

    def to_dict(self) -> dict[str, Any]:
        """Return what ``compare --json`` writes."""
        return {
            "a": {"name": self.a.name, "mre_mm": float(mean_radial_error(self.a.errors_mm).mean())},
            "b": {"name": self.b.name, "mre_mm": float(mean_radial_error(self.b.errors_mm).mean())},
            **asdict(self.overall),
            "per_landmark": {name: asdict(d) for name, d in self.per_landmark.items()},
        }


def compare(a: MethodErrors, b: MethodErrors) -> Comparison:
    """Compare two methods on the cases that both predict.

    Raises
    ------
    DataError
        When landmarks differ or no case is common to both.
    """
    if a.landmarks != b.landmarks:
        raise DataError(f"'{a.name}' and '{b.name}' have different landmarks")
    common = [i for i in a.ids if i in set(b.ids)]
    if not common:
        raise DataError(f"'{a.name}' and '{b.name}' have no case in common")
    errors = [_of_cases(m, common) for m in (a, b)]
    overall = paired_difference(case_means(errors[0]), case_means(errors[1]))
    single = [paired_difference(*(case_means(e[:, :, [k]]) for e in errors)) for k in range(len(a.landmarks))]
    adjusted = holm([d.p for d in single])
    per_landmark = {
        name: PairedDifference(d.difference_mm, d.ci95_mm, float(p), d.effect_size, d.n_cases)
        for name, d, p in zip(a.landmarks, single, adjusted, strict=True)
    }
    return Comparison(a, b, overall, per_landmark)


def _of_cases(method: MethodErrors, ids: Sequence[str]) -> Array:
    place = {case: i for i, case in enumerate(method.ids)}
    return method.errors_mm[:, [place[i] for i in ids]]


def draw_comparison(comparison: Comparison) -> Figure:
    """Draw each case's error under A against its error under B, and the difference per landmark."""
    from matplotlib.figure import Figure

    a, b = comparison.a, comparison.b
    common = [i for i in a.ids if i in set(b.ids)]
    x, y = (case_means(_of_cases(m, common)) for m in (a, b))
    figure = Figure(figsize=(11, 5), dpi=120, layout="constrained")
    left, right = figure.subplots(1, 2)
    top = float(np.nanmax([x, y])) * 1.05
    left.plot([0, top], [0, top], color="0.6", linewidth=1)
    left.scatter(x, y, s=14, color="#2563eb", alpha=0.7)
    left.set(xlim=(0, top), ylim=(0, top), aspect="equal", title="mean radial error per case [mm]")
    left.set(xlabel=f"{a.name} (cases above the line favour it)", ylabel=b.name)
    rows = np.arange(len(comparison.per_landmark))
    differences = list(comparison.per_landmark.values())
    middle = np.array([d.difference_mm for d in differences])
    reach = np.abs(np.array([d.ci95_mm for d in differences]).T - middle)
    right.axvline(0, color="0.6", linewidth=1)
    right.errorbar(middle, rows, xerr=reach, fmt="o", color="#2563eb", capsize=3)
    right.set_yticks(rows, list(comparison.per_landmark))
    right.invert_yaxis()
    right.set(title="difference with 95 % interval [mm]", xlabel=f"← {a.name} better      {b.name} better →")
    return figure
