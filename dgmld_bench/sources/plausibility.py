"""Are reference points where such points can be? Checks that need the images' geometry alone, and say what to do."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dgmld_bench import geometry
from dgmld_bench.landmarks import LandmarkSet

Array = NDArray[np.float64]

_SIDES = (("right", "to the left of"), ("front", "behind"), ("top", "below"))
"""For each RAS axis, what its positive end is called, and where the other one is."""

USUAL_LENGTHS_MM = {
    "cerebellum": ("TCD1", "TCD2", 10.0, 120.0, "the voxel sizes of the volumes and the unit of the points"),
    "cephalometric": ("sella", "nasion", 40.0, 110.0, "the size given for a pixel"),
}
"""Per landmark set: two landmarks, how far apart they can be in anyone, and what is wrong where they are not."""

_MAX_LISTED = 8
_FRACTIONS = 1.5
"""Pixels of a film are not this small throughout."""


def outside(points: ArrayLike, affine: Array, shape: Sequence[int]) -> NDArray[np.bool_]:
    """Return which points lie outside an image, beyond the outer edges of its voxels or pixels; missing ones do not.

    Parameters
    ----------
    points : array, shape (..., axis)
        World coordinates.
    affine : array, shape (d + 1, d + 1)
    shape : tuple of int
        Of the stored array.

    Examples
    --------
    >>> outside([[2.4, 0.0, 0.0], [2.6, 0.0, 0.0], [np.nan] * 3], np.eye(4), (3, 1, 1)).tolist()
    [False, True, False]
    """
    return np.asarray((geometry.beyond_edges(points, affine, shape) > 0).any(axis=-1))


def explain_outside(
    points: Array, affine: Array, shape: Sequence[int], landmark_set: LandmarkSet, space: str = "ras_mm"
) -> str:
    """Say which points lie outside their image and, where another reading puts all of them inside, which; else "".

    Parameters
    ----------
    points : array, shape (landmark, axis)
        World coordinates.
    affine, shape
        Those of the image.
    landmark_set : LandmarkSet
    space : {"ras_mm", "lps_mm"}
        3D: as what the points were read.
    """
    beyond = outside(points, affine, shape)
    if not beyond.any():
        return ""
    first = int(np.flatnonzero(beyond)[0])
    place = ", ".join(f"{v:g}" for v in np.round(points[first], 2))
    present = int((~np.isnan(points).any(axis=-1)).sum())
    text = (
        f"{int(beyond.sum())} of {present} points lie outside the image: "
        f"{landmark_set.names[first]} at ({place}) {'mm RAS' if len(shape) == 3 else 'px'}"
    )
    if len(shape) == 2:
        height, width = shape
        if not outside(points[:, ::-1], affine, shape).any():
            return f"{text}; with x and y exchanged all lie inside: x runs to the right, y down"
        reduced = "; were the images made smaller after they were annotated?" if beyond.sum() * 2 > present else ""
        return f"{text}, the image has {width}x{height} px{reduced}"
    flipped = geometry.flip_ras_lps(points)
    read, other = ("LPS", "RAS") if space == "lps_mm" else ("RAS", "LPS")
    if not outside(flipped, affine, shape).any():
        return f"{text}; they were read as {read}, and read as {other} all lie inside: they seem to be {other}"
    if not outside(geometry.index_to_world(affine, flipped if read == "LPS" else points), affine, shape).any():
        return f"{text}; they look like voxel indices, and millimetres are expected"
    return text


def shared_position(points: Array, landmark_set: LandmarkSet) -> tuple[list[str], str]:
    """Return the landmarks that share the commonest position of a case, and where that is; none where each has its own.

    Parameters
    ----------
    points : array, shape (landmark, axis)

    Examples
    --------
    >>> from dgmld_bench.landmarks import CEREBELLUM
    >>> shared_position(np.array([[0.0] * 3, [1, 2, 3], [0] * 3, [4, 5, 6], [np.nan] * 3, [np.nan] * 3]), CEREBELLUM)
    (['TCD1', 'HDV1'], '(0, 0, 0)')
    """
    there = np.flatnonzero(np.isfinite(points).all(axis=-1))
    same = (points[there][:, None] == points[there][None]).all(axis=-1)
    if not len(there) or same.sum(axis=1).max() < 2:
        return [], ""
    fullest = there[same[int(same.sum(axis=1).argmax())]]
    place = ", ".join(f"{v:g}" for v in np.round(points[fullest[0]], 2) + 0.0)
    return [landmark_set.names[n] for n in fullest], f"({place})"


def explain_shared(points: Array, landmark_set: LandmarkSet) -> str:
    """Say which landmarks of a case share one position; else ""."""
    names, place = shared_position(points, landmark_set)
    if not names:
        return ""
    return (
        f"{' and '.join(names) if len(names) == 2 else ', '.join(names)} are at one position, {place}: were they set?"
    )


def find_remarks(
    landmark_set: LandmarkSet,
    ids: Sequence[str],
    points: Array,
    middles: Array,
    mm_per_unit: float | Array = 1.0,
    *,
    only_common: bool = False,
) -> list[str]:
    """Return what looks wrong with the points of many cases together, one sentence each.

    Ends of biometrics in the wrong order, a cerebellum in front of the middle, a face upside down or turned to the
    left, lengths that nobody has. None of these is impossible, so that a person has to look.

    Parameters
    ----------
    landmark_set : LandmarkSet
    ids : sequence of str
    points : array, shape (case, landmark, axis)
        World coordinates, NaN where missing.
    middles : array, shape (case, axis)
        World coordinates of the middle of each image.
    mm_per_unit : float, or array of shape (case,)
    only_common : bool
        Leave out what less than half of the cases have.
    """
    least = len(ids) / 2 if only_common else 0.0
    remarks = _about_biometrics(landmark_set, ids, points, least)
    for case_id, one in zip(ids, points, strict=True):
        if not only_common and (shared := explain_shared(one, landmark_set)):
            remarks.append(f"case '{case_id}': {shared}")
    if landmark_set.name == "cephalometric":
        remarks += _about_faces(landmark_set, ids, points, least)
        if np.nanmax(points) <= _FRACTIONS:
            remarks.append("all coordinates lie between 0 and 1: are they fractions of the image? Pixels are expected")
            return remarks
    if landmark_set.name == "cerebellum":
        ahead = np.nansum(points[:, :, 1] - middles[:, 1:2], axis=1) > 0
        if ahead.sum() * 2 > len(ids):
            remarks.append(
                f"the landmarks lie in front of the middle of the volume in {_cases(ids, ahead)}, and the cerebellum "
                "lies at the back: are RAS and LPS mixed up?"
            )
    one, two, low, high, cause = USUAL_LENGTHS_MM[landmark_set.name]
    difference = points[:, landmark_set.index(one)] - points[:, landmark_set.index(two)]
    lengths_mm = np.linalg.norm(difference, axis=-1) * mm_per_unit
    odd = (lengths_mm < low) | (lengths_mm > high)
    if odd.sum() > least:
        remarks.append(
            f"{one} and {two} are {np.median(lengths_mm[odd]):.3g} mm apart in {_cases(ids, odd)}, expected {low:g} to "
            f"{high:g} mm: check {cause}"
        )
    return remarks


def _about_faces(landmark_set: LandmarkSet, ids: Sequence[str], points: Array, least: float) -> list[str]:
    """Say which faces stand upside down or look to the left; x runs to the right, y down."""
    sella, nasion, menton = (points[:, landmark_set.index(name)] for name in ("sella", "nasion", "menton"))
    remarks = []
    above, left = menton[:, 1] < nasion[:, 1], nasion[:, 0] < sella[:, 0]
    if above.sum() > least:
        remarks.append(
            f"menton lies above nasion in {_cases(ids, above)}: y is counted from the top of the image, down; was it "
            "counted from the bottom?"
        )
    if left.sum() > least:
        remarks.append(
            f"nasion lies to the left of sella in {_cases(ids, left)}: all films that are trained on look to the "
            "right; look at one with `show`, whether points or image are mirrored"
        )
    return remarks


def _about_biometrics(landmark_set: LandmarkSet, ids: Sequence[str], points: Array, least: float) -> list[str]:
    """Say which biometrics have their ends exchanged."""
    remarks, mostly = [], set()
    for biometric, (start, end) in zip(landmark_set.biometrics, landmark_set.biometric_indices(), strict=True):
        positive, negative = _SIDES[biometric.axis]
        swapped = (points[:, start] - points[:, end])[:, biometric.axis] < 0
        if swapped.sum() * 2 > len(ids):
            mostly.add(biometric.axis)
        if swapped.sum() > least:
            remarks.append(
                f"{biometric.start} lies {negative} {biometric.end} in {_cases(ids, swapped)}; here it is the "
                f"{positive} end: exchange the two points where they are named wrongly"
            )
    if mostly == {0, 1}:  # what turns x and y around
        remarks.append("right and left, and front and back, are exchanged in most cases: are RAS and LPS mixed up?")
    return remarks


def _cases(ids: Sequence[str], which: NDArray[np.bool_]) -> str:
    named = [case for case, chosen in zip(ids, which, strict=True) if chosen]
    if len(named) == len(ids):
        return "every case"
    shown = ", ".join(named[:_MAX_LISTED]) + (" …" if len(named) > _MAX_LISTED else "")
    return f"{len(named)} of {len(ids)} cases ({shown})"
