"""Cephalometric films of Hamedan University, each annotated by two doctors: another hospital, expert references.

The folders of the public repository are found wherever they lie: ``pictures/NNN.tif`` and, per doctor, ``annotated by
…/NNN.json`` of LabelMe with labels ``l1`` to ``l19`` in the order of the landmark set. Films may be kept at a reduced
size and as bmp, png, jpg or tif.
"""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

import numpy as np

from dgmld_bench.cases import Case
from dgmld_bench.errors import DataError
from dgmld_bench.files import Progress
from dgmld_bench.formats import films, labelme
from dgmld_bench.landmarks import CEPHALOMETRIC, LandmarkSet
from dgmld_bench.sources.base import Scan, Source, github_mirrors, missing_problem
from dgmld_bench.sources.reading import film_case
from dgmld_bench.storage.download import RemoteFile
from dgmld_bench.storage.folders import folders_below, visible
from dgmld_bench.storage.register import CaseFiles, Problem, Register
from dgmld_bench.tracks import Split, numbers

NAME = "hamedan"
FILMS = "pictures"
ANNOTATORS = ("mollabashi", "farhadifar")
SIZE: films.Size = (1340, 1671)  # width, height that was annotated
SPACING_MM = 0.144  # by the authors' own table of measurements
SAME_POINT_PX = 1.0
LEFT_OUT = {
    "87": "the same file as film 14, which stands for both",
    "109": "the same file as film 144, which stands for both: on 109 one doctor set two labels twice",
    "123": "the second doctor's file is that of film 122, byte for byte",
    "129": "the same file as film 75, which stands for both",
    "134": "the same file as film 57, which stands for both",
}
"""Films that are not in the split, and why. Of two equal films the one stays on which every label is set once by both
doctors, else the first; a film that has another film's annotation goes."""

_REPOSITORY = "vpouramin/Cephalometric-Landmarking-public"
_FOLDER = "hamedan_university_dataset"
_LABELS = tuple(f"l{n}" for n in range(1, len(CEPHALOMETRIC) + 1))


@cache
def published_files() -> tuple[RemoteFile, ...]:
    """Return films and annotations of the pinned commit, with size and hash."""
    text = package_files("dgmld_bench.sources").joinpath("hamedan_files.csv").read_text(encoding="utf-8")
    return tuple(
        RemoteFile(
            row["path"],
            tuple(f"{mirror}/{quote(row['path'])}" for mirror in Hamedan.mirrors),
            int(row["bytes"]),
            row["sha256"],
        )
        for row in csv.DictReader(text.splitlines())
    )


def doctors_points(path: Path | str) -> tuple[np.ndarray, list[str]]:
    """Read one doctor's annotation of a film.

    Returns
    -------
    points : array, shape (landmark, 2)
        Original pixels; NaN where the doctor set no point, or two that disagree by more than a pixel.
    remarks : list of str
        Which labels are not taken, and why.

    Raises
    ------
    DataError
        When the file cannot be read or is of an image of another size.
    """
    found = labelme.read_labelme(path)
    if found.size != SIZE:
        raise DataError(f"{path}: made on an image of {found.size[0]}x{found.size[1]}, expected {SIZE[0]}x{SIZE[1]}")
    points, remarks = np.full((len(_LABELS), 2), np.nan), []
    for n, (label, name) in enumerate(zip(_LABELS, CEPHALOMETRIC.names, strict=True)):
        set_here = np.array(found.points.get(label, []))
        if not len(set_here):
            remarks.append(f"{label} ({name}) is missing")
        elif (apart_px := np.linalg.norm(set_here - set_here[0], axis=1).max()) > SAME_POINT_PX:
            remarks.append(f"{label} ({name}) stands {len(set_here)} times, {apart_px:.0f} px apart: none is taken")
        else:
            points[n] = set_here.mean(axis=0)
    if unknown := sorted(found.points.keys() - set(_LABELS)):
        remarks.append(f"unknown label {', '.join(unknown)}")
    return points, remarks


SPLIT = Split(
    NAME, "ceph", NAME, "test", "Hamedan University", 145, True, tuple(n for n in numbers(1, 150) if n not in LEFT_OUT)
)


