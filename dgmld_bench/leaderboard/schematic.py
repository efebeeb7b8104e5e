"""What offsets are drawn on: a head in profile and a cerebellum from three sides. Drawn here; no patient is in them.

The head follows what textbooks of cephalometry show, with the line from sella to nasion level, so that the directions
of a face are those of the page. The cerebellum is the phantom's template.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from dgmld_bench.landmarks import LandmarkSet
from dgmld_bench.phantom.anatomy import Anatomy

Array = NDArray[np.float64]

_TURN_DEG = 7.4  # of the line from sella to nasion over the Frankfurt horizontal, in which the head is drawn below

# landmark: label, place forward and up of sella, place of the label from there; millimetres
_HEAD = {
    "sella": ("S", (0, 0), (-7, 4)),
    "nasion": ("N", (69, 9), (-7, 4)),
    "orbitale": ("Or", (56, -20), (-7, 5)),
    "porion": ("Po", (-22, -21), (-10, 2)),
    "subspinale": ("A", (65, -52), (-5, -7)),
    "supramentale": ("B", (61, -90), (-7, 0)),
    "pogonion": ("Pog", (63, -103), (-12, 1)),
    "menton": ("Me", (51, -115), (-4, -9)),
    "gnathion": ("Gn", (60, -111), (3, -8)),
    "gonion": ("Go", (-9, -85), (-9, -4)),
    "lower_incisor_tip": ("L1", (67, -73), (-8, 4)),
    "upper_incisor_tip": ("U1", (71, -78), (4, 7)),
    "upper_lip": ("Ls", (85, -68), (6, 1)),
    "lower_lip": ("Li", (81, -85), (6, -1)),
    "subnasale": ("Sn", (82, -54), (6, 1)),
    "soft_tissue_pogonion": ("Pog′", (74, -105), (9, 0)),
    "posterior_nasal_spine": ("PNS", (17, -47), (-12, 1)),
    "anterior_nasal_spine": ("ANS", (70, -46), (-7, 5)),
    "articulare": ("Ar", (-13, -34), (-9, -3)),
}
# cubic curves from the throat to the forehead: point, two control points, point, and so on
_PROFILE = """
    26,-134 30,-126 36,-124 48,-123 62,-122 73,-116 74,-105 74,-98 70,-96 71,-92 73,-88 81,-90 81,-85
    81,-79 77,-79 77,-76 78,-73 85,-74 85,-68 85,-63 80,-60 82,-54 86,-52 100,-50 101,-43 101,-36 88,-18 81,4
    79,10 83,18 84,30
"""
_SOFT = {  # drawn with straight lines
    "jaw": ((-13, -34), (-15, -60), (-9, -85), (20, -105), (51, -115), (60, -111), (63, -103), (61, -90), (65, -80)),
    "palate": ((17, -47), (45, -45), (70, -46), (65, -52), (69, -64)),
    "base": ((-13, -34), (0, 0), (69, 9)),
    "orbit": ((69, 9), (60, 0), (56, -20)),
}


@dataclass(frozen=True)
class View:
    """One drawing.

    Attributes
    ----------
    title : str
    axes : (int, int)
        The directions (:mod:`dgmld_bench.scoring.directions`) drawn to the right and upwards.
    shown : tuple of int
        The landmarks that it shows: none that lies behind another.
    points : array, shape (landmark, 2)
        Millimetres to the right and upwards.
    labels : tuple of str
    label_places : array, shape (landmark, 2)
        Where the middle of each label lies.
    outlines : tuple of arrays, shape (point, 2)
    """

    title: str
    axes: tuple[int, int]
    shown: tuple[int, ...]
    points: Array
    labels: tuple[str, ...]
    label_places: Array
    outlines: tuple[Array, ...]


@cache
def views(landmark_set: LandmarkSet) -> tuple[View, ...]:
    """Return the drawings of a landmark set: a head, or a cerebellum from behind, from the right and from above."""
    return (_head(landmark_set),) if landmark_set.dimension == 2 else _cerebellum(landmark_set)


def _head(landmark_set: LandmarkSet) -> View:
    labels, points, shifts = zip(*(_HEAD[name] for name in landmark_set.names), strict=True)
    turned = _level(points)
    outlines = (_level(_smooth(_PROFILE)), *(_level(line) for line in _SOFT.values()))
    shown = tuple(range(len(labels)))
    return View("", (0, 1), shown, turned, labels, turned + np.array(shifts, dtype=float), outlines)


def _level(points: object) -> Array:
    """Turn points so that the line from sella to nasion is level."""
    cos, sin = np.cos(np.deg2rad(_TURN_DEG)), np.sin(np.deg2rad(_TURN_DEG))
    return np.asarray(np.array(points, dtype=np.float64) @ np.array([[cos, -sin], [sin, cos]]))


def _smooth(curves: str) -> Array:
    """Return points on cubic Bézier curves, each of which begins where the one before ends."""
    control = np.array([pair.split(",") for pair in curves.split()], dtype=np.float64)
    t = np.linspace(0, 1, 9)[:, None]
    pieces = [
        (1 - t) ** 3 * a + 3 * (1 - t) ** 2 * t * b + 3 * (1 - t) * t**2 * c + t**3 * d
        for a, b, c, d in (control[i : i + 4] for i in range(0, len(control) - 3, 3))
    ]
    return np.concatenate(pieces)


def _cerebellum(landmark_set: LandmarkSet) -> tuple[View, ...]:
    shape = Anatomy()
    points = shape.landmarks()
    middle = points.mean(axis=0)
    pairs = landmark_set.biometric_indices()
    around = np.linspace(0, 2 * np.pi, 49)
    found = []
    for title, axes in (("from behind", (0, 2)), ("from the right", (1, 2)), ("from above", (0, 1))):
        towards = np.zeros((len(around), 3))
        towards[:, axes[0]], towards[:, axes[1]] = np.cos(around), np.sin(around)
        outlines = tuple(
            np.array([body.extreme((d[0], d[1], d[2])) for d in towards])[:, axes] - middle[list(axes)]
            for body in (shape.hemisphere(1), shape.hemisphere(-1), shape.vermis)
        )
        flat = (points - middle)[:, axes]
        shown = [i for pair, b in zip(pairs, landmark_set.biometrics, strict=True) if b.axis in axes for i in pair]
        level = np.abs(flat[:, 0]) > np.abs(flat[:, 1])
        beside = np.where(level, np.sign(flat[:, 0]), 1.0)  # above and below, the label stands to the right
        places = flat + 5.0 * beside[:, None] * np.array([1.0, 0.0])
        found.append(View(title, axes, tuple(shown), flat, landmark_set.titles, places, outlines))
    return tuple(found)
