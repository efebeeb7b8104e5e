"""Radial errors by seed, case and landmark: one table, whether scored just now, read from the board, or compared."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dgmld_bench.scoring import metrics
from dgmld_bench.scoring.parts_table import PartsTable
from dgmld_bench.scoring.statistics import average_interval, case_means

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ErrorsTable:
    """The radial errors of one method on one split, and what follows from them. Nothing is rounded.

    Attributes
    ----------
    seeds : tuple of int
    cases, landmarks : tuple of str
    errors_mm : array, shape (seed, case, landmark)
        NaN where a prediction or its reference is missing.
    reference_sha256 : str
        Of the reference that they were measured against.
    expected : bool array, shape (case, landmark), optional
        Which points have a reference. None: those that every run predicts.
    name : str
        What the method is called beside others.
    parts : PartsTable, optional
        The errors taken apart, where that is known.
    rest_mm : array, shape (seed, case, landmark), optional
        The radial errors without the offset of the other cases, where they are at hand: the board keeps none.
    """

    seeds: tuple[int, ...]
    cases: tuple[str, ...]
    landmarks: tuple[str, ...]
    errors_mm: Array
    reference_sha256: str
    expected: NDArray[np.bool_] | None = None
    name: str = ""
    parts: PartsTable | None = None
    rest_mm: Array | None = None

    def __post_init__(self) -> None:
        # The order of axes in memory decides the order of sums and so their last bit, and a mean of errors of six
        # digits often ends on a five: errors made and the same errors read must round alike.
        object.__setattr__(self, "errors_mm", np.ascontiguousarray(self.errors_mm))

    @property
    def per_seed_mm(self) -> Array:
        """The Average MRE of each run, ``(seed,)``."""
        return metrics.mean_radial_error(self.errors_mm)

    @property
    def per_landmark_mm(self) -> Array:
        """MRE per run and landmark, ``(seed, landmark)``."""
        return metrics.mean_over_cases(self.errors_mm)

    @property
    def per_case_mm(self) -> Array:
        """Each case's mean over runs and landmarks, ``(case,)``."""
        return case_means(self.errors_mm)

    @property
    def p95_mm(self) -> Array:
        """The 95th percentile of all errors of each run, ``(seed,)``."""
        return np.asarray(np.nanquantile(self.errors_mm.reshape(len(self.errors_mm), -1), 0.95, axis=1))

    def sdr_percent(self, *, strict: bool = False) -> Array:
        """SDR per run and threshold, ``(seed, threshold)``; ``strict`` counts errors below the threshold only."""
        return metrics.success_rates(self.errors_mm, expected=self.expected, strict=strict)

    @cached_property
    def interval_mm(self) -> tuple[float, float] | None:
        """95 % interval of the seed-averaged Average, over cases and trainings; None for a single case."""
        return average_interval(self.errors_mm)

    def without_cases(self, cases: Collection[str]) -> ErrorsTable:
        """Return the table of the other cases."""
        return self.of_cases([case for case in self.cases if case not in cases])

    def of_cases(self, cases: Sequence[str]) -> ErrorsTable:
        """Return the table of these cases only, in the order given; fewer cases have other parts, not known."""
        place = {case: i for i, case in enumerate(self.cases)}
        rows = [place[case] for case in cases]
        expected = None if self.expected is None else self.expected[rows]
        table = replace(self, cases=tuple(cases), errors_mm=self.errors_mm[:, rows], expected=expected)
        if set(cases) != set(self.cases):
            return replace(table, parts=None, rest_mm=None)
        return table if self.rest_mm is None else replace(table, rest_mm=self.rest_mm[:, rows])
