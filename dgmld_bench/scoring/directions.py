"""The directions in which clinicians say where a point lies: of the body in 3D, of the face in 2D."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dgmld_bench.landmarks import LandmarkSet

Array = NDArray[np.float64]

BODY = ("right", "anterior", "superior")
FACE = ("forward", "up")


def direction_names(landmark_set: LandmarkSet) -> tuple[str, ...]:
    """Return what the positive side of each direction is called.

    3D: right, anterior, superior (RAS). 2D: forward, along the line from sella to nasion, and up, across it.
    """
    return BODY if landmark_set.dimension == 3 else FACE


def directions(points: Array, landmark_set: LandmarkSet) -> Array:
    """Return each case's directions as rows of a rotation, ``(case, direction, axis)``.

    ``directions @ vector`` says a vector of world coordinates in these directions. On a film, up is the side of the
    line from sella to nasion that menton does not lie on, whichever way the head looks.

    Parameters
    ----------
    points : array, shape (case, landmark, axis)
        The reference in world coordinates.
    landmark_set : LandmarkSet

    Returns
    -------
    array
        NaN for a film whose sella, nasion or menton has no reference.

    Examples
    --------
    >>> from dgmld_bench.landmarks import CEPHALOMETRIC
    >>> face = np.zeros((1, 19, 2))
    >>> face[0, 1], face[0, 7] = [-70, 0], [-60, 110]  # nasion and menton of a head that looks to the left
    >>> directions(face, CEPHALOMETRIC)[0] + 0.0
    array([[-1.,  0.],
           [ 0., -1.]])
    """
    if landmark_set.dimension == 3:
        return np.broadcast_to(np.eye(3), (len(points), 3, 3))
    sella, nasion, menton = (points[:, landmark_set.index(name)] for name in ("sella", "nasion", "menton"))
    length = np.linalg.norm(nasion - sella, axis=1, keepdims=True)
    forward = np.divide(nasion - sella, length, out=np.full_like(sella, np.nan), where=length > 0)
    up = np.stack([forward[:, 1], -forward[:, 0]], axis=1)
    side = np.einsum("ca,ca->c", up, menton - sella)
    up = np.where(side[:, None] > 0, -up, up)
    unknown = np.isnan(side)
    return np.where(unknown[:, None, None], np.nan, np.stack([forward, up], axis=1))
