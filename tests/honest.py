"""Simulated predictors that are bad in every honest way: what they say is where they believe the points to be."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Box = tuple[Array, Array]
"""Lowest and highest world coordinates of each image, ``(case, 1, axis)``."""
Predictor = Callable[[np.random.Generator, Array, Box, float], Array]
"""Takes a generator, reference points ``(case, landmark, axis)``, the images and units in a millimetre."""


def _noise(rng: np.random.Generator, points: Array, unit: float, most_mm: float = 60.0) -> Array:
    return rng.normal(0, unit * np.exp(rng.uniform(np.log(0.3), np.log(most_mm))), points.shape)


def _uniform(rng: np.random.Generator, points: Array, box: Box) -> Array:
    return box[0] + rng.random(points.shape) * (box[1] - box[0])


def noisy(rng, points, box, unit):
    return points + _noise(rng, points, unit)


def shifted(rng, points, box, unit):
    return points + rng.normal(0, 30 * unit, points.shape[-1]) + _noise(rng, points, unit, 10)


def offset_by_landmark(rng, points, box, unit):
    size = unit * np.exp(rng.uniform(0, 3))
    return points + rng.normal(0, size, points.shape[1:]) + _noise(rng, points, unit, 5)


def shrunk(rng, points, box, unit):
    share = rng.uniform(0, 1.4)
    middle = points.mean(axis=(0, 1)) if rng.random() < 0.5 else (box[0] + box[1]) / 2
    return middle + share * (points - middle) + _noise(rng, points, unit, 10)


def mean_shape(rng, points, box, unit):
    return points.mean(axis=0) + _noise(rng, points, unit, 10)


def anywhere(rng, points, box, unit):
    return _uniform(rng, points, box)


def corner_or_middle(rng, points, box, unit):
    place = box[0] if rng.random() < 0.5 else (box[0] + box[1]) / 2
    return np.broadcast_to(place, points.shape) + _noise(rng, points, unit, 5)


def confused(rng, points, box, unit):
    """Exchanges one to all neighbouring couples of landmarks, each in a share of the cases."""
    read = points.copy()
    share = rng.uniform(0, 0.6)
    for first in range(0, points.shape[1] - 1, 2):
        if rng.random() < 0.6:
            which = rng.random(len(points)) < share
            read[which, first], read[which, first + 1] = points[which, first + 1], points[which, first]
    return read + _noise(rng, points, unit, 5)


def turned(rng, points, box, unit):
    """Turns and scales each case's points about their middle, by the same for all cases or not."""
    d = points.shape[-1]
    count = 1 if rng.random() < 0.5 else len(points)
    turn = np.linalg.qr(np.eye(d) + rng.normal(0, 0.3, (count, d, d)))[0]
    turn *= np.sign(np.einsum("nii->ni", turn))[:, None]
    middle = points.mean(axis=1, keepdims=True)
    return middle + ((points - middle) @ turn) * rng.uniform(0.6, 1.5) + _noise(rng, points, unit, 5)


def missing_some(rng, points, box, unit):
    far = rng.random(points.shape[:2]) < rng.uniform(0, 1)
    return np.where(far[..., None], _uniform(rng, points, box), points + _noise(rng, points, unit, 3))


def missing_cases(rng, points, box, unit):
    far = rng.random((len(points), 1, 1)) < rng.uniform(0, 1)
    away = points + rng.normal(0, 50 * unit, (len(points), 1, points.shape[-1]))
    return np.where(far, away, points + _noise(rng, points, unit, 3))


def collapsed(rng, points, box, unit):
    return np.broadcast_to(points.mean(axis=1, keepdims=True), points.shape) + _noise(rng, points, unit, 5)


def mirrored_at_times(rng, points, box, unit):
    axis = int(rng.integers(points.shape[-1]))
    read = points.copy()
    which = rng.random(len(points)) < rng.uniform(0, 0.6)
    read[which, :, axis] = (box[0] + box[1])[which, :, axis] - read[which, :, axis]
    return read + _noise(rng, points, unit, 5)


def doubled(rng, points, box, unit):
    """Finds one landmark where another is, and may find the other where a third is."""
    read = points.copy()
    a, b, c = rng.permutation(points.shape[1])[:3]
    read[:, a] = points[:, b]
    if rng.random() < 0.5:
        read[:, b] = points[:, c]
    return read + _noise(rng, points, unit, 5)


def of_other_cases(rng, points, box, unit):
    return points[rng.permutation(len(points))] + _noise(rng, points, unit, 5)


PREDICTORS: tuple[Predictor, ...] = (
    noisy,
    shifted,
    offset_by_landmark,
    shrunk,
    mean_shape,
    anywhere,
    corner_or_middle,
    confused,
    turned,
    missing_some,
    missing_cases,
    collapsed,
    mirrored_at_times,
    doubled,
    of_other_cases,
)
