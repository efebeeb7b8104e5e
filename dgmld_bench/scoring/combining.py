"""The mean of a method's runs as a method of its own."""

from __future__ import annotations

import numpy as np

from dgmld_bench.errors import DataError
from dgmld_bench.scoring.predictions import MAX_NAME, Predictions, find_missing


def combine(predictions: Predictions) -> Predictions:
    """Return one run whose points are the means of the points of all runs.

    Its method says what it is, because it took all these trainings: it is no run of the method beside the others.

    Raises
    ------
    DataError
        For a single run, and where a run lacks a point that another has.

    Examples
    --------
    >>> p = Predictions(track="phantom", method="mine", backbone="mine")
    >>> for seed in (0, 1):
    ...     p.add(seed=seed, split="phantom-feta", case="7", landmarks=np.full((6, 3), seed))
    >>> c = combine(p)
    >>> c.method, c.array(0, "phantom-feta", ["7"])[0, 0]
    ('mine, mean of 2 seeds', array([0.5, 0.5, 0.5]))
    """
    n_runs = len(predictions.runs)
    if n_runs < 2:
        raise DataError(f"there is {n_runs or 'no'} run to combine; the mean takes at least two seeds")
    means: dict[str, dict[str, dict[str, list[float]]]] = {}
    for split in predictions.splits:
        cases: dict[str, set[str]] = {}
        for run in predictions.runs:
            for case, points in run.predictions.get(split, {}).items():
                cases.setdefault(case, set()).update(points)
        landmarks = [n for n in predictions.landmark_set.names if any(n in names for names in cases.values())]
        lacking = [
            place
            for case, names in cases.items()
            for place in find_missing(predictions, split, [case], [n for n in landmarks if n in names])
        ]
        if lacking:
            more = f" (and {len(lacking) - 1} more)" if len(lacking) > 1 else ""
            raise DataError(f"split '{split}': {lacking[0]}{more} has no point to take a mean of, other runs have one")
        stacked = np.mean([predictions.array(seed, split, cases) for seed in predictions.seeds], axis=0)
        means[split] = {
            case: {
                name: stacked[i, k].tolist()
                for k, name in enumerate(predictions.landmark_set.names)
                if name in cases[case]
            }
            for i, case in enumerate(cases)
        }
    words = f", mean of {n_runs} seeds"
    said = f"The mean of the points of {n_runs} runs (seeds {', '.join(map(str, predictions.seeds))})."
    values = predictions.model_dump(exclude_none=True, exclude={"runs"})
    return Predictions(
        **{
            **values,
            "method": predictions.method[: MAX_NAME - len(words)].rstrip() + words,
            "description": f"{said} {predictions.description or ''}".strip()[:2000].strip(),
            "runs": [{"seed": 0, "predictions": means}],
        }
    )
