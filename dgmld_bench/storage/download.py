"""Fetching files over HTTP: mirrors, resume, retries, checks. Knows nothing of any one source.

A file arrives beside its place as ``NAME.part`` and takes its name only when its size and SHA-256 are right. An
interrupted file goes on by range request where that is safe: when its hash is known, or when the server still has the
version (ETag or date) that the first part came from.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from dgmld_bench.errors import DataError
from dgmld_bench.files import difference, free_bytes, is_full_disk, read_json, safe_path, write_json
from dgmld_bench.text import without_credentials
from dgmld_bench.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator

    import requests

PART = ".part"
_BLOCK = 1 << 16
PASSING_STATUS = {408, 425, 429, 500, 502, 503, 504}
"""Answers of a server that may be another one when it is asked again."""
_STATUS = {
    401: "it asks for a login",
    403: "access is refused, or the file was withdrawn",
    404: "there is no such file",
    410: "the file was withdrawn",
    429: "too many requests",
}


@dataclass(frozen=True)
class RemoteFile:
    """One file and where it can be had.

    Attributes
    ----------
    path : str
        Where it goes, relative to the folder of the download, with ``/``.
    urls : tuple of str
        Addresses that hold the same bytes, in the order in which they are tried.
    bytes, sha256, git_blob, md5
        What it must be, where that is known; ``git_blob`` is the id that git gives the content.
    authorization : str, optional
        Header that goes with requests to the addresses themselves, never on to another host that they redirect to.
    """

    path: str
    urls: tuple[str, ...]
    bytes: int | None = None
    sha256: str | None = None
    git_blob: str | None = None
    md5: str | None = None
    authorization: str | None = field(default=None, repr=False)

    @property
    def is_hashed(self) -> bool:
        """Whether a hash of the content is known."""
        return bool(self.sha256 or self.git_blob or self.md5)

    def difference(self, path: Path) -> str:
        """Say how what lies at ``path`` differs from this file; nothing where it does not."""
        what = difference(path, self.bytes, self.sha256)
        if not what and self.git_blob and (found := _git_blob_id(path)) != self.git_blob:
            return f"expected git object {self.git_blob}, got {found}"
        if not what and self.md5 and (found := _md5(path)) != self.md5:
            return f"expected MD5 {self.md5}, got {found}"
        return what


@dataclass(frozen=True)
class Patience:
    """How long to insist: attempts at one address without any new byte, waits between them, silence on the line."""

    attempts: int = 5
    first_wait_s: float = 1.0
    longest_wait_s: float = 60.0
    timeout_s: float = 30.0

    def wait_s(self, failures: int) -> float:
        """Return the wait after a number of failures in a row: it doubles each time.

        >>> [Patience().wait_s(n) for n in (1, 2, 3, 10)]
        [1.0, 2.0, 4.0, 60.0]
        """
        return min(self.longest_wait_s, self.first_wait_s * 2.0 ** max(0, failures - 1))


PATIENT = Patience()


@dataclass(frozen=True)
class Transfer:
    """How far a download is: of the file under way, and in total. Sizes are None where the server states none."""

    file: str
    file_done: int
    file_bytes: int | None
    done: int
    bytes: int | None
    files_done: int
    files: int
    note: str = ""


Report = Callable[[Transfer], None]


class _Refused(Exception):
    """This address will not give the file; the next may."""


class _Passing(Exception):
    """It may go better in a moment; ``wait_s`` where the server says when."""

    def __init__(self, message: str, wait_s: float | None = None) -> None:
        super().__init__(message)
        self.wait_s = wait_s


def fetch_files(
    files: Sequence[RemoteFile],
    folder: Path,
    *,
    patience: Patience = PATIENT,
    report: Report = lambda transfer: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Fetch files into a folder; those that are there and intact stay.

    ``report`` is told how far the transfer is, ``progress`` how many files were checked before it.

    Raises
    ------
    DataError
        When the disk is too small or full, or a file cannot be had from any address. What has arrived is kept, and
        the next call goes on from there.
    """
    missing = []
    for n, file in enumerate(files):
        progress(n, len(files))
        if file.difference(folder / safe_path(file.path)):
            missing.append(file)
    progress(len(files), len(files))
    arrived = sum(_part(folder, f).stat().st_size for f in missing if _part(folder, f).is_file())
    check_space(folder, sum(f.bytes or 0 for f in missing) - arrived)
    tally = _Tally(files, missing, report)
    with _session() as session:
        for file in missing:
            _fetch(session, file, folder, patience, tally)
            tally.finish(file, (folder / safe_path(file.path)).stat().st_size)


def check_space(folder: Path, needed: int) -> None:
    """Raise DataError when the disk of a folder has less than ``needed`` bytes free."""
    from rich.filesize import decimal

    free = free_bytes(folder)
    if needed > free:
        raise DataError(
            f"{folder}: {decimal(needed)} are needed and {decimal(free)} are free; make room, or choose another "
            "disk with data_dir=PATH. Nothing was fetched"
        )


