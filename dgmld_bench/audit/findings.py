"""What an audit finds: plain values, in one order of importance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from dgmld_bench.splits import CaseList

Level = Literal["error", "warning", "note"]

LEVELS: dict[Level, str] = {
    "error": "a score on this data would be wrong, or say less than it seems to",
    "warning": "look at it: it may be wrong",
    "note": "good to know; nothing need be wrong",
}

CHECKS = {  # name -> title and what it means, in the order of a report
    "unreadable": ("Unreadable cases", "The image or its reference cannot be read."),
    "same-image": ("The same image twice", "Images that are equal bit by bit after decoding."),
    "copy": (
        "Copies of an image",
        "Images in which the grey value of each voxel tells that of the other, after a shift or a flip: one recording, "
        "stored twice. A test case that is also learnt from is no test of generalisation.",
    ),
    "near-duplicate": (
        "Images that are alike",
        "Images whose structure agrees closely, in the pose they are stored in or turned and mirrored. Two recordings "
        "of one subject are so, and population averages of one age as well: look at who is in both.",
    ),
    "repeated-id": ("Repeated ids", "The same id in two splits of one centre: the same subject twice."),
    "same-landmarks": ("Identical landmarks", "Two cases, or two annotators of one case, with the same points."),
    "header": (
        "Headers that contradict themselves",
        "An image whose header says in two places where its voxels are, differently, or asks viewers to turn it.",
    ),
    "missing-landmarks": ("Missing landmarks", "Points that the reference does not have."),
    "one-position": ("Landmarks at one position", "Points of one case that share one position, as those not set do."),
    "outside": ("Landmarks outside", "Points outside the image, or (in 3D) away from the head."),
    "swapped": ("Swapped landmarks", "Two points with each other's names: left and right, top and bottom."),
    "misplaced": ("Misplaced landmarks", "A point far from where the other points of its case say it should be."),
    "biometry": (
        "Implausible lengths",
        "A transverse cerebellar diameter that does not go with the gestational age, or lengths out of proportion.",
    ),
    "throughout": (
        "Throughout the centre",
        "What most cases have in common and hardly anybody has: exchanged ends, another unit, points turned around.",
    ),
    "annotators": ("Annotators disagree", "A point, or a landmark throughout, that two annotators place far apart."),
    "grid": ("Spacing and orientation", "A voxel size, image size or orientation unlike those of its split."),
    "intensity": ("Grey values", "An image that is constant, nearly empty, or unlike the others of its split."),
}


@dataclass(frozen=True)
class Place:
    """A case, by split and id."""

    split: str
    id: str

    def __str__(self) -> str:
        return f"{self.split}/{self.id}"


@dataclass(frozen=True)
class Finding:
    """One thing found.

    Attributes
    ----------
    check : str
        A key of :data:`CHECKS`.
    level : {"error", "warning", "note"}
    message : str
        What was found, with what was expected and what is there.
    cases : tuple of Place
        The cases concerned; empty where it concerns a split as a whole.
    score : float
        How far it is from what is expected, in the check's own measure; orders the findings of one check and level.
    values : dict
        Figures for machines, named with their units.
    """

    check: str
    level: Level
    message: str
    cases: tuple[Place, ...] = ()
    score: float = 0.0
    values: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "check": self.check,
            "level": self.level,
            "message": self.message,
            "cases": [{"split": p.split, "id": p.id} for p in self.cases],
            "values": self.values,
        }


@dataclass(frozen=True)
class Audit:
    """The outcome of an audit.

    Attributes
    ----------
    target : str
        The track, or the centre ``own/NAME``.
    splits : dict
        Split -> number of cases looked at.
    absent : tuple of str
        Splits of the track that are not on disk.
    findings : tuple of Finding
        Ordered: errors first, then by check, then by score.
    measured : dict
        Figures that describe the data as a whole, such as the correlations between different cases.
    cases : dict
        Split -> the cases looked at, for pictures of them.
    """

    target: str
    splits: dict[str, int]
    absent: tuple[str, ...]
    findings: tuple[Finding, ...]
    measured: dict[str, Any]
    cases: dict[str, CaseList] = field(default_factory=dict, repr=False, compare=False)

    def count(self, level: Level) -> int:
        """Return how many findings there are of a level."""
        return sum(f.level == level for f in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "target": self.target,
            "splits": self.splits,
            "absent": list(self.absent),
            "counts": {level: self.count(level) for level in LEVELS},
            "findings": [f.to_dict() for f in self.findings],
            "measured": self.measured,
        }


def in_order(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Order findings by level, check and score."""
    levels, checks = list(LEVELS), list(CHECKS)
    return tuple(sorted(findings, key=lambda f: (levels.index(f.level), checks.index(f.check), -f.score, f.message)))
