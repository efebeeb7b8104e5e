"""What is missing is NaN, and means are of what is there."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def mean_of_present(values: ArrayLike, axis: int | tuple[int, ...]) -> Array:
    """Return the mean over axes of the values that are there, NaN where none is.

    >>> mean_of_present([[1.0, 2.0, np.nan], [3.0, np.nan, np.nan]], axis=0)
    array([ 2.,  2., nan])
    """
    array = np.asarray(values, dtype=np.float64)
    present = ~np.isnan(array)
    total, count = np.where(present, array, 0.0).sum(axis=axis), present.sum(axis=axis)
    return np.divide(total, count, out=np.full(np.shape(total), np.nan), where=count > 0)
