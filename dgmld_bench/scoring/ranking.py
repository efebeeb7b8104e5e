"""Which order of methods the data support: ranks, how far they are sure, and tie groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dgmld_bench.scoring.statistics import DIGITS, Pairs, Runs, TrainingSpread, training_spread


@dataclass(frozen=True)
class Ranking:
    """Which order of methods the data support; all in the order in which the methods were given.

    A method is surely worse than another where the interval of their difference leaves out zero, widened so that on 95
    of 100 boards no pair at all is called so wrongly (Holm over all pairs). Never with a single training of either.

    Attributes
    ----------
    rank : array of int, shape (method,)
        1 is the lowest Average; equal Averages share a rank.
    low, high : array of int, shape (method,)
        The ranks that a method may have in truth: behind those that are surely better, before those that are surely
        worse. With 95 % all of them hold at once (Mogstad, Romano, Shaikh and Wilhelm, Rev. Econ. Stud. 91, 2024).
    group : array of int, shape (method,)
        Tie groups, runs of neighbours in the ranking: the first method that is surely worse than one of the group
        before begins the next. So no two of a group are told apart. 0 for a method of a single training: it has none.
    """

    rank: NDArray[np.int_]
    low: NDArray[np.int_]
    high: NDArray[np.int_]
    group: NDArray[np.int_]


def rank_methods(errors_mm: Sequence[ArrayLike], spread: TrainingSpread | None = None) -> Ranking:
    """Rank methods by their Average, and say how sure the ranks are.

    Parameters
    ----------
    errors_mm : sequence of arrays, shape (seed, case, landmark)
        One per method; the same cases in the same order with values at the same points, any number of seeds.
    spread : TrainingSpread, optional
        What is known of trainings; by default what these methods show.
    """
    runs = [Runs(e) for e in errors_mm]
    pairs = Pairs(runs, training_spread(errors_mm) if spread is None else spread)
    better = pairs.surely_lower()
    averages = np.array([r.average for r in runs]).round(DIGITS)
    rank = 1 + (averages < averages[:, None]).sum(axis=1)
    group = np.zeros(len(runs), dtype=int)
    members: list[int] = []
    for method in np.argsort(averages, kind="stable"):
        if not pairs.repeated[method]:
            continue
        if not members or better[members, method].any():
            number, members = group.max() + 1, []
        group[method] = number
        members.append(int(method))
    return Ranking(rank, 1 + better.sum(axis=0), len(runs) - better.sum(axis=1), group)


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
