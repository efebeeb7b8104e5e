"""Small pictures of cases that can be compared: one physical grid, one pose, structure instead of brightness.

A *thumbnail* is the band-passed image (a difference of Gaussians a few millimetres wide), sampled on a grid around the
head's centre: outlines and tissue borders count, and not how bright or how large the whole is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dgmld_bench import geometry

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Scale:
    """How fine thumbnails are, in millimetres.

    Attributes
    ----------
    cells : int
        Along each axis of the grid.
    step_mm : float
        Edge of a cell.
    band_mm : (float, float)
        Standard deviations of the two Gaussians: more than half a cell, so that moving loses little.
    """

    cells: int
    step_mm: float
    band_mm: tuple[float, float]

    def points(self, dimension: int) -> Array:
        """Return the centres of the cells in mm around the middle, ``(cell, axis)``."""
        along = (np.arange(self.cells) - (self.cells - 1) / 2) * self.step_mm
        return np.stack(np.meshgrid(*[along] * dimension, indexing="ij"), axis=-1).reshape(-1, dimension)


FINE = {3: Scale(48, 2.25, (1.5, 3.0)), 2: Scale(120, 2.0, (1.2, 2.6))}
"""108 mm around the centre of a fetal head; a film of 240 mm."""

ROUGH = {3: Scale(24, 4.5, (3.0, 6.0)), 2: Scale(60, 4.0, (2.4, 5.2))}
"""Half as fine: for finding what to compare in turned poses."""

BLOCKS_MM = {3: (1.6, 3.2), 2: (1.0, 2.0)}
"""Images are averaged to blocks of about these sizes first: for fine thumbnails, and for rough ones and the head."""

_CLIP = 3.0  # in standard deviations of the band-passed thumbnail: metal and film edges must not decide
_FOREGROUND = 0.15  # of the way from the 1st to the 99.5th percentile


@dataclass(frozen=True)
class Thumbnail:
    """Two band-passed samplings of one image, each of zero mean and unit variance.

    Attributes
    ----------
    upright : float16 array, shape (cell, ...), :data:`FINE`
        Along the world's axes around the head's centre (2D: the film's), so that shifts do not matter.
    posed : float16 array, shape (cell, ...), :data:`ROUGH`
        Along the head's own principal axes, up to the signs of the axes, so that rotations do not matter either. In
        2D along the film's, which has a border to go by.
    axes : array, shape (d, d)
        Columns: the axes of ``posed`` in the world.
    """

    upright: NDArray[np.float16]
    posed: NDArray[np.float16]
    axes: Array


def block_mean(image: NDArray, affine_mm: Array, step_mm: float) -> tuple[NDArray[np.float32], Array]:
    """Average blocks of an image to cells of about a size, and return them with their affine."""
    sizes = geometry.voxel_sizes(affine_mm)
    blocks = np.clip(np.rint(step_mm / sizes).astype(int), 1, image.shape)
    mean = image
    for axis, block in enumerate(blocks):  # one axis after the other: much faster than all at once
        whole = image.shape[axis] // block * block
        layers = [mean[(slice(None),) * axis + (slice(k, whole, block),)] for k in range(block)]
        total = layers[0].astype(np.float32)
        for layer in layers[1:]:
            total += layer
        mean = total / np.float32(block)
    to_stored = np.diag([*blocks.astype(float), 1.0])
    to_stored[:-1, -1] = (blocks - 1) / 2
    return mean.astype(np.float32, copy=False), affine_mm @ to_stored


def foreground(coarse: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return the largest part of a coarse image that is brighter than its background, without holes."""
    low, high = np.percentile(coarse, [1, 99.5])
    bright = coarse > low + _FOREGROUND * (high - low)
    parts, count = ndimage.label(bright)
    if count > 1:
        sizes = np.bincount(parts.ravel())
        sizes[0] = 0
        bright = parts == sizes.argmax()
    return np.asarray(ndimage.binary_fill_holes(bright))


def make_thumbnail(
    fine: NDArray[np.float32], fine_affine: Array, rough: NDArray[np.float32], rough_affine: Array
) -> tuple[Thumbnail, NDArray[np.bool_]]:
    """Sample an image, averaged to two sizes of blocks, upright and along its principal axes.

    Returns
    -------
    thumbnail : Thumbnail
    head : bool array of the shape of ``rough``
        The foreground, whose centre and axes are used (in 3D).
    """
    dimension = fine.ndim
    head = foreground(rough)
    if dimension == 2:
        centre, axes = geometry.index_to_world(fine_affine, (np.array(fine.shape) - 1) / 2), np.eye(2)
    else:
        inside = np.argwhere(head) if head.any() else np.argwhere(np.ones_like(head))
        points = geometry.index_to_world(rough_affine, inside)
        centre = points.mean(axis=0)
        axes = np.asarray(np.linalg.eigh(np.cov((points - centre).T) if len(points) > 1 else np.eye(3))[1])
    upright = _sample(fine, fine_affine, centre, np.eye(dimension), FINE[dimension])
    return Thumbnail(upright, _sample(rough, rough_affine, centre, axes, ROUGH[dimension]), axes), head


def standardised(values: NDArray) -> NDArray[np.float32]:
    """Return values with zero mean and unit variance; all zero where they are constant."""
    centred = values.astype(np.float32) - np.float32(values.mean(dtype=np.float64))
    spread = float(centred.std(dtype=np.float64))
    return centred / np.float32(spread) if spread > 1e-12 else np.zeros_like(centred)


def _sample(
    source: NDArray[np.float32], affine: Array, centre: Array, axes: Array, scale: Scale
) -> NDArray[np.float16]:
    sizes = geometry.voxel_sizes(affine)
    narrow, wide = (ndimage.gaussian_filter(source, s / sizes, mode="nearest", truncate=3) for s in scale.band_mm)
    index = geometry.world_to_index(affine, scale.points(source.ndim) @ axes.T + centre)
    sampled = ndimage.map_coordinates(narrow - wide, index.T, order=1, mode="constant")
    limit = _CLIP * sampled.std()
    grid = np.clip(sampled, -limit, limit).reshape([scale.cells] * source.ndim)
    return standardised(grid).astype(np.float16)
