"""What this program writes for a while, called so that what a killed process left is known for what it is and removed.

Temporary files and folders are called ``.NAME.<12 hexadecimal digits>.dgmld-tmp`` and lie beside what they will become.
Whoever writes one holds a lock on it, which the system takes back when the process ends, however it ends. So the next
command that comes by can tell what is left over from what is at work.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: nothing is ever taken for left over there
    fcntl = None  # type: ignore[assignment]

SUFFIX = ".dgmld-tmp"
NOTES = ".temporary"
"""In the data folder: notes of where temporary folders lie that hold data of it, and lie elsewhere."""
_NAME = re.compile(rf"\..{{0,40}}\.[0-9a-f]{{12}}{re.escape(SUFFIX)}", re.DOTALL)
_swept: set[Path] = set()


def temporary_name(name: str) -> str:
    """Return a new name for what is to become ``name``."""
    return f".{name[:40]}.{secrets.token_hex(6)}{SUFFIX}"


def is_temporary(name: str) -> bool:
    """Whether a name is one of ours.

    >>> is_temporary(".results.csv.0123456789ab.dgmld-tmp"), is_temporary(".results.csv.dgmld-tmp")
    (True, False)
    """
    return _NAME.fullmatch(name) is not None


@contextmanager
def temporary_folder(parent: Path, name: str, data_dir: Path | None = None) -> Iterator[Path]:
    """Make a folder beside what it is to become; what is still there when the block ends is removed.

    ``data_dir`` is the data folder that its contents come from: :func:`sweep_noted` finds it from there.
    """
    parent.mkdir(parents=True, exist_ok=True)
    sweep_once(parent)
    release, note = None, None
    while release is None:
        place = parent / temporary_name(name)
        place.mkdir()
        release = hold(place)
    try:
        if data_dir is not None:
            note = _write_note(data_dir, place)
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)
        if note is not None:
            note.unlink(missing_ok=True)
            with suppress(OSError):  # others are at work
                note.parent.rmdir()
        release()


def hold(place: Path) -> Callable[[], None] | None:
    """Lock what was just made; return what lets go of it, or None where a sweep that came by was faster."""
    if fcntl is None:
        return lambda: None
    try:
        descriptor = os.open(place, os.O_RDONLY)
    except FileNotFoundError:
        return None
    with suppress(OSError):  # a disk without locks: nothing on it is ever taken for left over
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    if place.exists():  # its name is not given twice
        return lambda: os.close(descriptor)
    os.close(descriptor)
    return None


def left_over(path: Path) -> bool:
    """Whether a temporary file or folder belongs to no process any more."""
    return _take(path, lambda: None)


def sweep_once(folder: Path) -> None:
    """Remove what killed processes left in a folder, the first time that this process comes by."""
    if folder not in _swept:
        _swept.add(folder)
        sweep(folder)


def sweep(folder: Path, *, below: bool = False) -> list[Path]:
    """Remove what killed processes left in a folder, ``below`` it too; return what was removed."""
    return [path for path in find(folder, below=below) if _take(path, lambda p=path: _remove(p))]  # type: ignore[misc]


def find(folder: Path, *, below: bool = False) -> list[Path]:
    """Return temporary files and folders in a folder, at work or left over; nothing where it cannot be read."""
    found = []
    for place, folders, files in os.walk(folder):
        found += [Path(place, name) for name in (*folders, *files) if name.endswith(SUFFIX) and is_temporary(name)]
        folders[:] = [name for name in folders if not is_temporary(name)] if below else []
    return sorted(found)


def discard(folder: Path) -> None:
    """Remove a folder in a way that never leaves a part of it under its name."""
    doomed = folder.with_name(temporary_name(folder.name))
    folder.rename(doomed)
    shutil.rmtree(doomed)


def sweep_noted(data_dir: Path) -> list[Path]:
    """Remove what killed processes left elsewhere of the data in a data folder; return what was removed."""
    removed = []
    for note in sorted((data_dir / NOTES).glob("*.txt")):
        place = Path(note.read_text("utf-8", "surrogateescape"))
        if is_temporary(place.name) and _take(place, lambda p=place: _remove(p)):  # type: ignore[misc]
            removed.append(place)
        if not place.exists():
            note.unlink(missing_ok=True)
    with suppress(OSError):  # not there, or not empty
        (data_dir / NOTES).rmdir()
    return removed


def _write_note(data_dir: Path, place: Path) -> Path | None:
    """Note where a temporary folder lies; a data folder that is only read gets no note."""
    note = data_dir / NOTES / f"{place.name.removesuffix(SUFFIX)[-12:]}.txt"
    try:
        note.parent.mkdir(exist_ok=True)
        note.write_text(str(place.absolute()), "utf-8", "surrogateescape")
    except OSError:
        return None
    return note


def _take(path: Path, action: Callable[[], None]) -> bool:
    """Do something with a temporary file or folder that belongs to nobody any more; return whether it is so."""
    if fcntl is None or path.is_symlink():
        return False
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        action()
    except OSError:  # at work, or not ours to remove
        return False
    finally:
        os.close(descriptor)
    return True


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
