"""Errors taken apart: the offset that all cases share, the spread around it, and misses.

"2.3 mm" does not say whether a model fails or two hospitals set a point differently. Its parts do: another definition
of a landmark moves all its points alike (offset), a blurred edge scatters them (spread), and a point on another
structure is far from both (miss). The definitions are in ``docs/protocol.md``. Pure functions of differences
"predicted minus reference", shape ``(seed, case, landmark, direction)`` in mm, NaN where there is none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dgmld_bench.missing import mean_of_present
from dgmld_bench.scoring.statistics import ALPHA, half_width

Array = NDArray[np.float64]

MISS_SIGMAS = 5.0
MISS_FLOOR_MM = 2.0
"""No point is a miss that lies this near to where the landmark's points lie: the field counts it as found."""
MIN_CASES = 8
"""With fewer cases of a landmark nothing is said about its offset: chance looks like one."""
N_FOLDS = 20

_MEDIAN_DISTANCE = {2: 1.1774100225154747, 3: 1.5381722544550522}
"""Median length of a vector of 2 or 3 independent standard normal numbers (square root of the median of chi²)."""


@dataclass(frozen=True)
class Parts:
    """The parts of the errors of each run and landmark; NaN for a landmark of fewer than :data:`MIN_CASES` cases.

    Attributes
    ----------
    offset_mm : array, shape (seed, landmark, direction)
        Mean difference of the points that are no misses.
    spread_mm : array, shape (seed, landmark, direction)
        Standard deviation of these points around the offset, n - 1 in the denominator.
    is_miss : bool array, shape (seed, case, landmark)
    limit_mm : array, shape (seed, landmark)
        The distance beyond which a point is a miss.
    squares_mm2 : array, shape (seed, landmark, 3)
        What offset, spread and misses add to the mean squared error; their sum is the mean squared error.
    """

    offset_mm: Array
    spread_mm: Array
    is_miss: NDArray[np.bool_]
    limit_mm: Array
    squares_mm2: Array


def take_apart(differences_mm: ArrayLike, floor_mm: ArrayLike = MISS_FLOOR_MM) -> Parts:
    """Take the errors of every run and landmark apart.

    Parameters
    ----------
    differences_mm : array, shape (seed, case, landmark, direction)
    floor_mm : float or array, shape (landmark,)
        No point is a miss that is nearer than this to the middle of its landmark's points.

    Returns
    -------
    Parts

    Examples
    --------
    >>> shifted = np.zeros((1, 10, 1, 2)) + [3.0, 4.0]
    >>> parts = take_apart(shifted)
    >>> parts.offset_mm[0, 0], parts.spread_mm[0, 0], parts.squares_mm2[0, 0]
    (array([3., 4.]), array([0., 0.]), array([25.,  0.,  0.]))
    """
    values = _checked(differences_mm)
    offset, is_found, limit = _offset(values, floor_mm)
    present = ~np.isnan(values).any(axis=-1)
    number, found = present.sum(axis=1), is_found.sum(axis=1)  # (seed, landmark)
    around = np.where(is_found[..., None], values - offset[:, None], 0.0)
    variance = np.square(around).sum(axis=1) / np.maximum(found - 1, 1)[..., None]  # (seed, landmark, direction)
    length2 = _square(offset)
    scatter = variance.sum(axis=-1) * (found - 1) / np.maximum(found, 1)
    chance = variance.sum(axis=-1) / np.maximum(found, 1)  # what an offset of chance alone is expected to have
    share = found / np.maximum(number, 1)
    of_offset = share * np.maximum(length2 - chance, 0)
    of_spread = share * (length2 + scatter) - of_offset
    of_misses = _sum(_square(values), present & ~is_found) / np.maximum(number, 1)
    squares = np.stack([of_offset, of_spread, of_misses], axis=-1)
    few = np.isnan(limit)
    squares[few] = np.nan
    return Parts(
        offset_mm=offset,
        spread_mm=np.where(few[..., None], np.nan, np.sqrt(variance)),
        is_miss=present & ~is_found & ~few[:, None],
        limit_mm=limit,
        squares_mm2=squares,
    )


