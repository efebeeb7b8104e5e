"""Intervals and tests that respect how the errors arose: landmarks of a case are correlated, seeds are few.

Resampling is by case, so that all landmarks of a case go together, and by seed where a method has several runs. The
same arguments give the same numbers: every resample comes from one fixed seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dgmld_bench.metrics import mean_radial_error

Array = NDArray[np.float64]

N_RESAMPLES = 10_000
_SEED = 20_250_225


@lru_cache(maxsize=8)
def resampling_counts(n: int, n_resamples: int = N_RESAMPLES, *, stream: int = 0) -> Array:
    """Return how often each of ``n`` things is drawn in each bootstrap resample, ``(resample, n)``.

    A resample draws ``n`` times with replacement. Streams are independent of each other: cases and seeds must not
    be drawn from the same one.
    """
    rng = np.random.default_rng([_SEED, stream])
    counts = rng.multinomial(n, np.full(n, 1 / n), size=n_resamples).astype(np.float64)
    counts.setflags(write=False)
    return counts


def resampled_means(errors: ArrayLike, counts: Array) -> Array:
    """Return the Average (mean of per-landmark means) of each resample of the cases.

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
    if present.all():  # the mean of landmark means is the mean of case means
        return np.asarray(array.mean(axis=-1) @ counts.T / array.shape[-2])
    with np.errstate(invalid="ignore", divide="ignore"):
        per_landmark = (counts @ np.where(present, array, 0.0)) / (counts @ present.astype(np.float64))
    drawn = ~np.isnan(per_landmark)
    total = np.where(drawn, per_landmark, 0.0).sum(axis=-1)
    number = drawn.sum(axis=-1)
    return np.divide(total, number, out=np.full(total.shape, np.nan), where=number > 0)


def bootstrap_averages(errors_mm: ArrayLike, n_resamples: int = N_RESAMPLES) -> Array:
    """Return the seed-averaged Average of each resample of cases and seeds, ``(resample,)``.

    Two calls with the same number of cases resample the same cases, so that methods can be compared resample by
    resample.

    Parameters
    ----------
    errors_mm : array, shape (seed, case, landmark)
    """
    array = np.asarray(errors_mm, dtype=np.float64)
    n_seeds, n_cases = array.shape[:2]
    means = resampled_means(array, resampling_counts(n_cases, n_resamples))  # (seed, resample)
    weights = resampling_counts(n_seeds, n_resamples, stream=1).T / n_seeds
    return np.asarray((means * weights).sum(axis=0))


def bootstrap_interval(errors_mm: ArrayLike, *, level: float = 0.95) -> tuple[float, float] | None:
    """Return the percentile bootstrap interval of the seed-averaged Average MRE, resampling cases and seeds.

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
    low, high = np.nanquantile(bootstrap_averages(array), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def case_means(errors_mm: ArrayLike) -> Array:
    """Return each case's mean error over landmarks and seeds: ``(seed, case, landmark)`` to ``(case,)``.

    NaN for a case without a value.
    """
    array = np.asarray(errors_mm, dtype=np.float64)
    present = ~np.isnan(array)
    total = np.where(present, array, 0.0).sum(axis=(0, 2))
    number = present.sum(axis=(0, 2))
    return np.divide(total, number, out=np.full(total.shape, np.nan), where=number > 0)


@dataclass(frozen=True)
class PairedDifference:
    """What separates method A from method B on the same cases; negative favours A.

    Attributes
    ----------
    difference_mm : float
        Mean of A's minus B's error per case.
    ci95_mm : (float, float)
        Percentile bootstrap by case.
    p : float
        Two-sided Wilcoxon signed-rank test on per-case means; 1 where no case differs.
    effect_size : float
        Matched-pairs rank-biserial correlation, -1 (A is better in every case) to 1.
    n_cases : int
    """

    difference_mm: float
    ci95_mm: tuple[float, float]
    p: float
    effect_size: float
    n_cases: int


def paired_difference(a_mm: ArrayLike, b_mm: ArrayLike) -> PairedDifference:
    """Compare two methods case by case.

    Parameters
    ----------
    a_mm, b_mm : array, shape (case,)
        Each case's mean error; cases with NaN in either are left out.
    """
    from scipy.stats import rankdata, wilcoxon

    difference = np.asarray(a_mm, dtype=np.float64) - np.asarray(b_mm, dtype=np.float64)
    difference = difference[~np.isnan(difference)]
    n = len(difference)
    changed = difference[difference != 0]
    p, effect = 1.0, 0.0
    if changed.size:
        p = float(wilcoxon(changed).pvalue)
        ranks = rankdata(np.abs(changed))
        effect = float((ranks[changed > 0].sum() - ranks[changed < 0].sum()) / ranks.sum())
    means = resampling_counts(n) @ difference / n
    low, high = np.quantile(means, [0.025, 0.975])
    return PairedDifference(float(difference.mean()), (float(low), float(high)), p, effect, n)


def holm(p_values: ArrayLike) -> Array:
    """Return Holm's step-down adjusted p-values, in the order given.

    >>> holm([0.01, 0.04, 0.03])
    array([0.03, 0.06, 0.06])
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p))))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


