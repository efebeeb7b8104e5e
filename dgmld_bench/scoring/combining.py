"""The mean of several runs as a method of its own: of a method's seeds, or of the runs of several methods."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, product
from typing import TYPE_CHECKING, get_args

import numpy as np

from dgmld_bench.errors import DataError, UsageError
from dgmld_bench.scoring import metrics
from dgmld_bench.scoring.predictions import MAX_NAME, Predictions, Selection, find_missing
from dgmld_bench.scoring.score import score_against
from dgmld_bench.splits import get_track

if TYPE_CHECKING:
    from dgmld_bench.scoring.reference import Reference

MAX_TEXT = 2000


@dataclass(frozen=True)
class Pool:
    """The runs of one or several predictions files, to be combined.

    Attributes
    ----------
    files : tuple of Predictions
        Of one track, in one space.

    Raises
    ------
    DataError
        For files of several tracks or spaces, where no split is predicted by all, and for a run that is given twice.
    """

    files: tuple[Predictions, ...]

    def __post_init__(self) -> None:
        for key in ("track", "space"):
            if len(found := sorted({getattr(p, key) for p in self.files})) > 1:
                raise DataError(f"one {key} is expected, and the files have {', '.join(found)}")
        if not self.splits:
            raise DataError("no split is predicted by all of the files")
        for one, other in combinations(self.files, 2):
            for a, b in product(one.runs, other.runs):
                if all(a.predictions.get(split) == b.predictions.get(split) for split in self.splits):
                    who = f"seed {a.seed} of '{one.method}' and seed {b.seed} of '{other.method}'"
                    raise DataError(f"two files hold one training, {who} are the same points; name each file once")

    @cached_property
    def splits(self) -> list[str]:
        """The splits that all files predict."""
        return [split for split in self.files[0].splits if all(split in p.splits for p in self.files)]

    @cached_property
    def predictions(self) -> Predictions:
        """All runs as those of one file: of several files they are numbered from 0, and have the common splits."""
        first = self.files[0]
        if len(self.files) == 1:
            return first
        runs = [run for p in self.files for run in p.runs]
        data = [p.training_data for p in self.files]
        return Predictions(
            track=first.track,
            space=first.space,
            method=first.method,
            backbone=_joined((p.backbone for p in self.files), "+", MAX_NAME),
            selection=_informed_most([p.selection for p in self.files]),
            training_data=None if None in data else sorted({name for names in data for name in names or ()}),
            authors=_joined((p.authors for p in self.files if p.authors), "; ", MAX_TEXT) or None,
            runs=[
                {"seed": i, "predictions": {split: run.predictions.get(split, {}) for split in self.splits}}
                for i, run in enumerate(runs)
            ],
        )

    @cached_property
    def labels(self) -> list[str]:
        """Which run each is, beside the others."""
        if len(self.files) == 1:
            return [f"seed {seed}" for seed in self.files[0].seeds]
        return [f"{p.method} · {p.backbone}, seed {seed}" for p in self.files for seed in p.seeds]

    def of_runs(self, places: Iterable[int]) -> Pool:
        """Return the pool of the runs at these places only."""
        places, first, files = set(places), 0, []
        for p in self.files:
            runs = [run for i, run in enumerate(p.runs, start=first) if i in places]
            first += len(p.runs)
            files += [p.model_copy(update={"runs": runs})] if runs else []
        return Pool(tuple(files))

    def named(self, text: str) -> str:
        """Return a text about the runs of :attr:`predictions` with their labels for their numbers."""
        labels = dict(zip((f"seed {seed}" for seed in self.predictions.seeds), self.labels, strict=True))
        return re.sub(r"\bseed \d+", lambda m: labels.get(m[0], m[0]), text)


@dataclass(frozen=True)
class Step:
    """The run, by its place, that was taken, and the Average of the mean of all that are taken by then."""

    place: int
    mre_mm: float


def choose(pool: Pool, reference: Reference) -> list[Step]:
    """Choose the runs whose mean is best on a validation split, by forward selection.

    It begins with the best run. Then that run joins with which the mean of all that are taken has the smallest Average,
    as long as that makes it smaller.

    Raises
    ------
    UsageError
        For a split that is not for validation: nothing is chosen on what is tested on, or trained on.
    DataError
        For runs that do not predict all of it.
    """
    if reference.split.role != "validation":
        raise UsageError(
            f"split '{reference.split.name}' is a {reference.split.role} split; runs are chosen on a validation split: "
            f"'{get_track(pool.files[0].track).validation}'"
        )
    try:
        predicted = score_against(reference, pool.predictions).predicted
    except DataError as error:
        raise DataError(pool.named(error.message)) from None
    taken: list[Step] = []
    total, left = np.zeros(predicted.shape[1:]), list(range(len(predicted)))
    while left:
        means = (total + predicted[left]) / (len(taken) + 1)
        errors_mm = metrics.radial_errors(means, reference.points) * reference.mm_per_unit[:, None]
        averages = metrics.mean_radial_error(errors_mm)
        best = int(averages.argmin())
        if taken and averages[best] >= taken[-1].mre_mm:
            break
        taken.append(Step(left.pop(best), float(averages[best])))
        total = total + predicted[taken[-1].place]
    return taken


def combine(pool: Pool, *, name: str | None = None, chosen_on: str | None = None) -> Predictions:
    """Return one run whose points are the means of the points of all runs.

    Its method says what it is, because it took all these trainings: it is no run of a method beside the others.

    Parameters
    ----------
    pool : Pool
    name : str, optional
        What to call it.
    chosen_on : str, optional
        The validation split that these runs were chosen on; the description and ``selection`` say so.

    Raises
    ------
    DataError
        For a single run, and where a run lacks a point that another has.

    Examples
    --------
    >>> p = Predictions(track="phantom", method="mine", backbone="mine")
    >>> for seed in (0, 1):
    ...     p.add(seed=seed, split="phantom-feta", case="7", landmarks=np.full((6, 3), seed))
    >>> c = combine(Pool((p,)))
    >>> c.method, c.array(0, "phantom-feta", ["7"])[0, 0]
    ('mine, mean of 2 seeds', array([0.5, 0.5, 0.5]))
    """
    predictions, n_runs = pool.predictions, len(pool.labels)
    if n_runs == 1 and chosen_on is not None:
        raise DataError(f"on {chosen_on} no mean is better than the best run alone")
    if n_runs < 2:
        raise DataError(f"there is {n_runs or 'no'} run to combine; the mean takes at least two")
    means = {split: _means(pool, split) for split in predictions.splits}
    values = predictions.model_dump(exclude_none=True, exclude={"runs"})
    said = f"The mean of the points of {n_runs} runs ({'; '.join(pool.labels)})"
    if chosen_on is not None:
        said += f", chosen on {chosen_on} by forward selection"
        track = get_track(predictions.track)
        here: Selection = "source-val" if track.validation_is_source else "target-val"
        values["selection"] = _informed_most([predictions.selection, here])
    if not name and len(pool.files) == 1:
        words = f", mean of {n_runs} seeds"
        name = predictions.method[: MAX_NAME - len(words)].rstrip() + words
    return Predictions(
        **{
            **values,
            "method": name or f"Mean of {n_runs} trainings",
            "description": f"{said}. {predictions.description or ''}"[:MAX_TEXT].strip(),
            "runs": [{"seed": 0, "predictions": means}],
        }
    )


def _means(pool: Pool, split: str) -> dict[str, dict[str, list[float]]]:
    """Return case -> landmark -> mean over the runs of one split; DataError where a run lacks what another has."""
    predictions = pool.predictions
    cases: dict[str, set[str]] = {}
    for run in predictions.runs:
        for case, points in run.predictions.get(split, {}).items():
            cases.setdefault(case, set()).update(points)
    names = predictions.landmark_set.names
    lacking = [
        place
        for case, there in cases.items()
        for place in find_missing(predictions, split, [case], [n for n in names if n in there])
    ]
    if lacking:
        more = f" (and {len(lacking) - 1} more)" if len(lacking) > 1 else ""
        place = pool.named(lacking[0])
        raise DataError(f"split '{split}': {place}{more} has no point to take a mean of, other runs have one")
    stacked = np.mean([predictions.array(seed, split, cases) for seed in predictions.seeds], axis=0)
    return {
        case: {name: stacked[i, k].tolist() for k, name in enumerate(names) if name in there}
        for i, (case, there) in enumerate(cases.items())
    }


def _joined(texts: Iterable[str], between: str, length: int) -> str:
    return between.join(dict.fromkeys(texts))[:length].strip()


def _informed_most(selections: Sequence[Selection | None]) -> Selection | None:
    """Return the selection that saw most; None where one does not say what it saw."""
    order = get_args(Selection)  # none, source-val, target-val
    return None if None in selections else max(selections, key=order.index)
