"""Everything that the checks need of one case, taken from it in one reading."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dgmld_bench import geometry
from dgmld_bench.audit.findings import Place
from dgmld_bench.audit.thumbnails import BLOCKS_MM, Thumbnail, block_mean, make_thumbnail
from dgmld_bench.cases import Case, mean_of_annotators

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Observation:
    """One case, without its image.

    Attributes
    ----------
    place : Place
    centre : str or None
    info : dict
        What the source knows, for example ``gestational_age_weeks``.
    shape : tuple of int
        Of the stored array.
    spacing_mm : tuple of float
        Of the stored array, in the order of the world's axes.
    orientation : str
        Where the stored axes point, such as ``"LPS"`` (3D); ``""`` in 2D.
    tilt_deg : float
        Greatest angle between a stored axis and the nearest axis of the world.
    digest : str
        Of the decoded array.
    grey_range, grey_mean, grey_std : float
        Of the decoded array.
    empty_share : float
        Share of the coarse image that is background.
    thumbnail : Thumbnail
    middle_mm : array, shape (axis,)
        Of the image, in the coordinates of the points.
    annotations : dict
        Annotator -> points ``(landmark, axis)`` in mm (2D: x and y from the film's corner).
    outside_image_mm, outside_head_mm : array, shape (landmark,)
        How far the reference lies outside, 0 inside, NaN where missing; the head only in 3D.
    """

    place: Place
    centre: str | None
    info: dict[str, Any]
    shape: tuple[int, ...]
    spacing_mm: tuple[float, ...]
    orientation: str
    tilt_deg: float
    digest: str
    grey_range: float
    grey_mean: float
    grey_std: float
    empty_share: float
    thumbnail: Thumbnail
    middle_mm: Array
    annotations: dict[str, Array] = field(default_factory=dict)
    outside_image_mm: Array = field(default_factory=lambda: np.zeros(0))
    outside_head_mm: Array = field(default_factory=lambda: np.zeros(0))

    @property
    def reference(self) -> Array | None:
        """The mean of the annotators, ``(landmark, axis)`` in mm, NaN where none set the point; or None."""
        return mean_of_annotators(self.annotations) if self.annotations else None


def observe(case: Case, place: Place) -> Observation:
    """Read a case once and return what the checks need of it.

    Raises
    ------
    DataError
        When the image or the reference cannot be read.
    """
    image = case.image
    affine_mm = np.diag([case.mm_per_unit] * image.ndim + [1.0]) @ case.affine
    sizes, directions = geometry.voxel_sizes(affine_mm), geometry.canonical_axes(affine_mm)
    order, flips = directions
    fine, fine_affine = block_mean(image, affine_mm, BLOCKS_MM[image.ndim][0])
    coarse, coarse_affine = block_mean(fine, fine_affine, BLOCKS_MM[image.ndim][1])
    thumbnail, head = make_thumbnail(fine, fine_affine, coarse, coarse_affine)
    annotations = {name: np.asarray(points) * case.mm_per_unit for name, points in case.annotations.items()}
    reference = mean_of_annotators(annotations) if annotations else np.zeros((0, image.ndim))
    digest = hashlib.sha256(np.ascontiguousarray(image.T if image.flags.f_contiguous else image).data)
    digest.update(repr((image.shape, image.dtype.str)).encode())
    low, high = float(image.min()), float(image.max())
    return Observation(
        place=place,
        centre=case.centre,
        info=case.info,
        shape=tuple(image.shape),
        spacing_mm=tuple(float(sizes[a]) for a in order),
        orientation=_orientation(order, flips) if image.ndim == 3 else "",
        tilt_deg=_tilt(affine_mm, order),
        digest=digest.hexdigest(),
        grey_range=high - low,
        grey_mean=float(coarse.mean()),
        grey_std=float(coarse.std()),
        empty_share=1.0 - float(head.mean()),
        thumbnail=thumbnail,
        middle_mm=geometry.index_to_world(affine_mm, (np.array(image.shape) - 1) / 2),
        annotations=annotations,
        outside_image_mm=_outside_image(reference, affine_mm, image.shape),
        outside_head_mm=_outside_head(reference, coarse_affine, head) if image.ndim == 3 else np.zeros(0),
    )


def _orientation(order: tuple[int, ...], flips: tuple[bool, ...]) -> str:
    """Return the letters of the directions in which the stored axes run, as nibabel's ``aff2axcodes`` does."""
    letters = [""] * 3
    for world, (stored, flip) in enumerate(zip(order, flips, strict=True)):
        letters[stored] = ("RAS", "LPI")[flip][world]
    return "".join(letters)


def _tilt(affine: Array, order: tuple[int, ...]) -> float:
    cosines = affine[:-1, :-1] / geometry.voxel_sizes(affine)
    return float(max(np.degrees(np.arccos(min(1.0, abs(cosines[w, s])))) for w, s in enumerate(order)))


def _outside_image(points: Array, affine: Array, shape: tuple[int, ...]) -> Array:
    """Return how far points ``(n, axis)`` in mm lie beyond the outer faces of the image's voxels, 0 inside."""
    if not len(points):
        return np.zeros(0)
    return np.linalg.norm(geometry.beyond_edges(points, affine, shape) * geometry.voxel_sizes(affine), axis=1)


def _outside_head(points: Array, affine: Array, head: NDArray[np.bool_]) -> Array:
    """Return how far points ``(n, 3)`` in mm lie from the head, 0 on or in it; to the voxel of the coarse image."""
    if not len(points) or not head.any():
        return np.zeros(len(points))
    away = ndimage.distance_transform_edt(~head, sampling=geometry.voxel_sizes(affine))
    index = np.rint(np.nan_to_num(geometry.world_to_index(affine, points))).astype(int)
    inside = np.clip(index, 0, np.array(head.shape) - 1)
    return np.where(np.isnan(points).any(axis=1), np.nan, away[tuple(inside.T)])
