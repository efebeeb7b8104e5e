"""What a split is scored against: the reference landmarks of its cases on disk, and the hash of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgmld_bench.cases import Case
from dgmld_bench.errors import DataError, UsageError
from dgmld_bench.landmarks import LandmarkSet
from dgmld_bench.scoring.agreement import Agreement, measure_agreement
from dgmld_bench.splits import Split, load_split

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Reference:
    """What a split is scored against.

    Attributes
    ----------
    split : Split
    landmark_set : LandmarkSet
    ids : tuple of str
    points : array, shape (case, landmark, axis)
        World coordinates; NaN where a point has no reference.
    mm_per_unit : array, shape (case,)
    cases : mapping of id to Case
    """

    split: Split
    landmark_set: LandmarkSet
    ids: tuple[str, ...]
    points: Array
    mm_per_unit: Array
    cases: Mapping[str, Case]

    def __repr__(self) -> str:
        return f"Reference(split={self.split.name!r}, cases={len(self.ids)})"

    @cached_property
    def known_ids(self) -> tuple[str, ...]:
        """The ids of the split's cases as far as they are known, those on disk and those that it says it has."""
        return tuple(dict.fromkeys((*(self.split.case_ids or ()), *self.ids)))

    @cached_property
    def agreement(self) -> Agreement | None:
        """How far several annotators are apart; None where no two set a point."""
        return measure_agreement(self.cases.values())

    @property
    def sha256(self) -> str:
        """Hash of ids, landmark names, coordinates (float64, little-endian) and millimetres per unit."""
        digest = hashlib.sha256(json.dumps([self.split.name, self.ids, self.landmark_set.names]).encode())
        digest.update((self.points + 0.0).astype("<f8").tobytes())  # -0 and 0 are the same place
        digest.update(self.mm_per_unit.astype("<f8").tobytes())
        return digest.hexdigest()

    def without_leaked(self) -> Reference:
        """Return it without the cases that are training cases too.

        Raises
        ------
        UsageError
            When the split is not known to have any.
        DataError
            When no other case is on disk.
        """
        leaked = self.split.in_training
        if not leaked:
            raise UsageError(f"no case of split '{self.split.name}' is known to be a training case too")
        keep = [i for i, case in enumerate(self.ids) if case not in leaked]
        if not keep:
            raise DataError(f"split '{self.split.name}': all cases that are on disk are training cases too")
        ids = tuple(self.ids[i] for i in keep)
        return Reference(
            # its ids stay those of the whole split: predictions of it hold them all
            replace(self.split, n_cases=self.split.n_cases - len(leaked), in_training=()),
            self.landmark_set,
            ids,
            self.points[keep],
            self.mm_per_unit[keep],
            {case: self.cases[case] for case in ids},
        )

    def counts(self) -> dict[str, Any]:
        """Return how many points have a reference, how many have none, and of how many cases each landmark has one."""
        per_landmark = self.exists.sum(axis=0).tolist()
        present = sum(per_landmark)
        return {
            "present": present,
            "missing": self.exists.size - present,
            "present_per_landmark": dict(zip(self.landmark_set.names, per_landmark, strict=True)),
        }

    @property
    def exists(self) -> NDArray[np.bool_]:
        """Which points have a reference, ``(case, landmark)``."""
        return np.asarray(~np.isnan(self.points).any(axis=-1))


def load_reference(split: str, data_dir: Path | str | None = None) -> Reference:
    """Read the reference landmarks of a split that is on disk.

    Raises
    ------
    UsageError
        For an unknown split.
    DataError
        When it is not on disk, or has no reference landmarks.
    """
    opened = load_split(split, references=True, data_dir=data_dir)
    cases = {case.id: case for case in opened}
    if not cases:
        raise DataError(f"no case of split '{split}' is on disk; see `dgmld-bench datasets`")
    points = np.stack([case.landmarks for case in cases.values()])
    scale = np.array([case.mm_per_unit for case in cases.values()])
    return Reference(opened.split, opened.landmark_set, opened.ids, points, scale, cases)
