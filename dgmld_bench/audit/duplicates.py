"""Which images show the same subject: every pair compared upright, turned and mirrored.

All pairs are compared at once as matrix products: upright as finely as thumbnails are, and roughly in turned and
mirrored poses. The most alike pairs are then moved onto each other, because two recordings of one subject are seldom
in the same place to the millimetre.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from dgmld_bench.audit.thumbnails import FINE, Thumbnail, standardised

Array = NDArray[np.float64]

SCREEN = 0.5
"""Pairs below this in every pose are not looked at further."""

CLOSE = 0.85
"""Pairs below this after moving are not measured on all cells: they are no duplicates."""

CLEARLY = 0.03
"""A turned pose is only named where it fits so much better than the upright one: heads are nearly symmetric."""

_LEVER_MM = 40.0  # an angle counts as the way it moves a point this far out
_DIFFERENCE_MM = 0.5
_STRIDE = {3: 13, 2: 1}  # cells that are looked at while moving
_ROWS = 64  # cases compared at a time


@dataclass(frozen=True)
class Pair:
    """Two images that resemble each other: places in the list compared, correlation, and in which pose."""

    first: int
    second: int
    correlation: float
    pose: str


def most_alike(
    thumbnails: Sequence[Thumbnail],
    wanted: NDArray[np.bool_],
    progress: Callable[[int, int], None],
    enough: float = 1.0,
) -> tuple[list[Pair], NDArray[np.float32]]:
    """Compare images and return the pairs that are most alike, best first.

    Parameters
    ----------
    thumbnails : sequence of Thumbnail
        Of one dimension.
    wanted : bool array, shape (n, n), symmetric
        Which pairs matter.
    progress : callable
        Called with how many of the most alike pairs were moved onto each other and how many there are.
    enough : float
        Pairs that correlate so well as they stand are not moved.

    Returns
    -------
    pairs : list of Pair
        For each case its most alike other, upright and in a turned pose, if above :data:`SCREEN`; each pair once.
    upright : array, shape (n, n)
        The correlation of every pair as it stands.
    """
    upright = _correlations([t.upright for t in thumbnails], [t.upright for t in thumbnails])
    rough, pose = _turned(thumbnails)
    chosen: dict[tuple[int, int], set[int]] = {}
    for table, of in ((upright, np.full(pose.shape, -1)), (rough, pose)):
        for i in range(len(thumbnails)):
            row = np.where(wanted[i], table[i], -1)
            row[i] = -1
            j = int(row.argmax())
            if row[j] >= SCREEN:
                pair = (min(i, j), max(i, j))
                chosen.setdefault(pair, set()).add(int(of[pair]))
    pairs = []
    for done, ((i, j), poses) in enumerate(sorted(chosen.items())):
        progress(done, len(chosen))
        poses = poses if upright[i, j] < enough else set()
        moved = [(_moved(thumbnails[i], thumbnails[j], p), p) for p in sorted(poses)]
        correlation, best = max([(float(upright[i, j]), -1), *moved])
        if correlation < upright[i, j] + CLEARLY:
            best = -1
        pairs.append(Pair(i, j, min(correlation, 1.0), _pose(best, thumbnails[i].upright.ndim)))
    progress(len(chosen), len(chosen))
    return sorted(pairs, key=lambda p: -p.correlation), upright


def poses(dimension: int) -> list[tuple[tuple[int, ...], tuple[bool, ...]]]:
    """Return the transpositions and flips of an array that are tried, the array as it stands first."""
    orders = [(0, 1), (1, 0)] if dimension == 2 else [(0, 1, 2)]
    return [(order, flips) for order in orders for flips in product((False, True), repeat=dimension)]


def _correlations(first: Sequence[NDArray], second: Sequence[NDArray]) -> NDArray[np.float32]:
    """Return the correlation of each standardised array of one list with each of the other."""
    n, size = len(first), first[0].size
    result = np.empty((n, len(second)), np.float32)
    for top in range(0, n, _ROWS):
        rows = np.stack([a.ravel() for a in first[top : top + _ROWS]]).astype(np.float32)
        for left in range(0, len(second), _ROWS):
            columns = np.stack([a.ravel() for a in second[left : left + _ROWS]]).astype(np.float32)
            result[top : top + _ROWS, left : left + _ROWS] = rows @ columns.T / np.float32(size)
    return result


def _turned(thumbnails: Sequence[Thumbnail]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the greatest rough correlation of every pair over the poses, and in which pose it is reached."""
    still = [t.posed for t in thumbnails]
    tables = []
    for order, flips in poses(still[0].ndim):
        step = tuple(slice(None, None, -1 if f else 1) for f in flips)
        tables.append(_correlations(still, [np.transpose(a, order)[step] for a in still]))
    stacked = np.stack(tables)
    return stacked.max(axis=0), stacked.argmax(axis=0)


def _start(first: Thumbnail, second: Thumbnail, number: int) -> Array:
    """Return the orthogonal matrix that takes directions of the first head to the same directions of the second."""
    dimension = first.upright.ndim
    if number < 0:
        return np.eye(dimension)
    order, flips = poses(dimension)[number]
    turn = np.zeros((dimension, dimension))
    for axis, (source, flip) in enumerate(zip(order, flips, strict=True)):
        turn[source, axis] = -1.0 if flip else 1.0
    return np.asarray(second.axes @ turn @ first.axes.T)


def _moved(first: Thumbnail, second: Thumbnail, number: int) -> float:
    """Return the correlation of two images after moving the second onto the first, rigidly.

    Between standardised images the squared difference is least where the correlation is greatest.
    """
    from scipy import ndimage, optimize
    from scipy.spatial.transform import Rotation

    dimension = first.upright.ndim
    scale = FINE[dimension]
    start, middle = _start(first, second, number), (scale.cells - 1) / 2
    moving = second.upright.astype(np.float32)
    fixed = first.upright.ravel()
    points = scale.points(dimension)

    def sample(parameters: Array, stride: int, order: int = 1) -> NDArray[np.float32]:
        shift, angles = parameters[:dimension], parameters[dimension:] / _LEVER_MM
        in_space = np.array([0.0, 0.0, angles[0]]) if dimension == 2 else angles
        rotation = Rotation.from_rotvec(in_space).as_matrix()[:dimension, :dimension]
        index = (points[::stride] @ (rotation @ start).T + shift) / scale.step_mm + middle
        return standardised(ndimage.map_coordinates(moving, index.T, order=order, mode="constant"))

    def residual(parameters: Array) -> NDArray[np.float32]:
        return (sample(parameters, _STRIDE[dimension]) - target) / np.float32(np.sqrt(target.size))

    def jacobian(parameters: Array) -> NDArray[np.float32]:
        here = residual(parameters)
        return np.stack([(residual(parameters + s) - here) / _DIFFERENCE_MM for s in steps], axis=1)

    target = standardised(fixed[:: _STRIDE[dimension]])
    free = 3 if dimension == 2 else 6
    steps = np.eye(free) * _DIFFERENCE_MM
    found = optimize.least_squares(residual, np.zeros(free), jacobian, method="lm", xtol=1e-2, ftol=1e-3)
    if 1 - found.cost < CLOSE:
        return float(1 - found.cost)
    return float(np.mean(sample(found.x, 1, order=3) * fixed, dtype=np.float64))


def _pose(number: int, dimension: int) -> str:
    """Say in words how the second image was turned to resemble the first."""
    if number < 0:
        return "upright"
    order, flips = poses(dimension)[number]
    return "mirrored" if (sum(flips) + (order == (1, 0))) % 2 else "turned"
