"""The public fetal brain atlases: 47 volumes of three centres with label maps, for the ``open`` track.

The landmarks are not annotated by anyone: they are derived from the cerebellum label when the atlases are imported
(:mod:`dgmld_bench.derive`), and everything that shows them says "mask-derived".
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any, ClassVar

from dgmld_bench import derive
from dgmld_bench.cases import Case
from dgmld_bench.errors import DataError
from dgmld_bench.files import Progress, difference
from dgmld_bench.formats import markups, volumes
from dgmld_bench.landmarks import CEREBELLUM, LandmarkSet
from dgmld_bench.sources.base import Scan, Source, github_mirrors, missing_problem
from dgmld_bench.sources.reading import volume_case
from dgmld_bench.storage.download import RemoteFile
from dgmld_bench.storage.folders import visible
from dgmld_bench.storage.register import CaseFiles, Problem, Register
from dgmld_bench.tracks import Role, Split

IMAGE, LABELS = "srr.nii.gz", "parcellation.nii.gz"
SCHEME: derive.Scheme = "fidon"
_REPOSITORY = "LucasFidon/trustworthy-ai-fetal-brain-segmentation"
_FOLDER = "data/fetal_brain_atlases"


@dataclass(frozen=True)
class AtlasFile:
    """One file of the pinned commit, path relative to ``data/fetal_brain_atlases/``."""

    path: str
    bytes: int
    sha256: str

    @property
    def project(self) -> str:
        """The folder of the atlas project."""
        return self.path.split("/")[0]

    @property
    def case(self) -> str:
        """The folder of the case, which is its id."""
        return self.path.split("/")[1]


@cache
def published_files() -> dict[str, AtlasFile]:
    """Return the files of the pinned commit whose hash is known, by path (all but one image that no split uses)."""
    text = package_files("dgmld_bench.sources").joinpath("atlas_files.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines())
    return {r["path"]: AtlasFile(r["path"], int(r["bytes"]), r["sha256"]) for r in rows}


def gestational_age_weeks(case_id: str) -> int:
    """Return the gestational age that an atlas id states.

    >>> gestational_age_weeks("fetal_SB_atlas_GA25_operated"), gestational_age_weeks("Chinese34_Study1")
    (25, 34)
    """
    match = re.search(r"(?:STA|Chinese|GA)(\d+)_", case_id)
    if not match:
        raise DataError(f"'{case_id}' is no id of an atlas case")
    return int(match[1])


_CRL, _WU, _SB = "CRL (Gholipour 2017)", "Chinese (Wu 2021)", "spina bifida (Fidon 2021)"
_VALIDATION_WEEKS = (23, 27, 31, 35)


def _crl(weeks: Iterable[int]) -> tuple[str, ...]:
    return tuple(f"HarvardSTA{week}_Study1" for week in weeks)


def _atlas(name: str, role: Role, centre: str, ids: Iterable[str], out_of_domain: bool = False) -> Split:
    case_ids = tuple(ids)
    return Split(name, "open", "atlases", role, centre, len(case_ids), out_of_domain, case_ids, "mask-derived")


SPLITS = {
    split.name: split
    for split in (
        _atlas("open-train", "train", _CRL, _crl(w for w in range(21, 39) if w not in _VALIDATION_WEEKS)),
        _atlas("open-val", "validation", _CRL, _crl(_VALIDATION_WEEKS)),
        _atlas("open-wu", "test", _WU, (f"Chinese{week}_Study1" for week in range(22, 35)), True),
        _atlas(
            "open-sb",
            "test",
            _SB,
            (
                f"fetal_SB_atlas_GA{week}_{state}"
                for state, weeks in (("notoperated", range(21, 26)), ("operated", range(25, 35)))
                for week in weeks
            ),
            True,
        ),
    )
}


class Atlases(Source):
    """Gholipour 2017 (CRL), Wu 2021 (Chinese) and Fidon 2021 (spina bifida) in one public repository."""

    name = "atlases"
    title = "Fetal brain atlases, three centres"
    papers = (
        "A. Gholipour et al. A normative spatiotemporal MRI atlas of the fetal brain for automatic segmentation and "
        "analysis of early brain growth. Scientific Reports 7, 2017.",
        "J. Wu et al. Age-specific structural fetal brain atlases construction and cortical development "
        "quantification for Chinese population. NeuroImage 241, 2021.",
        "L. Fidon et al. A spatio-temporal atlas of the developing fetal brain with spina bifida aperta. Open Research "
        "Europe 1, 2021.",
    )
    cautions = (
        "Reference landmarks are derived from the cerebellum label, not set by an expert: on CRL they lie 1.3 to 4.2 "
        "mm from expert end points.",
        "Volumes are population atlases: the gestational weeks of one atlas are not independent subjects.",
        "CRL and Chinese volumes of equal age are alike, as averages of one age are; none is a copy of another.",
        "ADV1 of Chinese29_Study1 (open-wu) is derived some 7 mm from where it should be (docs/audit.md).",
    )
    gives = tuple(SPLITS.values())
    licence = "CRL: non-commercial research and education, no re-posting; spina bifida: CC0 1.0; Chinese: none stated"
    url = "https://github.com/LucasFidon/trustworthy-ai-fetal-brain-segmentation"
    terms = (
        "Gholipour 2017 (CRL): solely for non-commercial educational and research purposes; do not post it anywhere "
        "again. Fidon 2021 (spina bifida): CC0 1.0. Wu 2021 (Chinese): no licence stated. Cite the atlases you use."
    )
    how_to_get = (
        "Run `dgmld-bench download atlases`. Or clone github.com/LucasFidon/trustworthy-ai-fetal-brain-segmentation "
        "and run `dgmld-bench import atlases PATH` with PATH its folder data/fetal_brain_atlases."
    )
    commit: ClassVar[str] = "38cf1fb77bc896d133941b8f5388ef18feb2cae7"
    mirrors: ClassVar[tuple[str, ...]] = github_mirrors(_REPOSITORY, commit, _FOLDER)

    def remote(self) -> tuple[RemoteFile, ...]:
        """Return the two files of every case that a split uses, at the pinned commit."""
        wanted = {i for s in self.splits for i in SPLITS[s].case_ids or ()}
        return tuple(
            RemoteFile(f.path, tuple(f"{m}/{f.path}" for m in self.mirrors), f.bytes, f.sha256)
            for f in published_files().values()
            if f.case in wanted
        )

    def published_sha256(self, path: Path) -> str | None:
        """Return the hash of a file of the pinned commit, known by the last three parts of its path."""
        file = published_files().get("/".join(path.parts[-3:]))
        return file.sha256 if file else None

    def known_names(self) -> set[str]:
        """Return the names of the three projects' folders."""
        return {file.project for file in published_files().values()}

    def scan(self, path: Path, **options: Any) -> Scan:
        """Find the three project folders anywhere below ``path`` and the two files of each case."""
        scan = Scan()
        split_of = {i: s for s in self.splits for i in SPLITS[s].case_ids or ()}
        projects: dict[str, list[str]] = {}
        for file in published_files().values():
            cases = projects.setdefault(file.project, [])
            if file.case not in cases:
                cases.append(file.case)
        found = scan.first_folders(path, projects)
        for project, ids in projects.items():
            if project not in found:
                scan.problems.append(Problem(project, f"no such folder below {path}"))
                continue
            for child in visible(found[project]):
                if child.is_dir() and child.name not in ids:
                    scan.problems.append(Problem(f"{project}/{child.name}", "unknown: not in the published atlases"))
            for case_id in ids:
                if case_id in split_of:
                    self._scan_case(scan, found[project] / case_id, split_of[case_id])
        return scan

    def _scan_case(self, scan: Scan, folder: Path, split: str) -> None:
        absent = [name for name in (IMAGE, LABELS) if not (folder / name).is_file()]
        if absent:
            what = "not there" if len(absent) == 2 else f"incomplete, {absent[0]} is not there"
            scan.problems.append(Problem(folder.name, what, split))
        else:
            scan.cases.append(
                CaseFiles(
                    folder.name,
                    split,
                    image=str(folder / IMAGE),
                    mask=str(folder / LABELS),
                    centre=SPLITS[split].centre,
                    info={"gestational_age_weeks": gestational_age_weeks(folder.name), "label_scheme": SCHEME},
                )
            )

    def complete(self, scan: Scan, folder: Path, progress: Progress) -> Scan:
        """Check every file's SHA-256, then derive the landmarks and store them as ``landmarks/<case>/*.mrk.json``."""
        intact = [case for n, case in enumerate(scan.cases) if _is_intact(case, scan, progress, n, len(scan.cases))]
        derived = []
        for n, case in enumerate(intact):
            progress("Deriving landmarks", n, len(intact))
            assert case.mask is not None
            affine, _ = volumes.read_affine_and_shape(case.image)
            volumes.check_mask(case.image, case.mask)
            derived.append(derive.derive_landmarks(volumes.read_labels(case.mask), affine, SCHEME))
        progress("Deriving landmarks", len(intact), len(intact))
        cases = []
        for case, points in zip(intact, derived, strict=True):
            place = Path("landmarks") / case.id
            markups.write_landmarks(folder / place, points, CEREBELLUM, description=markups.MASK_DERIVED)
            cases.append(
                replace(case, landmarks=tuple(p.as_posix() for p in markups.landmark_paths(place, CEREBELLUM)))
            )
        problems = list(scan.problems)
        for split in self.splits:
            problems += missing_problem(SPLITS[split], (c.id for c in cases))
        return Scan(cases, problems, scan.options)

    def read(self, files: CaseFiles, landmark_set: LandmarkSet, register: Register, *, withheld: bool) -> Case:
        """Make the case of an atlas volume."""
        return volume_case(files, landmark_set, register, withheld=withheld)


def _is_intact(case: CaseFiles, scan: Scan, progress: Progress, n: int, total: int) -> bool:
    """Compare a case's files with the published ones; add a problem for each that differs."""
    progress("Checking SHA-256", n, total)
    intact = True
    for name in (case.image, case.mask):
        path = Path(str(name))
        expected = published_files()["/".join(path.parts[-3:])]
        if what := difference(path, expected.bytes, expected.sha256):
            message = f"{path.name} differs from the published file: {what}; get it again"
            scan.problems.append(Problem(case.id, message, case.split))
            intact = False
    progress("Checking SHA-256", n + 1, total)
    return intact


SOURCE = Atlases()
