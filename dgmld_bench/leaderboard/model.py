"""What the board is made of: frozen records that the builder fills and that tables, site and checks only read.

A :class:`Board` holds tracks, a track holds its test splits, a split holds rows. One row is one method on one split; a
submission that covers two splits has two rows with the same :attr:`Row.submission`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dgmld_bench.scoring.groups import ByGroup
from dgmld_bench.scoring.parts_table import PartsTable
from dgmld_bench.scoring.statistics import TrainingSpread
from dgmld_bench.splits import Split, Track

Array = NDArray[np.float64]

Kind = Literal["measured", "awaiting", "reported", "annotator", "mean-shape"]


PROTOCOLS = {
    "source-val": ("Strict domain generalisation", "selected on cases of the training centre only (source-val)"),
    "target-val": ("The paper’s protocol", "selected on the track’s validation split (target-val)"),
    "none": ("No selection", "the last epoch"),
}
"""The selections that are ranked, each by itself, in the order of tables: title and what it means."""


@dataclass(frozen=True)
class Value:
    """A mean over seeds and the standard deviation over them (ddof = 0; None for one seed)."""

    mean: float
    std: float | None = None


@dataclass(frozen=True)
class Rank:
    """A rank within one protocol, the 95 % interval of it, and the tie group (None for one training); all from 1."""

    rank: int
    low: int
    high: int
    group: int | None


@dataclass(frozen=True)
class Submission:
    """What a submission file declares. Written by strangers: nothing in it is to be trusted.

    Attributes
    ----------
    id : str
        File name without its ending; ``<method>-<backbone>[-<tag>]``, lower case.
    sha256 : str
        Of the file.
    tag : str
        The last part of ``id``; empty where there is none.
    parameters : int or None
    training_s : float or None
        Training time of one run.
    command, device : str or None
    versions : tuple of (name, version)
    inference_ms, inference_mib : float or None
        Time of one case by itself, and the peak of memory meanwhile.
    inference_device : str or None
    """

    id: str
    track: str
    method: str
    backbone: str
    selection: str | None
    training_data: tuple[str, ...]
    seeds: tuple[int, ...]
    sha256: str
    tag: str = ""
    authors: str | None = None
    paper: str | None = None
    code: str | None = None
    description: str | None = None
    parameters: int | None = None
    training_s: float | None = None
    command: str | None = None
    device: str | None = None
    versions: tuple[tuple[str, str], ...] = ()
    inference_ms: float | None = None
    inference_mib: float | None = None
    inference_device: str | None = None

    @property
    def name(self) -> str:
        """The method, with the tag."""
        return f"{self.method} ({self.tag})" if self.tag else self.method


@dataclass(frozen=True)
class Row:
    """One method on one split.

    Attributes
    ----------
    id : str
        Unique in the split; the submission's id where there is one.
    kind : {"measured", "awaiting", "reported", "annotator", "mean-shape"}
    average, landmarks, sdr, biometrics, gap, p95, unseen
        Millimetres, percent for ``sdr`` (by threshold, in order). None where there is no value.
        ``unseen`` is the Average without the cases that are training cases too, where there are any.
    interval_mm : (low, high) or None
        95 % interval of the Average, over cases and trainings; of this training where it is one.
    rank : Rank or None
        None for a row that is not ranked.
    flags : tuple of str
        Keys of :data:`FLAGS`.
    cases : tuple of str
        The ids along the cases of ``errors_mm``.
    errors_mm : array, shape (seed, case, landmark), or None
    parts : PartsTable or None
        The errors taken apart, where cases are enough.
    groups : tuple of ByGroup
        The errors by group of cases.
    """

    id: str
    kind: Kind
    method: str
    backbone: str
    selection: str | None
    average: Value | None
    landmarks: tuple[Value | None, ...]
    sdr: tuple[Value | None, ...]
    biometrics: tuple[Value | None, ...] = ()
    interval_mm: tuple[float, float] | None = None
    p95: Value | None = None
    gap: Value | None = None
    unseen: Value | None = None
    rank: Rank | None = None
    flags: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    submission: Submission | None = None
    reference_sha256: str | None = None
    cases: tuple[str, ...] = ()
    errors_mm: Array | None = field(default=None, compare=False)
    parts: PartsTable | None = field(default=None, compare=False)
    groups: tuple[ByGroup, ...] = field(default=(), compare=False)

    @property
    def tag(self) -> str:
        """What tells it from other rows of this method and backbone; empty for the first one."""
        return self.submission.tag if self.submission else ""

    @property
    def name(self) -> str:
        """The method, with the tag."""
        return self.submission.name if self.submission else self.method


@dataclass(frozen=True)
class Reported:
    """Printed numbers of one method on one split: those of a table of the paper, or of another source.

    Attributes
    ----------
    table : int or None
        The paper's table; None for a number from elsewhere.
    values : dict of str to Value
        By landmark, ``Average`` or ``SDR t``.
    source, training_data, selection, remark : str
        Who says so, what it was trained and selected on, and what a reader must know before comparing.
    """

    table: int | None
    track: str
    split: str
    backbone: str
    method: str
    source: str
    training_data: str
    selection: str
    remark: str
    values: dict[str, Value] = field(default_factory=dict)


@dataclass(frozen=True)
class SplitBoard:
    """The rows of one split, ranked rows first in the order of protocol and rank.

    ``spread`` is how much trainings differ here, as its measured, complete rows show. ``elsewhere`` are numbers that
    other sources than the paper report: shown apart, in no table with rows.
    """

    split: Split
    rows: tuple[Row, ...]
    spread: TrainingSpread = field(default_factory=TrainingSpread)
    elsewhere: tuple[Reported, ...] = ()


@dataclass(frozen=True)
class TrackBoard:
    """One track.

    Attributes
    ----------
    track : Track
    splits : tuple of SplitBoard
        Its test splits.
    agreement : tuple of (split, split, protocol, tau)
        Kendall's tau between the rankings on two splits.
    validation : SplitBoard or None
        Its validation split, for Table 4: scored where a submission predicts it, never ranked.
    """

    track: Track
    splits: tuple[SplitBoard, ...]
    agreement: tuple[tuple[str, str, str, float], ...] = ()
    validation: SplitBoard | None = None


@dataclass(frozen=True)
class Board:
    """The whole leaderboard.

    ``faults`` say which submissions could not be scored, and why; ``repository`` is its address, where that is known;
    ``keepers`` are the authors of the benchmark, whose own methods are said to be theirs.
    """

    protocol: int
    tracks: tuple[TrackBoard, ...]
    faults: tuple[str, ...] = ()
    repository: str | None = None
    keepers: tuple[str, ...] = ()


IMPLAUSIBLE: dict[str, tuple[str, str]] = {
    "below-people": (
        "to be looked at: closer than people",
        "Its Average is below half of the distance between the two annotators (without what they place apart "
        "throughout): the reference is their mean, and even the true points would lie that far from it.",
    ),
    "like-noise": (
        "to be looked at: like added noise",
        "Its errors share next to nothing between trainings and between the landmarks of a case. A model errs more "
        "where a case is hard; noise that was added to the reference does not.",
    ),
    "far-below": (
        "to be looked at: far below the others",
        "Its Average is less than a third of the middle one of the other submissions on this split.",
    ),
}
"""What a person looks at, and the rule. A flag is no verdict, and changes no rank."""

FLAGS: dict[str, tuple[str, str]] = {
    **IMPLAUSIBLE,
    "few-seeds": ("2 seeds", "Two runs: the spread over trainings is not known well, and intervals are wide."),
    "one-training": (
        "one run",
        "A single run, of one training or the mean of several: its interval is of it alone, and it is never surely "
        "better or worse than another.",
    ),
    "other-data": ("other training data", "Trained or pre-trained on more than the source centre of the track."),
    "simulated": ("simulated", "Phantom data: images and references are generated."),
    "mask-derived": ("mask-derived", "References are derived from segmentation masks, not set by an expert."),
    "not-independent": ("dependent cases", "Cases are weeks of one population atlas, not independent subjects."),
    "in-training": (
        "training cases in the test",
        "Some cases of this split are training cases too (docs/audit.md), so it is not wholly unseen.",
    ),
    "awaiting": ("awaiting verification", "Valid, but never scored: the references were not at hand."),
    "unscorable": (
        "cannot be scored",
        "Its case ids are not those of the split, as its references show.",
    ),
}
