"""A model's points beside those of several annotators of the same images."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations, permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgmld_bench.cases import Case
from dgmld_bench.missing import mean_of_present
from dgmld_bench.scoring.agreement import SYSTEMATIC_MM, measure_agreement
from dgmld_bench.scoring.metrics import radial_errors

Array = NDArray[np.float64]


@dataclass(frozen=True)
class AgainstPeople:
    """How a model's points compare with annotators, by landmark; NaN where no two annotators set it.

    Attributes
    ----------
    distance_mm : array, shape (landmark,)
        Mean distance between two annotators.
    shift_mm : array, shape (landmark,)
        Length of the median vector from one annotator to another, the greatest over the pairs.
    as_near_percent : array, shape (seed, landmark)
        How often a point lies as near to an annotator as another annotator does. A further annotator of the same kind
        would reach 50 %; more is possible, because the mean of two is nearer to both.
    """

    distance_mm: Array
    shift_mm: Array
    as_near_percent: Array

    @property
    def is_defined_twice(self) -> NDArray[np.bool_]:
        """Which landmarks two annotators of this split place apart throughout: two definitions of one point."""
        return self.shift_mm > SYSTEMATIC_MM

    def to_dict(self, landmarks: Iterable[str]) -> dict[str, Any]:
        """Return what ``score --json`` writes."""
        shares = mean_of_present(self.as_near_percent, axis=0)  # over the seeds that have a point
        rows = zip(landmarks, self.distance_mm, self.shift_mm, shares, self.is_defined_twice, strict=True)
        return {
            "distance_mm": float(np.nanmean(self.distance_mm)),
            "as_near_percent": float(np.nanmean(shares)),
            "per_landmark": {
                name: {
                    "distance_mm": float(apart),
                    "shift_mm": float(shift),
                    "as_near_percent": None if np.isnan(share) else float(share),
                    "two_definitions": bool(twice),
                }
                for name, apart, shift, share, twice in rows
                if not np.isnan(apart)
            },
        }


def annotator_shift_mm(cases: Iterable[Case]) -> Array | None:
    """Return how far two annotators place each landmark apart throughout; None where no case has two.

    Length of the median vector from one annotator to another, the greatest over the pairs, ``(landmark,)``; NaN for a
    landmark that no two set. A greater one than :data:`dgmld_bench.scoring.agreement.SYSTEMATIC_MM` is two definitions.
    """
    apart: dict[tuple[str, str], list[Array]] = {}  # annotators -> vectors (landmark, axis) in mm
    for case in cases:
        for (one, points), (other, theirs) in combinations(sorted(case.annotations.items()), 2):
            apart.setdefault((one, other), []).append((theirs - points) * case.mm_per_unit)
    shifts = []
    for vectors in apart.values():
        with_nan = np.ma.masked_invalid(np.stack(vectors))
        shifts.append(np.linalg.norm(np.ma.median(with_nan, axis=0).filled(np.nan), axis=-1))
    return np.asarray(np.fmax.reduce(shifts)) if shifts else None


def against_people(cases: Iterable[Case], predicted: Array) -> AgainstPeople | None:
    """Compare predicted points with those of each annotator; None where no point was set by two.

    Parameters
    ----------
    cases : iterable of Case
        With their references.
    predicted : array, shape (seed, case, landmark, axis)
        World coordinates.
    """
    cases = list(cases)
    agreement = measure_agreement(cases)
    if agreement is None:
        return None
    landmarks = cases[0].landmark_set.names
    nearer = np.zeros((len(predicted), len(landmarks)))
    number = np.zeros_like(nearer)
    for i, case in enumerate(cases):
        for points, theirs in permutations(case.annotations.values(), 2):
            theirs_mm, model_mm = radial_errors(theirs, points), radial_errors(predicted[:, i], points)
            known = ~np.isnan(theirs_mm) & ~np.isnan(model_mm)
            number += known
            nearer += known & (model_mm <= theirs_mm)
    distance = [agreement.mean_mm_per_landmark.get(name, np.nan) for name in landmarks]
    share = np.divide(100 * nearer, number, out=np.full_like(nearer, np.nan), where=number > 0)
    shift = annotator_shift_mm(cases)
    assert shift is not None
    return AgainstPeople(np.array(distance), shift, share)
