"""The data folder: where it is, where a source lies in it, and how folders are walked.

Each source that was downloaded, generated or imported has a folder ``<data>/<source>/``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dgmld_bench.errors import DataError, UsageError
from dgmld_bench.files import JUNK
from dgmld_bench.tracks import case_sort_key

LOCK, LOCK_TIMEOUT_S = ".lock", 5.0
OWN_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}")  # "own/NAME" fits the 64 characters of a predictions file
_MAX_DEPTH = 10


def data_dir(path: Path | str | None = None) -> Path:
    """Return the data folder: the argument, else ``DGMLD_BENCH_DATA``, else the platform's user data folder.

    Raises
    ------
    UsageError
        When a file lies there.
    """
    if path is None:
        path = os.environ.get("DGMLD_BENCH_DATA") or None
    if path is None:
        import platformdirs

        path = platformdirs.user_data_path("dgmld-bench")
    try:
        folder = Path(path).expanduser().absolute()
    except RuntimeError:
        raise UsageError(f"{path}: there is no home directory here; name the data folder with data_dir=PATH") from None
    if folder.is_file():
        raise UsageError(f"{folder} is a file, expected the data folder")
    return folder


def source_dir(source: str, folder: Path | str | None = None) -> Path:
    """Return the folder of one source in the data folder; UsageError for a name that cannot be one."""
    kind, _, name = source.partition("/")
    if (kind == "own") != bool(name) or (name and not OWN_NAME.fullmatch(name)):
        raise UsageError(
            f"'{source}' is no name of a source; a centre of your own is own/NAME with NAME of lower-case letters, "
            "digits, '-' and '_' (60 at most)"
        )
    return data_dir(folder) / source


@contextmanager
def locked(folder: Path, what: str = "download, import, generation or removal") -> Iterator[None]:
    """Hold the lock of a folder, a source's as a rule: downloads, imports, generation and removal never meet there.

    Whoever holds it may take it again, as a download does that imports what it fetched.

    Raises
    ------
    DataError
        When another process or thread holds it.
    """
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK, is_singleton=True)
    try:
        lock.acquire(timeout=LOCK_TIMEOUT_S)
    except Timeout:
        raise DataError(f"{folder}: another {what} is at work there; wait for it to end") from None
    except (OSError, NotImplementedError) as error:  # as some network disks answer
        reason = getattr(error, "strerror", None) or error
        raise DataError(
            f"{folder}: cannot be locked ({reason}); choose a data folder on another disk with data_dir=PATH"
        ) from None
    try:
        yield
    finally:
        lock.release()


def folders_below(path: Path) -> Iterator[Path]:
    """Yield a folder and all folders below it, in the order of their names; links are followed once.

    Hidden folders, those that the Finder adds, and what lies more than ten levels deep are left out.
    """
    seen: set[str] = set()

    def walk(folder: Path, depth: int) -> Iterator[Path]:
        real = os.path.realpath(folder)
        if real in seen or depth > _MAX_DEPTH:
            return
        seen.add(real)
        yield folder
        for child in visible(folder):
            if child.is_dir():
                yield from walk(child, depth + 1)

    yield from walk(path, 0)


def is_utf8(name: str) -> bool:
    """Whether a file's name, as the system gives it, is UTF-8."""
    return not any("\ud800" <= character <= "\udfff" for character in name)


def visible(folder: Path) -> list[Path]:
    """Return what lies in a folder, in the order of the numbers in its names, without what nobody put there to see.

    Names that are no UTF-8 are left out: no register can hold them. An import says how many there are.
    """
    found = (p for p in folder.iterdir() if not p.name.startswith(".") and p.name != JUNK and is_utf8(p.name))
    return sorted(found, key=lambda p: case_sort_key(p.name))


COPY_PREFIX = "files-"
"""What the name of a folder begins with that holds the files of one import or download, in a source's folder."""
_COPY_NAME = re.compile(rf"{COPY_PREFIX}[0-9a-f]{{12}}")


def is_copy(name: str) -> bool:
    """Whether a folder in a source's folder is of an import or download, by its name: then a later one removes it.

    >>> is_copy("files-0123456789ab"), is_copy("files-from-drive")
    (True, False)
    """
    return _COPY_NAME.fullmatch(name) is not None


def copies_in(folder: Path) -> list[Path]:
    """Return the folders of imports and downloads in a source's folder."""
    return sorted(p for p in folder.glob(f"{COPY_PREFIX}*") if is_copy(p.name))
