"""Mask-derived landmarks: the end points of TCD, HDV and ADV from a cerebellum label.

They are useful where nobody annotated a volume, and they are not ground truth: on CRL atlases they lie 1.3 to 4.2 mm
from expert end points. Whatever shows them says "mask-derived".

All directions are anatomical: voxels are taken to RAS millimetres through the affine first, so the order and
direction in which a volume is stored do not matter.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dgmld_bench import geometry
from dgmld_bench.errors import DataError, unknown_name
from dgmld_bench.landmarks import CEREBELLUM

Array = NDArray[np.float64]
Scheme = Literal["fidon", "feta"]

CEREBELLUM_LABEL: dict[Scheme, int] = {"fidon": 3, "feta": 5}
"""The cerebellum's label in the numbering of the atlases (Fidon) and of FeTA."""

FIDON_TO_FETA = (0, 3, 4, 5, 1, 2, 6, 7, 2)
"""The FeTA label of each Fidon label."""

SLAB_HALF_WIDTH_MM = 1.5
"""Half the thickness of the mid-sagittal slab on which the vermis is measured (at least one voxel either side)."""

_R, _A, _S = 0, 1, 2  # world axes: right, anterior, superior
_WHOLE = {"TCD"}  # measured on all of the cerebellum; the vermis on the slab

# What makes a label the cerebellum: measured on the 46 public atlases (gestational weeks 21 to 38, spina bifida
# included) and widened. Extent and place are relative to the bounding box of everything labelled.
_VOLUME_SHARE = (0.005, 0.10)  # measured 0.011 to 0.041
_MAX_EXTENT = (0.75, 0.50, 0.50)  # right-left, front-back, up-down; measured 0.57, 0.30, 0.31
_MAX_ANTERIOR, _MAX_SUPERIOR = -0.05, -0.12  # of the centre from the brain's; measured -0.14, -0.24
_MIN_LARGEST_SHARE = 0.8  # of the label's voxels that hang together; measured 1.0


def detect_scheme(labels: ArrayLike, affine: ArrayLike) -> Scheme:
    """Say in which numbering a label map is, by which label is shaped and placed like a cerebellum.

    The cerebellum is one compact structure, low and at the back, of a few per cent of the brain. Label 3 is white
    matter in FeTA's numbering, label 5 cortical grey matter in Fidon's; both span the brain.

    Parameters
    ----------
    labels : integer array, shape (i, j, k)
    affine : array, shape (4, 4)
        Voxel index to RAS mm.

    Returns
    -------
    {"fidon", "feta"}

    Raises
    ------
    DataError
        When neither label, or both, look like a cerebellum.
    """
    volume, matrix = _check(labels, affine)
    present = np.unique(volume)
    if present[-1] >= len(FIDON_TO_FETA):
        raise DataError(f"unknown labels up to {present[-1]}; expected Fidon's (0 to 8) or FeTA's (0 to 7) numbering")
    if merge_vermis(volume, matrix) is not None:
        raise DataError("labels 5 and 8 together look like a cerebellum with its vermis, which is neither numbering")
    reasons: dict[Scheme, str] = {
        scheme: _not_a_cerebellum(volume, matrix, (label,)) for scheme, label in CEREBELLUM_LABEL.items()
    }
    fitting = [scheme for scheme, reason in reasons.items() if not reason]
    if len(fitting) == 1:
        return fitting[0]
    details = "; ".join(f"label {CEREBELLUM_LABEL[s]} ({s}) {r or 'fits'}" for s, r in reasons.items())
    raise DataError(f"cannot tell the numbering of this label map by its cerebellum: {details}")


def merge_vermis(labels: ArrayLike, affine: ArrayLike) -> NDArray | None:
    """Return a label map with label 8 made 5, where 5 and 8 together are the cerebellum; None where they are not.

    Some maps hold the vermis apart, as label 8. FeTA's numbering has no 8; in Fidon's it is the corpus callosum.
    """
    volume, matrix = _check(labels, affine)
    if not (volume == 8).any() or not _not_a_cerebellum(volume, matrix, (CEREBELLUM_LABEL["fidon"],)):
        return None
    if _not_a_cerebellum(volume, matrix, (5, 8)):
        return None
    return np.where(volume == 8, volume.dtype.type(5), volume)


def doubt_of(labels: ArrayLike, affine: ArrayLike, numbers: tuple[int, ...]) -> str:
    """Say why labels do not look like a cerebellum together; nothing where they do."""
    return _not_a_cerebellum(*_check(labels, affine), numbers)


def cerebellum(
    labels: ArrayLike, affine: ArrayLike, scheme: Scheme | tuple[int, ...] | None = None
) -> NDArray[np.bool_]:
    """Return the binary cerebellum mask ``(i, j, k)``: the largest connected component of its label.

    Parameters
    ----------
    labels : integer array, shape (i, j, k)
    affine : array, shape (4, 4)
    scheme : {"fidon", "feta"} or tuple of int, optional
        The numbering, or the labels that make up the cerebellum; detected by :func:`detect_scheme` where it is None.

    Raises
    ------
    DataError
        When the numbering is unclear or the map has no cerebellum.
    UsageError
        For an unknown scheme.
    """
    volume, matrix = _check(labels, affine)
    if scheme is None:
        scheme = detect_scheme(volume, matrix)
    elif isinstance(scheme, str) and scheme not in CEREBELLUM_LABEL:
        raise unknown_name("label scheme", scheme, tuple(CEREBELLUM_LABEL))
    numbers = (CEREBELLUM_LABEL[scheme],) if isinstance(scheme, str) else scheme
    mask = np.isin(volume, numbers)
    if not mask.any():
        of = f" in the {scheme} numbering" if isinstance(scheme, str) else ""
        raise DataError(f"the label map has no cerebellum (label {', '.join(map(str, numbers))}{of})")
    return _largest_component(mask)


