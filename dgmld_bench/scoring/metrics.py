"""Radial errors, MRE, SDR and biometric errors: pure NumPy, vectorised over any leading axes.

Arrays end in ``(case, landmark)`` or ``(case, landmark, axis)``; whatever stands before (seeds, methods) is kept.
NaN marks what is missing: a reference point that does not exist, or a prediction that was not made.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dgmld_bench import geometry
from dgmld_bench.missing import mean_of_present

Array = NDArray[np.float64]

SDR_THRESHOLDS_MM = (2.0, 2.5, 3.0, 4.0)
SDR_CURVE_MM = np.arange(61) / 10  # 0, 0.1, ..., 6.0


def radial_errors(predicted: ArrayLike, reference: ArrayLike) -> Array:
    """Return the Euclidean distance between points, in their unit.

    Points in pixels stay in pixels here and are multiplied by the spacing once, afterwards: measured in
    millimetre coordinates, errors that are exact ties (20 px = 2 mm) fall on either side of a threshold.

    Parameters
    ----------
    predicted, reference : array, shape (..., axis)

    Returns
    -------
    array, shape (...)

    Examples
    --------
    >>> radial_errors([[3.0, 4.0]], [[0.0, 0.0]])
    array([5.])
    """
    return geometry.distances(predicted, reference)


def mean_over_cases(errors: ArrayLike) -> Array:
    """Return the mean over cases, leaving out what is missing: ``(..., case, landmark)`` to ``(..., landmark)``.

    NaN where no case has a value.

    >>> mean_over_cases([[1.0, 2.0], [3.0, np.nan]])
    array([2., 2.])
    """
    return mean_of_present(errors, axis=-2)


def mean_radial_error(errors: ArrayLike) -> Array:
    """Return the "Average" of the paper's Table 2: the mean of the per-landmark MREs, ``(...)``.

    Landmarks that no case has are left out.

    >>> float(mean_radial_error([[1.0, 2.0], [3.0, np.nan]]))
    2.0
    """
    return mean_of_present(mean_over_cases(errors), axis=-1)


def success_rates(
    errors_mm: ArrayLike,
    thresholds_mm: ArrayLike = SDR_THRESHOLDS_MM,
    *,
    expected: ArrayLike | None = None,
    strict: bool = False,
) -> Array:
    """Return the SDR: the percentage of radial errors at or below each threshold, over cases and landmarks.

    Parameters
    ----------
    errors_mm : array, shape (..., case, landmark)
    thresholds_mm : array, shape (threshold,)
    expected : bool array, shape (case, landmark), optional
        Which points have a reference. A point that is expected and has no error counts as a miss. All points
        with an error when it is not given.
    strict : bool
        Count errors below the threshold only, as some published code does.

    Returns
    -------
    array, shape (..., threshold)
        Percent; NaN when nothing is expected.

    Examples
    --------
    >>> success_rates([[2.0, 2.4, np.nan, 5.0]], [2.0, 2.5], expected=np.ones((1, 4), bool))
    array([25., 50.])
    >>> success_rates([[2.0, 2.4]], [2.0], strict=True)
    array([0.])
    """
    array = np.asarray(errors_mm, dtype=np.float64)
    limits = np.asarray(thresholds_mm, dtype=np.float64)
    present = ~np.isnan(array)
    counted = present if expected is None else np.broadcast_to(np.asarray(expected, dtype=bool), array.shape)
    values = np.where(present & counted, array, np.inf).reshape(*array.shape[:-2], -1)
    compare = np.less if strict else np.less_equal
    hits = np.stack([compare(values, limit).sum(axis=-1) for limit in limits], axis=-1)
    total = counted.sum(axis=(-2, -1))[..., None]
    share = np.divide(hits, total, out=np.full(hits.shape, np.nan), where=total > 0)
    return np.asarray(share * 100)


def lengths(points: ArrayLike, pairs: Sequence[tuple[int, int]]) -> Array:
    """Return the lengths of biometrics: ``(..., landmark, axis)`` to ``(..., biometric)``.

    Parameters
    ----------
    points : array, shape (..., landmark, axis)
    pairs : sequence of (start, end)
        :meth:`dgmld_bench.landmarks.LandmarkSet.biometric_indices`.

    Examples
    --------
    >>> lengths([[0.0, 0.0, 0.0], [0.0, 3.0, 4.0]], [(0, 1)])
    array([5.])
    """
    array = np.asarray(points, dtype=np.float64)
    if not pairs:
        return np.empty((*array.shape[:-2], 0))
    starts, ends = (list(side) for side in zip(*pairs, strict=True))
    return radial_errors(array[..., starts, :], array[..., ends, :])
