"""Looking after what is on disk: check it again, and remove it. Files outside the data folder are never touched."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from dgmld_bench.errors import DataError, DgmldBenchError
from dgmld_bench.files import Progress, difference
from dgmld_bench.obtaining.downloading import ACCEPTED, INCOMING
from dgmld_bench.sources import get_source, open_register, source_names
from dgmld_bench.splits import CaseList, load_split
from dgmld_bench.storage import folders, manifest
from dgmld_bench.storage.folders import copies_in, is_copy
from dgmld_bench.storage.register import (
    REGISTER,
    CaseFiles,
    Problem,
    Register,
    has_register,
    own_sources,
    read_register,
)
from dgmld_bench.temporary import discard, find, sweep, sweep_noted


@dataclass(frozen=True)
class Checked:
    """What became of the files of one source.

    Attributes
    ----------
    hashed : int
        Files compared with the SHA-256 that they were placed or published with.
    read : int
        Files without a known SHA-256: they were read whole, and there is nothing to compare them with.
    problems : tuple of Problem
        Every file that is gone, changed or cannot be read.
    """

    source: str
    folder: Path
    hashed: int
    read: int
    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class Contents:
    """What removing a source would delete: files of the data folder; and what it would leave alone."""

    source: str
    folder: Path
    paths: tuple[Path, ...]
    bytes: int
    linked: int
    unknown: tuple[Path, ...]


def sources_on_disk(data_dir: Path | str | None = None) -> list[str]:
    """Return the names of the sources that have a register, the user's own centres last."""
    return [n for n in source_names() if has_register(n, data_dir)] + own_sources(data_dir)


def verify_source(
    name: str, *, data_dir: Path | str | None = None, progress: Progress = lambda step, done, total: None
) -> Checked:
    """Check every file of a source again.

    Files that were downloaded or copied are compared with the manifest, files whose hash is published with that hash.
    For the rest (linked data, generated data) no hash is known: each case is read whole.

    Raises
    ------
    DataError
        When the source is not on disk, or its register or manifest cannot be read.
    """
    register = open_register(name, data_dir)
    sweep(register.folder, below=True)
    sweep_noted(folders.data_dir(data_dir))
    problems: list[Problem] = []
    hashed: set[Path] = set()
    for place in register.copies():
        placed = manifest.read_manifest(place)
        if placed is not None:
            hashed |= {place / f for f in placed.files}
            wrong = manifest.find_differences(place, placed, partial(progress, "Comparing SHA-256"))
            problems += [Problem(str(place / f), what) for f, what in wrong.items()]
    read: set[Path] = set()
    open_split = cache(partial(load_split, references=True, data_dir=data_dir))
    for n, case in enumerate(register.cases):
        progress("Checking cases", n, len(register.cases))
        paths = {register.path(f) for f in (case.image, case.mask, *case.landmarks) if f}
        published = {p: sha for p in paths - hashed if (sha := get_source(name).published_sha256(p))}
        for path in sorted(paths - hashed):
            if what := difference(path, None, published.get(path)):
                problems.append(Problem(f"{case.split}/{case.id}", f"{path}: {what}", case.split))
        hashed |= {p for p in published if p.is_file()}
        rest = {p for p in paths - hashed - set(published) if p.is_file()}
        if rest and all(p.is_file() for p in paths):
            problems += _read(case, register, rest, open_split(case.split))
        read |= rest
    progress("Checking cases", len(register.cases), len(register.cases))
    return Checked(name, register.folder, len([p for p in hashed if p.is_file()]), len(read), tuple(problems))


def _read(files: CaseFiles, register: Register, paths: set[Path], cases: CaseList) -> list[Problem]:
    """Read what these files of a case hold; return what is wrong with it."""
    try:
        case = cases.by_id(files.id)
        if register.path(files.image) in paths:
            _ = case.image, case.affine
        if files.mask and register.path(files.mask) in paths:
            _ = case.mask
        if not paths.isdisjoint(map(register.path, files.landmarks)):
            _ = case.annotations
    except (DgmldBenchError, OSError, ValueError, EOFError) as error:
        return [Problem(f"{files.split}/{files.id}", str(error), files.split)]
    return []


def list_contents(name: str, data_dir: Path | str | None = None) -> Contents:
    """Return what of a source lies in the data folder, so that a person can decide on removing it.

    Only what this program wrote counts: downloads, copies, generated and derived files, the register. Linked data and
    anything else in the folder stay.

    Raises
    ------
    DataError
        When nothing of the source is there, or its folder is a link to somewhere else.
    """
    folder = folders.source_dir(name, data_dir)
    source = get_source(name)
    if folder.is_symlink():
        raise DataError(
            f"{folder} is a link to {folder.resolve()}; remove the link yourself, its target is not touched"
        )
    own = [p for p in (folder / REGISTER, folder / ACCEPTED, folder / INCOMING) if p.exists()]
    own += copies_in(folder)
    own += [p for p in find(folder, below=True) if not is_copy(p.relative_to(folder).parts[0])]
    linked: set[str] = set()
    single = {path for file in source.written_files() if (path := folder / file).is_file()}
    for case in _registered_cases(name, data_dir):
        for file in {f for f in (case.image, case.mask, *case.landmarks) if f} - linked:
            path = folder / file
            if Path(file).is_absolute() or not path.resolve().is_relative_to(folder.resolve()):
                linked.add(file)
            elif path.is_file() and not is_copy(Path(file).parts[0]):
                single.add(path)
    own += sorted(single)
    if not own:
        raise DataError(f"nothing of source '{name}' is in {folder.parent}")
    files = [f for p in own for f in ([p] if not p.is_dir() or p.is_symlink() else _files_below(p))]
    known = {*files, folder / folders.LOCK}
    unknown = tuple(f for f in _files_below(folder) if f not in known)
    return Contents(name, folder, tuple(own), sum(f.lstat().st_size for f in files), len(linked), unknown)


def _registered_cases(name: str, data_dir: Path | str | None) -> tuple[CaseFiles, ...]:
    try:
        return read_register(name, data_dir).cases
    except DataError:  # there is none, or it cannot be read: then nothing is known of single files
        return ()


def remove_source(name: str, data_dir: Path | str | None = None) -> Contents:
    """Remove what :func:`list_contents` lists; folders that become empty go too.

    Raises
    ------
    DataError
        When nothing of the source is there, or something is at work in its folder.
    """
    contents = list_contents(name, data_dir)
    sweep_noted(folders.data_dir(data_dir))
    with folders.locked(contents.folder):
        contents = list_contents(name, data_dir)
        for path in sorted(contents.paths, key=lambda p: p.name != REGISTER):  # first, so that it never lies
            if path.is_dir() and not path.is_symlink():
                discard(path)
            else:
                path.unlink()
    (contents.folder / folders.LOCK).unlink(missing_ok=True)
    for place in sorted((p for p in contents.folder.rglob("*") if p.is_dir()), reverse=True):
        _remove_if_empty(place)
    _remove_if_empty(contents.folder)
    return contents


def _files_below(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if not p.is_dir() or p.is_symlink())


def _remove_if_empty(folder: Path) -> None:
    if not folder.is_symlink() and not any(folder.iterdir()):
        folder.rmdir()
