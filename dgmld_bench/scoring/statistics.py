"""Intervals and tests that respect how the errors arose: landmarks of a case are correlated, seeds are few.

Resampling is by case, so that all landmarks of a case go together (cluster bootstrap: Field and Welsh, J. R. Stat.
Soc. B 69, 2007), and by seed where a method has several runs. Intervals are percentile intervals, which are somewhat
too short where cases or seeds are few. The same arguments give the same numbers: every resample comes from one fixed
seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dgmld_bench.errors import DataError
from dgmld_bench.scoring.metrics import mean_radial_error

Array = NDArray[np.float64]

N_RESAMPLES = 10_000
DIGITS = 9
"""Decimals, in millimetres, to which errors are told apart: what lies below depends on the order of a sum."""

_SEED = 20_250_225


def resampling_counts(n: int, n_resamples: int = N_RESAMPLES, *, stream: int = 0) -> Array:
    """Return how often each of ``n`` things is drawn in each bootstrap resample, ``(resample, n)``.

    A resample draws ``n`` times with replacement. Streams are independent of each other: what does not vary together
    (cases, the seeds of one method, the seeds of another) must not be drawn from the same one.
    """
    rng = np.random.default_rng([_SEED, stream])
    counts = rng.multinomial(n, np.full(n, 1 / n), size=n_resamples).astype(np.float64)
    counts.setflags(write=False)
    return counts


_case_counts = lru_cache(maxsize=4)(resampling_counts)  # the same cases for every method of a split


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


def bootstrap_averages(errors_mm: ArrayLike, n_resamples: int = N_RESAMPLES, *, method: int = 0) -> Array:
    """Return the seed-averaged Average of each resample of cases and seeds, ``(resample,)``.

    Calls with the same number of cases resample the same cases, so that methods can be compared resample by resample.
    The seeds of two methods have nothing in common: give each method a number of its own.

    Parameters
    ----------
    errors_mm : array, shape (seed, case, landmark)
        A run without any value is left out.
    n_resamples : int
    method : int
        Which method this is, where several are compared.
    """
    array = np.asarray(errors_mm, dtype=np.float64)
    array = array[~np.isnan(array).all(axis=(1, 2))]
    n_seeds, n_cases = array.shape[:2]
    means = resampled_means(array, _case_counts(n_cases, n_resamples))  # (seed, resample)
    weights = resampling_counts(n_seeds, n_resamples, stream=1 + method).T / n_seeds
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
        None for a single case, which says nothing about others, also where the others have no value.
    """
    array = np.asarray(errors_mm, dtype=np.float64)
    if (~np.isnan(array)).any(axis=(0, 2)).sum() < 2:
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


ALPHA = 0.05
"""Significance level of every paired test."""


@dataclass(frozen=True)
class PairedDifference:
    """What separates method A from method B on the same cases; negative favours A.

    Attributes
    ----------
    difference_mm : float
        A's Average minus B's, each averaged over its seeds.
    ci95_mm : (float, float) or None
        Percentile bootstrap: the same cases drawn for both methods, seeds drawn for each. None for a single case.
    p : float
        Two-sided Wilcoxon signed-rank test on per-case means; 1 where no case differs.
    effect_size : float
        Matched-pairs rank-biserial correlation (Kerby 2014) on per-case means, -1 (A is better in every case) to 1.
    n_cases : int
    """

    difference_mm: float
    ci95_mm: tuple[float, float] | None
    p: float
    effect_size: float
    n_cases: int

    @property
    def is_sure(self) -> bool:
        """Whether the interval leaves out zero and the test is significant: one is soon deceived, both seldom are."""
        low, high = self.ci95_mm or (0.0, 0.0)
        return self.p < ALPHA and (high < 0 or low > 0)


def paired_difference(a_mm: ArrayLike, b_mm: ArrayLike) -> PairedDifference:
    """Compare two methods on the same cases.

    Parameters
    ----------
    a_mm, b_mm : array, shape (seed, case, landmark)
        The same cases and landmarks in the same order, any number of seeds. A point that any run of either method
        lacks is left out of both.

    Raises
    ------
    DataError
        When no point is left.
    """
    a, b = np.asarray(a_mm, dtype=np.float64), np.asarray(b_mm, dtype=np.float64)
    lacking = np.isnan(np.concatenate([a, b])).any(axis=0)  # (case, landmark)
    if lacking.all():
        raise DataError("no point is predicted by every run of both methods")
    a, b = (np.where(lacking, np.nan, e)[:, ~np.all(lacking, axis=1)] for e in (a, b))
    per_case = (case_means(a) - case_means(b)).round(DIGITS)
    interval = None
    if len(per_case) > 1:
        resampled = bootstrap_averages(a, method=0) - bootstrap_averages(b, method=1)
        low, high = np.nanquantile(resampled, [0.025, 0.975])
        interval = float(low), float(high)
    difference = float(mean_radial_error(a).mean() - mean_radial_error(b).mean())
    p = float(_wilcoxon(per_case[:, None])[0])
    return PairedDifference(difference, interval, p, _rank_biserial(per_case), len(per_case))


