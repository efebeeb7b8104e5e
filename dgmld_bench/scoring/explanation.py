"""Why a score is what it is: the parts of its errors, people beside it, and what the model knows of its error."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgmld_bench.errors import DataError
from dgmld_bench.scoring import certainty, metrics
from dgmld_bench.scoring.agreement import SYSTEMATIC_MM
from dgmld_bench.scoring.directions import direction_names, directions
from dgmld_bench.scoring.errors_table import ErrorsTable
from dgmld_bench.scoring.groups import ByGroup, by_group, groupings
from dgmld_bench.scoring.parts import MIN_CASES, MISS_FLOOR_MM, errors_without_offset, take_apart
from dgmld_bench.scoring.parts_table import PartsTable, over_seeds, parts_table
from dgmld_bench.scoring.people import AgainstPeople, against_people, annotator_shift_mm
from dgmld_bench.scoring.reference import Reference, load_reference
from dgmld_bench.scoring.score import Score, score_against
from dgmld_bench.scoring.statistics import share_interval
from dgmld_bench.splits import get_split, get_track, load_split

Array = NDArray[np.float64]

LEVEL = 0.9
"""What a conformal radius promises."""


@dataclass(frozen=True)
class Explanation:
    """A score taken apart. Everything is computed at first use.

    Attributes
    ----------
    score : Score
    data_dir : path, optional
        Where the validation split of the track is looked for.
    """

    score: Score
    data_dir: Path | str | None = None

    @cached_property
    def calibration(self) -> Score | str:
        """The same predictions on the validation split of the track, for conformal radii; or why there is none."""
        return _calibrate(self.score, self.data_dir)

    @cached_property
    def at_home(self) -> Score | None:
        """The same predictions on the track's in-domain test, where this split is out of domain and they have it."""
        if not self.score.reference.split.out_of_domain:
            return None
        tests = [t for t in get_track(self.score.predictions.track).tests if not get_split(t).out_of_domain]
        scores = [_elsewhere(self.score, t, self.data_dir) for t in tests]
        return next((s for s in scores if isinstance(s, Score)), None)

    @property
    def names(self) -> tuple[str, ...]:
        """What the directions of offsets are called."""
        return direction_names(self.score.reference.landmark_set)

    @cached_property
    def differences_mm(self) -> Array:
        """Predicted minus reference in the directions of the body or face, ``(seed, case, landmark, direction)``."""
        return in_directions(self.score.reference, self.score.predicted - self.score.reference.points)

    @cached_property
    def people(self) -> AgainstPeople | None:
        """How the points compare with annotators; None where no two set a point."""
        return against_people(self.score.reference.cases.values(), self.score.predicted)

    @cached_property
    def definitions_mm(self) -> dict[str, Array]:
        """How far two annotators place each landmark apart throughout, here and on the split that was trained on.

        By split, ``(landmark,)``; without those that no two annotated, and those that are not on disk.
        """
        reference, train = self.score.reference, get_track(self.score.predictions.track).train
        found = {} if self.people is None else {reference.split.name: self.people.shift_mm}
        if train != reference.split.name and get_split(train).reference == "expert":
            with suppress(DataError):
                shift = annotator_shift_mm(load_split(train, data_dir=self.data_dir))
                found |= {} if shift is None else {train: shift}
        return found

    @property
    def floor_mm(self) -> Array:
        """No point this near to where its landmark's points lie is a miss, ``(landmark,)``."""
        agreement, landmarks = self.score.reference.agreement, self.score.reference.landmark_set.names
        apart = {} if agreement is None else agreement.mean_mm_per_landmark
        return np.fmax(MISS_FLOOR_MM, [apart.get(name, np.nan) for name in landmarks])

    @cached_property
    def parts(self) -> PartsTable | None:
        """Offset, spread and misses; None of too few cases, or where nothing errs."""
        return parts_table(self.differences_mm, self.rest_mm, self.names, self.floor_mm)

    @cached_property
    def rest_mm(self) -> Array:
        """Radial errors without the offset of the other cases, ``(seed, case, landmark)``."""
        return errors_without_offset(self.differences_mm, self.floor_mm)

    @property
    def errors(self) -> ErrorsTable:
        """The score's errors, and how they come apart."""
        return replace(self.score.errors, parts=self.parts, rest_mm=self.rest_mm)

    @cached_property
    def groups(self) -> tuple[ByGroup, ...]:
        """The errors by every grouping that parts the cases."""
        reference = self.score.reference
        return tuple(
            by_group(self.score.errors, found) for found in groupings(reference.cases.values(), reference.split)
        )

    def to_dict(self) -> dict[str, Any]:
        """Return what ``score --json`` adds: parts, people, definitions, seed_spread, confidence, conformal, groups."""
        landmarks = self.score.reference.landmark_set.names
        return {
            "parts": {"reason": f"fewer than {MIN_CASES} cases, or no error at all"}
            if self.parts is None
            else self.parts.to_dict(landmarks),
            "people": self.people and self.people.to_dict(landmarks),
            "definitions": self._definitions(),
            "seed_spread": self._seed_spread(),
            "confidence": self._confidence(),
            "conformal": self._conformal(),
            "groups": {group.by: group.to_dict() for group in self.groups},
        }

    def _definitions(self) -> dict[str, Any]:
        """Landmarks of which no detector can know the place that is meant, and why."""
        landmarks = self.score.reference.landmark_set.names
        return {
            split: {
                name: {"shift_mm": float(mm), "two_definitions": bool(mm > SYSTEMATIC_MM)}
                for name, mm in zip(landmarks, shift, strict=True)
                if not np.isnan(mm)
            }
            for split, shift in self.definitions_mm.items()
        }

    def _seed_spread(self) -> dict[str, Any] | None:
        """Whether the seeds' disagreement finds the misses of their mean."""
        if len(self.score.seeds) < 2:
            return None
        middle = self.differences_mm.mean(axis=0, keepdims=True)
        is_miss = take_apart(middle, self.floor_mm).is_miss[0]
        errors = np.linalg.norm(middle[0], axis=-1)
        doubt = np.where(np.isnan(errors), np.nan, certainty.seed_spread(self.differences_mm))
        if np.isnan(doubt).all():
            return None
        return {
            "points": int((~np.isnan(doubt)).sum()),
            "misses_of_the_mean": int(is_miss.sum()),
            "median_mm": float(np.nanmedian(doubt)),
            **_found(doubt, is_miss, errors),
        }

    def _confidence(self) -> dict[str, Any] | None:
        """Whether the confidence that the predictions carry finds the misses of their own runs; None without any."""
        score, ids = self.score, self.score.reference.ids
        split = score.reference.split.name
        doubt = 1 - np.stack([score.predictions.confidence(seed, split, ids) for seed in score.seeds])
        doubt[np.isnan(score.errors_mm)] = np.nan
        if np.isnan(doubt).all():
            return None
        is_miss = take_apart(self.differences_mm, self.floor_mm).is_miss & ~np.isnan(doubt)

        def by_case(values: NDArray[Any]) -> NDArray[Any]:  # (case, point of any run)
            return np.moveaxis(values, 1, 0).reshape(len(ids), -1)

        return {
            "points": int((~np.isnan(doubt)).sum()),
            "misses": int(is_miss.sum()),
            "median": float(1 - np.nanmedian(doubt)),
            **_found(by_case(doubt), by_case(is_miss), by_case(score.errors_mm)),
        }

    def _conformal(self) -> dict[str, Any]:
        """What radii from the validation split are worth on this one, and on the source's where this is another."""
        if isinstance(self.calibration, str):
            return {"reason": self.calibration}
        calibrated_on = self.calibration.reference
        radii = certainty.conformal_radii(self.calibration.errors_mm, LEVEL)  # (seed, landmark)
        hits = certainty.covered(self.score.errors_mm, radii)
        if np.isnan(hits).all():
            return {"reason": f"the {len(calibrated_on.ids)} cases of '{calibrated_on.split.name}' are too few"}
        per_landmark = 100 * over_seeds(metrics.mean_over_cases(hits))
        home = self.at_home
        return {
            "promised_percent": 100 * LEVEL,
            "calibrated_on": calibrated_on.split.name,
            "calibration_cases": len(calibrated_on.ids),
            "covered_percent": _percent(hits),
            "in_domain": home
            and {
                "split": home.reference.split.name,
                "covered_percent": _percent(certainty.covered(home.errors_mm, radii)),
            },
            "radius_mm": float(np.nanmean(radii)),
            "per_landmark": {
                name: {"radius_mm": float(radius), "covered_percent": float(share)}
                for name, radius, share in zip(
                    self.score.reference.landmark_set.names, over_seeds(radii), per_landmark, strict=True
                )
                if not np.isnan(radius) and not np.isnan(share)
            },
        }


