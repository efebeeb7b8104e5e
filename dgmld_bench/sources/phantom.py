"""The phantom: simulated cases that this package generates itself, for the ``phantom`` track.

``<data>/phantom/<split>/<number>/`` holds ``image.nii.gz``, ``mask.nii.gz`` and ``landmarks/*.mrk.json``. What is
simulated is in :mod:`dgmld_bench.phantom`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from dgmld_bench.cases import Case
from dgmld_bench.errors import DataError, unknown_name
from dgmld_bench.formats import markups, volumes
from dgmld_bench.landmarks import CEREBELLUM, LandmarkSet
from dgmld_bench.sources.base import Scan, Source, missing_problem
from dgmld_bench.sources.reading import volume_case
from dgmld_bench.storage import folders
from dgmld_bench.storage.folders import visible
from dgmld_bench.storage.register import CaseFiles, Problem, Register, read_register, write_register
from dgmld_bench.tracks import Role, Split, numbers

Size = Literal["small", "full"]

IMAGE, MASK, LANDMARKS = "image.nii.gz", "mask.nii.gz", "landmarks"
_TOLERANCE_MM = 1e-4  # the decimals of a landmark file survive reading and writing far better than this


def _simulated(name: str, role: Role, centre: str, n_cases: int, out_of_domain: bool) -> Split:
    ids = numbers(1, n_cases)
    return Split(name, "phantom", "phantom", role, f"simulated {centre}", n_cases, out_of_domain, ids, "simulated")


SPLITS = {
    split.name: split
    for split in (
        _simulated("phantom-train", "train", "source", 40, False),
        _simulated("phantom-val", "validation", "mix", 60, True),
        _simulated("phantom-source", "test", "source", 40, False),
        _simulated("phantom-lfc", "test", "LFC-like", 120, True),
        _simulated("phantom-feta", "test", "FeTA-like", 55, True),
    )
}


class Phantom(Source):
    """Fetal heads of three simulated centres. The smaller size is the first cases of each split of the full one."""

    name = "phantom"
    title = "Simulated fetal heads, three simulated centres"
    cautions = ("The centres differ in what we thought of; real centres differ in what nobody thought of.",)
    gives = tuple(SPLITS.values())
    is_generated = True
    licence = "Apache-2.0, as this package: generated, no subject's data in it"
    terms = "Simulated: no conclusion about patients follows from results on it."
    url = "docs/phantom.md"
    how_to_get = "Run `dgmld-bench download phantom`: it is generated on this machine, nothing is fetched."
    small: ClassVar[dict[str, int]] = {
        "phantom-train": 16,
        "phantom-val": 6,
        "phantom-source": 8,
        "phantom-lfc": 8,
        "phantom-feta": 8,
    }

    def wanted(self, size: str) -> list[tuple[str, str]]:
        """Return ``(split, id)`` of every case of a size; UsageError for an unknown size."""
        if size not in ("small", "full"):
            raise unknown_name("size", size, ("small", "full"))
        ids = {split: SPLITS[split].case_ids or () for split in self.splits}
        return [(s, i) for s in self.splits for i in (ids[s] if size == "full" else ids[s][: self.small[s]])]

    def generate(
        self,
        data_dir: Path | str | None = None,
        *,
        size: Size = "small",
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> Register:
        """Generate the phantom in the data folder and register it.

        Complete cases of this version are kept, so an interrupted run goes on where it stopped and ``full`` only adds
        to ``small``. Asking for ``small`` where ``full`` is registered takes nothing away. The register comes last.

        Parameters
        ----------
        data_dir : path, optional
            The data folder; else ``DGMLD_BENCH_DATA``, else the platform's user data folder.
        size : {"small", "full"}
            46 cases (32 MB) or 315 (322 MB).
        progress : callable
            Called with how many cases are done and how many there are.

        Raises
        ------
        UsageError
            For an unknown size.
        DataError
            When the folder cannot be written, or the phantom is being generated there already.
        """
        self.wanted(size)
        folder = folders.source_dir(self.name, data_dir)
        try:
            with folders.locked(folder):
                try:
                    registered = read_register(self.name, data_dir).options.get("size")
                    size = "full" if registered == "full" else size
                except DataError:  # there is none, or it cannot be read: a new one is written
                    pass
                wanted = self.wanted(size)
                cases = []
                progress(0, len(wanted))
                for case in _in_parallel(wanted, folder):
                    cases.append(case)
                    progress(len(cases), len(wanted))
                register = Register(self.name, folder, tuple(cases), (), {"size": size})
                write_register(register)
        except OSError as error:
            raise DataError(
                f"{error.filename or folder}: {error.strerror or error}; run it again, complete cases are kept"
            ) from None
        return register

    def written_files(self) -> Iterator[str]:
        """Yield the files of every case of the full size, whether they are there or not."""
        for split, case_id in self.wanted("full"):
            yield from _files(split, case_id)

    def scan(self, path: Path, **options: Any) -> Scan:
        """Find the split folders of a generated phantom anywhere below ``path``."""
        scan = Scan()
        found = scan.first_folders(path, self.splits)
        for split in self.splits:
            if split not in found:
                scan.problems.append(Problem(split, f"no such folder below {path}", split))
                continue
            known = SPLITS[split].case_ids or ()
            present = []
            for child in visible(found[split]):
                if child.name not in known:
                    scan.problems.append(Problem(f"{split}/{child.name}", "unknown: no case of this split", split))
                    continue
                case = _describe(split, child.name)
                problem = _incomplete(case, found[split].parent)
                if problem:
                    scan.problems.append(Problem(f"{split}/{child.name}", problem, split))
                    continue
                present.append(child.name)
                scan.cases.append(_absolute(case, found[split].parent))
            scan.problems += missing_problem(SPLITS[split], present)
        size = "full" if len(scan.cases) == len(self.wanted("full")) else "small"
        scan.options["size"] = size
        return scan

    def read(self, files: CaseFiles, landmark_set: LandmarkSet, register: Register, *, withheld: bool) -> Case:
        """Make the case of a simulated volume."""
        return volume_case(files, landmark_set, register, withheld=withheld)


def _files(split: str, case_id: str) -> list[str]:
    """Return a case's image, mask and lines, relative to the phantom's folder."""
    place = Path(split) / case_id
    return [p.as_posix() for p in (place / IMAGE, place / MASK, *markups.landmark_paths(place / LANDMARKS, CEREBELLUM))]


def _describe(split: str, case_id: str) -> CaseFiles:
    """Return a case's files and what is known of it, without rendering it."""
    from dgmld_bench.phantom import simulate

    head = simulate(split, int(case_id))
    image, mask, *lines = _files(split, case_id)
    return CaseFiles(
        case_id,
        split,
        image=image,
        landmarks=tuple(lines),
        mask=mask,
        centre=head.centre.name,
        info={
            "gestational_age_weeks": head.gestational_age_weeks,
            "centre": head.centre.name,
            "pathology": head.pathology,
        },
    )


