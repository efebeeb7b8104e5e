"""What every data source offers: the contract of the modules beside this one."""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from dgmld_bench.cases import Case
from dgmld_bench.download import RemoteFile
from dgmld_bench.files import JUNK
from dgmld_bench.hub import HubDataset
from dgmld_bench.landmarks import LandmarkSet
from dgmld_bench.splits import case_sort_key, get_split
from dgmld_bench.store import CaseFiles, Problem, Register

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""

_MAX_DEPTH = 10


@dataclass
class Scan:
    """What was found in a folder: complete cases (absolute paths) and everything that is wrong with the rest."""

    cases: list[CaseFiles] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)


class Source(ABC):
    """Where data comes from, on which terms, how its files are found and read.

    Class attributes
    ----------------
    name, title : str
    papers : tuple of str
        What to cite.
    cautions : tuple of str
        What a user must know before drawing conclusions, one sentence each.
    splits : tuple of str
        Names of the splits that the source gives.
    licence : str
        One line; ``terms`` says more where a user must agree to something.
    url : str
        Where a person reads about the data.
    how_to_get : str
        One sentence with the command that gets the data.
    options : tuple of str
        Keyword arguments that ``scan`` takes, such as ``spacing_mm``.
    steps : tuple of str
        What a person does to get data that cannot be fetched.
    holds_rar : bool
        Whether what is fetched holds rar files, which need a program to unpack.
    """

    name: str
    title: ClassVar[str]
    papers: ClassVar[tuple[str, ...]] = ()
    cautions: ClassVar[tuple[str, ...]] = ()
    splits: tuple[str, ...]
    licence: ClassVar[str]
    url: ClassVar[str]
    how_to_get: ClassVar[str]
    terms: ClassVar[str] = ""
    options: ClassVar[tuple[str, ...]] = ()
    steps: ClassVar[tuple[str, ...]] = ()
    holds_rar: ClassVar[bool] = False

    def remote(self) -> HubDataset | tuple[RemoteFile, ...]:
        """Where the data can be fetched; empty when they are generated, or had by agreement only."""
        return ()

    def known_names(self) -> set[str]:
        """Return names of folders and files by which an archive is seen to hold data of this source."""
        return set()

    def written_files(self) -> Iterable[str]:
        """Name the files that the source generates in its folder, registered or not, so that they can be removed."""
        return ()

    def reduced(self, path: Path) -> bytes | None:
        """Return what is kept of a file that was fetched or is copied; None keeps it as it is."""
        return None

    def published_sha256(self, path: Path) -> str | None:
        """Return the hash that a file of this source was published with, where there is one."""
        return None

    @abstractmethod
    def scan(self, path: Path, **options: Any) -> Scan:
        """Find the source's cases wherever they lie below a folder, without writing anything."""

    def complete(self, scan: Scan, folder: Path, progress: Progress) -> Scan:
        """Check what takes time (hashes, label maps) and write what is derived from the files below ``folder``.

        Returns the scan with the cases that passed and every problem. The default changes nothing.
        """
        return scan

    @abstractmethod
    def read(self, files: CaseFiles, landmark_set: LandmarkSet, register: Register, *, withheld: bool) -> Case:
        """Make the case of these files; nothing is read before it is used."""


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


def missing_problem(split: str, ids: list[str]) -> list[Problem]:
    """Return one problem that names the cases of a split that are not there; none where nothing is missing."""
    if not ids:
        return []
    if len(ids) == get_split(split).n_cases:
        return [Problem(split, f"none of its {len(ids)} cases is complete", split)]
    cases = "1 case is" if len(ids) == 1 else f"{len(ids)} cases are"
    return [Problem(split, f"{cases} missing or incomplete: {', '.join(ids)}", split)]
