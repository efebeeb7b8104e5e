"""Writing and reading small files safely: atomic, size-limited, hashed. Knows nothing of what is in them."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any

from dgmld_bench.errors import DataError, UsageError
from dgmld_bench.temporary import hold, sweep_once, temporary_name

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""

MAX_JSON_BYTES = 64 * 1024 * 1024
_MAX_JSON_VALUES = 8_000_000  # names count twice; read, the costliest of so many take less than 1 GiB
JUNK = "__MACOSX"  # the folder of resource forks that the Finder adds to an archive


@contextmanager
def atomic_write(path: Path, mode: str = "wb") -> Iterator[IO[Any]]:
    """Open a file that takes the place of ``path`` only when the block ends without an error.

    The bytes are on disk before the name changes, so a crash or a full disk leaves the old file as it was. A link keeps
    pointing at what it names. A device or a pipe, such as ``/dev/stdout``, is written to as it is.
    """
    path = Path(path)
    text = {} if "b" in mode else {"encoding": "utf-8", "newline": "\n"}
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a folder, expected the name of a file", str(path))
    if path.exists() and not path.is_file():
        with written(path), path.open(mode, **text) as stream:  # type: ignore[call-overload]
            yield stream
        return
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep_once(path.parent)
    release = None
    while release is None:
        temporary = path.parent / temporary_name(path.name)
        try:
            stream = temporary.open(mode.replace("w", "x"), **text)  # type: ignore[call-overload]
        except OSError as error:  # told of the file that was asked for
            raise OSError(error.errno, error.strerror, str(path)) from None
        release = hold(temporary)
        if release is None:
            stream.close()
    try:
        with written(path), stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    finally:
        release()


@contextmanager
def written(path: Path) -> Iterator[None]:
    """Name the file that a block writes in its errors: the system's own says nothing, or names what is copied."""
    try:
        yield
    except OSError as error:
        if error.filename is not None and error.filename2 is None:
            raise  # of another file, which has a name
        raise OSError(error.errno, error.strerror or str(error), str(path)) from None


def new_folder(parent: Path, prefix: str) -> Path:
    """Make a folder ``PREFIX<12 hexadecimal digits>`` that was not there before."""
    folder = parent / f"{prefix}{secrets.token_hex(6)}"
    folder.mkdir(parents=True)
    return folder


def refuse_checkout(path: Path, what: str) -> None:
    """Refuse a place inside a checkout of this package for something that must not be committed.

    Raises
    ------
    UsageError
        When the place lies in one.
    """
    for parent in (path.resolve(), *path.resolve().parents):
        if (parent / ".git").exists() and (parent / "dgmld_bench" / "audit").is_dir():
            raise UsageError(
                f"{path} lies in the repository {parent}; {what} and does not belong there. Name another place"
            )


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically, UTF-8 with Unix line ends."""
    with atomic_write(path, "w") as stream:
        stream.write(text)


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically; NaN and infinity are refused, key order is kept."""
    write_text(path, json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False) + "\n")


def read_json(path: Path, *, max_bytes: int = MAX_JSON_BYTES) -> Any:
    """Read JSON strictly: size limit, UTF-8, no duplicate keys, no NaN or infinity.

    Raises
    ------
    DataError
        Naming the file and what is wrong with it.
    """
    path = Path(path)
    try:
        with path.open("rb") as stream:  # of a pipe nobody knows the size before
            data = stream.read(max_bytes + 1)
        if len(data) > max_bytes:
            size = max(path.stat().st_size, len(data))
            raise DataError(f"{size:,} bytes; at most {max_bytes:,} are read", path)
        if data.count(b",") + data.count(b"[") + data.count(b"{") + 2 * data.count(b":") > _MAX_JSON_VALUES:
            raise DataError(f"holds more than {_MAX_JSON_VALUES:,} values and names, which no file here does", path)
        text = data.decode("utf-8")
        del data
    except FileNotFoundError:
        raise DataError("no such file", path) from None
    except IsADirectoryError:
        raise DataError(absence(path), path) from None
    except PermissionError as error:
        raise DataError(f"cannot be read ({error.strerror})", path) from None
    except UnicodeDecodeError as error:
        raise DataError(f"not UTF-8 text (byte {error.start})", path) from None
    if not text.strip():
        raise DataError("is empty, not valid JSON", path)
    try:
        return json.loads(text, object_pairs_hook=_unique_keys, parse_constant=_no_constant)
    except RecursionError:
        raise DataError("nested too deeply", path) from None
    except ValueError as error:
        message = str(error).partition("; use sys.")[0]  # a number of thousands of digits
        raise DataError(f"not valid JSON: {message}", path) from None


