"""Are predictions whole? Checked without reference landmarks: by the ids of a split, or by its number of cases."""

from __future__ import annotations

from dgmld_bench.scoring.predictions import Predictions
from dgmld_bench.splits import Split, case_sort_key, get_split
from dgmld_bench.text import counted

MAX_LISTED = 5


def find_problems(predictions: Predictions) -> list[str]:
    """Return what keeps predictions from being scored, one line each; empty when nothing does.

    Every run must predict the same splits, at least one of them a test split, and of each split every case and every
    landmark: the known ids where the split has them, else as many cases as the data's release fixes.
    """
    problems: list[str] = []
    if not predictions.runs:
        return ["there is no run"]
    tests = [s for s in predictions.splits if s.startswith("own/") or get_split(s).role == "test"]
    if not tests:
        problems.append("no test split is predicted; there must be at least one")
    for run in predictions.runs:
        for name in predictions.splits:
            where = f"seed {run.seed}, split '{name}'"
            if name not in run.predictions:
                problems.append(f"{where}: missing; every run must predict the same splits")
            elif not name.startswith("own/"):
                first = list(predictions.runs[0].predictions.get(name, ()))
                problems += [f"{where}: {p}" for p in _problems_of(get_split(name), list(run.predictions[name]), first)]
            problems += _missing_landmarks(predictions, where, run.predictions.get(name, {}))
    return problems


def _problems_of(split: Split, ids: list[str], first: list[str]) -> list[str]:
    """Compare the ids of one run with the split's; where these are not known, with their number and the first run's."""
    if split.case_ids is None:
        if len(ids) != split.n_cases:
            return [f"expected {split.n_cases} cases, got {len(ids)}"]
        other = sorted(set(ids) - set(first), key=case_sort_key)
        return [f"{len(other)} case ids are not those of the first run: {_listed(other)}"] if other else []
    known, given = set(split.case_ids), set(ids)
    missing = [i for i in split.case_ids if i not in given]
    unknown = [i for i in ids if i not in known]
    problems = []
    if missing:
        problems.append(f"{len(missing)} of {split.n_cases} cases are missing: {_listed(missing)}")
    if unknown:
        number = counted(len(unknown), "case id is", "case ids are")
        problems.append(f"{number} not of this split: {_listed(unknown)}")
    return problems


def _missing_landmarks(predictions: Predictions, where: str, cases: dict[str, dict[str, list[float]]]) -> list[str]:
    names = predictions.landmark_set.names
    return [
        f"{where}, case '{case}': missing landmarks {_listed([n for n in names if n not in points])}"
        for case, points in cases.items()
        if len(points) < len(names)
    ]


def _listed(names: list[str]) -> str:
    shown = ", ".join(f"'{n[:40]}'" for n in names[:MAX_LISTED])
    return shown + (f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else "")
