"""What every data source offers: the contract of the modules beside this one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

from dgmld_bench.cases import Case
from dgmld_bench.errors import UsageError
from dgmld_bench.files import Progress
from dgmld_bench.landmarks import LandmarkSet
from dgmld_bench.storage.download import RemoteFile
from dgmld_bench.storage.figshare import FigshareArticle
from dgmld_bench.storage.folders import folders_below
from dgmld_bench.storage.hub import HubDataset
from dgmld_bench.storage.register import CaseFiles, Problem, Register, missing_ids
from dgmld_bench.tracks import Split


@dataclass
class Scan:
    """What was found in a folder: complete cases (absolute paths) and everything that is wrong with the rest."""

    cases: list[CaseFiles] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)

    def first_folders(self, path: Path, names: Collection[str]) -> dict[str, Path]:
        """Return the folders of these names anywhere below ``path``, by name; a second of a name is a problem."""
        found: dict[str, Path] = {}
        for folder in folders_below(path):
            if folder.name in names and found.setdefault(folder.name, folder) != folder:
                self.problems.append(Problem(str(folder), f"a second {folder.name}; {found[folder.name]} is used"))
        return found


def github_mirrors(repository: str, commit: str, folder: str) -> tuple[str, ...]:
    """Return the addresses below which the files of a repository's folder lie at a commit, on three servers."""
    return (
        f"https://raw.githubusercontent.com/{repository}/{commit}/{folder}",
        f"https://github.com/{repository}/raw/{commit}/{folder}",
        f"https://cdn.jsdelivr.net/gh/{repository}@{commit}/{folder}",
    )


class Source(ABC):
    """Where data comes from, on which terms, how its files are found and read.

    Class attributes
    ----------------
    name, title : str
    papers : tuple of str
        What to cite.
    cautions : tuple of str
        What a user must know before drawing conclusions, one sentence each.
    gives : tuple of Split
        The splits that the source gives; ``splits`` are their names.
    in_paper : bool
        Whether Gong et al. train or test on it.
    is_generated : bool
        Whether :meth:`generate` makes the data; then nothing is fetched.
    licence : str
        One line; ``terms`` says more where a user must agree to something.
    url : str
        Where a person reads about the data.
    how_to_get : str
        One sentence with the command that gets the data.
    options : tuple of str
        Keyword arguments that ``scan`` takes, such as ``spacing_mm``.
    holds_rar : bool
        Whether what is fetched holds rar files, which need a program to unpack.
    """

    name: str
    title: ClassVar[str]
    papers: ClassVar[tuple[str, ...]] = ()
    cautions: ClassVar[tuple[str, ...]] = ()
    gives: ClassVar[tuple[Split, ...]] = ()
    splits: tuple[str, ...]
    in_paper: ClassVar[bool] = False
    is_generated: ClassVar[bool] = False
    licence: ClassVar[str]
    url: ClassVar[str]
    how_to_get: ClassVar[str]
    terms: ClassVar[str] = ""
    options: ClassVar[tuple[str, ...]] = ()
    holds_rar: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        cls.splits = tuple(split.name for split in cls.gives)

    def remote(self) -> HubDataset | FigshareArticle | tuple[RemoteFile, ...]:
        """Where the data can be fetched; empty when they are generated, or had by agreement only."""
        return ()

    @property
    def can_be_had(self) -> bool:
        """Whether a command gets the data: they are fetched or generated."""
        return self.is_generated or type(self).remote is not Source.remote

    def generate(
        self,
        data_dir: Path | str | None = None,
        *,
        size: Literal["full", "small"] = "small",
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> Register:
        """Make the data in the data folder and register them, where the source is generated."""
        raise NotImplementedError

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

    def checked_options(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return the options that are given.

        Raises
        ------
        UsageError
            For an option that is not this source's.
        """
        given = {option: value for option, value in options.items() if value is not None}
        for option in sorted(given.keys() - set(self.options)):
            raise UsageError(f"source '{self.name}' has no option {option}=")
        return given

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


def missing_problem(split: Split, present: Iterable[str]) -> list[Problem]:
    """Return one problem that names the cases of a split that are not there; none where nothing is missing."""
    ids = missing_ids(split, present)
    if not ids:
        return []
    if len(ids) == split.n_cases:
        return [Problem(split.name, f"none of its {len(ids)} cases is complete", split.name)]
    cases = "1 case is" if len(ids) == 1 else f"{len(ids)} cases are"
    return [Problem(split.name, f"{cases} missing or incomplete: {', '.join(ids)}", split.name)]
