"""The raw-data folder of nnLandmark, a fork of nnU-Net (https://github.com/MIC-DKFZ/nnLandmark)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgmld_bench.errors import DataError, UsageError
from dgmld_bench.export.job import Job, check_opens
from dgmld_bench.export.note import provenance
from dgmld_bench.files import write_json
from dgmld_bench.formats.volumes import write_volume
from dgmld_bench.geometry import voxel_sizes, world_to_index

Array = NDArray[np.float64]

ENDING = ".nii.gz"

ABOUT = """
Raw data for nnLandmark: put this folder into `nnUNet_raw` under a name such as `Dataset737_DGMLD`. `imagesTr` and
`labelsTr` hold training and validation splits, `imagesTs` and `labelsTs` test splits. A label map marks each landmark
with a cube of 3x3x3 voxels around its nearest voxel, of one voxel where cubes would meet or leave the image.
`all_landmarks_voxel.json` has the exact points, zero-based i, j, k of the stored array, not rounded;
`name_to_label.json`, `spacing.json` and `dataset.json` are as nnLandmark's own conversions write them. What nnLandmark
predicts of `imagesTs`, a folder with a JSON per case, comes back by `dgmld-bench score FOLDER --split SPLIT`.
"""


def check(job: Job) -> None:
    """Refuse films and predictions."""
    if job.landmark_set.dimension != 3:
        raise UsageError(
            "format 'nnlandmark' is for volumes: nnLandmark's layout and its evaluation have three axes "
            "(spacing.json, all_landmarks_voxel.json); for films there are hf, parquet and slicer"
        )
    if job.predictions is not None:
        raise UsageError("format 'nnlandmark' is a training set, it has no place for predictions; parquet has")


def write(job: Job, folder: Path) -> None:
    """Write images, label maps and the four JSON files."""
    names = {name: n for n, name in enumerate(job.landmark_set.names, start=1)}
    points: dict[str, dict[str, list[float]]] = {}
    spacing: dict[str, Any] = {}
    training = 0
    for split in job.splits:
        part = "Ts" if split.role == "test" else "Tr"
        for item in job.items(split):
            check_opens(item, "SimpleITK, with which nnLandmark reads,")
            image = item.case.image
            write_volume(folder / f"images{part}" / f"{item.key}_0000{ENDING}", image, item.case.affine)
            sizes_mm = voxel_sizes(item.case.affine).tolist()
            spacing[item.key] = {"image_spacing": sizes_mm, "annotation_spacing": None}
            training += part == "Tr"
            if item.reference is None:
                continue
            voxels = world_to_index(item.case.affine, item.reference)
            labels = label_map(voxels, image.shape, item.where)
            write_volume(folder / f"labels{part}" / f"{item.key}{ENDING}", labels, item.case.affine)
            present = zip(names, voxels, strict=True)
            points[item.key] = {name: point.tolist() for name, point in present if np.isfinite(point).all()}
    write_json(folder / "all_landmarks_voxel.json", points)
    write_json(folder / "spacing.json", spacing)
    write_json(folder / "name_to_label.json", names)
    licences = dict.fromkeys(entry["licence"] for entry in provenance(job))
    write_json(
        folder / "dataset.json",
        {
            "channel_names": {"0": "MRI"},
            "labels": {"background": 0, **names},
            "numTraining": training,
            "file_ending": ENDING,
            "description": f"dgmld-bench: {', '.join(s.name for s in job.splits)}",
            "licence": "; ".join(licences),
        },
    )


def label_map(voxels: Array, shape: tuple[int, ...], where: str = "a case") -> NDArray[np.uint8]:
    """Return the label map of landmarks: n + 1 in a cube of 3³ voxels around landmark n.

    nnLandmark takes a landmark's place from the centre of mass of its label, so cubes must not overlap or be cut at
    the border: such a landmark marks its own voxel only.

    Parameters
    ----------
    voxels : array, shape (landmark, 3)
        Indices, NaN where a landmark is missing.
    shape : (int, int, int)
    where : str
        For the error message.

    Raises
    ------
    DataError
        When a landmark lies outside the image, or two have the same nearest voxel.

    Examples
    --------
    >>> labels = label_map(np.array([[2, 2, 2], [7, 2, 2], [8.4, 2, 2]]), (9, 5, 5))
    >>> np.bincount(labels.ravel())[1:]
    array([27,  1,  1])
    """
    labels = np.zeros(shape, np.uint8)
    present = np.flatnonzero(np.isfinite(voxels).all(axis=1))
    nearest = np.rint(voxels[present]).astype(int)
    outside = ((nearest < 0) | (nearest >= np.array(shape))).any(axis=1)
    if outside.any():
        first = present[outside][0]
        raise DataError(f"{where}: landmark {first + 1} lies outside the image, at voxel {voxels[first].round(1)}")
    apart = np.abs(nearest[:, None] - nearest[None]).max(axis=2) + 3 * np.eye(len(present), dtype=int)
    if (apart == 0).any():
        one, other = present[np.argwhere(apart == 0)[0]] + 1
        raise DataError(f"{where}: landmarks {one} and {other} have one nearest voxel; a label map cannot hold both")
    inner = (nearest >= 1).all(axis=1) & (nearest <= np.array(shape) - 2).all(axis=1)
    half = (inner & (apart.min(axis=1, initial=3) >= 3)).astype(int)
    for n, centre, reach in zip(present, nearest, half, strict=True):
        labels[tuple(slice(c - reach, c + reach + 1) for c in centre)] = n + 1
    return labels
