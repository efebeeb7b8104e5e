"""The manifest of a folder of data: where it came from, and the size and SHA-256 of every file that was placed."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dgmld_bench.errors import DataError
from dgmld_bench.files import difference, read_json, safe_path, sha256_file, write_json

NAME = "manifest.json"
_FORMAT, _VERSION = "dgmld-bench/manifest", 1
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class FileRecord:
    """What a file was when it was placed."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What was placed in a folder. ``origin`` names the addresses, or the repository and commit, or the folder."""

    origin: dict[str, Any]
    files: dict[str, FileRecord]


def write_manifest(
    folder: Path, origin: dict[str, Any], progress: Callable[[int, int], None] = lambda done, total: None
) -> Manifest:
    """Hash every file below a folder and write the manifest into it, atomically."""
    paths = sorted(p for p in folder.rglob("*") if p.is_file() and p != folder / NAME)
    records = {}
    for n, path in enumerate(paths):
        progress(n, len(paths))
        records[path.relative_to(folder).as_posix()] = FileRecord(path.stat().st_size, sha256_file(path))
    progress(len(paths), len(paths))
    manifest = Manifest(origin, records)
    write_json(folder / NAME, {"format": _FORMAT, "version": _VERSION, **asdict(manifest)})
    return manifest


def read_manifest(folder: Path) -> Manifest | None:
    """Read the manifest of a folder; None where there is none.

    Raises
    ------
    DataError
        When there is one that cannot be read.
    """
    path = folder / NAME
    if not path.is_file():
        return None
    value = read_json(path)
    try:
        if value["format"] != _FORMAT or value["version"] != _VERSION:
            raise ValueError(f"format {value['format']!r} version {value['version']!r}")
        files = {str(safe_path(name)): FileRecord(**record) for name, record in value["files"].items()}
        for name, record in files.items():
            if not isinstance(record.bytes, int) or not _SHA256.fullmatch(record.sha256):
                raise ValueError(f"no size and SHA-256 of {name}")
        return Manifest(dict(value["origin"]), files)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: not a manifest of this version ({error})") from None


def find_differences(
    folder: Path, manifest: Manifest, progress: Callable[[int, int], None] = lambda done, total: None
) -> dict[str, str]:
    """Hash the files of a manifest again; return what is wrong with each that is gone or changed."""
    wrong = {}
    for n, (name, expected) in enumerate(manifest.files.items()):
        progress(n, len(manifest.files))
        if what := difference(folder / name, expected.bytes, expected.sha256):
            wrong[name] = what
    progress(len(manifest.files), len(manifest.files))
    return wrong
