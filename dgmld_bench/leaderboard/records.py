"""Verified radial errors on disk: what remains of a score when the reference is not at hand. No coordinates.

``leaderboard/errors/<track>/<submission>/<split>.json`` holds the radial error of each case and landmark in each run,
to a millionth of a millimetre, with the hashes of the submission and of the reference that gave it; and, where cases
are enough, how the errors come apart (``parts``, by run and landmark), and the means of groups of cases (``groups``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dgmld_bench.errors import DataError, UsageError, unknown_name
from dgmld_bench.files import read_json, write_text
from dgmld_bench.leaderboard.groups_record import groups_text, read_groups, rounded_groups
from dgmld_bench.leaderboard.parts_record import parts_text, read_parts, rounded
from dgmld_bench.scoring.errors_table import ErrorsTable
from dgmld_bench.scoring.explanation import Explanation
from dgmld_bench.scoring.groups import ByGroup
from dgmld_bench.scoring.score import PROTOCOL, Score
from dgmld_bench.scoring.statistics import TrainingSpread, training_spread
from dgmld_bench.splits import get_split

Array = NDArray[np.float64]

ERRORS = "leaderboard/errors"
ANNOTATOR = "annotator"
FORMAT, VERSION = "dgmld-bench/errors", 1
DIGITS = 6


@dataclass(frozen=True)
class Record:
    """The verified errors of one submission on one split.

    Attributes
    ----------
    split, submission_sha256 : str
    protocol : int
    errors : ErrorsTable
        Complete: a record is made of whole predictions and a whole reference only.
    biometrics : tuple of str
    biometric_errors_mm : array, shape (seed, case, biometric)
    groups : tuple of ByGroup
        The errors by every grouping that parts the cases.
    """

    split: str
    submission_sha256: str
    protocol: int
    errors: ErrorsTable
    biometrics: tuple[str, ...]
    biometric_errors_mm: Array
    groups: tuple[ByGroup, ...] = ()

    def __post_init__(self) -> None:  # as the errors themselves
        object.__setattr__(self, "biometric_errors_mm", np.ascontiguousarray(self.biometric_errors_mm))

    def named(self, name: str) -> ErrorsTable:
        """Return the errors under a name, as a comparison takes them."""
        return replace(self.errors, name=name)


def record_path(root: Path, track: str, submission: str, split: str) -> Path:
    """Return where the verified errors of a submission on a split are kept."""
    return root / ERRORS / track / submission / f"{split}.json"


def find_record(root: Path, split: str, name: str) -> Record:
    """Return the verified errors of a row of the board.

    Parameters
    ----------
    root : Path
        The repository.
    split : str
    name : str
        The submission's, as its file is called without ``.json``.

    Raises
    ------
    UsageError
        For an unknown split, and for a name without verified errors on it: an annotator's are distances from another
        annotator, and no errors.
    DataError
        When they were measured under another protocol.
    """
    if split.startswith("own/"):
        raise UsageError(f"'{name}' is no file, and the board has no centres of your own: name a predictions file")
    track = get_split(split).track
    found = {p.parent.name for p in (root / ERRORS / track).glob(f"*/{split}.json")}
    known = sorted(found - {ANNOTATOR})
    if name not in known:
        if not known:
            raise UsageError(
                f"'{name}' is no file, and the board holds no verified errors on split '{split}': none are below "
                f"{root / ERRORS / track}. Name a predictions file, or, elsewhere, the repository by --root"
            )
        raise unknown_name("file, or row of the board", name, known, where=f"on split '{split}'")
    record = read_record(record_path(root, track, name, split))
    if record.protocol != PROTOCOL:
        raise DataError(
            f"the verified errors of '{name}' on split '{split}' are of scoring protocol {record.protocol}, not "
            f"{PROTOCOL}; build the board where the reference is on disk"
        )
    return record


def board_spread(root: Path, split: str) -> TrainingSpread:
    """Return how much trainings differ on a split, as the verified errors of its rows show."""
    records = [
        read_record(path)
        for path in sorted((root / ERRORS / get_split(split).track).glob(f"*/{split}.json"))
        if path.parent.name != ANNOTATOR
    ]
    return training_spread([r.errors.errors_mm for r in records if r.protocol == PROTOCOL])


def record_of(score: Score, submission_sha256: str) -> Record:
    """Return what is kept of a score, rounded as the file keeps it, so that both give the same board."""
    explanation = Explanation(score)
    parts = explanation.parts
    return Record(
        split=score.reference.split.name,
        submission_sha256=submission_sha256,
        protocol=PROTOCOL,
        errors=replace(score.errors, errors_mm=score.errors_mm.round(DIGITS), parts=parts and rounded(parts)),
        biometrics=tuple(b.name for b in score.reference.landmark_set.biometrics),
        biometric_errors_mm=score.biometric_errors_mm.round(DIGITS),
        groups=rounded_groups(explanation.groups),
    )


def write_record(path: Path, record: Record) -> None:
    """Write a record, one line per seed and case: the same record gives the same bytes."""
    errors = record.errors
    assert errors.expected is not None
    head = {
        "format": FORMAT,
        "version": VERSION,
        "split": record.split,
        "protocol": record.protocol,
        "complete": True,
        "submission_sha256": record.submission_sha256,
        "reference_sha256": errors.reference_sha256,
        "seeds": list(errors.seeds),
        "landmarks": list(errors.landmarks),
        "biometrics": list(record.biometrics),
        "without_reference": [
            [errors.cases[i], errors.landmarks[j]] for i, j in np.argwhere(~errors.expected).tolist()
        ],
    }
    import json

    lines = [f" {json.dumps(k)}: {json.dumps(v)}" for k, v in head.items()]
    if errors.parts is not None:
        lines.append(f' "parts": {parts_text(errors.parts)}')
    if record.groups:
        lines.append(f' "groups": {groups_text(record.groups)}')
    rows = []
    for s in range(len(errors.seeds)):
        of_cases = [
            f"   {json.dumps(case)}: {_numbers([*errors.errors_mm[s, c], *record.biometric_errors_mm[s, c]])}"
            for c, case in enumerate(errors.cases)
        ]
        rows.append("  {\n" + ",\n".join(of_cases) + "\n  }")
    lines.append(' "errors_mm": [\n' + ",\n".join(rows) + "\n ]")
    text = "{\n" + ",\n".join(lines) + "\n}\n"
    if not path.is_file() or path.read_text("utf-8") != text:
        write_text(path, text)


def read_record(path: Path) -> Record:
    """Read a record.

    Raises
    ------
    DataError
        When the file is not a record of this version.
    """
    value = read_json(path)
    try:
        if (value["format"], value["version"]) != (FORMAT, VERSION):
            raise ValueError(f"format {value['format']!r}, version {value['version']!r}")
        cases = tuple(value["errors_mm"][0])
        numbers = np.array(
            [[[np.nan if v is None else v for v in run[c]] for c in cases] for run in value["errors_mm"]],
            dtype=np.float64,
        )
        landmarks, biometrics = tuple(value["landmarks"]), tuple(value["biometrics"])
        if numbers.shape != (len(value["seeds"]), len(cases), len(landmarks) + len(biometrics)):
            raise ValueError(f"errors have shape {numbers.shape}")
        expected = np.ones((len(cases), len(landmarks)), dtype=bool)
        for case, landmark in value["without_reference"]:
            expected[cases.index(case), landmarks.index(landmark)] = False
        if value["complete"] is not True:
            raise ValueError("incomplete")
        seeds, errors_mm = tuple(value["seeds"]), numbers[:, :, : len(landmarks)]
        parts = read_parts(value["parts"], len(seeds), len(landmarks)) if "parts" in value else None
        return Record(
            split=value["split"],
            submission_sha256=value["submission_sha256"],
            protocol=value["protocol"],
            errors=ErrorsTable(seeds, cases, landmarks, errors_mm, value["reference_sha256"], expected, parts=parts),
            biometrics=biometrics,
            biometric_errors_mm=numbers[:, :, len(landmarks) :],
            groups=read_groups(value.get("groups", [])),
        )
    except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
        raise DataError(f"{path}: not a record of verified errors of this version ({error})") from None


def _numbers(values: list[float]) -> str:
    return "[" + ", ".join("null" if np.isnan(v) else repr(round(float(v), DIGITS)) for v in values) + "]"
