"""Scanning a folder that holds a source's archives as they came: what is needed of them is unpacked first."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from dgmld_bench.errors import DataError
from dgmld_bench.files import Progress, new_folder
from dgmld_bench.sources.base import Scan, Source
from dgmld_bench.storage import archives, manifest
from dgmld_bench.storage.folders import COPY_PREFIX, folders_below, visible
from dgmld_bench.storage.register import CaseFiles, Problem

_FOREIGN = (".7z", ".z01", ".001")
_BESIDE = "beside"  # a link to the user's folder, while what lies in it is scanned together with what was packed


def scan_packed(source: Source, root: Path, folder: Path, progress: Progress, undo: ExitStack, **options: Any) -> Scan:
    """Scan a folder, or an archive, for a source's cases.

    Archives in a folder are unpacked where a split has no case outside them, and only those that hold a name by which
    the source is known. They are unpacked below the source's folder; the cases that come from there have paths below
    it. What cannot be unpacked is a problem of the scan.

    Parameters
    ----------
    source : Source
    root : path
        A folder or an archive.
    folder : path
        The source's folder in the data folder.
    progress : callable
        Called with (step, done, total).
    undo : ExitStack
        Is told how to remove what is unpacked.
    options
        Those of :meth:`Source.scan`.

    Raises
    ------
    DataError
        When ``root`` is an archive that cannot be unpacked, or as :meth:`Source.scan`.
    """

    def scan(place: Path) -> Scan:
        progress("Looking through the files", 0, 1)
        found = source.scan(place, **options)
        progress("Looking through the files", 1, 1)
        return found

    if root.is_file():
        place = new_place(folder, undo)
        progress("Unpacking", 0, 1)
        archives.unpack(root, place)
        progress("Unpacking", 1, 1)
        manifest.write_manifest(place, {"kind": "archive", "from": str(root)})
        return scan(place)
    plain = scan(root)
    if {c.split for c in plain.cases} >= set(source.splits):
        return plain
    packed, problems = _archives_of(source, root)
    if not packed:
        return replace(plain, problems=[*plain.problems, *problems])
    place = new_place(folder, undo)
    for n, archive in enumerate(packed):
        progress("Unpacking", n, len(packed))
        try:
            archives.unpack(archive, place / archive.relative_to(root).parent)
        except archives.BrokenArchiveError as error:
            problems.append(Problem(str(archive), str(error)))
    progress("Unpacking", len(packed), len(packed))
    manifest.write_manifest(place, {"kind": "archives", "from": str(root)})
    beside = place / _BESIDE
    beside.symlink_to(root, target_is_directory=True)
    found = scan(place)
    beside.unlink()
    found = _with_names_of(found, beside, root)
    return replace(found, problems=[*found.problems, *problems])


def new_place(folder: Path, undo: ExitStack) -> Path:
    """Make a folder for the files of one import, and say how to remove it."""
    place = new_folder(folder, COPY_PREFIX)
    undo.callback(shutil.rmtree, place, ignore_errors=True)
    return place


def _archives_of(source: Source, root: Path) -> tuple[list[Path], list[Problem]]:
    """Return the archives below a folder that hold a name the source is known by, and those that cannot be read."""
    wanted, problems = [], []
    for file in (f for below in folders_below(root) for f in visible(below) if not archives.is_later_volume(f)):
        if file.suffix.lower() in _FOREIGN:
            problems.append(Problem(str(file), "an archive of a kind that is not read here: unpack it yourself"))
        elif archives.is_archive(file):
            try:
                if source.known_names() & archives.names_in(file):
                    wanted.append(file)
            except DataError as error:
                problems.append(Problem(str(file), str(error)))
    return wanted, problems


def _with_names_of(scan: Scan, link: Path, root: Path) -> Scan:
    """Name files that were found through the link by where they are."""

    def real(text: str) -> str:
        return text.replace(str(link), str(root))

    def named(case: CaseFiles) -> CaseFiles:
        mask = None if case.mask is None else real(case.mask)
        return replace(case, image=real(case.image), mask=mask, landmarks=tuple(map(real, case.landmarks)))

    problems = [replace(p, where=real(p.where), message=real(p.message)) for p in scan.problems]
    return replace(scan, cases=[named(c) for c in scan.cases], problems=problems)
