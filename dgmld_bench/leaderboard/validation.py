"""Is a file valid, and what does it lack to be a submission? Asked of files alone, without any data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dgmld_bench.errors import DataError, UsageError
from dgmld_bench.leaderboard.project import is_repository
from dgmld_bench.leaderboard.submissions import (
    FOLDER,
    MAX_BYTES,
    SIDECAR,
    content_faults,
    find_faults,
    quote_faults,
    read_provenance,
)
from dgmld_bench.scoring.notes import N_SEEDS
from dgmld_bench.scoring.predictions import Predictions
from dgmld_bench.scoring.predictions_files import read_predictions
from dgmld_bench.scoring.validation import find_problems
from dgmld_bench.splits import get_split, get_track


@dataclass(frozen=True)
class Validation:
    """What is to be said of a file.

    Attributes
    ----------
    file : Path
    problems : tuple of str
        What makes it invalid, one line each.
    summary : str
        What it holds.
    to_submit : tuple of str
        What it lacks besides to be a submission.
    """

    file: Path
    problems: tuple[str, ...]
    summary: str = ""
    to_submit: tuple[str, ...] = ()

    @property
    def valid(self) -> bool:
        """Whether there is no problem."""
        return not self.problems

    def to_dict(self) -> dict[str, Any]:
        """Return what ``validate --json`` writes."""
        return {
            "file": str(self.file),
            "valid": self.valid,
            "summary": self.summary,
            "problems": list(self.problems),
            "to_submit": list(self.to_submit),
        }


def validate(file: Path, split: str | None = None) -> Validation:
    """Check a file of predictions, or what lies beside a submission; below ``submissions/`` it must be a submission.

    Parameters
    ----------
    file : Path
    split : str, optional
        The split that a bare file or a table is for.

    Raises
    ------
    UsageError
        For an unknown split, and for a centre of the user's own.
    """
    place = file.parent.resolve() / file.name  # a link stays a link
    root = next((p.parent for p in place.parents if p.name == FOLDER and is_repository(p.parent)), None)
    try:
        if file.name.endswith(SIDECAR):
            read_provenance(file.with_name(file.name.removesuffix(SIDECAR) + ".json"))
            return Validation(file, (), "how a submission was made")
        if root is not None and (faults := find_faults(place, root)):
            return Validation(file, tuple(faults))
        predictions = _read(file, split) if split else Predictions.load(file, max_bytes=MAX_BYTES)
    except DataError as error:
        return Validation(file, (error.message,))
    problems = find_problems(predictions)
    summary = f"{len(predictions.seeds)} of {N_SEEDS} seeds, splits {', '.join(predictions.splits)}"
    lacking = [fault for fault in content_faults(predictions) if fault not in problems]
    run = file.with_name("run.json")
    lacking += quote_faults(run) if run.is_file() else []
    return Validation(file, tuple(problems), summary, tuple(lacking))


def _read(file: Path, name: str) -> Predictions:
    """Read a file as predictions of a split, its ids as `score` would match them."""
    if name.startswith("own/"):
        raise UsageError(
            f"split '{name}' is a centre of your own, whose landmarks and cases only its data know: "
            f"`dgmld-bench score {file} --split {name}` reads the file and says what is wrong with it"
        )
    split = get_split(name)
    predictions = read_predictions(file, split, get_track(split.track).landmarks)
    return predictions.with_ids(name, split.case_ids or ())[0]
