"""Intervals and tests that respect how the errors arose: landmarks of a case are correlated, trainings are few.

Two things are drawn by chance: the cases, which are the same for every method, and each method's trainings (seeds). The
variance of an Average has a part from each, in closed form from a table of runs and cases. A part that rests on few
draws is widened by the quantile of its own t distribution (Cochran and Cox, Experimental Designs, 1957, section 4.14):
with three trainings that is 4.3 instead of 2. How much the trainings of a method differ is hard to tell from three of
them, and easier from those of all methods together: these variances are drawn together by as much as they agree (Smyth,
Stat. Appl. Genet. Mol. Biol. 3, 2004). ``python -m benchmarks statistics`` shows what the rules keep of their promise.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dgmld_bench.errors import DataError
from dgmld_bench.missing import mean_of_present

Array = NDArray[np.float64]

ALPHA = 0.05
"""Level of every interval and test."""
DIGITS = 9
"""Decimals, in millimetres, to which errors are told apart: what lies below depends on the order of a sum."""


# --- One method ----------------------------------------------------------------------------------------------------


class Runs:
    """The errors of one method, ``(seed, case, landmark)``, as a table of what each run and case adds to the Average.

    A case adds the deviations of its errors from the landmarks' means, so that points without a value weigh nothing and
    the mean of a run's row is that run's Average. A run without any value is left out.
    """

    def __init__(self, errors_mm: ArrayLike) -> None:
        array = np.asarray(errors_mm, dtype=np.float64)
        array = array[~np.isnan(array).all(axis=(1, 2))]
        if not np.isnan(array).any():
            self.table = array.mean(axis=2)  # (seed, case)
            return
        present = ~np.isnan(array)
        number = present.sum(axis=1)  # (seed, landmark)
        counted = np.maximum(number, 1)
        filled = np.where(present, array, 0.0)
        means = filled.sum(axis=1) / counted
        share = np.where(present, array - means[:, None], 0.0) / counted[:, None]
        n_landmarks = (number > 0).sum(axis=1)[:, None]
        average = means.sum(axis=1, keepdims=True) / n_landmarks
        self.table = average + share.sum(axis=2) * array.shape[1] / n_landmarks

    @property
    def n_seeds(self) -> int:
        """How many trainings."""
        return len(self.table)

    @cached_property
    def cases(self) -> Array:
        """The mean over runs, ``(case,)``."""
        return np.asarray(self.table.mean(axis=0))

    @cached_property
    def average(self) -> float:
        """The mean over runs, in millimetres."""
        return float(self.cases.mean())

    @cached_property
    def between(self) -> float:
        """Variance of the Averages of single runs: trainings differ, and so do single predictions; 0 for one run."""
        return float(self.table.mean(axis=1).var(ddof=1)) if self.n_seeds > 1 else 0.0

    @cached_property
    def within(self) -> float:
        """What single predictions alone, case by case, contribute to :attr:`between`."""
        n_seeds, n_cases = self.table.shape
        if n_seeds < 2 or n_cases < 2:
            return 0.0
        rest = self.table - self.cases - self.table.mean(axis=1, keepdims=True) + self.average
        return float((rest**2).sum()) / ((n_seeds - 1) * (n_cases - 1) * n_cases)


def half_width(variances: Array, dfs: Array, level: float = ALPHA) -> Array:
    """Return half the width of an interval from the parts of a variance and their degrees of freedom, ``(part, ...)``.

    The standard error is widened by the mean of the parts' t quantiles, weighted by the parts.
    """
    from scipy.special import stdtrit

    known, place = np.unique(dfs, return_inverse=True)  # few: quantiles are what costs time
    quantiles = stdtrit(known, 1 - level / 2)[place.reshape(np.shape(dfs))]
    total = variances.sum(axis=0)
    return np.divide(
        (variances * quantiles).sum(axis=0), np.sqrt(total), out=np.zeros(np.shape(total)), where=total > 0
    )


def case_means(errors_mm: ArrayLike) -> Array:
    """Return each case's mean error over landmarks and seeds: ``(seed, case, landmark)`` to ``(case,)``.

    NaN for a case without a value.
    """
    return mean_of_present(errors_mm, axis=(0, 2))


# --- Trainings, and the interval of one method ------------------------------------------------------------------------


@dataclass(frozen=True)
class TrainingSpread:
    """How much the trainings of one method differ, as learnt from several methods.

    Attributes
    ----------
    variance : float
        Of the Averages of a method's runs, as a share of their squared mean: larger errors vary more.
    df : float
        How many degrees of freedom that is worth for one more method: infinite where the methods agree about it, and
        0 where nothing is known.
    known : float
        Degrees of freedom of all methods together: nothing can be known better than that.
    """

    variance: float = 0.0
    df: float = 0.0
    known: float = 0.0

    def of(self, runs: Runs) -> tuple[float, float]:
        """Return the variance of a method's Average over trainings, and its degrees of freedom.

        What single predictions add to it is in the variance over cases already, and subtracted: all of it with many
        degrees of freedom, none with two (by as much the mean of an inverse chi-squared is too high).
        """
        own_df = runs.n_seeds - 1.0
        relative = runs.between / runs.average**2 if runs.average else 0.0
        if np.isinf(self.df):
            relative = self.variance
        elif self.df + own_df > 0:
            relative = (self.df * self.variance + own_df * relative) / (self.df + own_df)
        df = max(min(self.df + own_df, max(self.known, own_df)), 1.0)
        predictions = max(1 - 2 / df, 0.0) * runs.within
        return max(relative * runs.average**2 - predictions, 0.0) / runs.n_seeds, df


def average_interval(errors_mm: ArrayLike) -> tuple[float, float] | None:
    """Return the 95 % interval of the seed-averaged Average MRE, over cases and trainings; of one run, over cases.

    Errors are positive and skewed: the interval is symmetric on a logarithmic scale.

    Parameters
    ----------
    errors_mm : array, shape (seed, case, landmark)

    Returns
    -------
    (low, high) or None
        None for a single case, which says nothing about others, also where the others have no value.
    """
    found = _average_and_half_width(errors_mm)
    if found is None:
        return None
    average, half = found
    factor = float(np.exp(half / average)) if average else 1.0
    return average / factor, average * factor


def share_interval(is_so: ArrayLike) -> tuple[float, float] | None:
    """Return the 95 % interval of a share of points, in percent, over cases and trainings as :func:`average_interval`.

    Symmetric, and cut off at 0 and 100.

    Parameters
    ----------
    is_so : array, shape (seed, case, landmark)
        1 or 0; NaN where there is no point.

    Returns
    -------
    (low, high) or None
        None for a single case, and where all points are alike, which does not say that others are.

    Examples
    --------
    >>> low, high = share_interval(np.arange(40).reshape(1, 40, 1) > 0)
    >>> round(low, 1), high
    (92.4, 100.0)
    """
    found = _average_and_half_width(is_so)
    if found is None or not found[1]:
        return None
    share, half = found
    return max(100 * (share - half), 0.0), min(100 * (share + half), 100.0)


def _average_and_half_width(values: ArrayLike) -> tuple[float, float] | None:
    array = np.asarray(values, dtype=np.float64)
    array = array[:, ~np.isnan(array).all(axis=(0, 2))]
    n_cases = array.shape[1]
    if n_cases < 2:
        return None
    runs = Runs(array)
    parts = [(runs.cases.var(ddof=1) / n_cases, n_cases - 1.0)]
    if runs.n_seeds > 1:
        parts.append(TrainingSpread().of(runs))
    variances, dfs = np.array(parts).T
    return runs.average, float(half_width(variances, dfs))


def training_spread(errors_mm: Iterable[ArrayLike]) -> TrainingSpread:
    """Learn from several methods how much trainings differ.

    Their relative variances are taken as drawn from a scaled inverse chi-squared distribution, whose scale and degrees
    of freedom follow from mean and variance of their logarithms (Smyth 2004, section 6.2).

    Parameters
    ----------
    errors_mm : arrays, shape (seed, case, landmark)
        One per method. Those of one run say nothing, nor do runs that are copies of each other.
    """
    from scipy.optimize import brentq
    from scipy.special import digamma, polygamma

    runs = [Runs(e) for e in errors_mm]
    runs = [r for r in runs if r.n_seeds > 1 and r.average and r.between > 10.0 ** (-2 * DIGITS)]
    if not runs:
        return TrainingSpread()
    relative = np.array([r.between / r.average**2 for r in runs])
    half = np.array([r.n_seeds - 1 for r in runs]) / 2
    known = float(2 * half.sum())
    logs = np.log(relative) - digamma(half) + np.log(half)
    excess = logs.var(ddof=1) - polygamma(1, half).mean() if len(runs) > 1 else 0.0
    if excess <= 0:  # they differ no more than chance makes them
        return TrainingSpread(float((relative * half).sum() / half.sum()), np.inf, known)
    # polygamma falls from infinity to 0
    prior = np.exp(brentq(lambda log: polygamma(1, np.exp(log)) - excess, -30, 30))
    return TrainingSpread(float(np.exp(logs.mean() + digamma(prior) - np.log(prior))), 2 * float(prior), known)


# --- Two methods -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PairedDifference:
    """What separates method A from method B on the same cases; negative favours A.

    Attributes
    ----------
    difference_mm : float
        A's Average minus B's, each averaged over its seeds.
    ci95_mm : (float, float) or None
        Over cases, the same for both, and over each method's trainings. None for a single case.
    p : float
        Two-sided, of the hypothesis of no difference: below 5 % where the interval leaves out zero.
    effect_size : float
        Matched-pairs rank-biserial correlation (Kerby 2014) on per-case means, -1 (A is better in every case) to 1.
    n_cases : int
    n_trainings : (int, int)
        Of A and of B. One training says nothing of the next: then interval and p are of these trainings alone.
    """

    difference_mm: float
    ci95_mm: tuple[float, float] | None
    p: float
    effect_size: float
    n_cases: int
    n_trainings: tuple[int, int]

    @property
    def is_sure(self) -> bool:
        """Whether the methods are told apart; never with a single training of either."""
        return self.p < ALPHA and min(self.n_trainings) > 1


def paired_difference(a_mm: ArrayLike, b_mm: ArrayLike, spread: TrainingSpread | None = None) -> PairedDifference:
    """Compare two methods on the same cases.

    Parameters
    ----------
    a_mm, b_mm : array, shape (seed, case, landmark)
        The same cases and landmarks in the same order, any number of seeds. A point that any run of either method
        lacks is left out of both.
    spread : TrainingSpread, optional
        What is known of trainings; by default what these two methods show.

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
    pairs = Pairs([Runs(a), Runs(b)], training_spread([a, b]) if spread is None else spread)
    difference = pairs.difference[0, 1]
    interval = None
    if pairs.n_cases > 1:
        half = pairs.half_widths()[0, 1]
        interval = float(difference - half), float(difference + half)
    return PairedDifference(
        difference_mm=float(difference),
        ci95_mm=interval,
        p=pairs.p_of_first(),
        effect_size=_rank_biserial((case_means(a) - case_means(b)).round(DIGITS)),
        n_cases=pairs.n_cases,
        n_trainings=(len(a), len(b)),
    )


