"""What is exported: splits with their cases, and predictions of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from dgmld_bench import geometry
from dgmld_bench.cases import Case
from dgmld_bench.errors import DataError
from dgmld_bench.files import Progress
from dgmld_bench.formats import volumes
from dgmld_bench.landmarks import LandmarkSet
from dgmld_bench.scoring.predictions import Predictions
from dgmld_bench.scoring.score import world_landmarks
from dgmld_bench.splits import CaseList, Split

Array = NDArray[np.float64]


@dataclass
class Item:
    """One case on its way out.

    Attributes
    ----------
    key : str
        A name for files: the id, preceded by the split where several are exported; safe on every file system.
    split : Split
    case : Case
    reference : array (landmark, axis) in world coordinates, or None
        NaN where a landmark is missing. None where it is withheld.
    predictions : dict of seed to array (landmark, axis)
        In world coordinates, NaN where a landmark is missing.
    """

    key: str
    split: Split
    case: Case
    reference: Array | None
    predictions: dict[int, Array]

    @property
    def where(self) -> str:
        """What a message calls it."""
        return f"case '{self.case.id}' of split '{self.split.name}'"


@dataclass
class Job:
    """What is exported.

    Attributes
    ----------
    cases : dict of split's name to CaseList
        All with one landmark set.
    references : bool
        Whether landmarks and masks of test splits were asked for.
    predictions : Predictions or None
    seeds : tuple of int
        The runs of the predictions that are exported.
    notes : list of str
        What a format had to leave out or change; it ends up in the note and on the terminal.
    """

    cases: dict[str, CaseList]
    references: bool
    predictions: Predictions | None = None
    seeds: tuple[int, ...] = ()
    notes: list[str] = field(default_factory=list)
    progress: Progress = lambda step, done, total: None

    @property
    def splits(self) -> tuple[Split, ...]:
        """What is exported, in the order given."""
        return tuple(cases.split for cases in self.cases.values())

    @property
    def landmark_set(self) -> LandmarkSet:
        """The one of all splits."""
        return next(iter(self.cases.values())).landmark_set

    def gives_references(self, split: Split) -> bool:
        """Whether the reference of a split is part of this export."""
        return self.references or split.role != "test"

    def key(self, split: Split, case_id: str) -> str:
        """Return what files of a case are called: its id, after its split where there are several."""
        return file_name(case_id if len(self.cases) == 1 else f"{split.name}-{case_id}")

    def items(self, split: Split) -> Iterator[Item]:
        """Yield the cases of one split, one at a time, telling the progress."""
        cases = self.cases[split.name]
        step = f"Exporting {split.name}"
        self.progress(step, 0, len(cases))
        for done, case in enumerate(cases, start=1):
            predictions = {}
            if self.predictions is not None:
                for seed in self.seeds:
                    predictions[seed] = world_landmarks(self.predictions, {case.id: case}, seed, split.name)[0]
            reference = case.landmarks if self.gives_references(split) else None
            yield Item(self.key(split, case.id), split, case, reference, predictions)
            self.progress(step, done, len(cases))


def check_opens(item: Item, program: str) -> None:
    """Refuse a volume whose axes are not perpendicular, for a program that does not open such.

    Raises
    ------
    DataError
        Naming the case and the angle.
    """
    if item.case.landmark_set.dimension == 2:
        return
    affine = item.case.affine
    if volumes.is_sheared(affine):
        raise DataError(
            f"{item.where}: its axes are sheared (two of them meet at {geometry.axes_angle_deg(affine):.2f}°, not at "
            f"90°), and {program} does not open that; resample it first, or export it as hf or parquet"
        )


def file_name(name: str) -> str:
    """Return a name as a file may be called everywhere: other characters than letters, digits, ``-_.`` as %XX.

    >>> file_name("HarvardSTA21_Study1"), file_name("../a b"), file_name(".x")
    ('HarvardSTA21_Study1', '%2E.%2Fa%20b', '%2Ex')
    """
    safe = quote(name, safe="").replace("~", "%7E")
    return "%2E" + safe[1:] if safe.startswith(".") else safe


def need_library(name: str, what: str) -> None:
    """Raise a DataError that says how to install a library, where it is not installed."""
    from importlib.util import find_spec

    if find_spec(name) is None:
        raise DataError(f"{what} needs the package '{name}': pip install 'dgmld-bench[export]'")
