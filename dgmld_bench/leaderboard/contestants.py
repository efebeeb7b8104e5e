"""What is compared: predictions in a file, scored now, or a row of the board, as it was verified."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from dgmld_bench.errors import DataError
from dgmld_bench.leaderboard.records import find_record
from dgmld_bench.scoring.errors_table import ErrorsTable
from dgmld_bench.scoring.explanation import Explanation
from dgmld_bench.scoring.predictions_files import read_predictions
from dgmld_bench.scoring.readings import Doubt
from dgmld_bench.scoring.reference import load_reference
from dgmld_bench.scoring.score import IncompleteError, score_against


@dataclass(frozen=True)
class Contestant:
    """The errors of a method, how they come apart, and the doubts about how its file is read; a row has none."""

    errors: ErrorsTable
    doubts: tuple[Doubt, ...] = ()


def is_row(method: str) -> bool:
    """Return whether a method is named as a row of the board; else it is a file, also one that is not there."""
    path = Path(method)
    return path.is_dir() or not (path.exists() or path.suffix in (".json", ".csv", ".tsv"))  # a pipe is a file, too


def find_contestant(method: str, split: str, root: Path, data_dir: Path | None = None) -> Contestant:
    """Return the errors of a file, scored, or of a row of the board, as they were verified.

    Parameters
    ----------
    method : str
        A predictions file, or a submission's name.
    split : str
    root : Path
        The repository, for names on the board.
    data_dir : path, optional

    Raises
    ------
    UsageError
        For an unknown split, and for a name without verified errors on it.
    DataError
        For data that is not there, and predictions that are at fault or incomplete.
    """
    if is_row(method):
        return Contestant(find_record(root, split, method).named(method))
    path = Path(method)
    reference = load_reference(split, data_dir)
    try:
        predictions = read_predictions(path, reference.split, reference.landmark_set)
        result = score_against(reference, predictions)
    except IncompleteError as error:  # here nothing may be missing
        raise IncompleteError(error.split, error.missing, path, remedy="") from None
    except DataError as error:
        raise DataError(error.message, path) from None
    name = f"{result.predictions.method} · {result.predictions.backbone}"
    return Contestant(replace(Explanation(result).errors, name=name), result.doubts)
