"""The only code that knows axis order, RAS/LPS, voxel/millimetre, pixel/millimetre and the networks' grid.

Conventions
-----------
*index*: zero-based position in a stored array, centres of voxels and pixels at integers. 3D ``(i, j, k)``, 2D
``(row, column)``.

*world*: the space in which landmarks are stored and predictions are given. 3D: millimetres, RAS+ (x to the
right, y to the front, z up). 2D: pixels of the original film, ``(x, y)`` with x to the right and y down,
zero-based, pixel centres at integers.

An *affine* is a homogeneous matrix of shape ``(d + 1, d + 1)`` that takes index to world. The same functions
serve 2D and 3D: the dimension is that of the points.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dgmld_bench.errors import DataError, UsageError

Array = NDArray[np.float64]

SPACES = ("ras_mm", "lps_mm", "voxel", "px")


def as_points(points: ArrayLike, dimension: int) -> Array:
    """Return points as float64 of shape ``(..., dimension)``.

    Raises
    ------
    DataError
        When the last axis has another length.

    Examples
    --------
    >>> as_points([[1, 2]], 3)
    Traceback (most recent call last):
    ...
    dgmld_bench.errors.DataError: points must have shape (..., 3), got (1, 2)
    """
    array = np.asarray(points, dtype=np.float64)
    if array.ndim < 1 or array.shape[-1] != dimension:
        raise DataError(f"points must have shape (..., {dimension}), got {array.shape}")
    return array


def check_affine(affine: ArrayLike, dimension: int) -> Array:
    """Return the affine as float64 after checking shape, finiteness and that it can be inverted.

    Raises
    ------
    DataError
        When it is none of these.
    """
    matrix = np.asarray(affine, dtype=np.float64)
    if matrix.shape != (dimension + 1, dimension + 1):
        raise DataError(f"affine must have shape {(dimension + 1, dimension + 1)}, got {matrix.shape}")
    if not np.isfinite(matrix).all():
        raise DataError("affine has values that are not finite")
    if not np.array_equal(matrix[-1], np.eye(dimension + 1)[-1]):
        raise DataError(f"the last row of an affine must be (0, ..., 0, 1), got {matrix[-1].tolist()}")
    linear = matrix[:-1, :-1]
    lengths = np.linalg.norm(linear, axis=0)
    if (lengths == 0).any() or abs(np.linalg.det(linear / lengths)) < 1e-6:
        raise DataError("affine cannot be inverted: two array axes point the same way or one has no length")
    return matrix


def apply_affine(affine: ArrayLike, points: ArrayLike) -> Array:
    """Apply a homogeneous matrix to points of shape ``(..., d)``.

    >>> apply_affine([[2, 0, 1], [0, 3, 0], [0, 0, 1]], [[1, 1]])
    array([[3., 3.]])
    """
    matrix = np.asarray(affine, dtype=np.float64)
    array = as_points(points, matrix.shape[0] - 1)
    return array @ matrix[:-1, :-1].T + matrix[:-1, -1]


def index_to_world(affine: ArrayLike, index: ArrayLike) -> Array:
    """Take array indices of shape ``(..., d)`` to world coordinates."""
    return apply_affine(affine, index)


def world_to_index(affine: ArrayLike, world: ArrayLike) -> Array:
    """Take world coordinates of shape ``(..., d)`` to (fractional) array indices."""
    return apply_affine(np.linalg.inv(np.asarray(affine, dtype=np.float64)), world)


def flip_ras_lps(points_mm: ArrayLike) -> Array:
    """Take RAS millimetres to LPS or back: the signs of x and y change.

    >>> flip_ras_lps([[1.0, 2.0, 3.0]])
    array([[-1., -2.,  3.]])
    """
    return as_points(points_mm, 3) * np.array([-1.0, -1.0, 1.0])


def to_world(points: ArrayLike, space: str, affine: ArrayLike | None = None) -> Array:
    """Take points given in one of :data:`SPACES` to world coordinates.

    Parameters
    ----------
    points : array, shape (..., d)
    space : {"ras_mm", "lps_mm", "voxel", "px"}
        ``voxel`` are indices of the stored array and need the affine.
    affine : array, shape (d + 1, d + 1), optional

    Raises
    ------
    UsageError
        For an unknown space, or ``voxel`` without an affine.
    """
    if space == "ras_mm":
        return as_points(points, 3)
    if space == "lps_mm":
        return flip_ras_lps(points)
    if space == "px":
        return as_points(points, 2)
    if space == "voxel":
        if affine is None:
            raise UsageError("points in space 'voxel' need the affine of their image")
        return index_to_world(affine, points)
    raise UsageError(f"unknown space '{space}'; expected one of {', '.join(SPACES)}")


def axes_angle_deg(affine: ArrayLike) -> float:
    """Return the angle between those two axes of an array that are farthest from perpendicular, 90 or less.

    >>> round(axes_angle_deg(np.diag([1.0, 2, 3, 1]) + np.eye(4, k=1) * [0, 1, 0, 0]), 1)
    63.4
    """
    matrix = np.asarray(affine, dtype=np.float64)
    directions = matrix[:-1, :-1] / voxel_sizes(matrix)
    cosines = np.abs(directions.T @ directions)
    return float(np.degrees(np.arccos(np.clip(cosines[~np.eye(len(cosines), dtype=bool)].max(), 0, 1))))


def voxel_sizes(affine: ArrayLike) -> Array:
    """Return the length of one step along each array axis, in world units.

    >>> voxel_sizes(np.diag([0.5, 0.5, 2.0, 1.0]))
    array([0.5, 0.5, 2. ])
    """
    return np.asarray(np.linalg.norm(np.asarray(affine, dtype=np.float64)[:-1, :-1], axis=0))


def distances(a: ArrayLike, b: ArrayLike) -> Array:
    """Return how far points ``(..., axis)`` are from each other, ``(...)``, in the units of their coordinates."""
    difference = np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64)
    return np.asarray(np.sqrt(np.einsum("...i,...i->...", difference, difference)))


def beyond_edges(points: ArrayLike, affine: ArrayLike, shape: Sequence[int]) -> Array:
    """Return how far points lie beyond the outer edges of an image's voxels or pixels, in steps along each array axis.

    0 inside; NaN where a point is missing.

    Parameters
    ----------
    points : array, shape (..., axis)
        World coordinates.
    affine : array, shape (d + 1, d + 1)
    shape : tuple of int
        Of the stored array.

    Examples
    --------
    >>> beyond_edges([[2.4, 0.0], [3.5, -1.0]], np.eye(3), (3, 1))
    array([[0. , 0. ],
           [1. , 0.5]])
    """
    index = world_to_index(affine, points)
    return np.asarray(np.maximum(np.maximum(-0.5 - index, index - (np.array(shape) - 0.5)), 0))


def film_affine(shape: Sequence[int], original_size: Sequence[int] | None = None) -> Array:
    """Return the affine of a film: stored ``(row, column)`` to original ``(x, y)`` pixels.

    A film kept at a reduced size covers the same area as the original, so edges coincide and not pixel
    centres: ``x = (column + 0.5) * original_width / width - 0.5``.

    Parameters
    ----------
    shape : (height, width) of the stored array
    original_size : (width, height) of the original film in pixels; the stored one where it is None

    Examples
    --------
    >>> film_affine((960, 774), (1935, 2400)) @ [0, 0, 1]
    array([0.75, 0.75, 1.  ])
    """
    height, width = shape
    original_width, original_height = original_size or (width, height)
    sx, sy = original_width / width, original_height / height
    return np.array([[0.0, sx, (sx - 1) / 2], [sy, 0.0, (sy - 1) / 2], [0.0, 0.0, 1.0]])


def film_as_volume(affine: ArrayLike, pixel_spacing_mm: float) -> tuple[Array, Array]:
    """Return how a film lies in millimetre space as a volume of one axial slice: x to the left, y to the back.

    So an axial view shows it upright, x to the right of the screen and y down, as viewers show a plain image.

    Parameters
    ----------
    affine : array, shape (3, 3)
        Stored ``(row, column)`` to original ``(x, y)`` pixels.
    pixel_spacing_mm : float
        Edge of one original pixel.

    Returns
    -------
    volume_affine : array, shape (4, 4)
        Index of the volume ``(column, row, 0)`` to RAS mm.
    to_ras : array, shape (3, 2)
        Takes original ``(x, y)`` pixels to RAS mm: ``to_ras @ (x, y)``.

    Examples
    --------
    >>> volume_affine, to_ras = film_as_volume(film_affine((2, 3)), 0.1)
    >>> volume_affine @ [2, 1, 0, 1], to_ras @ [2, 1]
    (array([-0.2, -0.1,  0. ,  1. ]), array([-0.2, -0.1,  0. ]))
    """
    matrix = check_affine(affine, 2)
    to_ras = np.array([[-pixel_spacing_mm, 0.0], [0.0, -pixel_spacing_mm], [0.0, 0.0]])
    volume_affine = np.diag([0.0, 0.0, pixel_spacing_mm, 1.0])
    volume_affine[:3, :2] = to_ras @ matrix[:2, 1::-1]
    volume_affine[:3, 3] = to_ras @ matrix[:2, 2]
    return volume_affine, to_ras


def canonical_axes(affine: ArrayLike) -> tuple[tuple[int, ...], tuple[bool, ...]]:
    """Return how to bring a stored array closest to the world's axes: transposition, then flips.

    Returns
    -------
    order : tuple of int
        ``order[w]`` is the stored axis that runs along world axis ``w``.
    flips : tuple of bool
        Whether that axis runs against world axis ``w``.

    Notes
    -----
    Axes are assigned by the best total match of directions, so every oblique array has exactly one answer.
    A tie goes to the first assignment in lexicographic order.

    Examples
    --------
    >>> canonical_axes(np.diag([-1.0, 1.0, 1.0, 1.0]))
    ((0, 1, 2), (True, False, False))
    """
    from itertools import permutations

    matrix = np.asarray(affine, dtype=np.float64)
    dimension = matrix.shape[0] - 1
    cosines = matrix[:-1, :-1] / voxel_sizes(matrix)  # (world axis, stored axis)
    order = max(
        permutations(range(dimension)),
        key=lambda p: round(float(sum(abs(cosines[w, s]) for w, s in enumerate(p))), 9),
    )
    return order, tuple(bool(cosines[w, s] < 0) for w, s in enumerate(order))


@dataclass(frozen=True)
class NetworkGrid:
    """The resampling of one stored array to the fixed grid that a network sees.

    The stored array is first brought to the world's axis order and directions (3D: RAS+; 2D: row, column as a
    film is looked at), then each axis is scaled to the length of the grid. Edges coincide, not centres, so
    ``grid = (index + 0.5) * n_grid / n_index - 0.5``; points go there and back without loss.

    Attributes
    ----------
    affine : array, shape (d + 1, d + 1)
        Stored index to world.
    shape : tuple of int
        Shape of the stored array.
    grid_shape : tuple of int
        Shape of the grid, in canonical axis order.
    """

    affine: Array
    shape: tuple[int, ...]
    grid_shape: tuple[int, ...]

    def __post_init__(self) -> None:
        dimension = len(self.shape)
        check_affine(self.affine, dimension)
        if len(self.grid_shape) != dimension:
            raise UsageError(f"grid shape {self.grid_shape} does not fit an array of shape {self.shape}")

    @classmethod
    def of_voxels(cls, affine: Array, shape: tuple[int, ...]) -> NetworkGrid:
        """Return the grid whose points are the voxels themselves: nothing is scaled, axes are in canonical order."""
        order, _ = cls(affine, shape, shape).axes
        return cls(affine, shape, tuple(shape[axis] for axis in order))

    @property
    def axes(self) -> tuple[tuple[int, ...], tuple[bool, ...]]:
        """Transposition and flips that bring the stored array to canonical order."""
        order, flips = canonical_axes(self.affine)
        if len(self.shape) == 2:  # world is (x, y), arrays stay (row, column)
            return order[::-1], flips[::-1]
        return order, flips

    def canonical(self, array: NDArray) -> NDArray:
        """Return the stored array as a view in canonical axis order and direction.

        Raises
        ------
        DataError
            When the array has not the shape of this grid's stored array.
        """
        if tuple(array.shape) != tuple(self.shape):
            raise DataError(f"array must have shape {tuple(self.shape)}, got {tuple(array.shape)}")
        order, flips = self.axes
        return np.transpose(array, order)[tuple(slice(None, None, -1 if f else 1) for f in flips)]

    @property
    def grid_affine(self) -> Array:
        """The homogeneous matrix that takes grid index to world."""
        order, flips = self.axes
        dimension = len(self.shape)
        to_stored = np.zeros((dimension + 1, dimension + 1))
        to_stored[-1, -1] = 1.0
        for axis, (stored, flip) in enumerate(zip(order, flips, strict=True)):
            n = self.shape[stored]
            scale = n / self.grid_shape[axis]
            offset = 0.5 * scale - 0.5
            to_stored[stored, axis] = -scale if flip else scale
            to_stored[stored, -1] = n - 1 - offset if flip else offset
        return np.asarray(self.affine, dtype=np.float64) @ to_stored

    def to_grid(self, world: ArrayLike) -> Array:
        """Take world points of shape ``(..., d)`` to grid indices."""
        return world_to_index(self.grid_affine, world)

    def to_world(self, grid: ArrayLike) -> Array:
        """Take grid indices of shape ``(..., d)`` to world points."""
        return index_to_world(self.grid_affine, grid)
