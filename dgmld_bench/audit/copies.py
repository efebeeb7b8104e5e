"""Whether one image is a copy of another: equal voxel by voxel, but for a shift, a flip and a change of grey values.

A likeness of thumbnails cannot say so: population averages of one age are alike without sharing anybody. A copy is one
where the grey value of each voxel tells that of the other image, fine grain and noise included.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dgmld_bench.audit.duplicates import poses

Array = NDArray[np.float32]

TOLD = 0.98
"""Share of an image's variance that the other's grey values must tell, over what is brighter than the background. Seen:
20 films of ISBI-2015 that were stored twice, shifted, changed in grey values and compressed anew, 0.994 to 1; CRL and
Chinese atlases of equal age 0.25 to 0.88; different films at most 0.73."""

_BINS = 256
_BACKGROUND = 0.05  # of the way from the 1st to the 99.5th percentile


def is_copy(first: NDArray, second: NDArray, *, upright: bool = False) -> bool:
    """Whether two images ``(i, j[, k])`` as stored show the same recording, flipped or as it stands (``upright``).

    Images on other grids are never called copies: resampling leaves a likeness.
    """
    if first.ndim != second.ndim:
        return False
    one, two = first.astype(np.float32), second.astype(np.float32)
    for order, flips in poses(first.ndim)[: 1 if upright else None]:
        turned = np.transpose(two, order)[tuple(slice(None, None, -1 if f else 1) for f in flips)]
        if share_told(one, turned) >= TOLD:
            return True
    return False


def share_told(first: Array, second: Array) -> float:
    """Return the share of variance that grey values of one image tell of the other, after the best whole shift.

    The smaller of both directions. Images of another size are laid corner to corner; only what both cover counts.
    """
    one, two = _overlap(first, second, _shift(first, second))
    if not one.size:
        return 0.0
    seen = _bright(one) | _bright(two)
    if np.count_nonzero(seen) < one.size // 100:
        return 0.0
    return min(_told(one[seen], two[seen]), _told(two[seen], one[seen]))


def _shift(first: Array, second: Array) -> tuple[int, ...]:
    """Return by how many voxels the second image is moved to lie best on the first (cross-correlation)."""
    size = tuple(max(a, b) for a, b in zip(first.shape, second.shape, strict=True))
    axes = tuple(range(first.ndim))
    spectra = [np.fft.rfftn(a - a.mean(), size, axes) for a in (first, second)]
    likeness = np.fft.irfftn(spectra[0] * np.conj(spectra[1]), size, axes)
    best = np.unravel_index(int(likeness.argmax()), size)
    return tuple(int(k) if k <= n // 2 else int(k) - n for k, n in zip(best, size, strict=True))


def _overlap(first: Array, second: Array, shift: tuple[int, ...]) -> tuple[Array, Array]:
    ours, theirs = [], []
    for k, a, b in zip(shift, first.shape, second.shape, strict=True):
        start, stop = max(0, k), min(a, b + k)
        ours.append(slice(start, max(start, stop)))
        theirs.append(slice(start - k, max(start, stop) - k))
    return first[tuple(ours)], second[tuple(theirs)]


def _bright(image: Array) -> NDArray[np.bool_]:
    low, high = np.percentile(image, [1, 99.5])
    return np.asarray(image > low + _BACKGROUND * (high - low))


def _told(values: Array, other: Array) -> float:
    """Return the correlation ratio: the share of ``other``'s variance that its mean at each grey value explains."""
    low, high, spread = float(values.min()), float(values.max()), float(other.var(dtype=np.float64))
    if high <= low or not spread:
        return 0.0
    level = ((values - low) * ((_BINS - 1) / (high - low))).astype(np.intp)
    count = np.bincount(level, minlength=_BINS)
    mean = np.bincount(level, other, minlength=_BINS) / np.maximum(count, 1)
    return 1.0 - float(np.mean((other - mean[level]) ** 2)) / spread