def errors_without_offset(differences_mm: ArrayLike, floor_mm: ArrayLike = MISS_FLOOR_MM) -> Array:
    """Return the radial errors that remain when each landmark's offset is taken away, ``(seed, case, landmark)``.

    The offset taken from a case comes from the other cases, so that it is not tuned on it: all others where there are
    at most :data:`N_FOLDS` cases, those of the other folds where there are more (case ``i`` is in fold ``i mod 20``).
    NaN where no offset can be told.
    """
    values = _checked(differences_mm)
    n_cases = values.shape[1]
    errors = np.full(values.shape[:3], np.nan)
    fold_of = np.arange(n_cases) % N_FOLDS
    enough = (~np.isnan(values).any(axis=-1)).sum(axis=1) >= MIN_CASES
    for fold in range(min(n_cases, N_FOLDS) if enough.any() else 0):
        inside = fold_of == fold
        offset, *_ = _offset(values[:, ~inside], floor_mm, least=MIN_CASES - 1)
        errors[:, inside] = np.sqrt(_square(values[:, inside] - offset[:, None]))
    return np.where(enough[:, None], errors, np.nan)


def offset_intervals(differences_mm: ArrayLike, parts: Parts, *, level: float = ALPHA) -> Array:
    """Return the intervals of the seed-averaged offsets, ``(landmark, direction, low and high)``.

    Over cases, and over trainings where there are several: both parts of the variance in closed form, each widened by
    the quantile of its own t distribution (:mod:`dgmld_bench.scoring.statistics`). NaN where no offset can be told.
    """
    values = _checked(differences_mm)
    n_cases = values.shape[1]
    told = ~np.isnan(parts.limit_mm)  # (seed, landmark)
    is_found = ~np.isnan(values).any(axis=-1) & ~parts.is_miss & told[:, None]
    found = is_found.sum(axis=1)
    offset = np.where(told[..., None], parts.offset_mm, 0.0)
    around = np.where(is_found[..., None], values - offset[:, None], 0.0)
    # What a case adds to a run's offset: the mean over cases is the offset, and a point that is left out adds nothing.
    added = around * (n_cases / np.maximum(found, 1))[:, None, :, None]
    trainings = np.maximum(told.sum(axis=0), 1)[:, None]  # (landmark, 1), as all that follows (landmark, direction)
    middle = offset.sum(axis=0) / trainings
    cases = np.square(added.sum(axis=0) / trainings).sum(axis=0) / np.maximum(n_cases - 1, 1) / n_cases
    apart = np.where(told[..., None], offset - middle, 0.0)
    between = np.square(apart).sum(axis=0) / np.maximum(trainings - 1, 1) / trainings
    n_found = is_found.any(axis=0).sum(axis=0)[:, None]
    dfs = [np.broadcast_to(np.maximum(n - 1.0, 1.0), middle.shape) for n in (n_found, trainings)]
    half = half_width(np.stack([cases, between]), np.stack(dfs), level)
    ends = np.stack([middle - half, middle + half], axis=-1)
    ends[~told.any(axis=0)] = np.nan
    return ends


def _checked(differences_mm: ArrayLike) -> Array:
    values = np.asarray(differences_mm, dtype=np.float64)
    if values.ndim != 4 or values.shape[-1] not in _MEDIAN_DISTANCE:
        raise ValueError(f"differences must have shape (seed, case, landmark, 2 or 3), got {values.shape}")
    return np.where(np.isnan(values).any(axis=-1, keepdims=True), np.nan, values)


def _offset(values: Array, floor_mm: ArrayLike, least: int = MIN_CASES) -> tuple[Array, NDArray[np.bool_], Array]:
    """Return the offset, which points are found, and the limit; NaN for landmarks of fewer than ``least`` cases.

    The middle of a landmark's points (median by direction) and their scale (median distance from it) withstand
    misses; the mean of the points near the middle wastes none of those that are found.
    """
    middle = _median(values)
    distance = np.sqrt(_square(values - middle[:, None]))  # (seed, case, landmark)
    sigma = _median(distance) / _MEDIAN_DISTANCE[values.shape[-1]]
    limit = np.maximum(MISS_SIGMAS * sigma, floor_mm)
    limit[(~np.isnan(distance)).sum(axis=1) < least] = np.nan
    with np.errstate(invalid="ignore"):
        is_found = distance <= limit[:, None]
    return mean_of_present(np.where(is_found[..., None], values, np.nan), axis=1), is_found, limit


def _median(values: Array) -> Array:
    """Return the median over cases (axis 1), leaving out NaN, which sorts to the end."""
    ordered = np.sort(values, axis=1)
    number = (~np.isnan(values)).sum(axis=1, keepdims=True)
    low, high = (
        np.take_along_axis(ordered, place, axis=1)[:, 0] for place in (np.maximum(number - 1, 0) // 2, number // 2)
    )
    return np.asarray((low + high) / 2)


def _square(vectors: Array) -> Array:
    return np.asarray(np.einsum("...i,...i->...", vectors, vectors))


def _sum(values: Array, chosen: NDArray[np.bool_]) -> Array:
    return np.asarray(np.where(chosen, values, 0.0).sum(axis=1))