def _rank_biserial(differences: ArrayLike) -> float:
    """Return the matched-pairs rank-biserial correlation (Kerby 2014): -1 where every difference is negative, to 1.

    Zeros and NaN are left out; 0 where nothing remains.

    >>> _rank_biserial([-1.0, -2.0, 3.0, 0.0])
    0.0
    """
    from scipy.stats import rankdata

    values = np.asarray(differences, dtype=np.float64)
    values = values[~np.isnan(values) & (values != 0)]
    ranks = rankdata(np.abs(values))
    return float((ranks * np.sign(values)).sum() / ranks.sum()) if values.size else 0.0


def _wilcoxon(differences: Array) -> Array:
    """Return the two-sided p of each column of ``(case, pair)``; zeros and NaN left out, 1 where nothing remains."""
    from scipy.stats import wilcoxon

    p = np.ones(differences.shape[1])
    counted = ~np.isnan(differences) & (differences != 0)
    # One tie makes scipy approximate the p of the whole array: only columns without any go together.
    tied = (np.diff(np.sort(np.abs(differences), axis=0), axis=0) == 0).any(axis=0)
    whole = counted.all(axis=0) & ~tied
    if whole.any():
        p[whole] = wilcoxon(differences[:, whole]).pvalue
    for column in np.flatnonzero(~whole & counted.any(axis=0)):
        p[column] = wilcoxon(differences[counted[:, column], column]).pvalue
    return p


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
        1 is the lowest Average; equal Averages share a rank.
    low, high : array of int, shape (method,)
        Ends of the 95 % bootstrap interval of the rank.
    group : array of int, shape (method,)
        Tie groups: 1 holds the best method and every method that is not surely worse, 2 the best of the others and
        those not surely worse than that one, and so on. Surely worse: the paired bootstrap interval of the difference
        lies above zero, and the paired test is significant after Holm's correction over the methods compared with the
        group's first. (Over all pairs, with 13 cases nothing could be significant among 21 methods.)
    """

    rank: NDArray[np.int_]
    low: NDArray[np.int_]
    high: NDArray[np.int_]
    group: NDArray[np.int_]


def rank_methods(errors_mm: Sequence[ArrayLike], *, n_resamples: int = N_RESAMPLES) -> Ranking:
    """Rank methods by their Average, and say how sure the ranks are.

    Parameters
    ----------
    errors_mm : sequence of arrays, shape (seed, case, landmark)
        One per method; the same cases in the same order, any number of seeds.

    Returns
    -------
    Ranking
    """
    from scipy.stats import rankdata

    methods = [np.asarray(e, dtype=np.float64) for e in errors_mm]
    n = len(methods)
    averages = np.array([mean_radial_error(e).mean() for e in methods]).round(DIGITS)
    order = np.argsort(averages, kind="stable")
    rank = 1 + (averages < averages[:, None]).sum(axis=1)
    resampled = np.stack([bootstrap_averages(e, n_resamples, method=i) for i, e in enumerate(methods)], axis=1)
    resampled = resampled.round(DIGITS)  # (resample, method)
    ordered = np.nan_to_num(resampled, nan=np.inf)  # without a value: last
    best, worst = (rankdata(ordered, ends, axis=1) for ends in ("min", "max"))  # methods that tie share these ranks
    low = np.quantile(best, 0.025, axis=0, method="nearest").astype(int)
    high = np.quantile(worst, 0.975, axis=0, method="nearest").astype(int)
    means = np.stack([case_means(e) for e in methods], axis=1)  # (case, method)
    group = np.zeros(n, dtype=int)
    while not group.all():
        first, *others = (m for m in order if not group[m])
        group[first] = number = group.max() + 1
        p = holm(_wilcoxon((means[:, others] - means[:, [first]]).round(DIGITS)))
        lowest = np.nanquantile(resampled[:, others] - resampled[:, [first]], 0.025, axis=0)
        surely_worse = (p < ALPHA) & (lowest > 0)
        group[np.array(others, dtype=int)[~surely_worse]] = number
    return Ranking(rank, np.minimum(low, rank), np.maximum(high, rank), group)


def pairwise_tests(means_mm: Sequence[ArrayLike]) -> Array:
    """Return Wilcoxon p-values between all methods, ``(method, method)``, symmetric, 1 on the diagonal.

    Parameters
    ----------
    means_mm : sequence of arrays, shape (case,)
    """
    n = len(means_mm)
    result = np.ones((n, n))
    rows, columns = np.tril_indices(n, -1)
    if rows.size:
        values = np.asarray(means_mm, dtype=np.float64)
        result[rows, columns] = result[columns, rows] = _wilcoxon((values[rows] - values[columns]).T.round(DIGITS))
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
