"""Predictions against the reference of a split: errors, means over seeds, intervals. The scoring protocol.

The rules are in ``docs/protocol.md``; a change to any of them is a new :data:`PROTOCOL`.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dgmld_bench.cases import Case
from dgmld_bench.errors import DataError
from dgmld_bench.geometry import to_world
from dgmld_bench.landmarks import LandmarkSet
from dgmld_bench.scoring import metrics
from dgmld_bench.scoring.errors_table import ErrorsTable
from dgmld_bench.scoring.notes import Note, score_notes
from dgmld_bench.scoring.predictions import Predictions, find_missing
from dgmld_bench.scoring.predictions_files import read_predictions
from dgmld_bench.scoring.readings import Doubt, find_doubts, parse_reading
from dgmld_bench.scoring.reference import Reference, load_reference
from dgmld_bench.text import counted, mean_std

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

PROTOCOL = 2
_ALLOW = ", or pass allow_missing=True to count it as misses"
MeanStd = dict[str, float | None]
"""``mean`` and ``std`` over seeds; None where there is none."""


class IncompleteError(DataError):
    """Predictions lack points of a split; ``missing`` says which, a line each."""

    def __init__(self, split: str, missing: Sequence[str], file: Path | None = None, remedy: str = _ALLOW) -> None:
        shown = "\n  ".join(missing[:10]) + (f"\n  … and {len(missing) - 10} more" if len(missing) > 10 else "")
        super().__init__(
            f"predictions for split '{split}' are incomplete:\n  {shown}\nAdd what is missing{remedy}.", file
        )
        self.split = split
        self.missing = missing


@dataclass(frozen=True)
class Score:
    """Radial errors of every run, and what follows from them. Nothing is rounded.

    Attributes
    ----------
    reference : Reference
    predictions : Predictions
    predicted : array, shape (seed, case, landmark, axis)
        World coordinates; NaN where missing.
    errors : ErrorsTable
    biometric_errors_mm : array, shape (seed, case, biometric)
        Absolute differences of lengths; no biometrics in 2D.
    strict : bool
        SDR counts errors below the threshold only.
    notes : tuple of Note
        What a reader must know: incomplete, simulated, mask-derived.
    """

    reference: Reference
    predictions: Predictions
    predicted: Array
    errors: ErrorsTable
    biometric_errors_mm: Array
    strict: bool
    complete: bool
    notes: tuple[Note, ...] = ()

    def __repr__(self) -> str:
        return (
            f"Score(split={self.reference.split.name!r}, method={self.predictions.method!r}, "
            f"seeds={list(self.seeds)}, mre_mm={self.mre_mm:.3f}, complete={self.complete})"
        )

    def _repr_html_(self) -> str:
        """What a notebook shows: the errors of each landmark, mean ± standard deviation over seeds, and the notes."""
        values = self.to_dict()
        rows = {**values["mre_mm_per_landmark"], "Average": values["mre_mm"]}
        lines = [
            f"<tr><td>{html.escape(name)}</td><td>{mean_std(v['mean'], v['std'], 3)}</td></tr>"
            for name, v in rows.items()
        ]
        rates = ", ".join(
            f"{t} mm: {v['mean']:.1f} %" for t, v in values["sdr_percent"].items() if v["mean"] is not None
        )
        notes = "".join(f"<p>{html.escape(note)}</p>" for note in self.notes)
        return (
            f"<p>{html.escape(repr(self))}</p><table><tr><th>landmark</th><th>radial error, mm</th></tr>"
            f"{''.join(lines)}</table><p>SDR {rates}</p>{notes}"
        )

    @property
    def mre_mm(self) -> float:
        """The Average MRE, mean over seeds."""
        return float(np.nanmean(self.per_seed_mm))

    @property
    def coverage(self) -> float:
        """Share of the points with a reference that every run together predicts."""
        expected = self.reference.exists.sum() * len(self.seeds)
        return float((~np.isnan(self.errors_mm)).sum() / expected)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of the runs."""
        return self.errors.seeds

    @property
    def errors_mm(self) -> Array:
        """Radial errors, ``(seed, case, landmark)``; NaN where the prediction or the reference is missing."""
        return self.errors.errors_mm

    @property
    def per_seed_mm(self) -> Array:
        """The Average MRE of each run, ``(seed,)``."""
        return self.errors.per_seed_mm

    @property
    def per_landmark_mm(self) -> Array:
        """MRE per run and landmark, ``(seed, landmark)``."""
        return self.errors.per_landmark_mm

    @property
    def sdr_percent(self) -> Array:
        """SDR per run and threshold, ``(seed, threshold)``."""
        return self.errors.sdr_percent(strict=self.strict)

    @property
    def biometrics_mm(self) -> Array:
        """Mean absolute biometric error per run, ``(seed, biometric)``."""
        return metrics.mean_over_cases(self.biometric_errors_mm)

    @property
    def interval_mm(self) -> tuple[float, float] | None:
        """95 % interval of the seed-averaged Average, over cases and trainings; None for a single case."""
        return self.errors.interval_mm

    @property
    def without_leaked(self) -> ErrorsTable | None:
        """The errors without the cases that are training cases too; None where the split is not known to have any."""
        leaked = self.reference.split.in_training
        return self.errors.without_cases(leaked) if leaked and set(self.reference.ids) - set(leaked) else None

    @cached_property
    def doubts(self) -> tuple[Doubt, ...]:
        """Other readings of the predictions that fit the reference far better; nothing is read so by itself."""
        reference = self.reference
        return find_doubts(
            self.predictions, reference.split.name, reference.cases, reference.points, reference.mm_per_unit
        )

    def to_dict(self) -> dict[str, Any]:
        """Return what ``score --json`` writes."""
        names = self.reference.landmark_set.names
        biometrics = [b.name for b in self.reference.landmark_set.biometrics]
        split, unseen = self.reference.split, self.without_leaked
        runs = [
            {
                "seed": seed,
                "mre_mm": _number(self.per_seed_mm[i]),
                "mre_mm_per_landmark": _named(names, self.per_landmark_mm[i]),
                "sdr_percent": _named([str(t) for t in metrics.SDR_THRESHOLDS_MM], self.sdr_percent[i]),
                "biometric_error_mm": _named(biometrics, self.biometrics_mm[i]),
            }
            for i, seed in enumerate(self.seeds)
        ]
        return {
            "split": split.name,
            "track": split.track,
            "method": self.predictions.method,
            "backbone": self.predictions.backbone,
            "protocol": PROTOCOL,
            "complete": self.complete,
            "coverage": self.coverage,
            "cases": len(self.reference.ids),
            "reference_points": self.reference.counts(),
            "cases_expected": split.n_cases,
            "reference": split.reference,
            "reference_sha256": self.reference.sha256,
            "sdr_comparison": "<" if self.strict else "<=",
            "notes": list(self.notes),
            "doubts": [doubt.to_dict() for doubt in self.doubts],
            "runs": runs,
            "mre_mm": _average(self.errors),
            "without_leaked": unseen and {"cases": len(unseen.cases), "mre_mm": _average(unseen)},
            "mre_mm_per_landmark": _named_mean_std(names, self.per_landmark_mm),
            "sdr_percent": _named_mean_std([str(t) for t in metrics.SDR_THRESHOLDS_MM], self.sdr_percent),
            "biometric_error_mm": _named_mean_std(biometrics, self.biometrics_mm),
        }

    def to_frame(self) -> pd.DataFrame:
        """Return the radial errors as a tidy table: seed, case, landmark, radial_error_mm."""
        import pandas as pd

        index = pd.MultiIndex.from_product(
            [self.seeds, self.reference.ids, self.reference.landmark_set.names], names=["seed", "case", "landmark"]
        )
        frame = pd.DataFrame({"radial_error_mm": self.errors_mm.ravel()}, index=index).reset_index()
        return frame