class Pairs:
    """All differences between methods whose errors have values at the same points; arrays are ``(method, method)``."""

    def __init__(self, runs: Sequence[Runs], spread: TrainingSpread) -> None:
        cases = np.stack([r.cases for r in runs])  # (method, case)
        n, self.n_cases = cases.shape
        averages = np.array([r.average for r in runs])
        self.difference = (averages[:, None] - averages).round(DIGITS)
        self.repeated = np.array([r.n_seeds > 1 for r in runs])
        of_trainings = np.array([spread.of(r) if r.n_seeds > 1 else (0.0, 1.0) for r in runs])
        deviations = cases - averages[:, None]
        products = deviations @ deviations.T
        squares = np.diag(products)
        paired = np.maximum(squares[:, None] + squares - 2 * products, 0.0)
        paired[paired < 10.0 ** (-2 * DIGITS) * self.n_cases] = 0.0  # equal but for the order of sums
        of_cases = paired / max(self.n_cases * (self.n_cases - 1), 1)
        variance, df = (np.repeat(v[:, None], n, axis=1) for v in of_trainings.T)
        self.variances = np.stack([of_cases, variance, variance.T])
        self.dfs = np.stack([np.full((n, n), max(self.n_cases - 1.0, 1.0)), df, df.T])

    def half_widths(self, level: float = ALPHA) -> Array:
        """Return half the widths of the intervals of the differences."""
        return half_width(self.variances, self.dfs, level)

    def p_of_first(self) -> float:
        """Return the two-sided p of the difference of the first two: the level whose interval just holds zero."""
        from scipy.optimize import brentq

        difference = abs(self.difference[0, 1])
        variances, dfs = self.variances[:, 0, 1], self.dfs[:, 0, 1]
        if difference == 0 or self.n_cases < 2:
            return 1.0
        if variances.sum() == 0:
            return 0.0

        def over(log_level: float) -> float:
            return float(half_width(variances, dfs, np.exp(log_level))) - float(difference)

        lowest = -30.0
        return float(np.exp(brentq(over, lowest, 0.0))) if over(lowest) > 0 else 0.0

    def surely_lower(self, level: float = ALPHA) -> NDArray[np.bool_]:
        """Return which method surely has a lower Average than which, all pairs taken together (Holm)."""
        possible = self.repeated[:, None] & self.repeated & ~np.eye(len(self.repeated), dtype=bool)
        sure = np.zeros_like(possible)
        n_pairs = int(possible.sum()) // 2
        while self.n_cases > 1:
            n_left = max(n_pairs - int(sure.sum()), 1)
            found = possible & (-self.difference > self.half_widths(level / n_left))
            if (found == sure).all():
                break
            sure = found
        return sure


