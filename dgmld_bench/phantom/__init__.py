"""The phantom: simulated fetal heads of three simulated centres, each a pure function of its split and number.

Landmarks are points of the analytic shapes taken through the same transformation as the shapes; nothing is read off
voxels. It is simulated: no conclusion about patients follows from it. It imports geometry, and knows no file.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from dgmld_bench import geometry
from dgmld_bench.errors import UsageError
from dgmld_bench.phantom import rendering
from dgmld_bench.phantom.anatomy import TEMPLATE_TCD_MM, Anatomy
from dgmld_bench.phantom.centres import FETA, LFC, SOURCE, Centre
from dgmld_bench.phantom.pose import Pose

VERSION = 1
"""Part of every seed: another version has other landmarks, so that its files are never taken for this one's."""

PATHOLOGIES = ("enlarged ventricles", "small cerebellum", "low cerebellum")

_CENTRES = {
    "phantom-train": (SOURCE,),
    "phantom-val": (LFC, FETA),
    "phantom-source": (SOURCE,),
    "phantom-lfc": (LFC,),
    "phantom-feta": (FETA,),
}


@dataclass(frozen=True)
class Head:
    """One simulated case: everything that was drawn for it, the landmarks, and, when asked for, the voxels.

    Attributes
    ----------
    split : str
    number : int
    centre : Centre
    gestational_age_weeks : float
    pathology : str or None
    anatomy : Anatomy
    pose : Pose
    affine : array, shape (4, 4)
        Stored index to RAS mm.
    shape : (int, int, int)
        Of the stored array.
    """

    split: str
    number: int
    centre: Centre
    gestational_age_weeks: float
    pathology: str | None
    anatomy: Anatomy
    pose: Pose
    affine: geometry.Array
    shape: tuple[int, int, int]

    @cached_property
    def landmarks(self) -> geometry.Array:
        """The six landmarks ``(landmark, xyz)`` in RAS mm, exact to 1e-9 mm."""
        return self.pose.to_world(self.anatomy.landmarks())

    def render(self) -> tuple[NDArray[np.int16], NDArray[np.uint8]]:
        """Return image and label map (FeTA's numbering) as stored."""
        random = np.random.default_rng([*_seed(self.split, self.number), 1])
        grid = geometry.NetworkGrid(self.affine, self.shape, self.centre.shape)  # same voxels in the order R, A, S
        canvas = rendering.Canvas(self.anatomy, self.pose, self.centre.shape, grid.grid_affine)
        spread = self.centre.tissue_spread
        tissues = {
            name: max(value + spread * random.standard_normal(), 0.05) if value else 0.0
            for name, value in self.centre.tissues.items()
        }
        rendering.paint(canvas, tissues)
        image = rendering.scan(canvas, self.centre, random)
        return self._stored(image), self._stored(canvas.labels)

    def _stored(self, array: NDArray) -> NDArray:
        """Bring an array from the order right, front, up to the stored one."""
        order, flips = geometry.canonical_axes(self.affine)
        flipped = array[tuple(slice(None, None, -1 if f else 1) for f in flips)]
        return np.ascontiguousarray(np.transpose(flipped, np.argsort(order)))


def simulate(split: str, number: int) -> Head:
    """Draw case ``number`` (from 1) of a split; the same arguments give the same case.

    Raises
    ------
    UsageError
        When the phantom has no such split, or the number is below 1.

    Examples
    --------
    >>> head = simulate("phantom-train", 1)
    >>> head.landmarks.shape, head.centre.name
    ((6, 3), 'simulated source')
    """
    if split not in _CENTRES or number < 1:
        raise UsageError(f"the phantom has no case {number} of split '{split}'; its splits: {', '.join(_CENTRES)}")
    random = np.random.default_rng([*_seed(split, number), 0])
    centre = _CENTRES[split][number % len(_CENTRES[split])]
    age = round(float(random.triangular(*centre.ages_weeks)), 1)
    pathology = str(random.choice(PATHOLOGIES)) if random.uniform() < centre.pathology else None
    tcd_mm = age * random.uniform(0.96, 1.04)
    pose = Pose.draw(random, tcd_mm / TEMPLATE_TCD_MM, centre.turn_deg, centre.shift_mm, centre.bend_mm)
    body = _draw_anatomy(random, age, pathology)
    affine, shape = _draw_volume(random, centre)
    origin = random.uniform(-centre.origin_mm, centre.origin_mm, 3) if centre.origin_mm else np.zeros(3)
    affine[:3, 3] += origin
    pose = Pose(pose.turn_deg, pose.shift_mm + origin, pose.scale, pose.amplitudes_mm, pose.wave_numbers, pose.phases)
    return Head(split, number, centre, age, pathology, body, pose, affine, shape)


def _seed(split: str, number: int) -> tuple[int, int, int]:
    return VERSION, crc32(split.encode()), number


def _draw_anatomy(random: np.random.Generator, age_weeks: float, pathology: str | None) -> Anatomy:
    enlarged = random.uniform(1.7, 2.4) if pathology == "enlarged ventricles" else random.uniform(0.8, 1.25)
    small = random.uniform(0.72, 0.85) if pathology == "small cerebellum" else 1.0
    low_mm = random.uniform(2.0, 4.0) if pathology == "low cerebellum" else 0.0
    phase = random.uniform(0, 2 * np.pi, 3)
    return Anatomy(
        folding=float(np.clip((age_weeks - 22) / 13, 0.05, 1.0)),
        ventricles=float(enlarged),
        cerebellum=float(small),
        descent_mm=float(low_mm),
        asymmetry=float(random.normal(0, 0.03)),
        vermis_tilt_deg=float(random.normal(0, 5)),
        vermis_height=float(random.uniform(0.93, 1.07)),
        vermis_depth=float(random.uniform(0.93, 1.07)),
        hemisphere_tilt_deg=float(random.uniform(6, 18)),
        csf_mm=float(np.interp(age_weeks, [20, 35], [2.8, 1.6]) * random.uniform(0.8, 1.2)),
        fold_phase=(float(phase[0]), float(phase[1]), float(phase[2])),
    )


def _draw_volume(random: np.random.Generator, centre: Centre) -> tuple[geometry.Array, tuple[int, int, int]]:
    """Return affine and shape of the stored array, its middle at the template's middle."""
    spacing = float(random.choice(centre.spacings_mm))
    orientation = str(random.choice(centre.orientations))
    affine = np.eye(4)
    affine[:3, :3] = 0
    shape = [0, 0, 0]
    for stored, letter in enumerate(orientation):
        world = next(axis for axis, pair in enumerate(("RL", "AP", "SI")) if letter in pair)
        affine[world, stored] = spacing if letter in "RAS" else -spacing
        shape[stored] = centre.shape[world]
    middle = np.array([0.0, 0.0, -2.0])
    affine[:3, 3] = middle - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return affine, (shape[0], shape[1], shape[2])
