"""The register of what lies in the data folder.

Each source that was downloaded, generated or imported has a ``register.json`` in its folder: which cases of which split
are there, in which files, and what was found incomplete. It is written last and atomically, so a source is either there
or not.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from dgmld_bench.errors import DataError
from dgmld_bench.files import read_json, write_json
from dgmld_bench.storage.folders import OWN_NAME, copies_in, data_dir, source_dir
from dgmld_bench.tracks import Split, case_sort_key

REGISTER = "register.json"
_FORMAT, _VERSION = "dgmld-bench/register", 1


@dataclass(frozen=True)
class CaseFiles:
    """Where the parts of one case lie. Paths are absolute, or relative to the register's folder."""

    id: str
    split: str
    image: str
    landmarks: tuple[str, ...] = ()
    mask: str | None = None
    centre: str | None = None
    info: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Problem:
    """Something found wrong with a source's files: which case or file, and what."""

    where: str
    message: str
    split: str | None = None

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


@dataclass(frozen=True)
class Register:
    """What is on disk of one source.

    Attributes
    ----------
    source : str
        ``own/NAME`` for a centre of the user's own.
    folder : Path
        ``<data>/<source>``, to which relative paths refer.
    cases : tuple of CaseFiles
    problems : tuple of Problem
        What the import found incomplete, unknown or changed.
    options : dict
        What the source needs to read its files again, for example ``spacing_mm``.
    """

    source: str
    folder: Path
    cases: tuple[CaseFiles, ...]
    problems: tuple[Problem, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)

    def cases_of(self, split: str) -> list[CaseFiles]:
        """Return the cases of one split in the order of their ids."""
        found = [c for c in self.cases if c.split == split]
        return sorted(found, key=lambda c: case_sort_key(c.id))

    def path(self, name: str) -> Path:
        """Return the absolute path of a file named in this register."""
        return self.folder / name

    def copies(self) -> list[Path]:
        """Return the folders of imports and downloads that hold files named here; others there are left over."""
        paths = {self.path(f) for c in self.cases for f in (c.image, c.mask, *c.landmarks) if f}
        named = {p.relative_to(self.folder).parts[0] for p in paths if p.is_relative_to(self.folder)}
        return [place for place in copies_in(self.folder) if place.name in named]

    def has_files(self, case: CaseFiles) -> bool:
        """Whether all files of a case are where this register says."""
        return all(self.path(f).is_file() for f in (case.image, case.mask, *case.landmarks) if f)

    def count(self, split: str) -> int:
        """Return how many cases of a split are here."""
        return sum(c.split == split for c in self.cases)


def write_register(register: Register) -> None:
    """Write a register into its folder, atomically."""
    value = {
        "format": _FORMAT,
        "version": _VERSION,
        "source": register.source,
        "options": register.options,
        "cases": [asdict(c) for c in register.cases],
        "problems": [asdict(p) for p in register.problems],
    }
    write_json(register.folder / REGISTER, value)


def has_register(source: str, folder: Path | str | None = None) -> bool:
    """Whether the source is on disk."""
    return (source_dir(source, folder) / REGISTER).is_file()


def read_register(source: str, folder: Path | str | None = None) -> Register:
    """Read what is on disk of a source.

    Raises
    ------
    DataError
        When the source is not on disk or its register cannot be read.
    """
    place = source_dir(source, folder)
    if not has_register(source, folder):
        raise DataError(f"the data of source '{source}' is not in {data_dir(folder)}")
    value = read_json(place / REGISTER)
    try:
        if value["format"] != _FORMAT or value["version"] != _VERSION or value["source"] != source:
            raise ValueError(f"format {value['format']!r} version {value['version']!r} source {value['source']!r}")
        cases = tuple(CaseFiles(**{**c, "landmarks": tuple(c["landmarks"])}) for c in value["cases"])
        problems = tuple(Problem(**p) for p in value["problems"])
        return Register(source, place, cases, problems, dict(value["options"]))
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{place / REGISTER}: not a register of this version ({error}); import or download the source again"
        ) from None


def own_sources(folder: Path | str | None = None) -> list[str]:
    """Return the names ``own/NAME`` of the user's own centres on disk."""
    place = data_dir(folder) / "own"
    names = (p.parent.name for p in place.glob(f"*/{REGISTER}"))
    return sorted(f"own/{name}" for name in names if OWN_NAME.fullmatch(name))


def missing_ids(split: Split, present: Iterable[str]) -> list[str]:
    """Return the known ids of a split that are not among those present (empty where ids are not known)."""
    have = set(present)
    return [i for i in split.case_ids or () if i not in have]
