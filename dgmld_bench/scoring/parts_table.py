"""The parts of one method's errors on one split, by run and landmark: what is said, kept and compared of them.

No coordinates and no single case: offsets, spreads, misses and what they add to the squared error
(:mod:`dgmld_bench.scoring.parts`), so that a board can hold it beside the radial errors.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dgmld_bench.missing import mean_of_present
from dgmld_bench.scoring.metrics import mean_over_cases, mean_radial_error
from dgmld_bench.scoring.parts import MISS_FLOOR_MM, Parts, offset_intervals, take_apart
from dgmld_bench.scoring.statistics import average_interval

Array = NDArray[np.float64]

PARTS = ("offset", "spread", "misses")


@dataclass(frozen=True)
class PartsTable:
    """Offset, spread and misses of a method on a split; NaN for a landmark of too few cases.

    Attributes
    ----------
    directions : tuple of str
        What the positive side of each direction is called.
    offset_mm, spread_mm : array, shape (seed, landmark, direction)
    offset_ci95_mm : array, shape (landmark, direction, low and high)
        Of the offset averaged over seeds.
    misses_percent, miss_beyond_mm : array, shape (seed, landmark)
    squares_mm2 : array, shape (seed, landmark, part)
        What each of :data:`PARTS` adds to the mean squared error.
    without_offset_mm : array, shape (seed, landmark)
        MRE without the offset of the other cases.
    without_offset_ci95_mm : (low, high) or None
        Of its Average, as the Average's own.
    """

    directions: tuple[str, ...]
    offset_mm: Array
    offset_ci95_mm: Array
    spread_mm: Array
    misses_percent: Array
    miss_beyond_mm: Array
    squares_mm2: Array
    without_offset_mm: Array
    without_offset_ci95_mm: tuple[float, float] | None

    @cached_property
    def is_told(self) -> NDArray[np.bool_]:
        """Which landmarks have parts, ``(landmark,)``."""
        return np.asarray(~np.isnan(over_seeds(self.squares_mm2)).any(axis=-1))

    @cached_property
    def by_landmark_mm2(self) -> Array:
        """What each part adds to a landmark's mean squared error, averaged over seeds, ``(landmark, part)``."""
        return over_seeds(self.squares_mm2)

    @cached_property
    def squared_mm2(self) -> Array:
        """The same, averaged over landmarks, ``(part,)``."""
        return np.asarray(self.by_landmark_mm2[self.is_told].mean(axis=0))

    @property
    def shares_percent(self) -> Array:
        """The parts' shares of the squared error of all landmarks, in percent, ``(part,)``."""
        return np.asarray(100 * self.squared_mm2 / self.squared_mm2.sum())

    @property
    def lengths_mm(self) -> Array:
        """Length of the seed-averaged offset, ``(landmark,)``."""
        return np.asarray(np.linalg.norm(over_seeds(self.offset_mm), axis=-1))

    @property
    def mre_without_offset_mm(self) -> Array:
        """The Average without offset of each run that has one, ``(run,)``."""
        per_seed = mean_radial_error(self.without_offset_mm[:, None])
        return np.asarray(per_seed[~np.isnan(per_seed)])

    def to_dict(self, landmarks: tuple[str, ...]) -> dict[str, Any]:
        """Return what ``score --json`` has as ``parts``."""
        per_seed = self.mre_without_offset_mm
        offset, spread = over_seeds(self.offset_mm), over_seeds(self.spread_mm)
        misses, limit = over_seeds(self.misses_percent), over_seeds(self.miss_beyond_mm)
        rest, ends = over_seeds(self.without_offset_mm), self.without_offset_ci95_mm
        return {
            "directions": list(self.directions),
            "share_of_squared_error_percent": named(PARTS, self.shares_percent),
            "misses_percent": float(np.nanmean(misses)),
            "mre_without_offset_mm": {
                "mean": float(per_seed.mean()),
                "std": float(per_seed.std()) if len(per_seed) > 1 else None,
                "ci95": None if ends is None else list(ends),
            },
            "per_landmark": {
                name: {
                    "offset_mm": named(self.directions, offset[i]),
                    "offset_ci95_mm": named(self.directions, self.offset_ci95_mm[i]),
                    "offset_length_mm": float(self.lengths_mm[i]),
                    "spread_mm": named(self.directions, spread[i]),
                    "misses_percent": float(misses[i]),
                    "miss_beyond_mm": float(limit[i]),
                    "mre_without_offset_mm": float(rest[i]),
                    "squared_error_mm2": named(PARTS, self.by_landmark_mm2[i]),
                }
                for i, name in enumerate(landmarks)
                if self.is_told[i]
            },
        }


def parts_table(
    differences_mm: Array, rest_mm: Array, directions: tuple[str, ...], floor_mm: ArrayLike = MISS_FLOOR_MM
) -> PartsTable | None:
    """Take errors apart and gather what follows; None where no landmark has cases enough, or nothing errs.

    Parameters
    ----------
    differences_mm : array, shape (seed, case, landmark, direction)
        Predicted minus reference.
    rest_mm : array, shape (seed, case, landmark)
        Their radial errors without the offset (:func:`dgmld_bench.scoring.parts.errors_without_offset`).
    directions : tuple of str
    floor_mm : float or array, shape (landmark,)
        As :func:`dgmld_bench.scoring.parts.take_apart` takes it.
    """
    parts = take_apart(differences_mm, floor_mm)
    if not np.nansum(parts.squares_mm2) > 0:
        return None
    return PartsTable(
        directions=directions,
        offset_mm=parts.offset_mm,
        offset_ci95_mm=offset_intervals(differences_mm, parts),
        spread_mm=parts.spread_mm,
        misses_percent=_misses_percent(differences_mm, parts),
        miss_beyond_mm=parts.limit_mm,
        squares_mm2=parts.squares_mm2,
        without_offset_mm=mean_over_cases(rest_mm),
        without_offset_ci95_mm=average_interval(rest_mm),
    )


def over_seeds(values: Array) -> Array:
    """Return the mean over the seeds that have a value, NaN where none has."""
    return mean_of_present(values, axis=0)


def named(names: tuple[str, ...], values: Array) -> dict[str, Any]:
    """Return values by name, ready for JSON."""
    return dict(zip(names, values.tolist(), strict=True))


def _misses_percent(differences_mm: Array, parts: Parts) -> Array:
    """Share of misses among the points of each run and landmark, ``(seed, landmark)``."""
    told = ~np.isnan(differences_mm).any(axis=-1) & ~np.isnan(parts.limit_mm)[:, None]
    number = told.sum(axis=1)
    return np.divide(100.0 * parts.is_miss.sum(axis=1), number, out=np.full(number.shape, np.nan), where=number > 0)
