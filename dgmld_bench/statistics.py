"""Intervals and tests that respect how the errors arose: landmarks of a case are correlated, seeds are few.

Resampling is always by case: all landmarks of a case, in all runs, go together.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

N_RESAMPLES = 10_000
SEED = 20_250_225


def resampling_counts(n_cases: int, n_resamples: int = N_RESAMPLES, seed: int = SEED) -> Array:
    """Return how often each case is drawn in each bootstrap resample, ``(resample, case)``.

    A resample draws ``n_cases`` cases with replacement; the same arguments give the same counts.
    """
    rng = np.random.default_rng(seed)
    return rng.multinomial(n_cases, np.full(n_cases, 1 / n_cases), size=n_resamples).astype(np.float64)


def resampled_means(errors: ArrayLike, counts: Array) -> Array:
    """Return the Average (mean of per-landmark means) of each resample.

    Parameters
    ----------
    errors : array, shape (..., case, landmark)
        NaN where missing.
    counts : array, shape (resample, case)

    Returns
    -------
    array, shape (..., resample)
        NaN for a resample in which no case has a value.
    """
    array = np.asarray(errors, dtype=np.float64)
    present = ~np.isnan(array)
    with np.errstate(invalid="ignore", divide="ignore"):
        per_landmark = (counts @ np.where(present, array, 0.0)) / (counts @ present.astype(np.float64))
    drawn = ~np.isnan(per_landmark)
    total = np.where(drawn, per_landmark, 0.0).sum(axis=-1)
    number = drawn.sum(axis=-1)
    return np.divide(total, number, out=np.full(total.shape, np.nan), where=number > 0)


def bootstrap_interval(errors_mm: ArrayLike, *, level: float = 0.95) -> tuple[float, float] | None:
    """Return the percentile bootstrap interval of the seed-averaged Average MRE, resampling cases.

    Parameters
    ----------
    errors_mm : array, shape (seed, case, landmark)
    level : float

    Returns
    -------
    (low, high) or None
        None for a single case, which says nothing about others.
    """
    array = np.asarray(errors_mm, dtype=np.float64)
    if array.shape[1] < 2:
        return None
    means = resampled_means(array, resampling_counts(array.shape[1])).mean(axis=0)
    low, high = np.nanquantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
