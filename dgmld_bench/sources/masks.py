"""Which label map of a folder for pre-training belongs to which case, and how it comes onto the case's voxels.

The names need not begin with a case's id, the grid need not be that of the case's volume, and the cerebellum may be
label 5 with its vermis as label 8. Nothing is guessed: a map goes to a case when exactly one fits, by its name or by
the image beside it, and everything else is said.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dgmld_bench import derive, geometry
from dgmld_bench.errors import DataError
from dgmld_bench.formats import volumes
from dgmld_bench.storage.folders import visible
from dgmld_bench.storage.register import CaseFiles

SAME_IMAGE = 0.97
"""Correlation of two volumes in the world from which they are one image; below it a name is not believed. Seen on the
public atlases: one volume on two grids, with clipped grey values, 0.991 and more; two volumes at most 0.93."""

MIN_COVERED, MIN_ON_HEAD = 0.95, 0.5
"""Share of a map's labelled volume that must lie in its case's volume, and on what is not zero there."""

_WORD = re.compile(r"[_.\-]*(parcellation|dseg|seg|labels?|masks?)$", re.IGNORECASE)
MIN_COINCIDENT = 0.75
"""Share of what is not zero in either of two volumes that must not be zero in both, for them to be compared."""

_SAMPLES = 28  # points along each axis at which two volumes are compared


@dataclass(frozen=True)
class LabelMap:
    """A label map, and the image of the same folder that it goes with, where there is one."""

    path: Path
    image: Path | None


def find_label_maps(folders: list[Path]) -> list[LabelMap]:
    """Return the label maps of the folders for pre-training: ``label/`` beside ``image/`` and ``train.list``."""
    maps = []
    for place in folders:
        if not ((place / "train.list").is_file() and (place / "image").is_dir() and (place / "label").is_dir()):
            continue
        images = {volumes.stem(p): p for p in visible(place / "image") if p.is_file() and volumes.is_volume(p)}
        labels = [p for p in visible(place / "label") if p.is_file() and volumes.is_volume(p)]
        named = [p for p in labels if "parcellation" in p.name.casefold()]
        for path in named or labels:
            stem = _WORD.sub("", volumes.stem(path))
            maps.append(LabelMap(path, images.get(stem) or images.get(volumes.stem(path))))
    return maps


def pair(cases: list[CaseFiles], maps: list[LabelMap]) -> tuple[dict[str, tuple[LabelMap, str]], dict[str, str]]:
    """Bring cases and label maps together.

    Returns
    -------
    found : dict
        Case id -> its map, and how it was found: ``"name"`` or ``"image"``.
    refused : dict
        Case id -> why it has none.
    """
    found: dict[str, tuple[LabelMap, str]] = {}
    refused: dict[str, str] = {}
    by_name = {case.id: [m for m in maps if _names(m, case.id)] for case in cases}
    for case in cases:
        for rule in (_begins, _names):
            fitting = [m for m in by_name[case.id] if rule(m, case.id)]
            others = [c for c in cases if c.id != case.id and any(rule(m, c.id) for m in fitting)]
            if len(fitting) == 1 and not others:
                found[case.id] = fitting[0], "name"
                break
    for case_id, (label_map, _) in list(found.items()):
        if label_map.image is not None:
            case = next(c for c in cases if c.id == case_id)
            alike = likeness(case.image, label_map.image)
            if alike < SAME_IMAGE:
                refused[case_id] = f"{label_map.path.name}: the image beside it is another (correlation {alike:.2f})"
                del found[case_id]
    taken = {m.path for m, _ in found.values()}
    left = [m for m in maps if m.path not in taken and m.image is not None]
    table = {
        case.id: [m for m in left if m.image is not None and likeness(case.image, m.image) >= SAME_IMAGE]
        for case in cases
        if case.id not in found
    }
    for case_id, fitting in table.items():
        rivals = [c for c, theirs in table.items() if c != case_id and any(m in fitting for m in theirs)]
        if len(fitting) == 1 and not rivals:
            found[case_id] = fitting[0], "image"
            refused.pop(case_id, None)
        elif fitting:
            refused[case_id] = f"{len(fitting)} label maps fit {1 + len(rivals)} cases by their images; none is taken"
        elif len(by_name[case_id]) > 1:
            names = ", ".join(m.path.name for m in by_name[case_id])
            refused.setdefault(case_id, f"{len(by_name[case_id])} label maps fit by their names: {names}")
    return found, refused


def _begins(label_map: LabelMap, case_id: str) -> bool:
    return re.match(rf"{re.escape(case_id)}(?![0-9])", label_map.path.name) is not None


def _names(label_map: LabelMap, case_id: str) -> bool:
    """Whether a name has the id in it: as a whole word, or a number of the same value."""
    stem = _WORD.sub("", volumes.stem(label_map.path))
    if case_id.isdecimal():
        return int(case_id) in {int(n) for n in re.findall(r"\d{1,9}", stem)}
    return re.search(rf"(?<![^\W_]){re.escape(case_id)}(?![^\W_])", stem) is not None


def likeness(first: Path | str, second: Path | str) -> float:
    """Return the correlation of two volumes at the same points of the world, where neither is zero, from -1 to 1.

    It is 0 where what is not zero in them does not coincide.

    Raises
    ------
    DataError
        When one of them cannot be read.
    """
    from scipy import ndimage

    one, affine = volumes.read_volume(first)
    two, other = volumes.read_volume(second)
    along = [np.linspace(0, n - 1, _SAMPLES) for n in one.shape]
    index = np.stack(np.meshgrid(*along, indexing="ij"), axis=-1).reshape(-1, 3)
    there = geometry.world_to_index(other, geometry.index_to_world(affine, index))
    values = [
        ndimage.map_coordinates(v.astype(np.float32), i.T, order=1, mode="constant")
        for v, i in ((one, index), (two, there))
    ]
    shown = [v != 0 for v in values]
    both = shown[0] & shown[1]
    if both.sum() < MIN_COINCIDENT * (shown[0] | shown[1]).sum() or not all(v[both].std() > 0 for v in values):
        return 0.0  # the outlines alone are not alike
    return float(np.corrcoef(values[0][both], values[1][both])[0, 1])


def fitted(case: CaseFiles, path: Path) -> tuple[NDArray | None, derive.Scheme, list[str]]:
    """Bring a label map onto the voxels of its case.

    Returns
    -------
    labels : array or None
        None where the file can be used as it is.
    scheme : {"fidon", "feta"}
    changes : list of str
        What was done to it.

    Raises
    ------
    DataError
        When it has no clear cerebellum, or does not lie on the case's head.
    """
    affine, _ = volumes.read_affine_and_shape(path)
    labels: NDArray = volumes.read_labels(path)
    changes = []
    merged = derive.merge_vermis(labels, affine)
    if merged is not None:
        labels = merged
        changes.append("label 8, the vermis, made part of label 5")
    scheme = derive.detect_scheme(labels, affine)
    image, image_affine = volumes.read_volume(case.image)
    try:
        volumes.check_mask(case.image, path)
    except DataError:
        labels = _resampled(labels, affine, image_affine, image.shape)
        changes.append("resampled from another grid")
        if derive.detect_scheme(labels, image_affine) != scheme:
            raise DataError(f"{path}: its cerebellum is lost on the grid of {case.image}") from None
    on_head = float(np.mean(image[labels > 0] != 0))
    if on_head < MIN_ON_HEAD:
        raise DataError(f"{path}: {on_head:.0%} of what it labels lies on the head of {case.image}")
    return (labels if changes else None), scheme, changes


def _resampled(labels: NDArray, affine: NDArray, to_affine: NDArray, shape: tuple[int, ...]) -> NDArray:
    """Return labels on other voxels: each takes that of the nearest voxel, through both affines."""
    from scipy import ndimage

    matrix = np.linalg.inv(affine) @ to_affine
    result = ndimage.affine_transform(labels, matrix[:3, :3], matrix[:3, 3], shape, order=0, mode="constant")
    before, after = (
        abs(np.linalg.det(a[:3, :3])) * np.count_nonzero(v) for a, v in ((affine, labels), (to_affine, result))
    )
    if after < MIN_COVERED * before:
        raise DataError(
            f"{after / before:.0%} of what it labels lies in the volume of its case; is it of another space?"
        )
    return np.asarray(result)
