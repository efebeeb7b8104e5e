"""What a track and a split are; which there are is :mod:`dgmld_bench.splits`.

A *track* is one task with one landmark set; a *split* is a named list of cases of one track with one role.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from dgmld_bench.landmarks import LandmarkSet

TrackName = Literal["dgmld", "open", "ceph", "phantom"]
"""In the order of tables."""

Role = Literal["train", "validation", "test"]
ReferenceKind = Literal["expert", "mask-derived", "simulated"]
DOMAIN = {True: "out of domain", False: "in domain"}
"""A split's ``out_of_domain`` in words."""


@dataclass(frozen=True)
class Split:
    """A named list of cases of one track with one role.

    Attributes
    ----------
    name, track, source : str
        Names as on the command line. The source is what is downloaded or imported to get the split.
    role : {"train", "validation", "test"}
    centre : str
        The site or project that the cases come from.
    n_cases : int
        How many cases the complete split has.
    out_of_domain : bool
        True where the centre is none of the track's training centres.
    case_ids : tuple of str or None
        The ids in order, or None where the data's release fixes them and they are not known here.
    reference : {"expert", "mask-derived", "simulated"}
        Where the reference landmarks come from.
    in_training : tuple of str
        Those of a test split's cases that are training cases too, as ``dgmld-bench audit`` finds them (docs/audit.md).
    """

    name: str
    track: str
    source: str
    role: Role
    centre: str
    n_cases: int
    out_of_domain: bool = False
    case_ids: tuple[str, ...] | None = None
    reference: ReferenceKind = "expert"
    in_training: tuple[str, ...] = ()

    @property
    def n_unseen(self) -> int:
        """How many cases the complete split has that are no training cases."""
        return self.n_cases - len(self.in_training)

    @property
    def domain(self) -> str:
        """In words: whether the centre is one that is trained on."""
        return DOMAIN[self.out_of_domain]

    @property
    def role_and_domain(self) -> str:
        """In words; what is trained on has no domain beside."""
        return self.role if self.role == "train" else f"{self.role}, {self.domain}"


@dataclass(frozen=True)
class Track:
    """One task: a landmark set, a training split, and the splits that are selected and tested on.

    ``validation`` is what ``target-val`` selection uses. Where ``validation_is_source`` is True the validation
    split belongs to the training centre and the same selection is called ``source-val``; elsewhere
    ``source-val`` withholds every fifth training case.
    """

    name: str
    title: str
    landmarks: LandmarkSet
    train: str
    validation: str
    tests: tuple[str, ...]
    validation_is_source: bool = False

    @property
    def space(self) -> str:
        """Default space of predictions: ``ras_mm`` in 3D, ``px`` in 2D."""
        return "ras_mm" if self.landmarks.dimension == 3 else "px"

    @property
    def split_names(self) -> tuple[str, ...]:
        """All splits of the track: training, validation, tests."""
        return (self.train, self.validation, *self.tests)


def numbers(first: int, last: int) -> tuple[str, ...]:
    """Return case ids that are numbers, the last one too.

    >>> numbers(9, 11)
    ('9', '10', '11')
    """
    return tuple(str(i) for i in range(first, last + 1))


def case_sort_key(case_id: str) -> tuple[tuple[int, int | str], ...]:
    """Sort key that orders ids by the numbers in them, so that "9" comes before "10".

    >>> sorted(["10", "9", "b2", "b10"], key=case_sort_key)
    ['9', '10', 'b2', 'b10']
    """
    parts = re.findall(r"\d+|\D+", case_id)
    return tuple((0, int(p)) if p.isdecimal() else (1, p) for p in parts)
