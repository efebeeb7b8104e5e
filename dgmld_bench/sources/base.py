"""What every data source offers: the contract of the modules beside this one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from dgmld_bench.cases import Case
from dgmld_bench.landmarks import LandmarkSet
from dgmld_bench.store import CaseFiles, Problem, Register


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
    splits : tuple of str
        Names of the splits that the source gives.
    licence : str
        One line; ``terms`` says more where a user must agree to something.
    url : str
        Where a person reads about the data.
    how_to_get : str
        One sentence with the command that gets the data.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    splits: ClassVar[tuple[str, ...]]
    licence: ClassVar[str]
    url: ClassVar[str]
    how_to_get: ClassVar[str]
    terms: ClassVar[str] = ""

    @abstractmethod
    def scan(self, path: Path, **options: Any) -> Scan:
        """Find the source's cases wherever they lie below a folder, without writing anything."""

    @abstractmethod
    def read(self, files: CaseFiles, landmark_set: LandmarkSet, register: Register, *, withheld: bool) -> Case:
        """Make the case of these files; nothing is read before it is used."""
