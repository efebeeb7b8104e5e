"""Unpacking archives that nobody vouches for: zip, tar and rar.

Nothing is written outside the folder: names that are absolute or lead upwards, links, devices, encrypted entries and
names that occur twice are refused, and so is an archive that unpacks to far more than it weighs. An archive is
unpacked whole or not at all. Only ``zipfile``, ``tarfile`` and ``rarfile`` read the formats; ``rarfile`` needs a
program for compressed rar files.
"""

from __future__ import annotations

import errno
import filecmp
import lzma
import re
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, Literal

from dgmld_bench.errors import DataError
from dgmld_bench.files import JUNK, free_bytes, is_full_disk, safe_path
from dgmld_bench.temporary import temporary_folder

SUFFIXES = (".zip", ".rar", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_VOLUME = re.compile(r"\.part(\d{1,4})\.rar$", re.IGNORECASE)
_MAX_NESTING = 4
_BLOCK = 1 << 20

RAR_HELP = (
    "no program that unpacks rar files is installed. Install one of unar, unrar, 7-Zip or bsdtar: "
    "`sudo apt install unar` (Debian, Ubuntu), `sudo dnf install unar` (Fedora), `brew install unar` (macOS), "
    "7-Zip in the PATH (Windows)"
)


class BrokenArchiveError(DataError):
    """The archive itself is at fault: damaged, hostile, or of another kind than its name says."""


@dataclass
class Budget:
    """How much may still be unpacked: bytes and entries. Shared by archives and the archives inside them."""

    bytes: int
    entries: int = 500_000

    @classmethod
    def for_archive(cls, path: Path) -> Budget:
        """Return what an archive may unpack to: 200 times its size, and 64 MiB in any case."""
        return cls(max(64 << 20, 200 * path.stat().st_size))

    def spend(self, size: int) -> None:
        """Take one entry off; DataError when the budget is used up."""
        self.bytes -= size
        self.entries -= 1
        if self.bytes < 0 or self.entries < 0:
            raise DataError("it unpacks to far more than it weighs, as a decompression bomb does")


@dataclass(frozen=True)
class _Entry:
    name: str
    size: int
    kind: Literal["file", "folder", "link", "device"]
    encrypted: bool
    open: Callable[[], IO[bytes]]


def is_archive(path: Path) -> bool:
    """Whether a file's name is that of an archive (``.nii.gz`` is none)."""
    return path.name.lower().endswith(SUFFIXES)


def is_later_volume(path: Path) -> bool:
    """Whether a file is the second or a later part of a rar archive; unpacking the first reads them all.

    >>> is_later_volume(Path("a.part2.rar")), is_later_volume(Path("a.part01.rar")), is_later_volume(Path("a.rar"))
    (True, False, False)
    """
    match = _VOLUME.search(path.name)
    return match is not None and int(match[1]) > 1


def names_in(archive: Path) -> set[str]:
    """Return what folders and files in an archive are called, and the archive itself; archives without their suffix.

    Raises
    ------
    BrokenArchiveError
        When it cannot be read.
    """
    try:
        with _entries(archive) as entries:
            parts = {Path(part) for entry in entries for part in PurePosixPath(entry.name.replace("\\", "/")).parts}
    except _broken(OSError) as error:
        raise BrokenArchiveError(f"{archive.name}: damaged, or not what its name says ({error})") from None
    return {_stem(part) if is_archive(part) else part.name for part in {*parts, archive}}


def check_rar_program() -> None:
    """Raise DataError that says what to install when compressed rar files cannot be read on this machine."""
    import rarfile

    try:
        rarfile.tool_setup()
    except rarfile.RarCannotExec:
        raise DataError(RAR_HELP) from None


def unpack(archive: Path, folder: Path, budget: Budget | None = None) -> None:
    """Unpack an archive, and the archives in it, into a folder that may hold files already.

    An archive with one entry at its top puts it into the folder itself, any other into a folder of its own name; so
    ``train.zip`` becomes ``train/`` either way.

    Raises
    ------
    DataError
        Naming the archive and what is wrong with it. The folder is as it was.
    """
    _unpack(archive, folder, budget or Budget.for_archive(archive), archive.name, 0)


def _unpack(archive: Path, folder: Path, budget: Budget, shown: str, nesting: int) -> None:
    if nesting > _MAX_NESTING:
        raise BrokenArchiveError(f"{shown}: archives in archives, more than {_MAX_NESTING} deep")
    with temporary_folder(folder, "unpacking") as place:
        _extract(archive, place, budget, shown)
        inners = sorted(p for p in place.rglob("*") if p.is_file() and is_archive(p))
        for inner in inners:
            if not is_later_volume(inner):
                _unpack(inner, inner.parent, budget, f"{shown}/{inner.relative_to(place).as_posix()}", nesting + 1)
        for inner in inners:
            inner.unlink()
        tops = list(place.iterdir())
        _merge(place, folder if len(tops) == 1 else folder / _stem(archive), shown)


def _stem(archive: Path) -> str:
    suffix = max((s for s in SUFFIXES if archive.name.lower().endswith(s)), key=len)
    volume = _VOLUME.search(archive.name)
    return archive.name[: volume.start() if volume else -len(suffix)] or "archive"


def _extract(archive: Path, place: Path, budget: Budget, shown: str) -> None:
    """Write every entry of one archive below ``place``."""
    import rarfile

    try:
        with _entries(archive) as entries:
            wanted = list(_checked(entries, budget))
            needed, free = sum(entry.size for _, entry in wanted), free_bytes(place)
            if needed > free:
                raise OSError(errno.ENOSPC, f"{needed:,} bytes are needed, {free:,} are free")
            for path, entry in wanted:
                _write(place / path, entry)
    except rarfile.RarCannotExec:
        raise DataError(f"{shown}: {RAR_HELP}") from None
    except DataError as error:
        raise BrokenArchiveError(f"{shown}: {error}; nothing of it was unpacked") from None
    except _broken() as error:
        what = f"damaged, or not what its name says ({error})"
        if isinstance(error, rarfile.BadRarFile):  # unar, for one, fails on some solid archives
            what += "; where it opens elsewhere, install unrar, which reads every rar file"
        raise BrokenArchiveError(f"{shown}: {what}; nothing of it was unpacked") from None
    except OSError as error:
        if is_full_disk(error):
            raise DataError(
                f"{shown}: too large for this disk ({error.strerror}); nothing of it was unpacked"
            ) from None
        raise BrokenArchiveError(f"{shown}: cannot be unpacked ({error}); nothing of it was unpacked") from None


def _broken(*more: type[Exception]) -> tuple[type[Exception], ...]:
    """Return what the readers raise for an archive that is not as its format says."""
    import rarfile

    formats = (zipfile.BadZipFile, tarfile.TarError, rarfile.Error, zlib.error, lzma.LZMAError, EOFError, struct.error)
    return (*formats, NotImplementedError, RuntimeError, ValueError, LookupError, ArithmeticError, *more)


def _checked(entries: Iterator[_Entry], budget: Budget) -> Iterator[tuple[PurePosixPath, _Entry]]:
    """Yield the files among the entries with safe paths; DataError for anything that an honest archive has not."""
    for entry in entries:
        budget.spend(entry.size)
        if entry.kind == "folder" and not PurePosixPath(entry.name).parts:  # the "." of `tar -C folder .`
            continue
        path = safe_path(entry.name)
        if entry.kind in ("link", "device"):
            raise DataError(f"'{path}' is a {entry.kind}, and only files and folders are unpacked")
        if entry.encrypted:
            raise DataError(f"'{path}' is encrypted")
        if entry.kind == "file" and path.parts[0] != JUNK:
            yield path, entry


def _write(target: Path, entry: _Entry) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        stream = target.open("xb")
    except (FileExistsError, IsADirectoryError):
        raise DataError(f"'{entry.name}' is in it twice") from None
    done = 0
    with stream, entry.open() as source:
        while block := source.read(_BLOCK):
            done += len(block)
            if done > entry.size:
                raise DataError(f"'{entry.name}' is larger than the {entry.size:,} bytes it states")
            stream.write(block)
    if done != entry.size:
        raise DataError(f"'{entry.name}' ends after {done:,} of {entry.size:,} bytes")


def _merge(source: Path, folder: Path, shown: str) -> None:
    """Move the files of one folder into another; those that are there already must be the same."""
    moves = [(p, folder / p.relative_to(source)) for p in sorted(source.rglob("*")) if p.is_file()]
    for path, target in moves:
        if target.exists() and not (target.is_file() and filecmp.cmp(path, target, shallow=False)):
            raise BrokenArchiveError(f"{shown}: holds another {target.name} than the one at {target}")
    for path, target in moves:
        target.parent.mkdir(parents=True, exist_ok=True)
        path.replace(target)


@contextmanager
def _entries(archive: Path) -> Iterator[Iterator[_Entry]]:
    suffix = archive.suffix.lower()
    readers = {".zip": _zip_entries, ".rar": _rar_entries}
    with ExitStack() as stack:
        yield readers.get(suffix, _tar_entries)(archive, stack)


def _zip_entries(archive: Path, stack: ExitStack) -> Iterator[_Entry]:
    opened = stack.enter_context(zipfile.ZipFile(archive))
    for info in opened.infolist():
        mode = info.external_attr >> 16
        kind: Any = "link" if stat.S_ISLNK(mode) else "folder" if info.filename.endswith("/") else "file"
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK):
            kind = "device"
        yield _Entry(info.filename, info.file_size, kind, bool(info.flag_bits & 1), lambda i=info: opened.open(i))  # type: ignore[misc]


def _tar_entries(archive: Path, stack: ExitStack) -> Iterator[_Entry]:
    opened = stack.enter_context(tarfile.TarFile.open(archive))
    for info in opened:
        kind: Any = "file" if info.isreg() else "folder" if info.isdir() else "device"
        kind = "link" if info.issym() or info.islnk() else kind
        yield _Entry(info.name, info.size, kind, False, lambda i=info: opened.extractfile(i))  # type: ignore
    assert opened.fileobj is not None
    opened.fileobj.seek(opened.offset)
    end = opened.fileobj.read(tarfile.BLOCKSIZE)
    if not end or end.strip(b"\0"):  # tarfile takes a header that it cannot read for the end
        raise tarfile.ReadError("its end is missing")


def _rar_entries(archive: Path, stack: ExitStack) -> Iterator[_Entry]:
    import rarfile

    opened = stack.enter_context(rarfile.RarFile(archive, errors="strict"))
    for info in opened.infolist():
        plain = info.is_file() and info.file_redir is None
        kind: Any = "file" if plain else "folder" if info.is_dir() else "link"
        yield _Entry(info.filename, info.file_size or 0, kind, info.needs_password(), lambda i=info: opened.open(i))  # type: ignore[misc]