def derive_landmarks(labels: ArrayLike, affine: ArrayLike, scheme: Scheme | tuple[int, ...] | None = None) -> Array:
    """Derive the six landmarks of the cerebellum from a label map.

    ======  =========================================================
    TCD1    extreme right of the cerebellum (largest x)
    TCD2    extreme left (smallest x)
    HDV1    top of the mid-sagittal slab (largest z)
    HDV2    bottom of the mid-sagittal slab (smallest z)
    ADV1    front of the mid-sagittal slab (largest y)
    ADV2    back of the mid-sagittal slab (smallest y)
    ======  =========================================================

    Each point is the mean of the voxel centres of the extreme layer, one voxel thick: sub-voxel along the layer, on
    the last voxel centre across it. The slab lies around the cerebellum's centre of mass.

    Parameters
    ----------
    labels : integer array, shape (i, j, k)
    affine : array, shape (4, 4)
        Voxel index to RAS mm, any order and direction of the array's axes.
    scheme : {"fidon", "feta"} or tuple of int, optional
        As for :func:`cerebellum`.

    Returns
    -------
    array, shape (6, 3)
        RAS mm, in the order of :data:`dgmld_bench.landmarks.CEREBELLUM`.

    Raises
    ------
    DataError
        As :func:`cerebellum`.
    """
    volume, matrix = _check(labels, affine)
    mask = cerebellum(volume, matrix, scheme)
    points = geometry.index_to_world(matrix, np.argwhere(mask))  # (voxel, xyz)
    voxel_mm = np.abs(matrix[:3, :3]).max(axis=1)  # how far one voxel reaches along each world axis
    half_width = max(SLAB_HALF_WIDTH_MM, float(voxel_mm[_R]))
    slab = points[np.abs(points[:, _R] - points[:, _R].mean()) <= half_width]
    if not len(slab):
        raise DataError("the cerebellum has no voxels at its middle: two separate halves cannot be measured")
    result = np.full((len(CEREBELLUM), 3), np.nan)
    for biometric, ends in zip(CEREBELLUM.biometrics, CEREBELLUM.biometric_indices(), strict=True):
        measured = points if biometric.name in _WHOLE else slab
        for end, sign in zip(ends, (1, -1), strict=True):
            result[end] = _extreme(measured, biometric.axis, sign, voxel_mm[biometric.axis])
    return result


def _extreme(points: Array, axis: int, sign: int, voxel_mm: float) -> Array:
    """Return the mean of the points in the last layer, one voxel thick, along one direction of a world axis."""
    along = sign * points[:, axis]
    return np.asarray(points[along > along.max() - 0.999 * voxel_mm].mean(axis=0))


def _check(labels: ArrayLike, affine: ArrayLike) -> tuple[NDArray, Array]:
    volume = np.asarray(labels)
    if volume.ndim != 3 or volume.dtype.kind not in "iu":
        raise DataError(f"a label map is an integer array of three axes, got {volume.dtype} of shape {volume.shape}")
    if not volume.any():
        raise DataError("the label map is empty")
    return volume, geometry.check_affine(affine, 3)


def _largest_component(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the largest part of a mask that hangs together over faces, edges or corners: stray voxels are left out."""
    from scipy import ndimage

    box = ndimage.find_objects(mask.astype(np.uint8))[0]
    parts, _ = ndimage.label(mask[box], structure=np.ones((3, 3, 3)))
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    largest = np.zeros_like(mask)
    largest[box] = parts == sizes.argmax()
    return largest


def _not_a_cerebellum(volume: NDArray, affine: Array, numbers: tuple[int, ...]) -> str:
    """Return why labels together cannot be the cerebellum, or nothing."""
    mask = np.isin(volume, numbers)
    count = int(mask.sum())
    if not count:
        return "is absent"
    share = count / int((volume > 0).sum())
    if not _VOLUME_SHARE[0] <= share <= _VOLUME_SHARE[1]:
        return f"is {share:.1%} of all labelled voxels, expected {_VOLUME_SHARE[0]:.1%} to {_VOLUME_SHARE[1]:.0%}"
    part = _largest_component(mask)
    if part.sum() < _MIN_LARGEST_SHARE * count:
        return "is in several pieces"
    brain_centre, brain_size = _centre_and_size(_largest_component(volume > 0), affine)
    centre, size = _centre_and_size(part, affine)
    extent = size / brain_size
    place = (centre - brain_centre) / brain_size
    if (extent > _MAX_EXTENT).any():
        return f"spans {extent.max():.0%} of the brain, too much"
    if place[_A] > _MAX_ANTERIOR or place[_S] > _MAX_SUPERIOR:
        return "is not low and at the back"
    return ""


def _centre_and_size(mask: NDArray[np.bool_], affine: Array) -> tuple[Array, Array]:
    """Return the centre of mass in RAS mm, and the extent along the array axis nearest to each world axis in mm."""
    centre, size = np.zeros(3), np.zeros(3)
    for axis in range(3):
        profile = np.count_nonzero(mask, axis=tuple(a for a in range(3) if a != axis))
        inside = np.flatnonzero(profile)
        centre[axis] = np.average(np.arange(len(profile)), weights=profile)
        size[axis] = inside[-1] - inside[0] + 1
    order, _ = geometry.canonical_axes(affine)
    return geometry.index_to_world(affine, centre), (size * geometry.voxel_sizes(affine))[list(order)]