def score(
    predictions: Predictions | Path | str,
    split: str,
    *,
    data_dir: Path | str | None = None,
    space: str | None = None,
    read_as: str | None = None,
    strict: bool = False,
    allow_missing: bool = False,
    without_leaked: bool = False,
) -> Score:
    """Score predictions on one split.

    Parameters
    ----------
    predictions : Predictions or path
        A predictions file, or a bare file of one split
        (:func:`dgmld_bench.scoring.predictions_files.read_predictions`).
    split : str
    data_dir : path, optional
    space : str, optional
        The space of a bare file.
    read_as : str, optional
        Read the numbers otherwise than the file says, as a doubt names it (:mod:`dgmld_bench.scoring.readings`).
    strict : bool
        Count errors below the thresholds of SDR only, not those equal to them.
    allow_missing : bool
        Score incomplete predictions: what is missing counts as a miss in SDR, and the result says so.
    without_leaked : bool
        Leave out the cases that are training cases too (``Split.in_training``).

    Raises
    ------
    UsageError
        For an unknown split or space, and where no case is known to be a training case too.
    DataError
        For data that is not there, predictions that are at fault or, without ``allow_missing``, incomplete.
    """
    if not isinstance(predictions, Predictions) and not Path(predictions).exists():
        raise DataError(f"{predictions}: no such file")
    reference = load_reference(split, data_dir)
    said: tuple[Note, ...] = ()
    if without_leaked:
        leaked = len(reference.split.in_training)
        said = (Note(f"without the {leaked} cases that are training cases too (docs/audit.md)"),)
        reference = reference.without_leaked()
    if not isinstance(predictions, Predictions):
        predictions = read_predictions(predictions, reference.split, reference.landmark_set, space)
    if read_as is None:
        result = score_against(reference, predictions, strict=strict, allow_missing=allow_missing)
        return replace(result, notes=(*said, *result.notes))
    predictions, _ = predictions.with_ids(split, reference.known_ids)
    _check_fit(reference, predictions)
    read = parse_reading(read_as, reference.landmark_set).apply(predictions, split)
    result = score_against(reference, read, strict=strict, allow_missing=allow_missing)
    return replace(result, notes=(Note(f"read as {read_as}", "not as the file says"), *said, *result.notes))


