"""Why a score is what it is: the parts of its errors, people beside it, and what the model knows of its error."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgmld_bench.errors import DataError
from dgmld_bench.scoring import certainty, metrics
from dgmld_bench.scoring.directions import direction_names, directions
from dgmld_bench.scoring.parts import (
    MIN_CASES,
    MISS_FLOOR_MM,
    Parts,
    errors_without_offset,
    offset_intervals,
    take_apart,
)
from dgmld_bench.scoring.people import AgainstPeople, against_people
from dgmld_bench.scoring.score import Reference, Score, load_reference, score_against
from dgmld_bench.scoring.statistics import average_interval
from dgmld_bench.splits import get_track

Array = NDArray[np.float64]

PARTS = ("offset", "spread", "misses")
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

    @property
    def names(self) -> tuple[str, ...]:
        """What the directions of offsets are called."""
        return direction_names(self.score.reference.landmark_set)

    @cached_property
    def differences_mm(self) -> Array:
        """Predicted minus reference in the directions of the body or face, ``(seed, case, landmark, direction)``."""
        return differences_mm(self.score)

    @cached_property
    def people(self) -> AgainstPeople | None:
        """How the points compare with annotators; None where no two set a point."""
        return against_people(self.score.reference.cases.values(), self.score.predicted)

    @property
    def floor_mm(self) -> Array:
        """No point this near to where its landmark's points lie is a miss, ``(landmark,)``."""
        people = np.nan if self.people is None else self.people.distance_mm
        return np.fmax(MISS_FLOOR_MM, np.broadcast_to(people, len(self.score.reference.landmark_set)))

    @cached_property
    def parts(self) -> Parts:
        """Offset, spread and misses."""
        return take_apart(self.differences_mm, self.floor_mm)

    @cached_property
    def shares_percent(self) -> Array | None:
        """What offset, spread and misses add to the squared error of all landmarks, in percent; None of few cases."""
        squares = self.parts.squares_mm2
        told = ~np.isnan(squares).any(axis=-1)
        total = squares[told].sum(axis=0)
        return 100 * total / total.sum() if told.any() and total.sum() > 0 else None

    @cached_property
    def without_offset_mm(self) -> Array:
        """Radial errors without the offset of the other cases, ``(seed, case, landmark)``."""
        return errors_without_offset(self.differences_mm, self.floor_mm)

    @cached_property
    def misses_percent(self) -> Array:
        """Share of misses among the points of each run and landmark, ``(seed, landmark)``."""
        told = ~np.isnan(self.differences_mm).any(axis=-1) & ~np.isnan(self.parts.limit_mm)[:, None]
        number = told.sum(axis=1)
        return np.divide(
            100.0 * self.parts.is_miss.sum(axis=1), number, out=np.full(number.shape, np.nan), where=number > 0
        )

    def to_dict(self) -> dict[str, Any]:
        """Return what ``score --json`` adds: ``parts``, ``people``, ``seed_spread`` and ``conformal``."""
        landmarks = self.score.reference.landmark_set.names
        return {
            "parts": self._parts(),
            "people": self.people and self.people.to_dict(landmarks),
            "seed_spread": self._seed_spread(),
            "conformal": self._conformal(),
        }

    def _parts(self) -> dict[str, Any]:
        per_seed = metrics.mean_radial_error(self.without_offset_mm)
        shares = self.shares_percent
        if shares is None:
            return {"reason": f"fewer than {MIN_CASES} cases, or no error at all"}
        ends = offset_intervals(self.differences_mm, self.parts)
        offset, spread = _over_seeds(self.parts.offset_mm), _over_seeds(self.parts.spread_mm)
        limit, misses = _over_seeds(self.parts.limit_mm), _over_seeds(self.misses_percent)
        squares = _over_seeds(self.parts.squares_mm2)
        remaining = _over_seeds(metrics.mean_over_cases(self.without_offset_mm))
        return {
            "directions": list(self.names),
            "share_of_squared_error_percent": dict(zip(PARTS, shares.tolist(), strict=True)),
            "misses_percent": float(np.nanmean(misses)),
            "mre_without_offset_mm": _summary(per_seed, self.without_offset_mm),
            "per_landmark": {
                name: {
                    "offset_mm": dict(zip(self.names, offset[i].tolist(), strict=True)),
                    "offset_ci95_mm": dict(zip(self.names, ends[i].tolist(), strict=True)),
                    "offset_length_mm": float(np.linalg.norm(offset[i])),
                    "spread_mm": dict(zip(self.names, spread[i].tolist(), strict=True)),
                    "misses_percent": float(misses[i]),
                    "miss_beyond_mm": float(limit[i]),
                    "mre_without_offset_mm": float(remaining[i]),
                    "squared_error_mm2": dict(zip(PARTS, squares[i].tolist(), strict=True)),
                }
                for i, name in enumerate(self.score.reference.landmark_set.names)
                if not np.isnan(squares[i]).any()
            },
        }

    def _seed_spread(self) -> dict[str, Any] | None:
        """Whether the seeds' disagreement finds the misses of their mean."""
        if len(self.score.seeds) < 2:
            return None
        middle = self.differences_mm.mean(axis=0, keepdims=True)
        is_miss = take_apart(middle, self.floor_mm).is_miss[0]
        errors = np.linalg.norm(middle[0], axis=-1)
        doubt = np.where(np.isnan(errors), np.nan, certainty.seed_spread(self.differences_mm))
        there = ~np.isnan(doubt)
        if not there.any():
            return None
        found = certainty.auroc(doubt[there], is_miss[there])
        curves = [certainty.risk_coverage(order[there], errors[there]) for order in (doubt, errors)]
        return {
            "points": int(there.sum()),
            "misses_of_the_mean": int(is_miss.sum()),
            "auroc": None if np.isnan(found) else float(found),
            "auroc_ci95": _pair(certainty.auroc_interval(doubt, is_miss)),
            "median_mm": float(np.median(doubt[there])),
            "risk_coverage": [
                {"coverage": coverage, "mre_mm": float(kept), "mre_mm_at_best": float(best)}
                for coverage, kept, best in zip(certainty.COVERAGES, *curves, strict=True)
            ],
        }

    def _conformal(self) -> dict[str, Any]:
        """What radii from the validation split are worth on this one."""
        if isinstance(self.calibration, str):
            return {"reason": self.calibration}
        calibrated_on = self.calibration.reference
        radii = certainty.conformal_radii(self.calibration.errors_mm, LEVEL)  # (seed, landmark)
        hits = 100 * certainty.covered(self.score.errors_mm, radii)
        if np.isnan(hits).all():
            return {"reason": f"the {len(calibrated_on.ids)} cases of '{calibrated_on.split.name}' are too few"}
        per_seed = metrics.mean_radial_error(hits)
        per_landmark = _over_seeds(metrics.mean_over_cases(hits))
        return {
            "promised_percent": 100 * LEVEL,
            "calibrated_on": calibrated_on.split.name,
            "calibration_cases": len(calibrated_on.ids),
            "covered_percent": _summary(per_seed, hits),
            "radius_mm": float(np.nanmean(radii)),
            "per_landmark": {
                name: {"radius_mm": float(radius), "covered_percent": float(share)}
                for name, radius, share in zip(
                    self.score.reference.landmark_set.names, _over_seeds(radii), per_landmark, strict=True
                )
                if not np.isnan(radius) and not np.isnan(share)
            },
        }


