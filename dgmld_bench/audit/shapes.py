"""Landmarks against the other landmarks of their case: misplaced points and points with each other's names.

Every case is laid onto the median shape of its group by a similarity transform (no mirroring) that a few bad points
cannot pull away: points count with the inverse of their distance. What is left is how far each point lies from where
the others say it should be.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_ROUNDS = 5
_FLOOR = 0.02  # of the shape's size: nearer than this, points count alike


def median_shape(shapes: Array) -> Array:
    """Return the median of shapes ``(case, landmark, axis)`` after laying them onto each other, without its centre."""
    centred = shapes - np.median(shapes, axis=1, keepdims=True)
    sizes = np.linalg.norm(centred, axis=-1).mean(axis=1)
    middle = np.median(centred / sizes[:, None, None], axis=0) * np.median(sizes)
    for _ in range(2):
        middle = np.median([fit(shape, middle) for shape in shapes], axis=0)
    return np.asarray(middle)


def size_of(shape: Array) -> float:
    """Return how large a shape ``(landmark, axis)`` is: the mean distance of its points from their centre."""
    return float(np.linalg.norm(shape - shape.mean(axis=0), axis=1).mean())


def fit(shape: Array, target: Array) -> Array:
    """Return a shape ``(landmark, axis)`` laid onto a target, in the target's size.

    The first weights come from the shapes as they are turned in the world, so that two exchanged points do not turn
    the whole shape round.
    """
    size, middle = size_of(target), np.median(shape, axis=0)
    scale = size / max(float(np.linalg.norm(shape - middle, axis=1).mean()), 1e-9)
    laid = (shape - middle) * scale + np.median(target, axis=0)
    for _ in range(_ROUNDS):
        weight = 1 / np.maximum(np.linalg.norm(laid - target, axis=1), _FLOOR * size)
        weight /= weight.sum()
        a, b = weight @ shape, weight @ target
        u, stretch, v = np.linalg.svd(((target - b) * weight[:, None]).T @ (shape - a))
        sign = np.ones(len(stretch))
        sign[-1] = np.sign(np.linalg.det(u @ v)) or 1.0
        rotation = (u * sign) @ v
        spread = float(weight @ ((shape - a) ** 2).sum(axis=1))
        scale = float((stretch * sign).sum()) / spread if spread > 1e-12 else 1.0
        laid = scale * (shape - a) @ rotation.T + b
    return np.asarray(laid)


def distances(shapes: Array, target: Array) -> Array:
    """Return how far each point of each shape lies from the target after fitting, ``(case, landmark)``."""
    return np.array([np.linalg.norm(fit(s, target) - target, axis=1) for s in shapes])


def exchanged(shape: Array, target: Array, limit: Array, suspects: list[int]) -> tuple[int, int] | None:
    """Return the two suspected landmarks whose exchange brings both within the limit and nearest, or None."""
    best, nearest = None, np.inf
    for a, b in combinations(suspects, 2):
        swapped = shape.copy()
        swapped[[a, b]] = shape[[b, a]]
        away = np.linalg.norm(fit(swapped, target) - target, axis=1)
        if away[a] <= limit[a] and away[b] <= limit[b] and away.sum() < nearest:
            best, nearest = (a, b), float(away.sum())
    return best