def score_against(
    reference: Reference, predictions: Predictions, *, strict: bool = False, allow_missing: bool = False
) -> Score:
    """Score predictions against a reference that is already read; see :func:`score`."""
    split = reference.split.name
    predictions, renamed = predictions.with_ids(split, reference.known_ids)
    _check_fit(reference, predictions)
    scored = [name for name, n in reference.counts()["present_per_landmark"].items() if n]
    missing = find_missing(predictions, split, reference.ids, scored)
    if missing and not allow_missing:
        raise IncompleteError(split, missing)
    seeds = tuple(predictions.seeds)
    predicted = np.stack([world_landmarks(predictions, reference.cases, seed, split) for seed in seeds])
    errors_mm = metrics.radial_errors(predicted, reference.points) * reference.mm_per_unit[:, None]
    if np.isnan(errors_mm).all():
        raise DataError(f"no point of split '{split}' is both predicted and in the reference")
    pairs = reference.landmark_set.biometric_indices()
    difference = np.abs(metrics.lengths(predicted, pairs) - metrics.lengths(reference.points, pairs))
    n_expected = int(reference.exists.sum()) * len(seeds)
    n_missing = n_expected - int((~np.isnan(errors_mm)).sum())
    notes = score_notes(reference, n_missing, n_expected, len(seeds))
    if renamed:
        written, case = next(iter(renamed.items()))
        number = "1 case is" if len(renamed) == 1 else f"{len(renamed)} cases are"
        matched = f"{number} written otherwise in the predictions, as '{written[:40]}' for {case}"
        notes = (Note("matched", matched), *notes)
    if missing and not n_missing:
        notes += (Note("incomplete", "points are not predicted, though none that the reference has"),)
    complete = not missing and len(reference.ids) >= reference.split.n_cases
    names = reference.landmark_set.names
    errors = ErrorsTable(seeds, reference.ids, names, errors_mm, reference.sha256, reference.exists)
    return Score(
        reference=reference,
        predictions=predictions,
        predicted=predicted,
        errors=errors,
        biometric_errors_mm=difference * reference.mm_per_unit[:, None],
        strict=strict,
        complete=complete,
        notes=notes,
    )


def world_landmarks(predictions: Predictions, cases: Mapping[str, Case], seed: int, split: str) -> Array:
    """Return a run's points in world coordinates, ``(case, landmark, axis)``; NaN where missing."""
    points = predictions.array(seed, split, cases)
    if predictions.space == "voxel":
        return np.stack([to_world(p, "voxel", c.affine) for p, c in zip(points, cases.values(), strict=True)])
    return to_world(points, predictions.space)


def check_landmark_set(predictions: Predictions, split: str, landmark_set: LandmarkSet) -> None:
    """Check that predictions are for the landmarks of a split; DataError when they are not."""
    if predictions.landmark_set is not landmark_set:
        raise DataError(
            f"split '{split}' has landmarks '{landmark_set.name}', "
            f"the predictions are for '{predictions.landmark_set.name}' (track '{predictions.track}')"
        )


def _check_fit(reference: Reference, predictions: Predictions) -> None:
    split = reference.split.name
    check_landmark_set(predictions, split, reference.landmark_set)
    if not predictions.runs:
        raise DataError("the predictions hold no run")
    if split not in predictions.splits:
        held = ", ".join(predictions.splits) or "none"
        raise DataError(f"the predictions hold nothing for split '{split}'; they hold: {held}")
    if reference.split.case_ids is None and len(reference.ids) < reference.split.n_cases:
        return  # the rest of the split's ids are not known, so that none can be told to be wrong
    known = set(reference.known_ids)
    for run in predictions.runs:
        strange = [c for c in run.predictions.get(split, {}) if c not in known]
        if strange:
            shown = ", ".join(f"'{c[:40]}'" for c in strange[:5]) + (" …" if len(strange) > 5 else "")
            number = counted(len(strange), "case id is", "case ids are")
            raise DataError(
                f"seed {run.seed}, split '{split}': {number} not of this split: {shown}. Expected ids like "
                f"{', '.join(reference.ids[:3])}; take the others out, or name the split that they are of"
            )


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _average(errors: ErrorsTable) -> dict[str, Any]:
    return {**_mean_std(errors.per_seed_mm), "ci95": errors.interval_mm and list(errors.interval_mm)}


def _named(names: Any, values: Array) -> dict[str, float | None]:
    return {name: _number(v) for name, v in zip(names, values, strict=True)}


def _mean_std(values: Array) -> MeanStd:
    """Mean and standard deviation (ddof = 0) over the seeds that have a value; no deviation of a single seed."""
    values = values[~np.isnan(values)]
    if not len(values):
        return {"mean": None, "std": None}
    return {"mean": _number(values.mean()), "std": _number(values.std()) if len(values) > 1 else None}


def _named_mean_std(names: Any, values: Array) -> dict[str, MeanStd]:
    return {name: _mean_std(values[:, i]) for i, name in enumerate(names)}
