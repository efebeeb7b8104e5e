"""The template: a fetal brain of implicit shapes, in millimetres, for a cerebellum 30 mm wide.

Axes as in the world: x to the right, y to the front, z up; the origin lies near the middle of the brain. Sizes and
places follow what population atlases of the fetal brain show; no data of any subject went into them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dgmld_bench.phantom.shapes import Array, Ellipsoid, carve, join, tube

TEMPLATE_TCD_MM = 30.0

#: FeTA's numbering of labels.
CSF, GREY, WHITE, VENTRICLE, CEREBELLUM, DEEP_GREY, BRAINSTEM = range(1, 8)

_SEAM_MM = 1.2  # rounding where vermis and hemispheres meet; the landmarks are farther from the seam


@dataclass(frozen=True)
class Anatomy:
    """What differs between brains before pose and size.

    Attributes
    ----------
    folding : float
        0 for a smooth cortex (20 weeks) to 1 for a folded one (36 weeks).
    ventricles : float
        Radius of the lateral ventricles relative to the usual.
    cerebellum : float
        Size of the cerebellum relative to the brain.
    descent_mm : float
        How far the cerebellum lies below its usual place, its cistern narrowed (as in Chiari II).
    asymmetry : float
        Right minus left half width of the cerebellum, relative.
    vermis_tilt_deg, vermis_height, vermis_depth : float
        Rotation about x, and size relative to the usual.
    hemisphere_tilt_deg : float
        How far the hemispheres' outer ends point down.
    csf_mm : float
        Width of the fluid around the brain.
    fold_phase : tuple of float
        Where the folds lie.
    """

    folding: float = 0.5
    ventricles: float = 1.0
    cerebellum: float = 1.0
    descent_mm: float = 0.0
    asymmetry: float = 0.0
    vermis_tilt_deg: float = 0.0
    vermis_height: float = 1.0
    vermis_depth: float = 1.0
    hemisphere_tilt_deg: float = 12.0
    csf_mm: float = 2.0
    fold_phase: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @property
    def vermis(self) -> Ellipsoid:
        """The vermis, in the mid-sagittal plane."""
        c = self.cerebellum
        return Ellipsoid(
            (0.0, -12.4 + 1.5 * (1 - c), -15.6 - self.descent_mm),
            (3.0 * c, 5.3 * c * self.vermis_depth, 6.4 * c * self.vermis_height),
            (self.vermis_tilt_deg, 0.0, 0.0),
        )

    def hemisphere(self, side: int) -> Ellipsoid:
        """The cerebellar hemisphere of the right (+1) or left (-1) side."""
        c = self.cerebellum
        wide = c * (1 + side * self.asymmetry / 2)
        return Ellipsoid(
            (side * 8.2 * wide, -12.2 + 1.5 * (1 - c), -18.2 - self.descent_mm),
            (6.9 * wide, 6.9 * c, 5.9 * c),
            (0.0, side * self.hemisphere_tilt_deg, -side * 14.0),
        )

    def landmarks(self) -> Array:
        """Return the six landmarks ``(landmark, xyz)``, in template millimetres.

        Surface points of the analytic shapes: the farthest to the right and left of the hemispheres (TCD1, TCD2),
        the highest, lowest, foremost and hindmost of the vermis (HDV1, HDV2, ADV1, ADV2), as in
        :func:`dgmld_bench.derive.derive_landmarks`.
        """
        return np.array(
            [
                self.hemisphere(+1).extreme((1, 0, 0)),
                self.hemisphere(-1).extreme((-1, 0, 0)),
                self.vermis.extreme((0, 0, 1)),
                self.vermis.extreme((0, 0, -1)),
                self.vermis.extreme((0, 1, 0)),
                self.vermis.extreme((0, -1, 0)),
            ]
        )

    def fields(self, points: Array) -> dict[str, Array]:
        """Return the implicit functions of every tissue at template points ``(3, ...)``, by name.

        ``head`` holds everything, ``skull`` wraps it but for the spinal canal; ``cerebrum`` is bounded by the
        cortex's outer surface; ``dura`` is the tentorium; ``root_y`` and ``root_z`` are coordinates from the
        line near the fourth ventricle at which the cerebellum's fissures point.
        """
        x, y, z = points
        side = np.stack([np.abs(x), y, z])  # both halves at once
        drop = self.descent_mm

        fossa = Ellipsoid((0, -12.2, -18.0 - 0.7 * drop), (17.0 - 0.2 * drop, 9.8 - 0.4 * drop, 9.9)).field(points)
        smooth = join(
            Ellipsoid((12.5, 0.5, 4.0), (16.5, 35.5, 21.5), (0, -6, -5)).field(side),
            Ellipsoid((17.0, 5.0, -10.0), (10.0, 15.5, 9.0), (8, 0, -12)).field(side),
            5.0,
        )
        smooth = carve(smooth, fossa - 1.3, 2.0)
        sylvian = tube(side, [(29, 12, -4), (27.5, 1, 1), (28.5, -8, 5)], [3.6, 2.8, 1.2]) + 2.2 * self.folding
        folds = self._folds(side) + 0.25 * self._folds(points[[2, 0, 1]])  # the second term breaks the symmetry
        depth = 0.3 + 3.6 * self.folding
        cerebrum = carve(smooth, sylvian, 2.0) + depth * np.maximum(folds, -0.3) * _fade(-smooth, 6.0)
        middle = Ellipsoid((0, 1, 0), (8.5, 16.5, 8.5)).field(points)
        cerebrum = join(np.maximum(cerebrum, 0.9 - np.abs(x)), middle, 1.5)
        cerebrum = carve(cerebrum, fossa - 0.8)

        stem = join(
            Ellipsoid((0, -1.5, -9.0), (6.3, 4.8, 5.2)).field(points),
            Ellipsoid((0, 1.4, -15.5), (6.6, 4.9, 5.6)).field(points),
            2.0,
        )
        stem = join(stem, tube(points, [(0, -1.5, -19), (0, -5.5, -30), (0, -7.5, -36)], [3.6, 2.7, 2.4]), 2.0)
        stem = join(stem, tube(side, [(4.5, -0.5, -16), (8.0, -7.0, -17.0 - drop)], [2.6, 2.2]), 1.5)

        hemispheres = np.minimum(self.hemisphere(1).field(points), self.hemisphere(-1).field(points))
        vermis = self.vermis.field(points)

        w = self.ventricles
        lateral = tube(
            side,
            [(4.5, 16, 3), (5, 5, 8), (8, -9, 8), (11, -16, 3), (10, -25, 1)],
            [1.3 * w, 1.5 * w, 2.0 * w, 2.6 * w, 1.1 * w],
        )
        lateral = join(lateral, tube(side, [(11, -16, 3), (16, -9, -7), (16.5, 0, -9)], [2.2 * w, 1.4 * w, 1.0 * w]))
        cavum = Ellipsoid((0, 9.5, 4.0), (2.1, 7.5, 3.2), (18, 0, 0)).field(points)
        third = Ellipsoid((0, -1, -3.5), (0.7 + 0.3 * w, 6, 4.5)).field(points)
        fourth = Ellipsoid((0, -5.6, -16.0 - 0.6 * drop), (3.0, 2.0, 4.8), (-12, 0, 0)).field(points)
        callosum = tube(
            np.stack([np.maximum(np.abs(x) - 6.0, 0.0), y, z]),
            [(0, 17.5, 2), (0, 15, 7.5), (0, 6, 10.5), (0, -6, 10), (0, -13, 6)],
            [1.0, 1.1, 0.9, 0.9, 1.3],
        )

        deep = np.minimum(
            Ellipsoid((5.8, -3.0, -1.0), (5.0, 8.5, 5.0), (0, 0, 20)).field(side),
            Ellipsoid((12.5, 5.0, 0.5), (4.2, 10.5, 6.0), (0, 0, -14)).field(side),
        )
        head = join(join(np.minimum(smooth, middle) - self.csf_mm, fossa - 0.6, 4.0), stem - 2.2, 4.0)

        skull = join(Ellipsoid((0, -0.5, 1.5), (34.0, 41.0, 30.0)).field(points), fossa - 3.0, 6.0)
        return {
            "skull": skull,
            "head": head,
            "cerebrum": cerebrum,
            "deep": deep,
            "callosum": callosum,
            "ventricles": np.minimum(np.minimum(lateral, cavum), third),
            "stem": stem,
            "fourth": fourth,
            "dura": np.maximum(np.abs(fossa - 0.1) - 0.5, -11.0 - z + 0.1 * y),
            "hemispheres": hemispheres,
            "vermis": vermis,
            "cerebellum": join(hemispheres, vermis, _SEAM_MM),
            "root_y": y - self.vermis.centre[1] - 3.0,
            "root_z": z - self.vermis.centre[2],
        }

    def _folds(self, points: Array) -> Array:
        """Return a pattern of ridges and furrows about 13 mm apart, between -1 and 1."""
        a, b, c = 2 * np.pi / 13.0 * points + np.reshape(self.fold_phase, (3,) + (1,) * (points.ndim - 1))
        return np.asarray((np.sin(a) * np.cos(b) + np.sin(b) * np.cos(c) + np.sin(c) * np.cos(a)) / 1.5)


def _fade(depth: Array, width: float) -> Array:
    """Return 1 outside a body, falling to 0 at ``width`` below its surface."""
    return np.clip(1.0 - depth / width, 0.0, 1.0)