@dataclass
class _Tally:
    """Adds up the bytes of all files."""

    files: Sequence[RemoteFile]
    missing: Sequence[RemoteFile]
    report: Report
    finished: int = 0
    finished_bytes: int = 0
    sizes: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.sizes = {f.path: f.bytes for f in self.missing if f.bytes is not None}

    def __call__(self, file: RemoteFile, done: int, total: int | None, note: str = "") -> None:
        if total is not None:
            self.sizes[file.path] = total
        known = len(self.sizes) == len(self.missing)
        self.report(
            Transfer(
                file.path,
                done,
                self.sizes.get(file.path),
                self.finished_bytes + done,
                sum(self.sizes.values()) if known else None,
                len(self.files) - len(self.missing) + self.finished,
                len(self.files),
                note,
            )
        )

    def finish(self, file: RemoteFile, size: int) -> None:
        self.finished += 1
        self.finished_bytes += size
        self(file, 0, size)


def _session() -> requests.Session:

    import requests

    session = requests.Session()
    session.headers["User-Agent"] = f"dgmld-bench/{__version__}"
    session.headers["Accept-Encoding"] = "identity"  # hashes and ranges count the bytes of the file itself
    return session


def _part(folder: Path, file: RemoteFile) -> Path:
    target = folder / safe_path(file.path)
    return target.with_name(target.name + PART)


def _git_blob_id(path: Path) -> str:
    header = b"blob %d\0" % path.stat().st_size
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.sha1(header, usedforsecurity=False)).hexdigest()