class Hamedan(Source):
    """150 public films, of which 145 are the split; the reference is the mean of the doctors who set the point."""

    name = NAME
    title = "Hamedan University cephalograms"
    papers = ("V. Pouramin. Cephalometric-Landmarking-public, a repository of films and annotations, commit da6777e.",)
    cautions = (
        "145 of the 150 published films are the split. The rule: no film counts twice (four pairs are one file; the "
        "one stays on which every label is set once by both doctors, else the first), and none counts that has "
        "another film's annotation (one). Left out: " + "; ".join(f"{n}, {why}" for n, why in LEFT_OUT.items()) + ".",
        "A label that stands twice in a doctor's file, more than a pixel apart, is no measurement of that doctor; a "
        "missing label is missing. The reference is the mean of the doctors who set the point.",
        "The pixel size, 0.144 mm, is that of the authors' own table of measurements; no film shows a scale.",
        "The two doctors are 1.66 mm apart on average.",
    )
    gives = (SPLIT,)
    licence = "none stated: research use, not redistributable"
    url = f"https://github.com/{_REPOSITORY}"
    terms = "No licence is stated: use it for research only, and do not pass it on."
    how_to_get = (
        f"Run `dgmld-bench download hamedan`. Or clone github.com/{_REPOSITORY} and run `dgmld-bench import hamedan "
        f"PATH` with PATH its folder {_FOLDER}."
    )
    commit: ClassVar[str] = "da6777efe60af46f1cd9fe7c9f8b0cfb89f3ca6f"
    mirrors: ClassVar[tuple[str, ...]] = github_mirrors(_REPOSITORY, commit, _FOLDER)

    def remote(self) -> tuple[RemoteFile, ...]:
        """Return film and annotations of every case of the split, at the pinned commit."""
        wanted = set(SPLIT.case_ids or ())
        return tuple(f for f in published_files() if _case_id(Path(f.path)) in wanted)

    def reduced(self, path: Path) -> bytes | None:
        """Return an annotation without its base64 copy of the film."""
        return labelme.without_image(path) if path.suffix == ".json" else None

    def known_names(self) -> set[str]:
        """Return the name of the published folder and those of the folders in it."""
        return {_FOLDER, *(f.path.split("/")[0] for f in published_files())}

    def scan(self, path: Path, **options: Any) -> Scan:
        """Find the films and both doctors' folders anywhere below ``path``."""
        scan = Scan()
        found: dict[str, Path] = {}
        for folder in folders_below(path):
            name = _role(folder)
            if name and found.setdefault(name, folder) != folder:
                scan.problems.append(Problem(str(folder), f"a second folder of {name}; {found[name]} is used"))
        for name in (FILMS, *ANNOTATORS):
            if name not in found:
                what = "no folder 'pictures'" if name == FILMS else f"no folder 'annotated by … {name}'"
                scan.problems.append(Problem(NAME, f"{what} below {path}", NAME))
        if found.keys() >= {FILMS, *ANNOTATORS}:
            self._scan_films(scan, found[FILMS], [found[a] for a in ANNOTATORS])
        return scan

    def _scan_films(self, scan: Scan, folder: Path, doctors: list[Path]) -> None:
        by_number: dict[str, list[Path]] = {}
        for path in visible(folder):
            if films.is_film(path):
                by_number.setdefault(_case_id(path), []).append(path)
        known = set(SPLIT.case_ids or ())
        for case_id, paths in by_number.items():
            where = f"{NAME}/{case_id}"
            if case_id in LEFT_OUT:
                scan.problems.append(Problem(where, f"not in the split: {LEFT_OUT[case_id]}", NAME))
            elif case_id not in known:
                scan.problems.append(Problem(where, f"unknown: {paths[0]} is no film of this source", NAME))
            elif len(paths) > 1:
                names = ", ".join(p.name for p in paths)
                scan.problems.append(Problem(where, f"{len(paths)} films of one number: {names}", NAME))
            else:
                annotations = tuple(str(doctor / f"{paths[0].stem}.json") for doctor in doctors)
                centre = SPLIT.centre
                scan.cases.append(CaseFiles(case_id, NAME, str(paths[0]), annotations, centre=centre))

    def complete(self, scan: Scan, folder: Path, progress: Progress) -> Scan:
        """Read every film and both annotations; name every label that is not taken."""
        cases, problems = [], list(scan.problems)
        for n, case in enumerate(scan.cases):
            progress("Reading films", n, len(scan.cases))
            where = f"{NAME}/{case.id}"
            try:
                films.film_affine(case.image, SIZE)
                films.read_film(case.image)
                read = [doctors_points(path) for path in case.landmarks]
                nobody = np.isnan([points for points, _ in read]).any(axis=2).all(axis=0)
                if nobody.any():
                    names = ", ".join(np.array(CEPHALOMETRIC.names)[nobody])
                    raise DataError(f"no doctor set {names}")
            except DataError as error:
                problems.append(Problem(where, str(error), NAME))
                continue
            for annotator, (_, remarks) in zip(ANNOTATORS, read, strict=True):
                problems += [Problem(where, f"{annotator}: {remark}", NAME) for remark in remarks]
            cases.append(case)
        progress("Reading films", len(scan.cases), len(scan.cases))
        problems += missing_problem(SPLIT, (c.id for c in cases))
        return Scan(cases, problems, scan.options)

    def read(self, files: CaseFiles, landmark_set: LandmarkSet, register: Register, *, withheld: bool) -> Case:
        """Make the case of a film with both doctors' points."""
        paths = dict(zip(ANNOTATORS, map(register.path, files.landmarks), strict=True))
        return film_case(
            files,
            landmark_set,
            register,
            annotations=lambda: {a: doctors_points(p)[0] for a, p in paths.items()},
            pixel_spacing_mm=SPACING_MM,
            original_size=SIZE,
            withheld=withheld,
        )


def _case_id(path: Path) -> str:
    return str(int(path.stem)) if path.stem.isdecimal() else path.stem


def _role(folder: Path) -> str | None:
    """Return what a folder holds, by its name: the films, one doctor's annotations, or nothing of this source."""
    name = folder.name.casefold()
    if name == FILMS:
        return FILMS
    doctor = name.rpartition(".")[2].strip()
    return doctor if name.startswith("annotated by") and doctor in ANNOTATORS else None


SOURCE = Hamedan()
