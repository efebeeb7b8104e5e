"""Submissions that are too good to be taken at their word: flagged for a person to look at, never refused.

References of most splits are public, so that anyone can hand them in, a little moved. The rules look at radial errors
only, which is what the board keeps, and are written down in ``docs/protocol.md``.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from dgmld_bench.scoring.errors_table import ErrorsTable
from dgmld_bench.scoring.metrics import mean_radial_error

Array = NDArray[np.float64]

FAR_BELOW = 3.0
"""How many times smaller than the middle method's an Average must be to be far below."""
MIN_OTHERS = 5
NOISE_SHARE = 0.1
"""Errors of several trainings that share less than this look like noise drawn anew for every point."""
MIN_POINTS = 200
"""Pairs of points below which chance makes errors of a model share as little."""
ONE_TRAINING_SHARE, ONE_TRAINING_POINTS, TAIL_TOLERANCE = 0.02, 1000, 0.05
_ITSELF_MM = 1e-3

_NORMAL_TAIL = {2: (4 / np.pi - 1) ** 0.5, 3: (3 * np.pi / 8 - 1) ** 0.5}
"""Standard deviation over mean of the length of a vector of 2 or 3 independent normal numbers."""


def find_implausible(
    errors: ErrorsTable, dimension: int, others_mm: Sequence[float], people: ErrorsTable | None
) -> tuple[str, ...]:
    """Return the flags of a row that a person should look at.

    Parameters
    ----------
    errors : ErrorsTable
        Of the submission on a split.
    dimension : int
        2 or 3.
    others_mm : sequence of float
        The Averages of the other submissions on this split.
    people : ErrorsTable or None
        Distances of the two annotators whose mean is the reference, where there are two.
    """
    average = float(mean_radial_error(errors.errors_mm).mean())
    flags = []
    if people is not None and people.parts is not None and average < people_floor_mm(people):
        flags.append("below-people")
    if looks_like_noise(errors.errors_mm, dimension):
        flags.append("like-noise")
    if len(others_mm) >= MIN_OTHERS and average * FAR_BELOW < np.median(others_mm):
        flags.append("far-below")
    return tuple(flags)


def people_floor_mm(people: ErrorsTable) -> float:
    """Return how near to the mean of two annotators even the true points would lie, on average over landmarks.

    Each annotator's own scatter, which no other point can know, moves their mean by half of what lies between the two
    once the constant part of it, two definitions of a landmark, is taken away.
    """
    assert people.parts is not None
    return float(np.nanmean(people.parts.without_offset_mm)) / 2


def looks_like_noise(errors_mm: Array, dimension: int) -> bool:
    """Return whether radial errors ``(seed, case, landmark)`` look like noise added to the reference.

    A model errs alike where a case is hard: in all of its trainings, and at several landmarks. Noise knows nothing of
    that. Of few points nothing is said.
    """
    if float(np.nanmean(errors_mm)) < _ITSELF_MM:
        return True  # the reference itself
    n_seeds, n_cases, n_landmarks = errors_mm.shape
    between_trainings, within_case = shared_errors(errors_mm)
    pairs = n_cases * n_landmarks * n_seeds * (n_seeds - 1) // 2
    if pairs >= MIN_POINTS and between_trainings + within_case < NOISE_SHARE:
        return True
    tail = float(np.nanmean(np.nanstd(errors_mm, axis=1) / np.nanmean(errors_mm, axis=1)))
    return (
        n_cases * n_landmarks >= ONE_TRAINING_POINTS
        and within_case < ONE_TRAINING_SHARE
        and abs(tail - _NORMAL_TAIL[dimension]) < TAIL_TOLERANCE
    )


def shared_errors(errors_mm: Array) -> tuple[float, float]:
    """Return how much errors know of each other, as mean rank correlations over the cases.

    Returns
    -------
    between_trainings : float
        Of the same landmark in two trainings; NaN for one training.
    within_case : float
        Of two landmarks in one training.

    Examples
    --------
    >>> same = np.arange(12.0).reshape(1, 4, 3).repeat(2, axis=0)
    >>> shared_errors(same)
    (1.0, 1.0)
    """
    scores = _rank_scores(errors_mm)
    pairs = [float((scores[a] * scores[b]).mean()) for a, b in combinations(range(len(scores)), 2)]
    n_landmarks = scores.shape[2]
    square_of_mean = np.square(scores.mean(axis=2)).mean()
    within = (float(square_of_mean) * n_landmarks - 1) / (n_landmarks - 1)
    return (float(np.mean(pairs)) if pairs else float("nan")), within


def _rank_scores(errors_mm: Array) -> Array:
    """Return ranks over the cases of each training and landmark, with mean 0 and variance 1; 0 for what is missing."""
    from scipy.stats import rankdata

    ranks = rankdata(errors_mm, axis=1, nan_policy="omit")
    centred = ranks - np.nanmean(ranks, axis=1, keepdims=True)
    width = np.nanstd(ranks, axis=1, keepdims=True)
    return np.nan_to_num(np.divide(centred, width, out=np.zeros_like(centred), where=width > 0))
