"""Implicit shapes: functions that are negative inside a body, zero on its surface, positive outside.

Near the surface a value is close to the distance in the unit of the coordinates, so that bodies can be thickened,
blurred and joined by plain arithmetic. Points come as one array of shape ``(3, ...)``: x, y, z first.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def rotation(degrees_xyz: Array | tuple[float, float, float]) -> Array:
    """Return the rotation matrix about x, then y, then z.

    >>> rotation((0, 0, 90)).round(12) @ [1, 0, 0]
    array([0., 1., 0.])
    """
    (cx, cy, cz), (sx, sy, sz) = np.cos(np.deg2rad(degrees_xyz)), np.sin(np.deg2rad(degrees_xyz))
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return np.asarray(about_z @ about_y @ about_x)


@dataclass(frozen=True)
class Ellipsoid:
    """An ellipsoid: centre, half axes, and rotation in degrees about x, y, z."""

    centre: tuple[float, float, float]
    half_axes: tuple[float, float, float]
    turn_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @cached_property
    def _axes(self) -> Array:
        return rotation(self.turn_deg)  # columns: the body's own axes

    def field(self, points: Array) -> Array:
        """Return the implicit function at points ``(3, ...)``."""
        local = (
            np.tensordot(self._axes.T, points - _column(self.centre, points), axes=1)
            if any(self.turn_deg)
            else (points - _column(self.centre, points))
        )
        scaled = local / _column(self.half_axes, points)
        radius = np.sqrt((scaled**2).sum(axis=0)) + 1e-9
        slope = np.sqrt(((scaled / _column(self.half_axes, points)) ** 2).sum(axis=0)) + 1e-9
        return np.asarray(radius * (radius - 1.0) / slope)

    def extreme(self, direction: tuple[float, float, float]) -> Array:
        """Return the surface point that lies farthest in a direction.

        >>> Ellipsoid((1, 0, 0), (2, 3, 4)).extreme((0, 0, -1))
        array([ 1.,  0., -4.])
        """
        normal = np.asarray(direction, dtype=float)
        spread = self._axes @ np.diag(np.square(self.half_axes)) @ self._axes.T
        return np.asarray(self.centre + spread @ normal / np.sqrt(normal @ spread @ normal))


def tube(points: Array, path: list[tuple[float, float, float]], radii: list[float]) -> Array:
    """Return the field of a tube along a path, its radius changing evenly between the path's points."""
    parts = []
    for start, end, r0, r1 in zip(path[:-1], path[1:], radii[:-1], radii[1:], strict=True):
        axis = np.subtract(end, start)
        offset = points - _column(start, points)
        along = np.clip((offset * _column(axis, points)).sum(axis=0) / float(axis @ axis), 0.0, 1.0)
        away = np.sqrt(((offset - along * _column(axis, points)) ** 2).sum(axis=0))
        parts.append(away - (r0 + (r1 - r0) * along))
    return np.asarray(np.minimum.reduce(parts))


def join(a: Array, b: Array, width: float = 0.0) -> Array:
    """Return the union; where both surfaces are within ``width`` of a point the seam is rounded."""
    if width == 0.0:
        return np.minimum(a, b)
    near = np.maximum(width - np.abs(a - b), 0.0) / width
    return np.minimum(a, b) - near * near * (width / 4)


def carve(a: Array, b: Array, width: float = 0.0) -> Array:
    """Return what is left of ``a`` when ``b`` is cut out of it, with rounded edges."""
    return -join(-a, b, width)


def _column(values: object, points: Array) -> Array:
    """Return three values shaped to go with points ``(3, ...)``."""
    return np.asarray(values, dtype=points.dtype).reshape((3,) + (1,) * (points.ndim - 1))