def json_type(value: Any) -> str:
    """Return what JSON calls a value.

    >>> json_type([]), json_type({}), json_type(None)
    ('an array', 'an object', 'null')
    """
    names = {dict: "an object", list: "an array", str: "a string", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def fault_of(value: Any, error: Exception) -> str:
    """Return what is wrong with a JSON value that could not be taken for what it should be.

    >>> fault_of({}, KeyError("shapes")), fault_of([], TypeError())
    ("no 'shapes'", 'an array')
    """
    return f"no '{error.args[0]}'" if isinstance(error, KeyError) else str(error) or json_type(value)


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f"key {key[:80]!r} appears twice in one object")
            seen.add(key)
    return result


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal, read in blocks."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


_NOT_IN_NAMES = frozenset('<>:"|?*')  # no file on Windows has them, and programs that unpack take some as patterns


def safe_path(name: str) -> PurePosixPath:
    """Return a name from an archive or a server as a relative path that stays inside its folder.

    Raises
    ------
    DataError
        For an absolute name, one with ``..``, or one that not every system can store.

    Examples
    --------
    >>> safe_path("train\\\\1.nii.gz")
    PurePosixPath('train/1.nii.gz')
    >>> safe_path("a/../../etc/passwd")
    Traceback (most recent call last):
    ...
    dgmld_bench.errors.DataError: the name 'a/../../etc/passwd' leads out of its folder
    """
    shown = repr(name[:200])
    slashed = name.replace("\\", "/")
    parts = [part for part in slashed.split("/") if part not in ("", ".")]
    if slashed.startswith("/") or slashed[1:2] == ":":
        raise DataError(f"the name {shown} is absolute")
    if ".." in parts:
        raise DataError(f"the name {shown} leads out of its folder")
    if not parts or any(c in _NOT_IN_NAMES or ord(c) < 32 for c in slashed):
        raise DataError(f"the name {shown} cannot be stored")
    try:
        too_long = any(len(os.fsencode(part)) > 255 for part in parts)
    except UnicodeEncodeError:  # half a character, as JSON can write one
        raise DataError(f"the name {shown} cannot be stored") from None
    if parts[0].startswith("-") or too_long:
        raise DataError(f"the name {shown} cannot be stored")
    return PurePosixPath(*parts)


def free_bytes(folder: Path) -> int:
    """Return how much may be written on the disk of a folder, which need not exist yet."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def absence(path: Path) -> str:
    """Say why a path is no file that can be read.

    >>> absence(Path("no such file")), absence(Path("/"))
    ('no such file', 'is a folder, expected a file')
    """
    if path.is_symlink() and not path.exists():
        return f"a link to {os.fsdecode(path.readlink())}, which is not there"
    return "is a folder, expected a file" if path.is_dir() else "no such file"


def is_full_disk(error: OSError) -> bool:
    """Whether an error says that the disk, a quota or the largest allowed file is full."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def difference(path: Path, size: int | None, sha256: str | None) -> str:
    """Say how a file differs from what it must be, as far as that is known; nothing where it does not.

    >>> difference(Path("no such file"), 5, None)
    'is gone'
    """
    if not path.is_file():
        return "is gone"
    found = path.stat().st_size
    if size is not None and found != size:
        return f"expected {size:,} bytes, got {found:,} bytes"
    if sha256 is not None and (hashed := sha256_file(path)) != sha256:
        return f"expected SHA-256 {sha256}, got {hashed}"
    return ""
