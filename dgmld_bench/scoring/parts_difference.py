"""Which part of two methods' errors their difference is: offset, spread or misses."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgmld_bench.scoring.errors_table import ErrorsTable
from dgmld_bench.scoring.parts_table import PARTS, PartsTable, named
from dgmld_bench.scoring.statistics import PairedDifference, paired_difference

Array = NDArray[np.float64]


@dataclass(frozen=True)
class PartsDifference:
    """What separates the parts of A and B, over the landmarks that both know; negative favours A.

    Attributes
    ----------
    landmarks : tuple of str
    a_mm2, b_mm2 : array, shape (landmark, part)
        What each part adds to the mean squared error.
    a_rest_mm, b_rest_mm : float
        MRE without the offset of the other cases.
    rest : PairedDifference or None
        Their difference, where the errors without offset are at hand: the board keeps none.
    """

    landmarks: tuple[str, ...]
    a_mm2: Array
    b_mm2: Array
    a_rest_mm: float
    b_rest_mm: float
    rest: PairedDifference | None

    @property
    def difference_mm2(self) -> Array:
        """By how much each part of A's squared error is greater, averaged over landmarks, ``(part,)``."""
        return np.asarray((self.a_mm2 - self.b_mm2).mean(axis=0))

    @property
    def most(self) -> str:
        """The part that differs most."""
        return PARTS[int(np.abs(self.difference_mm2).argmax())]

    def to_dict(self) -> dict[str, Any]:
        """Return what ``compare --json`` has as ``parts``."""
        a, b = (named(PARTS, side.mean(axis=0)) for side in (self.a_mm2, self.b_mm2))
        return {
            "squared_error_mm2": {"a": a, "b": b, "difference": named(PARTS, self.difference_mm2)},
            "most": self.most,
            "mre_without_offset_mm": {
                "a": self.a_rest_mm,
                "b": self.b_rest_mm,
                "difference": self.a_rest_mm - self.b_rest_mm,
                "paired": self.rest and asdict(self.rest),
            },
            "per_landmark": {
                name: named(PARTS, difference)
                for name, difference in zip(self.landmarks, self.a_mm2 - self.b_mm2, strict=True)
            },
        }


def parts_difference(a: ErrorsTable, b: ErrorsTable) -> PartsDifference | None:
    """Compare the parts of two methods on the same cases; None where they are not known of the same points.

    Parameters
    ----------
    a, b : ErrorsTable
        With the same cases and landmarks, in the same order.
    """
    if a.parts is None or b.parts is None:
        return None
    absent = np.isnan(np.concatenate([a.errors_mm, b.errors_mm]))
    if (absent != absent[0]).any():  # a point that one lacks is among the parts of the other
        return None
    told = a.parts.is_told & b.parts.is_told
    if not told.any():
        return None
    paired = None
    if a.rest_mm is not None and b.rest_mm is not None:
        paired = paired_difference(a.rest_mm[:, :, told], b.rest_mm[:, :, told])
    names = tuple(name for name, known in zip(a.landmarks, told, strict=True) if known)
    return PartsDifference(
        landmarks=names,
        a_mm2=a.parts.by_landmark_mm2[told],
        b_mm2=b.parts.by_landmark_mm2[told],
        a_rest_mm=_average(a.parts, told),
        b_rest_mm=_average(b.parts, told),
        rest=paired,
    )


def _average(parts: PartsTable, told: NDArray[np.bool_]) -> float:
    return float(np.nanmean(parts.without_offset_mm[:, told].mean(axis=1)))
