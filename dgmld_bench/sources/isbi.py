"""ISBI-2015 cephalograms: 400 films, each annotated by a senior and a junior doctor.

The folders of the challenge are found wherever they lie: ``RawImage/{TrainingData,Test1Data,Test2Data}/NNN.bmp`` and
``AnnotationsByMD/400_{senior,junior}/NNN.txt``. Films may be kept at a reduced size and as bmp, png, jpg or tif.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dgmld_bench.cases import Case
from dgmld_bench.errors import DataError
from dgmld_bench.formats import films
from dgmld_bench.landmarks import CEPHALOMETRIC, LandmarkSet
from dgmld_bench.sources.base import Scan, Source, missing_problem
from dgmld_bench.sources.reading import film_case
from dgmld_bench.storage.download import RemoteFile
from dgmld_bench.storage.folders import visible
from dgmld_bench.storage.register import CaseFiles, Problem, Register
from dgmld_bench.tracks import Split, numbers

ANNOTATORS = ("senior", "junior")
FOLDERS = {"TrainingData": "isbi-train", "Test2Data": "isbi-val", "Test1Data": "isbi"}
_IN_TRAINING = (173, 201, 275, 276, *range(279, 284), 285, *range(287, 290), *range(291, 294), *range(295, 298), 299)
IN_TRAINING = tuple(map(str, _IN_TRAINING))
"""Test films that are films of the training set too, as ``dgmld-bench audit ceph`` finds them."""
_DOCTOR_FOLDERS = tuple(f"400_{annotator}" for annotator in ANNOTATORS)

SPLITS = {
    split.name: split
    for split in (
        Split("isbi-train", "ceph", "isbi", "train", "ISBI-2015", 150, False, numbers(1, 150)),
        Split("isbi-val", "ceph", "isbi", "validation", "ISBI-2015", 100, False, numbers(301, 400)),
        Split("isbi", "ceph", "isbi", "test", "ISBI-2015", 150, False, numbers(151, 300), in_training=IN_TRAINING),
    )
}


class Isbi(Source):
    """The challenge's official folders; the reference is the mean of both doctors, at half pixels."""

    name = "isbi"
    title = "ISBI-2015 cephalograms"
    papers = (
        "C.-W. Wang et al. A benchmark for comparison of dental radiography analysis algorithms. Medical Image "
        "Analysis 31, 2016.",
    )
    cautions = (
        f"{len(IN_TRAINING)} of the 150 test films (isbi) are films of the training set, see docs/audit.md: "
        f"{', '.join(IN_TRAINING)}. `score --without-leaked` leaves them out.",
        "Training, validation and test come from one centre: in domain.",
        "The reference is the mean of two doctors, at half pixels; they differ by 2.4 mm on average on the test split.",
    )
    gives = tuple(SPLITS.values())
    in_paper = True
    licence = "none stated: research use, not redistributable"
    url = "https://figshare.com/s/37ec464af8e81ae6ebbf"
    terms = "No licence is stated: use it for research only, and do not pass it on. Cite Wang et al. 2016."
    how_to_get = (
        "Run `dgmld-bench download isbi`. Or download figshare.com/s/37ec464af8e81ae6ebbf into a folder and "
        "run `dgmld-bench import isbi PATH` on it."
    )
    holds_rar = True

    def remote(self) -> tuple[RemoteFile, ...]:
        """Return the article as one zip of rar files. Figshare packs it anew each time: size and hash are not known."""
        article = "articles/3471833?private_link=37ec464af8e81ae6ebbf"
        hosts = ("figshare.com/ndownloader", "ndownloader.figshare.com")
        return (RemoteFile("ISBI2015.zip", tuple(f"https://{host}/{article}" for host in hosts)),)

    def known_names(self) -> set[str]:
        """Return the names of the challenge's folders and of the archives that hold them."""
        return {"AnnotationsByMD", "RawImage", *FOLDERS, *_DOCTOR_FOLDERS}

    def scan(self, path: Path, **options: Any) -> Scan:
        """Find films and both doctors' annotations anywhere below ``path``."""
        scan = Scan()
        names = (*FOLDERS, *_DOCTOR_FOLDERS)
        found = scan.first_folders(path, names)
        for name in names:
            if name not in found:
                scan.problems.append(Problem(name, f"no such folder below {path}", FOLDERS.get(name)))
        doctors = [found[name] for name in _DOCTOR_FOLDERS] if found.keys() >= set(_DOCTOR_FOLDERS) else []
        for name, split in FOLDERS.items():
            if name in found and doctors:
                self._scan_films(scan, found[name], split, doctors)
            present = [c.id for c in scan.cases if c.split == split]
            scan.problems += missing_problem(SPLITS[split], present)
        return scan

    def _scan_films(self, scan: Scan, folder: Path, split: str, doctors: list[Path]) -> None:
        known = set(SPLITS[split].case_ids or ())
        found: dict[str, list[Path]] = {}
        for path in visible(folder):
            if films.is_film(path):
                case_id = str(int(path.stem)) if path.stem.isdecimal() else path.stem
                found.setdefault(case_id, []).append(path)
        for case_id, paths in found.items():
            where = f"{split}/{case_id}"
            if case_id not in known:
                scan.problems.append(Problem(where, f"unknown: {paths[0]} is no film of this split", split))
                continue
            try:
                if len(paths) > 1:
                    raise DataError(f"{len(paths)} films of one number: {', '.join(p.name for p in paths)}")
                films.film_affine(paths[0], films.ISBI_SIZE)
                films.read_film(paths[0])
                annotations = [doctor / f"{paths[0].stem}.txt" for doctor in doctors]
                for annotation in annotations:
                    films.read_isbi_points(annotation, CEPHALOMETRIC)
            except DataError as error:
                scan.problems.append(Problem(where, str(error), split))
                continue
            centre = SPLITS[split].centre
            scan.cases.append(CaseFiles(case_id, split, str(paths[0]), tuple(map(str, annotations)), centre=centre))

    def read(self, files: CaseFiles, landmark_set: LandmarkSet, register: Register, *, withheld: bool) -> Case:
        """Make the case of a film with both doctors' points."""
        paths = dict(zip(ANNOTATORS, map(register.path, files.landmarks), strict=True))
        return film_case(
            files,
            landmark_set,
            register,
            annotations=lambda: {a: films.read_isbi_points(p, landmark_set) for a, p in paths.items()},
            pixel_spacing_mm=films.ISBI_SPACING_MM,
            original_size=films.ISBI_SIZE,
            withheld=withheld,
        )


SOURCE = Isbi()
