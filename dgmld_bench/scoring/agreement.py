"""How far annotators of the same images are apart: the yardstick beside which a model's error is read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from dgmld_bench.cases import Case
from dgmld_bench.scoring.metrics import radial_errors

SYSTEMATIC_MM = 2.0
"""The radius that cephalometry calls precise: a systematic difference beyond it makes two definitions of a point."""


@dataclass(frozen=True)
class Agreement:
    """Distances between annotators, over every point and every pair of annotators that both set it.

    Attributes
    ----------
    annotators : tuple of str
        In the order of their first appearance.
    points : int
        Points that at least two annotators set.
    mean_mm, median_mm, max_mm : float
    max_at : (str, str)
        Case and landmark of the greatest distance.
    mean_mm_per_landmark : dict
        Landmarks that no two annotators set are left out.
    """

    annotators: tuple[str, ...]
    points: int
    mean_mm: float
    median_mm: float
    max_mm: float
    max_at: tuple[str, str]
    mean_mm_per_landmark: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Return what ``import --json`` writes."""
        return {
            "annotators": list(self.annotators),
            "points": self.points,
            "mean_mm": self.mean_mm,
            "median_mm": self.median_mm,
            "max_mm": self.max_mm,
            "max_at": {"case": self.max_at[0], "landmark": self.max_at[1]},
            "mean_mm_per_landmark": self.mean_mm_per_landmark,
        }


def measure_agreement(cases: Iterable[Case]) -> Agreement | None:
    """Measure how far the annotators of cases are apart; None where no point was set by two.

    Raises
    ------
    ReferenceWithheldError
        For cases of a test split that were loaded without ``references=True``.
    """
    annotators: dict[str, None] = {}
    rows: list[tuple[float, str, str]] = []  # mm, case, landmark
    points = set()
    for case in cases:
        annotators.update(dict.fromkeys(case.annotations))
        for one, two in combinations(case.annotations.values(), 2):
            apart_mm = radial_errors(one, two) * case.mm_per_unit
            for name, mm in zip(case.landmark_set.names, apart_mm, strict=True):
                if not np.isnan(mm):
                    rows.append((float(mm), case.id, name))
                    points.add((case.id, name))
    if not rows:
        return None
    all_mm = np.array([mm for mm, *_ in rows])
    per_landmark: dict[str, list[float]] = {}
    for mm, _, name in rows:
        per_landmark.setdefault(name, []).append(mm)
    greatest = max(rows, key=lambda row: row[0])
    return Agreement(
        tuple(annotators),
        len(points),
        float(all_mm.mean()),
        float(np.median(all_mm)),
        greatest[0],
        (greatest[1], greatest[2]),
        {name: float(np.mean(mm)) for name, mm in per_landmark.items()},
    )