def pairwise(errors_mm: Sequence[ArrayLike], spread: TrainingSpread) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Compare every method with every other as :func:`paired_difference` does, many at once.

    Returns
    -------
    difference, half_width : array, shape (method, method)
        Row minus column, and half the width of its interval; NaN where two have no point or no two cases in common.
    is_sure : bool array, shape (method, method)
    """
    methods = [np.asarray(e, dtype=np.float64) for e in errors_mm]
    n = len(methods)
    difference, half_width = np.full((2, n, n), np.nan)
    lacking: list[NDArray[np.bool_]] = [np.asarray(np.isnan(e).any(axis=0)) for e in methods]
    alike: dict[bytes, list[int]] = {}
    for i, points in enumerate(lacking):
        alike.setdefault(points.tobytes(), []).append(i)
    for members in alike.values():  # those that have the same points
        gone = lacking[members[0]]
        if not gone.all():
            present = ~gone.all(axis=1)
            kept = [np.where(gone, np.nan, methods[i])[:, present] for i in members]
            pairs = Pairs([Runs(e) for e in kept], spread)
            difference[np.ix_(members, members)] = pairs.difference
            if pairs.n_cases > 1:
                half_width[np.ix_(members, members)] = pairs.half_widths()
    for i in range(n):
        for j in range(i):
            common = ~(lacking[i] | lacking[j])
            if common.any() and not np.array_equal(lacking[i], lacking[j]):
                found = paired_difference(methods[i], methods[j], spread)
                difference[i, j], difference[j, i] = found.difference_mm, -found.difference_mm
                if found.ci95_mm is not None:
                    half_width[i, j] = half_width[j, i] = (found.ci95_mm[1] - found.ci95_mm[0]) / 2
    repeated = np.array([len(e) > 1 for e in methods])
    return difference, half_width, (np.abs(difference) > half_width) & repeated[:, None] & repeated


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