@dataclass(frozen=True)
class Ranking:
    """Which order of methods the data support; all in the order in which the methods were given.

    Attributes
    ----------
    rank : array of int, shape (method,)
        1 is the lowest Average.
    low, high : array of int, shape (method,)
        Ends of the 95 % bootstrap interval of the rank.
    group : array of int, shape (method,)
        Tie groups: 1 holds the best method and every method that cannot be told from it, and so on.
    p : array, shape (method, method)
        Holm-adjusted paired tests between all methods; 1 on the diagonal.
    """

    rank: NDArray[np.int_]
    low: NDArray[np.int_]
    high: NDArray[np.int_]
    group: NDArray[np.int_]
    p: Array


def rank_methods(errors_mm: Sequence[ArrayLike], *, alpha: float = 0.05, n_resamples: int = N_RESAMPLES) -> Ranking:
    """Rank methods by their Average, and say how sure the ranks are.

    Parameters
    ----------
    errors_mm : sequence of arrays, shape (seed, case, landmark)
        One per method; the same cases in the same order, any number of seeds.
    alpha : float
        Significance level that separates tie groups: a group is a leader and the methods after it whose paired
        difference from the leader is not significant after Holm's correction over all pairs.

    Returns
    -------
    Ranking
    """
    methods = [np.asarray(e, dtype=np.float64) for e in errors_mm]
    n = len(methods)
    averages = np.array([mean_radial_error(e).mean() for e in methods])
    order = np.argsort(averages, kind="stable")
    rank = np.empty(n, dtype=int)
    rank[order] = np.arange(1, n + 1)
    resampled = np.stack([bootstrap_averages(e, n_resamples) for e in methods])  # (method, resample)
    ranks = resampled.argsort(axis=0, kind="stable").argsort(axis=0, kind="stable") + 1
    low, high = np.quantile(ranks, [0.025, 0.975], axis=1, method="nearest").astype(int)
    p = pairwise_tests([case_means(e) for e in methods])
    group = np.zeros(n, dtype=int)
    leader = -1
    for place, method in enumerate(order):
        if place == 0 or p[leader, method] < alpha:
            leader = method
            group[method] = group.max() + 1
        else:
            group[method] = group[leader]
    return Ranking(rank, np.minimum(low, rank), np.maximum(high, rank), group, p)


def pairwise_tests(means_mm: Sequence[ArrayLike]) -> Array:
    """Return Holm-adjusted Wilcoxon p-values between all methods, ``(method, method)``, 1 on the diagonal.

    Parameters
    ----------
    means_mm : sequence of arrays, shape (case,)
    """
    from scipy.stats import wilcoxon

    n = len(means_mm)
    result = np.ones((n, n))
    pairs = [(i, j) for i in range(n) for j in range(i)]
    if not pairs:
        return result
    values = np.asarray(means_mm, dtype=np.float64)
    difference = np.stack([values[i] - values[j] for i, j in pairs], axis=1)  # (case, pair)
    p = np.ones(len(pairs))
    usable = (~np.isnan(difference) & (difference != 0)).any(axis=0)
    if usable.any():
        p[usable] = wilcoxon(difference[:, usable], nan_policy="omit").pvalue
    for (i, j), adjusted in zip(pairs, holm(p), strict=True):
        result[i, j] = result[j, i] = adjusted
    return result


def rank_agreement(averages_a: ArrayLike, averages_b: ArrayLike) -> float | None:
    """Return Kendall's tau (b) between the rankings of the same methods on two splits; None for fewer than two.

    >>> rank_agreement([1.0, 2.0, 3.0], [1.5, 1.7, 9.0])
    1.0
    """
    a, b = np.asarray(averages_a, dtype=np.float64), np.asarray(averages_b, dtype=np.float64)
    if len(a) < 2:
        return None
    from scipy.stats import kendalltau

    return float(kendalltau(a, b).statistic)
