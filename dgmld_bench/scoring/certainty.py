"""What a model knows of its error: whether it points at its own misses, and what a promised radius is worth.

Pure functions. A *doubt* is any number that is greater where a model is less sure: how far its seeds are apart, or one
minus a confidence that the predictions carry. Only its order counts.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dgmld_bench.scoring.metrics import mean_radial_error

Array = NDArray[np.float64]

COVERAGES = (1.0, 0.95, 0.9, 0.8, 0.7, 0.5)
"""Shares of the points, surest first, at which the risk-coverage curve is written down."""
N_RESAMPLES = 1_000
MIN_CASES_WITH_MISS = 15
"""With fewer cases that have a miss, resampled cases do not show how far another set of misses would lie."""
_SEED = 20_250_225


def seed_spread(points: ArrayLike) -> Array:
    """Return how far the seeds' points lie apart: the root of the summed variances over the directions.

    Parameters
    ----------
    points : array, shape (seed, case, landmark, direction)
        At least two seeds; n - 1 in the denominator.

    Returns
    -------
    array, shape (case, landmark)
        NaN where a seed has no point.

    Examples
    --------
    >>> seed_spread([[[[0.0, 0.0]]], [[[3.0, 4.0]]]]) ** 2  # (1.5² + 2²) * 2
    array([[12.5]])
    """
    return np.asarray(np.sqrt(np.var(np.asarray(points, dtype=np.float64), axis=0, ddof=1).sum(axis=-1)))


def auroc(doubt: ArrayLike, is_miss: ArrayLike, weights: ArrayLike | None = None) -> Array:
    """Return how often a miss is doubted more than a point that is found, ties counting half.

    Parameters
    ----------
    doubt, is_miss : array, shape (point,)
    weights : array, shape (resample, point), optional
        How often each point counts.

    Returns
    -------
    array, shape () or (resample,)
        NaN where there are no misses, or nothing else.

    Examples
    --------
    >>> float(auroc([1.0, 2.0, 2.0, 3.0], [False, False, True, True]))
    0.875
    """
    values, miss = np.asarray(doubt, dtype=np.float64), np.asarray(is_miss, dtype=bool)
    counts = np.ones((1, len(values))) if weights is None else np.asarray(weights, dtype=np.float64)
    _, level = np.unique(values, return_inverse=True)
    order = np.argsort(level, kind="stable")
    starts = np.flatnonzero(np.diff(level[order], prepend=-1))
    per_level = [np.add.reduceat((counts * side)[:, order], starts, axis=1) for side in (miss, ~miss)]
    misses, found = per_level
    below = np.cumsum(found, axis=1) - found / 2
    pairs = misses.sum(axis=1) * found.sum(axis=1)
    share = np.divide((misses * below).sum(axis=1), pairs, out=np.full(len(counts), np.nan), where=pairs > 0)
    return np.asarray(share[0] if weights is None else share)


def auroc_interval(doubt: ArrayLike, is_miss: ArrayLike, level: float = 0.95) -> tuple[float, float] | None:
    """Return the percentile bootstrap interval of :func:`auroc`, resampling cases with all their landmarks.

    Parameters
    ----------
    doubt, is_miss : array, shape (case, landmark)
        NaN in ``doubt`` where there is no point.

    Returns
    -------
    (low, high) or None
        None with fewer than :data:`MIN_CASES_WITH_MISS` cases that have a miss.
    """
    values, miss = np.asarray(doubt, dtype=np.float64), np.asarray(is_miss, dtype=bool)
    there = ~np.isnan(values)
    if (miss & there).any(axis=1).sum() < MIN_CASES_WITH_MISS:
        return None
    case = np.broadcast_to(np.arange(len(values))[:, None], values.shape)
    resampled = auroc(values[there], miss[there], _resamples(len(values))[:, case[there]])
    low, high = np.nanquantile(resampled, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


@cache
def _resamples(n: int) -> Array:
    """Return how often each of ``n`` cases is drawn in each resample, ``(resample, n)``; always the same."""
    rng = np.random.default_rng([_SEED, 0])
    counts = rng.multinomial(n, np.full(n, 1 / n), size=N_RESAMPLES).astype(np.float64)
    counts.flags.writeable = False  # one array for all who ask
    return counts


def risk_coverage(doubt: ArrayLike, errors_mm: ArrayLike, coverages: ArrayLike = COVERAGES) -> Array:
    """Return the mean error of the share of the points that are doubted least, ``(coverage,)``.

    Points of equal doubt count with the mean error of all of them: their order says nothing.

    Parameters
    ----------
    doubt, errors_mm : array, shape (point,)

    Examples
    --------
    >>> risk_coverage([0.1, 0.2, 0.3, 0.4], [1.0, 1.0, 2.0, 8.0], [1.0, 0.75, 0.5])
    array([3.        , 1.33333333, 1.        ])
    """
    errors = np.asarray(errors_mm, dtype=np.float64)
    _, level, number = np.unique(np.asarray(doubt, dtype=np.float64), return_inverse=True, return_counts=True)
    alike = np.bincount(level, weights=errors) / number
    ordered = np.cumsum(np.repeat(alike, number))
    kept = np.maximum(np.ceil(np.asarray(coverages) * len(errors) - 1e-9).astype(int), 1)
    return np.asarray(ordered[kept - 1] / kept)


def conformal_radii(errors_mm: ArrayLike, level: float = 0.9) -> Array:
    """Return the radius of each landmark that holds a new case's point with at least this probability.

    Split-conformal prediction (Papadopoulos et al. 2002; Lei et al. 2018): the ⌈(n + 1) level⌉-th smallest error of n
    cases that were not trained on. It promises something for cases of the same kind only.

    Parameters
    ----------
    errors_mm : array, shape (..., case, landmark)
        NaN where there is none.

    Returns
    -------
    array, shape (..., landmark)
        NaN where the cases are too few for any radius: 9 are needed for 90 %.

    Examples
    --------
    >>> conformal_radii(np.arange(1.0, 20.0)[:, None])
    array([18.])
    """
    ordered = np.sort(np.asarray(errors_mm, dtype=np.float64), axis=-2)
    number = (~np.isnan(ordered)).sum(axis=-2)
    place = np.ceil((number + 1) * level - 1e-9).astype(int)
    enough = (place <= number) & (number > 0)
    index = np.where(enough, place - 1, 0)[..., None, :]
    return np.where(enough, np.take_along_axis(ordered, index, axis=-2)[..., 0, :], np.nan)


def covered(errors_mm: ArrayLike, radii_mm: ArrayLike) -> Array:
    """Return 1 for each point within its landmark's radius, 0 beyond it, NaN without error or radius.

    Parameters
    ----------
    errors_mm : array, shape (..., case, landmark)
    radii_mm : array, shape (..., landmark)

    Examples
    --------
    >>> covered([[1.0, 3.0], [2.0, np.nan]], [2.0, 2.0])
    array([[ 1.,  0.],
           [ 1., nan]])
    """
    errors, radii = np.asarray(errors_mm, dtype=np.float64), np.asarray(radii_mm, dtype=np.float64)[..., None, :]
    known = ~np.isnan(errors) & ~np.isnan(radii)
    with np.errstate(invalid="ignore"):
        return np.where(known, (errors <= radii).astype(np.float64), np.nan)


def held_percent(calibration_mm: ArrayLike, errors_mm: ArrayLike, level: float = 0.9) -> float | None:
    """Return the share of points that lie within the radii of other cases, as the Average weighs them, over all runs.

    Parameters
    ----------
    calibration_mm, errors_mm : array, shape (seed, case, landmark)
        Of the same runs: on the cases that give the radii, and on those that they are tried on.

    Returns
    -------
    float or None
        None where the cases are too few for any radius.

    Examples
    --------
    >>> errors = np.arange(1.0, 21.0)[None, :, None]
    >>> held_percent(errors, errors + 1), held_percent(errors[:, :5], errors)
    (90.0, None)
    """
    held = 100 * covered(errors_mm, conformal_radii(calibration_mm, level))
    return None if np.isnan(held).all() else float(np.nanmean(mean_radial_error(held)))
