"""Importing a folder that the user has: scan, verify, copy or link, register. Never silent, never half done."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from dgmld_bench.errors import DataError
from dgmld_bench.files import Progress, written
from dgmld_bench.formats import headers
from dgmld_bench.obtaining.packed import new_place, scan_packed
from dgmld_bench.sources import get_source
from dgmld_bench.sources.base import Scan, Source
from dgmld_bench.storage import folders, manifest
from dgmld_bench.storage.archives import is_archive
from dgmld_bench.storage.folders import copies_in, is_copy, is_utf8
from dgmld_bench.storage.register import CaseFiles, Problem, Register, read_register, write_register
from dgmld_bench.temporary import discard


class NothingUsableError(DataError):
    """No case of any split was complete; ``problems`` says why for each."""

    def __init__(self, message: str, problems: list[Problem]) -> None:
        super().__init__(message)
        self.problems = problems


def import_source(
    name: str,
    path: Path | str,
    *,
    copy: bool = False,
    data_dir: Path | str | None = None,
    progress: Progress = lambda step, done, total: None,
    **options: Any,
) -> Register:
    """Verify a folder that holds a source's data, and register its complete cases in the data folder.

    The register is written last and in one step: when anything fails, what was registered before stays. A release may
    lie in several folders, imported one after the other: what is registered of splits that this folder does not hold
    stays too.

    Parameters
    ----------
    name : str
        The source: ``dgmld``, ``atlases``, ``isbi``, ``pku``, ``hamedan``, or ``own/NAME`` for a centre of your own.
    path : path
        The folder, or an archive; the source's files are found wherever they lie below it, packed or not.
    copy : bool
        Copy the files into the data folder. Otherwise the register holds their absolute paths.
    data_dir : path, optional
        The data folder; else ``DGMLD_BENCH_DATA``, else the platform's user data folder.
    progress : callable
        Called with (step, done, total).
    options
        What the source needs to know, for example ``spacing_mm`` for ``pku``, ``landmarks`` for ``own/NAME``.

    Returns
    -------
    Register
        Complete cases, and every problem found.

    Raises
    ------
    UsageError
        For an unknown source, or an option that is missing or not the source's.
    DataError
        When the folder cannot be read, or another import of the source is running.
    NothingUsableError
        When no case is complete; nothing is registered then.
    """
    source = get_source(name)
    options = source.checked_options(options)
    root = Path(path).expanduser().absolute()
    if not (root.is_dir() or (root.is_file() and is_archive(root))):
        hint = "neither a folder nor an archive" if root.is_file() else "no such folder"
        raise DataError(f"{root}: {hint}; expected the folder or the archive that holds the data of '{name}'")
    folder = folders.source_dir(name, data_dir)
    try:
        with folders.locked(folder), ExitStack() as undo:
            scan = source.complete(scan_packed(source, root, folder, progress, undo, **options), folder, progress)
            if not scan.cases:
                raise NothingUsableError(_nothing_usable(name, root, scan.problems), scan.problems)
            scan.problems += [*_strange_names(root), *_header_remarks(scan.cases, folder, progress)]
            scan.cases = [_renamed(case, lambda f: _relative(f, folder)) for case in scan.cases]
            if copy:
                scan.cases = _copy(source, scan, root, folder, progress, undo)
            register = Register(name, folder, tuple(scan.cases), tuple(scan.problems), scan.options)
            register = _keep_other_splits(register, data_dir)
            write_register(register)
            undo.pop_all()
            _remove_stale_copies(register)
    except OSError as error:
        where = error.filename2 or error.filename or folder
        raise DataError(f"{where}: {error.strerror or error}; nothing was registered") from None
    return register


def _strange_names(root: Path) -> list[Problem]:
    """Say how many names below a folder are left out because they are no UTF-8."""
    names = [name for _, folders, files in os.walk(root) for name in (*folders, *files) if not is_utf8(name)]
    if not names:
        return []
    first = os.fsencode(names[0]).decode("utf-8", "backslashreplace")
    return [
        Problem(str(root), f"{len(names)} names are not UTF-8 and are left out, the first is '{first}'; rename them")
    ]


def _header_remarks(cases: list[CaseFiles], folder: Path, progress: Progress) -> list[Problem]:
    """Say where an image's header contradicts itself, or asks to be read in a way that its points may not be of."""
    found = []
    for n, case in enumerate(cases):
        progress("Reading headers", n, len(cases))
        path = folder / case.image
        found += [Problem(case.id, f"{path.name}: {remark}", case.split) for remark in headers.remarks(path)]
    return found


def _nothing_usable(name: str, root: Path, problems: list[Problem]) -> str:
    found = "".join(f"\n  {p}" for p in problems) or "\n  nothing that looks like it"
    return f"no case of '{name}' below {root} is complete, so nothing was registered. Found:{found}"


def _keep_other_splits(register: Register, data_dir: Path | str | None) -> Register:
    """Add what an earlier import registered of those splits that this one found no case of, and say so."""
    try:
        earlier = read_register(register.source, data_dir)
    except DataError:  # there was none, or it cannot be read any more
        return register
    found = {c.split for c in register.cases}
    cases = tuple(c for c in earlier.cases if c.split not in found)
    kept = sorted({c.split for c in cases})
    notes = []
    for split in kept:
        n = earlier.count(split)
        held = "1 case of an earlier import is" if n == 1 else f"{n} cases of an earlier import are"
        notes.append(Problem(split, f"{held} kept: there is none below this folder", split))
    problems = [p for p in register.problems if p.split not in kept] + [p for p in earlier.problems if p.split in kept]
    return replace(register, cases=register.cases + cases, problems=tuple(dict.fromkeys([*problems, *notes])))


def _copy(source: Source, scan: Scan, root: Path, folder: Path, progress: Progress, undo: ExitStack) -> list[CaseFiles]:
    """Copy the cases' files into a new folder, laid out as they were below ``root``; return the cases with new paths.

    Relative names are what the source wrote into the data folder itself; they stay.
    """
    names = sorted({f for c in scan.cases for f in (c.image, c.mask, *c.landmarks) if f and Path(f).is_absolute()})
    place = new_place(folder, undo)
    copied: dict[str, str] = {}
    for n, name in enumerate(names):
        progress("Copying", n, len(names))
        target = place / Path(name).relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        kept = source.reduced(Path(name))
        with written(target):
            if kept is None:
                shutil.copyfile(name, target)
            else:
                target.write_bytes(kept)
        copied[name] = target.relative_to(folder).as_posix()
    progress("Copying", len(names), len(names))
    manifest.write_manifest(place, {"kind": "copy", "from": str(root)}, partial(progress, "Hashing"))
    return [_renamed(case, lambda f: copied.get(f, f)) for case in scan.cases]


def _renamed(case: CaseFiles, rename: Callable[[str], str]) -> CaseFiles:
    return replace(
        case,
        image=rename(case.image),
        mask=case.mask and rename(case.mask),
        landmarks=tuple(rename(f) for f in case.landmarks),
    )


def _relative(name: str, folder: Path) -> str:
    """Name a file that this program placed relative to the source's folder, so that the data folder can be moved.

    A user's own files stay absolute, also those that lie in that folder: they are linked, and `remove` leaves them.
    """
    parts = Path(name).relative_to(folder).parts if Path(name).is_relative_to(folder) else ("",)
    return Path(*parts).as_posix() if is_copy(parts[0]) else name


def _remove_stale_copies(register: Register) -> None:
    """Remove copies of earlier imports that the register no longer names."""
    used = register.copies()
    for place in copies_in(register.folder):
        if place not in used:
            with suppress(OSError):
                discard(place)
