"""Scenes for 3D Slicer: a folder per case with ``scene.mrml``, the image, and markups of reference and predictions.

Tags and attributes are those that Slicer 5 writes: nodes refer to their storage and display by
``references="storage:ID;display:ID;"``, the views show the volume that their ``SliceComposite`` names, and
:mod:`dgmld_bench.formats.markups` writes the markups.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import numpy as np
from numpy.typing import NDArray

from dgmld_bench import geometry
from dgmld_bench.errors import UsageError
from dgmld_bench.export.job import Item, Job, check_opens
from dgmld_bench.files import write_text
from dgmld_bench.formats import markups
from dgmld_bench.formats.volumes import write_volume

if TYPE_CHECKING:
    from dgmld_bench.landmarks import LandmarkSet

Array = NDArray[np.float64]

SCENE, IMAGE = "scene.mrml", "image.nii.gz"
VIEWS = ("Red", "Yellow", "Green")
REFERENCE_COLOUR, PREDICTION_COLOUR = "0.24 0.86 0.52", "1 0.31 0.37"

ABOUT = """
One folder per case: open its `scene.mrml` in 3D Slicer (File > Add Data, or drop it on the window). Green is the
reference, red are predictions, each run in a folder `seed-N`. In 3D a biometric is a line between its two landmarks,
in the scanner's millimetres. A film becomes a volume of one slice in the axial view, x to the right and y down, in
millimetres from the centre of the original film's first pixel.
"""


def check(job: Job) -> None:
    """Refuse an export with nothing to show."""
    if job.predictions is None and (without := [s.name for s in job.splits if not job.gives_references(s)]):
        raise UsageError(
            f"a scene of test split '{without[0]}' needs predictions=FILE; its own landmarks are withheld unless "
            "asked for with references=True"
        )


def write(job: Job, folder: Path) -> None:
    """Write a folder per case."""
    for split in job.splits:
        for item in job.items(split):
            _write_case(job, item, folder / item.key)


def _write_case(job: Job, item: Item, folder: Path) -> None:
    check_opens(item, "3D Slicer")
    image, affine, to_ras = _space(item)
    write_volume(folder / IMAGE, image, affine)
    scene = Scene(item.key, IMAGE)
    sets = [] if item.reference is None else [("reference", item.reference, REFERENCE_COLOUR)]
    sets += [(f"seed-{seed}", points, PREDICTION_COLOUR) for seed, points in item.predictions.items()]
    for name, points, colour in sets:
        files, missing = _write_points(folder / name, points @ to_ras.T, job.landmark_set)
        for file in files:
            markup = markups.stem(file)
            kind = "Line" if job.landmark_set.biometrics else "Fiducial"
            scene.add(f"{markup} {name}", kind, f"{name}/{file.name}", colour)
        if missing:
            job.notes.append(f"{item.where}, {name}: without {', '.join(missing)}")
    write_text(folder / SCENE, scene.text())


def _space(item: Item) -> tuple[NDArray, Array, Array]:
    """Return the volume, its affine, and the matrix that takes the case's world coordinates to RAS mm."""
    case = item.case
    if case.landmark_set.dimension == 3:
        return case.image, case.affine, np.eye(3)
    volume_affine, to_ras = geometry.film_as_volume(case.affine, case.spacing_mm)
    return case.image.T[:, :, None], volume_affine, to_ras


def _write_points(folder: Path, points: Array, landmark_set: LandmarkSet) -> tuple[list[Path], list[str]]:
    """Write markups; return their files and the names of what is missing. A line needs both of its ends."""
    defined = np.asarray(np.isfinite(points).all(axis=1))
    if not landmark_set.biometrics:
        path = folder / f"landmarks{markups.SUFFIX}"
        names = [n for n, there in zip(landmark_set.names, defined, strict=True) if there]
        if names:
            markups.write_points(path, points[defined], names)
        return [path] if names else [], [n for n in landmark_set.names if n not in names]
    files, missing = [], []
    places = zip(landmark_set.biometrics, landmark_set.biometric_indices(), strict=True)
    for (biometric, ends), path in zip(places, markups.landmark_paths(folder, landmark_set), strict=True):
        if defined[list(ends)].all():
            markups.write_line(path, points[list(ends)], biometric.name)
            files.append(path)
        else:
            missing.append(biometric.name)
    return files, missing


class Scene:
    """A MRML scene with one volume, shown in every slice view, and markups."""

    def __init__(self, name: str, image: str) -> None:
        self.root = ET.Element("MRML", version="Slicer5.0.0", userTags="")
        self.count = 0
        volume, storage = "vtkMRMLScalarVolumeNode1", "vtkMRMLVolumeArchetypeStorageNode1"
        display = "vtkMRMLScalarVolumeDisplayNode1"
        self._node("VolumeArchetypeStorage", storage, "VolumeArchetypeStorage", fileName=image, centerImage="0")
        self._node("VolumeDisplay", display, "VolumeDisplay", colorNodeID="vtkMRMLColorTableNodeGrey")
        self._node("Volume", volume, name, references=f"storage:{storage};display:{display};")
        for view in VIEWS:
            self._node(
                "SliceComposite",
                f"vtkMRMLSliceCompositeNode{view}",
                "SliceComposite",
                singletonTag=view,
                layoutName=view,
                backgroundVolumeID=volume,
            )

    def add(self, name: str, kind: str, file: str, colour: str) -> None:
        """Add a markups file: ``kind`` is "Line" or "Fiducial", ``colour`` red, green and blue from 0 to 1."""
        self.count += 1
        storage = f"vtkMRMLMarkupsJsonStorageNode{self.count}"
        display = f"vtkMRMLMarkupsDisplayNode{self.count}"
        self._node("MarkupsJsonStorage", storage, "MarkupsJsonStorage", fileName=file)
        self._node("MarkupsDisplay", display, "MarkupsDisplay", color=colour, selectedColor=colour)
        id = f"vtkMRMLMarkups{kind}Node{self.count}"
        self._node(f"Markups{kind}", id, name, references=f"storage:{storage};display:{display};")

    def text(self) -> str:
        """Return the scene as XML."""
        ET.indent(self.root, " ")
        return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(self.root, encoding="unicode") + "\n"

    def _node(self, tag: str, id: str, name: str, **attributes: str) -> None:
        ET.SubElement(self.root, tag, {"id": id, "name": name, **attributes})
