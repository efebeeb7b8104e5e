"""One case, and what a file predicts for it: what a picture of it shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dgmld_bench.cases import Case
from dgmld_bench.errors import DataError, UsageError
from dgmld_bench.scoring.predictions import no_run
from dgmld_bench.scoring.predictions_files import read_predictions
from dgmld_bench.scoring.score import check_landmark_set, world_landmarks
from dgmld_bench.splits import CaseList

Array = NDArray[np.float64]


def find_case(cases: CaseList, case_id: str) -> Case:
    """Return the case of that id; UsageError with the ids there are when the split has no such case on disk."""
    if case_id in cases.ids:
        return cases.by_id(case_id)
    ids = cases.ids
    shown = ", ".join(ids[:8]) + (f", … {ids[-1]} ({len(ids)} cases)" if len(ids) > 8 else "")
    raise UsageError(f"split '{cases.split.name}' has no case '{case_id}' on disk. Cases: {shown}")


def predicted_points(file: Path, cases: CaseList, case: Case, seed: int | None = None) -> Array:
    """Return what one run of a file predicts for a case, in world coordinates, ``(landmark, axis)``.

    Parameters
    ----------
    file : Path
        Predictions, or a bare file of the split.
    cases : CaseList
        The split.
    case : Case
        One of them.
    seed : int, optional
        Which run; the first when not given.

    Raises
    ------
    UsageError
        When there is no such run.
    DataError
        For a file at fault, and for one that predicts nothing for the case.
    """
    split = cases.split.name
    predictions = read_predictions(file, cases.split, cases.landmark_set)
    predictions, _ = predictions.with_ids(split, cases.ids)
    check_landmark_set(predictions, split, cases.landmark_set)
    run = next((run for run in predictions.runs if seed in (None, run.seed)), None)
    if run is None:
        raise no_run(file, seed, predictions.seeds)
    if case.id not in run.predictions.get(split, {}):
        raise DataError(f"{file} predicts nothing for case '{case.id}' of split '{split}' (seed {run.seed})")
    return world_landmarks(predictions, {case.id: case}, run.seed, split)[0]