def differences_mm(score: Score) -> Array:
    """Return predicted minus reference in the directions of body or face, ``(seed, case, landmark, direction)``."""
    reference = score.reference
    vectors = (score.predicted - reference.points) * reference.mm_per_unit[:, None, None]
    turned = directions(reference.points, reference.landmark_set)  # (case, direction, axis)
    return np.asarray(np.einsum("cda,scla->scld", turned, vectors))


def _calibrate(score: Score, data_dir: Path | str | None) -> Score | str:
    validation = get_track(score.predictions.track).validation
    if score.reference.split.name == validation:
        return "radii come from this split: its own coverage says nothing"
    if validation not in score.predictions.splits:
        return f"the predictions hold nothing for '{validation}'"
    try:
        reference: Reference = load_reference(validation, data_dir)
        return score_against(reference, score.predictions, allow_missing=True)
    except DataError as error:
        return str(error)


def _over_seeds(values: Array) -> Array:
    """Return the mean over the seeds that have a value, NaN where none has."""
    return metrics.mean_over_cases(values.reshape(len(values), -1)).reshape(values.shape[1:])


def _summary(per_seed: Array, values: Array) -> dict[str, Any]:
    per_seed = per_seed[~np.isnan(per_seed)]
    return {
        "mean": float(per_seed.mean()),
        "std": float(per_seed.std()) if len(per_seed) > 1 else None,
        "ci95": _pair(average_interval(values)),
    }


def _pair(interval: tuple[float, float] | None) -> list[float] | None:
    return None if interval is None else list(interval)