def _md5(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _fetch(session: requests.Session, file: RemoteFile, folder: Path, patience: Patience, progress: _Tally) -> None:
    """Bring one file to its place, from the first address that gives it."""
    target = folder / safe_path(file.path)
    target.parent.mkdir(parents=True, exist_ok=True)
    failed = []
    for url in file.urls:
        try:
            _insist(session, file, url, _part(folder, file), patience, progress)
        except _Refused as error:
            failed.append(f"\n  {without_credentials(url)}: {error}")
            continue
        _part(folder, file).replace(target)
        _origin_of(_part(folder, file)).unlink(missing_ok=True)
        return
    raise DataError(
        f"{file.path} could not be fetched, and nothing was placed. Tried:{''.join(failed)}\n"
        "What arrived is kept: run the same command again to go on from there."
    )


def _insist(
    session: requests.Session, file: RemoteFile, url: str, part: Path, patience: Patience, progress: _Tally
) -> None:
    """Fetch from one address until the file is whole; every failure that brought no new byte costs an attempt."""
    failures, furthest = 0, _size(part)
    while True:
        try:
            resumed = _transfer(session, file, url, part, patience, progress)
            wrong = file.difference(part)
            if not wrong:
                return
            part.unlink()
            if not resumed:
                raise _Refused(f"the file is truncated or was changed: {wrong}")
            raise _Passing(f"what arrived earlier does not go with the rest: {wrong}")
        except _Passing as error:
            failures = 0 if _size(part) > furthest else failures + 1
            furthest = max(furthest, _size(part))
            if failures >= patience.attempts:
                raise _Refused(f"{error}, {failures} times in a row") from None
            wait_s = patience.wait_s(failures) if error.wait_s is None else error.wait_s
            if wait_s > patience.longest_wait_s:
                raise _Refused(f"{error}; the server asks to come back in {wait_s:.0f} s") from None
            progress(file, _size(part), None, f"{error}; again in {wait_s:.3g} s")
            time.sleep(wait_s)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _origin_of(part: Path) -> Path:
    """The small file beside a part that says which version of which address it came from."""
    return part.with_name(part.name + ".json")


def _resume_from(file: RemoteFile, url: str, part: Path) -> tuple[int, str | None]:
    """Return how many bytes of a part can be kept, and the version that the server must still have.

    A hash tells at the end whether the parts go together, whichever server they came from.
    """
    have = _size(part)
    if not have or (file.bytes is not None and have > file.bytes):
        return 0, None
    if file.is_hashed:
        return have, None
    try:
        origin: dict[str, Any] = read_json(_origin_of(part))
        version = origin["version"] if origin["url"] == without_credentials(url) else None
    except (DataError, KeyError, TypeError):
        version = None
    return (have, version) if version else (0, None)


def _transfer(
    session: requests.Session, file: RemoteFile, url: str, part: Path, patience: Patience, progress: _Tally
) -> bool:
    """Append to the part what it lacks, in one request; return whether something was there before."""
    import requests
    import urllib3

    have, version = _resume_from(file, url, part)
    if have and have == file.bytes:
        return True
    headers = {}
    if have:
        headers["Range"] = f"bytes={have}-"
        if version:
            headers["If-Range"] = version
    try:
        with session.get(
            url, headers=headers, auth=_sign_for(file), stream=True, timeout=patience.timeout_s
        ) as response:
            have, total = _judge(response, file, have, part)
            if not have and not file.is_hashed:
                write_json(_origin_of(part), {"url": without_credentials(url), "version": _version(response)})
            done = have
            progress(file, done, total)
            with _open_part(part, "ab" if have else "wb") as stream:
                for block in _blocks(response):
                    if not done and _is_web_page(block) and not file.path.endswith((".html", ".htm")):
                        raise _Refused("it sent a web page in place of the file")
                    _write(stream, block, part)
                    done += len(block)
                    progress(file, done, total)
            if total is not None and done != total:
                raise _Passing(f"the transfer ended after {done:,} of {total:,} bytes")
    except requests.exceptions.Timeout:
        raise _Passing(f"no answer within {patience.timeout_s:g} s") from None
    except requests.exceptions.ConnectionError as error:
        raise _Passing(f"the connection failed ({_cause(error)})") from None
    except requests.exceptions.RequestException as error:
        raise _Refused(f"the request failed ({_cause(error)})") from None
    except DataError:
        raise
    except (urllib3.exceptions.HTTPError, ValueError) as error:  # an address, of a redirect say, that is none
        raise _Refused(f"the request failed: it led to an address that cannot be read ({_cause(error)})") from None
    return have > 0


def _sign_for(file: RemoteFile) -> Callable[[Any], Any] | None:
    """Return what adds a file's authorization to a request; requests drops it where a redirect changes the host."""

    def sign(request: Any) -> Any:
        request.headers["Authorization"] = file.authorization
        return request

    return sign if file.authorization else None


def _judge(response: requests.Response, file: RemoteFile, have: int, part: Path) -> tuple[int, int | None]:
    """Look at the answer's head: return from which byte it goes on, and the size of the whole file if it says."""
    status = response.status_code
    if status == 416:
        part.unlink(missing_ok=True)
        raise _Passing("the server has less than arrived earlier (416); starting anew")
    if status in PASSING_STATUS:
        raise _Passing(f"{status}, {_STATUS.get(status, 'the server has a fault')}", _retry_after_s(response))
    if status not in (200, 206):
        raise _Refused(f"{status}, {_STATUS.get(status, response.reason)}")
    if "text/html" in response.headers.get("Content-Type", "") and not file.path.endswith((".html", ".htm")):
        raise _Refused("it sent a web page in place of the file")
    length = response.headers.get("Content-Length", "")
    total = int(length) if length.isdecimal() else None
    if status == 206:
        if not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            part.unlink(missing_ok=True)
            raise _Passing("the server sent another range than asked for; starting anew")
        total = total + have if total is not None else None
    else:
        have = 0
    if total is not None and file.bytes is not None and total != file.bytes:
        raise _Refused(f"the file is truncated or was changed: expected {file.bytes:,} bytes, the server has {total:,}")
    if total is not None:
        check_space(part.parent, total - have)
    return have, total


def _retry_after_s(response: requests.Response) -> float | None:
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isdecimal() else None


def _version(response: requests.Response) -> str | None:
    """What names the server's version of a file in If-Range: a strong ETag, else its date."""
    etag = response.headers.get("ETag", "")
    return etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified")


def _blocks(response: requests.Response) -> Iterator[bytes]:
    """Yield the body as it was sent, whatever encoding the server claims for it."""
    import urllib3
    from urllib3.exceptions import IncompleteRead

    try:
        yield from response.raw.stream(_BLOCK, decode_content=False)
    except urllib3.exceptions.ReadTimeoutError:
        raise _Passing("the server fell silent") from None
    except urllib3.exceptions.HTTPError as error:
        cause = "" if isinstance(error.__cause__ or error.__context__, IncompleteRead) else f" ({_cause(error)})"
        raise _Passing(f"the connection broke off{cause}") from None


def _is_web_page(block: bytes) -> bool:
    return block[:256].lstrip().lower().startswith((b"<!doctype html", b"<html"))


def _open_part(part: Path, mode: Literal["ab", "wb"]) -> Any:
    try:
        return part.open(mode, buffering=0)
    except OSError as error:
        raise DataError(f"{part}: cannot be written ({error.strerror})") from None


def _write(stream: Any, block: bytes, part: Path) -> None:
    view = memoryview(block)
    try:
        while view:
            view = view[stream.write(view) :]
    except OSError as error:
        if not is_full_disk(error):
            raise
        from rich.filesize import decimal

        raise DataError(
            f"{part}: the disk is full; nothing was placed. Make room and run the same command again: it goes on "
            f"after the {decimal(_size(part))} that arrived"
        ) from None


def _cause(error: BaseException) -> str:
    """Return the innermost reason of an error, without the addresses of objects."""
    reason: BaseException = error
    while inner := getattr(reason, "reason", None) or reason.__cause__ or reason.__context__:
        if not isinstance(inner, BaseException):
            break
        reason = inner
    if isinstance(reason, OSError) and reason.errno:
        return os.strerror(reason.errno) if reason.errno > 0 else str(reason.strerror)
    return type(reason).__name__ if "0x" in str(reason) else str(reason) or type(reason).__name__
