"""A git repository's commits read as data: names, changes, bytes of files. Nothing is checked out or run."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from dgmld_bench.errors import DataError, UsageError
from dgmld_bench.text import clean


@dataclass(frozen=True)
class Change:
    """One path that a pull request touches: git's status letter, the new mode, the new blob."""

    status: str
    mode: str
    blob: str
    path: str


def find_commit(root: Path, name: str) -> str:
    """Return the hash of a commit; UsageError where the repository has none of that name."""
    try:
        return _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}").decode().strip()
    except UsageError:
        raise UsageError(f"{root.resolve()}: no commit '{clean(name, 80)}' in this repository") from None


def list_changes(root: Path, base: str, head: str) -> list[Change]:
    """Return every path that differs between two commits; a rename is a deletion and an addition."""
    raw = _git(root, "diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", base, head)
    fields = raw.decode("utf-8", "surrogateescape").split("\0")[:-1]
    changes = []
    for head_of, path in zip(fields[::2], fields[1::2], strict=True):
        _, mode, _, blob, status = head_of.removeprefix(":").split(" ")
        changes.append(Change(status, mode, blob, path))
    return changes


def read_blob(root: Path, change: Change, max_bytes: int) -> bytes:
    """Return the bytes of a changed file; its size is asked for first.

    Raises
    ------
    DataError
        When it is larger than ``max_bytes``.
    """
    size = int(_git(root, "cat-file", "-s", change.blob))
    if size > max_bytes:
        raise DataError(f"{clean(change.path, 120)}: {size:,} bytes; at most {max_bytes:,} are read")
    return _git(root, "cat-file", "blob", change.blob)


def merge_base(root: Path, a: str, b: str) -> str:
    """Return the commit from which two histories part; UsageError where they never were one."""
    try:
        return _git(root, "merge-base", a, b).decode().strip()
    except UsageError:
        raise UsageError(
            f"{root.resolve()}: {a[:12]} and {b[:12]} have no commit in common; name a branch that began in this "
            "repository, and fetch its whole history (`git fetch --unshallow`) where it was cut off"
        ) from None


def read_file(root: Path, commit: str, path: str) -> bytes:
    """Return a file as it is in a commit; nothing where the commit has none."""
    listed = _git(root, "ls-tree", "-z", find_commit(root, commit), "--", path)
    return _git(root, "cat-file", "blob", listed.split()[2].decode()) if listed else b""


def is_committed(root: Path, path: str) -> bool:
    """Return whether the last commit has a file; True as well where that cannot be told."""
    try:
        return bool(read_file(root, "HEAD", path))
    except UsageError:
        return True


def _git(root: Path, *arguments: str) -> bytes:
    """Return what a git command prints; nothing strangers wrote is ever one of its options."""
    command = ["git", "-C", str(root), "--no-replace-objects", "--literal-pathspecs", *arguments]
    try:
        return subprocess.run(command, check=True, capture_output=True, timeout=120).stdout
    except FileNotFoundError:
        raise UsageError("git is not installed") from None
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        said = clean((error.stderr or b"").decode("utf-8", "replace"), 200)
        raise UsageError(f"git {arguments[0]} failed: {said or type(error).__name__}") from None