def _found(doubt: Array, is_miss: NDArray[np.bool_], errors_mm: Array) -> dict[str, Any]:
    """Return what a doubt is worth, ``(case, point)``: does it find the misses, and the greater errors?"""
    there = ~np.isnan(doubt)
    found = certainty.auroc(doubt[there], is_miss[there])
    curves = [certainty.risk_coverage(order[there], errors_mm[there]) for order in (doubt, errors_mm)]
    return {
        "auroc": None if np.isnan(found) else float(found),
        "auroc_ci95": _pair(certainty.auroc_interval(doubt, is_miss)),
        "risk_coverage": [
            {"coverage": coverage, "mre_mm": float(kept), "mre_mm_at_best": float(best)}
            for coverage, kept, best in zip(certainty.COVERAGES, *curves, strict=True)
        ],
    }


def in_directions(reference: Reference, vectors: Array) -> Array:
    """Return vectors in millimetres and in the directions of body or face.

    Parameters
    ----------
    reference : Reference
    vectors : array, shape (seed, case, landmark, axis)
        In world coordinates.

    Returns
    -------
    array, shape (seed, case, landmark, direction)
    """
    turned = directions(reference.points, reference.landmark_set)  # (case, direction, axis)
    vectors_mm = vectors * reference.mm_per_unit[:, None, None]
    return np.asarray(np.einsum("cda,scla->scld", turned, vectors_mm))


def _calibrate(score: Score, data_dir: Path | str | None) -> Score | str:
    validation = get_track(score.predictions.track).validation
    if score.reference.split.name == validation:
        return "radii come from this split: its own coverage says nothing"
    return _elsewhere(score, validation, data_dir)


def _elsewhere(score: Score, split: str, data_dir: Path | str | None) -> Score | str:
    """Return the score of the same predictions, the same runs, on another split; or why there is none."""
    if split not in score.predictions.splits:
        return f"the predictions hold nothing for '{split}'"
    try:
        return score_against(load_reference(split, data_dir), score.predictions, allow_missing=True)
    except DataError as error:
        return str(error)


def _percent(hits: Array) -> dict[str, Any]:
    per_seed = 100 * metrics.mean_radial_error(hits)
    per_seed = per_seed[~np.isnan(per_seed)]
    return {
        "mean": float(per_seed.mean()),
        "std": float(per_seed.std()) if len(per_seed) > 1 else None,
        "ci95": _pair(share_interval(hits)),
    }


def _pair(interval: tuple[float, float] | None) -> list[float] | None:
    return None if interval is None else list(interval)
