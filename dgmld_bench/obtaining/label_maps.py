"""Mask-derived landmarks for folders of label maps: find the maps, derive, write, never over an expert's work."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgmld_bench import derive, geometry
from dgmld_bench.errors import DataError
from dgmld_bench.files import Progress
from dgmld_bench.formats import markups, volumes
from dgmld_bench.formats.point_tables import Array
from dgmld_bench.landmarks import CEREBELLUM
from dgmld_bench.scoring import metrics
from dgmld_bench.sources import plausibility
from dgmld_bench.storage.folders import folders_below, visible
from dgmld_bench.storage.register import Problem
from dgmld_bench.tracks import case_sort_key

_LABEL_WORD = re.compile(r"(^|[_.-])(dseg|seg|segmentation|parcellation|labels?|masks?)$", re.IGNORECASE)
_SAME_MM = 1e-3  # what reading and writing may change


@dataclass(frozen=True)
class DerivedCase:
    """The landmarks of one label map.

    Attributes
    ----------
    id : str
    label_map : Path
    numbering : str
        ``fidon`` or ``feta``, or the labels of the cerebellum that were stated, such as ``5,8``.
    points_ras_mm : array, shape (6, 3)
    middle_ras_mm : array, shape (3,)
        The middle of the volume.
    files : tuple of Path
        What was written, a line per biometric.
    """

    id: str
    label_map: Path
    numbering: str
    points_ras_mm: Array
    middle_ras_mm: Array
    files: tuple[Path, ...]

    @property
    def lengths_mm(self) -> dict[str, float]:
        """The length of each biometric."""
        lengths = metrics.lengths(self.points_ras_mm, CEREBELLUM.biometric_indices())
        return dict(zip([b.name for b in CEREBELLUM.biometrics], lengths.tolist(), strict=True))

    def to_dict(self) -> dict[str, Any]:
        """Return what ``derive-landmarks --json`` writes."""
        return {
            "case": self.id,
            "label_map": str(self.label_map),
            "numbering": self.numbering,
            "lengths_mm": self.lengths_mm,
            "landmarks_ras_mm": dict(zip(CEREBELLUM.names, self.points_ras_mm.tolist(), strict=True)),
            "files": [str(f) for f in self.files],
        }


def find_label_maps(root: Path, pattern: str | None = None) -> dict[str, list[Path]]:
    """Return the label maps below a folder by case id, more than one where files share an id.

    Without a pattern these are the NIfTI files whose name or folder ends in a word for labels (dseg, seg, segmentation,
    parcellation, label, mask) or, where there is none, all of them. An id is the file's name without that word, or,
    where names repeat in every folder, the folder's.

    Parameters
    ----------
    root : path
    pattern : str, optional
        Only files that match, such as ``*_dseg.nii.gz``.
    """
    files = [p for folder in folders_below(root) for p in visible(folder) if volumes.is_volume(p)]
    if pattern is not None:
        files = [p for p in files if p.match(pattern)]
    else:
        files = [p for p in files if _says_labels(p, root)] or files
    stems = [_LABEL_WORD.sub("", volumes.stem(p)) for p in files]
    found: dict[str, list[Path]] = defaultdict(list)
    for path, stem in zip(files, stems, strict=True):
        found[stem if stem and stems.count(stem) == 1 else path.parent.name].append(path)
    return dict(sorted(found.items(), key=lambda item: case_sort_key(item[0])))


def derive_folder(
    root: Path,
    out: Path,
    *,
    numbering: derive.Scheme | None = None,
    cerebellum: tuple[int, ...] | None = None,
    pattern: str | None = None,
    progress: Progress = lambda step, done, total: None,
) -> tuple[list[DerivedCase], list[Problem]]:
    """Derive the landmarks of every label map below a folder and write them as ``out/<case>/<BIOMETRIC>.mrk.json``.

    Every control point is described as mask-derived. A case with lines that are not mask-derived, or that have other
    points than those that are derived now, is left alone.

    Parameters
    ----------
    root, out : path
    numbering : {"fidon", "feta"}, optional
        That of all maps, for those whose anatomy does not tell; a map that is clearly of the other one is refused.
    cerebellum : tuple of int, optional
        The labels that make up the cerebellum, in maps of any numbering. What does not look like one is a problem.
    pattern : str, optional
        As for :func:`find_label_maps`.
    progress : callable
        Called with (step, done, total).

    Returns
    -------
    cases, problems
        What was written, and what was not or looks wrong.

    Raises
    ------
    DataError
        When there is no folder or no map in it.
    """
    if not root.is_dir():
        what = "a file" if root.is_file() else "no such folder"
        raise DataError(f"{root}: {what}; expected a folder that holds label maps (.nii.gz, .nii)")
    maps = find_label_maps(root, pattern)
    if not maps:
        raise DataError(f"{root}: no {'file ' + pattern if pattern else 'label map (.nii.gz, .nii)'} in it or below")
    cases: list[DerivedCase] = []
    problems: list[Problem] = []
    for n, (case_id, files) in enumerate(maps.items()):
        progress("Deriving landmarks", n, len(maps))
        try:
            cases.append(_derive(case_id, files, out / case_id, cerebellum or numbering))
            if cerebellum and (doubt := derive.doubt_of(*_read(cases[-1].label_map), cerebellum)):
                problems.append(Problem(case_id, f"label {cases[-1].numbering} {doubt}: is it the cerebellum?"))
        except DataError as error:
            problems.append(Problem(case_id, str(error)))
    progress("Deriving landmarks", len(maps), len(maps))
    if cases:
        points, middles = (np.array([getattr(c, name) for c in cases]) for name in ("points_ras_mm", "middle_ras_mm"))
        remarks = plausibility.find_remarks(CEREBELLUM, [c.id for c in cases], points, middles)
        problems += [Problem(str(root), remark) for remark in remarks]
        numberings = {c.numbering: c.id for c in cases}
        if len(numberings) > 1:
            examples = ", ".join(f"{case_id} is {name}" for name, case_id in numberings.items())
            problems.append(Problem(str(root), f"the maps are of different numberings: {examples}"))
    return cases, problems


def _read(path: Path) -> tuple[NDArray, Array]:
    return volumes.read_labels(path), volumes.read_affine_and_shape(path)[0]


def _derive(
    case_id: str, files: list[Path], folder: Path, numbering: derive.Scheme | tuple[int, ...] | None
) -> DerivedCase:
    if len(files) > 1:
        names = ", ".join(map(str, files))
        raise DataError(f"{len(files)} files of this case, choose one kind with --pattern: {names}")
    (path,) = files
    affine, shape = volumes.read_affine_and_shape(path)
    try:
        labels = volumes.read_labels(path)
        scheme = numbering if isinstance(numbering, tuple) else _numbering(labels, affine, numbering)
        points = derive.derive_landmarks(labels, affine, scheme)
    except DataError as error:
        hint = "" if numbering else "; say which labels they are with --cerebellum, such as 6 or 5,8"
        raise DataError(f"{error.message}{hint}", path) from None
    for line in (p for p in markups.landmark_paths(folder, CEREBELLUM) if p.exists()):
        _refuse_work_of_a_person(line, points)
    written = markups.write_landmarks(folder, points, CEREBELLUM, description=markups.MASK_DERIVED)
    middle = geometry.index_to_world(affine, (np.array(shape) - 1) / 2)
    named = scheme if isinstance(scheme, str) else ",".join(map(str, scheme))
    return DerivedCase(case_id, path, named, points, middle, tuple(written))


def _refuse_work_of_a_person(line: Path, points: Array) -> None:
    """Raise DataError for a line that is not mask-derived, or has other points than those that are derived now."""
    found = markups.read_named_points(line, CEREBELLUM)
    if not found.mask_derived:
        raise DataError(f"{line} is there and not mask-derived: left as it is; write elsewhere with --out")
    moved = [
        name
        for name, point in found.points_ras_mm.items()
        if np.abs(point - points[CEREBELLUM.index(name)]).max() > _SAME_MM
    ]
    if moved:
        raise DataError(
            f"{line} is there and has {' and '.join(moved)} elsewhere than this map says, as after a correction: left "
            "as it is; delete it to derive it again, or write elsewhere with --out"
        )


def _numbering(labels: NDArray, affine: Array, stated: derive.Scheme | None) -> derive.Scheme:
    """Return the numbering of a map: as stated, unless the anatomy clearly says the other one; else as detected."""
    try:
        detected = derive.detect_scheme(labels, affine)
    except DataError:
        if stated is None:
            raise
        return stated
    if stated is not None and stated != detected:
        raise DataError(f"by its anatomy this map is in the {detected} numbering, and --numbering says {stated}")
    return detected


def _says_labels(path: Path, root: Path) -> bool:
    inner = path.parent != root and _LABEL_WORD.search(path.parent.name)
    return bool(_LABEL_WORD.search(volumes.stem(path)) or inner)