def _incomplete(case: CaseFiles, folder: Path) -> str:
    """Return what a case on disk lacks, or nothing. Landmarks tell the generator's version: each has its own."""
    from dgmld_bench.phantom import simulate

    absent = [f for f in (case.image, str(case.mask), *case.landmarks) if not (folder / f).is_file()]
    if absent:
        return f"incomplete, {Path(absent[0]).name} is not there"
    try:
        volumes.read_volume(folder / case.image)
        volumes.read_labels(folder / str(case.mask))
        points = markups.read_lines([folder / f for f in case.landmarks], CEREBELLUM)
    except DataError as error:
        return str(error)
    if np.abs(points - simulate(case.split, int(case.id)).landmarks).max() > _TOLERANCE_MM:
        return "its landmarks are not this version's; generate it again with `dgmld-bench download phantom`"
    return ""


def _absolute(case: CaseFiles, folder: Path) -> CaseFiles:
    return replace(
        case,
        image=str(folder / case.image),
        mask=str(folder / str(case.mask)),
        landmarks=tuple(str(folder / f) for f in case.landmarks),
    )


def _write(split: str, case_id: str, folder: Path) -> CaseFiles:
    """Write a case unless it is there already; each file appears whole or not at all, the image last."""
    from dgmld_bench.phantom import simulate

    case = _describe(split, case_id)
    if _incomplete(case, folder):
        head = simulate(split, int(case_id))
        image, labels = head.render()
        (folder / case.image).unlink(missing_ok=True)
        markups.write_landmarks(folder / split / case_id / LANDMARKS, head.landmarks, CEREBELLUM)
        volumes.write_volume(folder / str(case.mask), labels, head.affine)
        volumes.write_volume(folder / case.image, image, head.affine)
    return case


def _in_parallel(wanted: list[tuple[str, str]], folder: Path) -> Iterator[CaseFiles]:
    """Yield the written cases in order. Threads serve: most of the time goes to array arithmetic and zipping."""
    pool = ThreadPoolExecutor(max(1, min(8, os.cpu_count() or 1)))
    try:
        for future in [pool.submit(_write, split, case_id, folder) for split, case_id in wanted]:
            yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)  # after an error or an interrupt, do not work through the rest


SOURCE = Phantom()
