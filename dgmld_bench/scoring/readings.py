"""Good predictions written wrongly: which other reading of a file's numbers fits the reference far better?

A doubt is raised by a rule that honest predictors, however bad, do not meet (``docs/protocol.md``), and nothing is ever
read otherwise than as the file says unless a person asks for it (``score --read-as``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgmld_bench.cases import Case
from dgmld_bench.errors import UsageError, did_you_mean
from dgmld_bench.geometry import SPACES, to_world
from dgmld_bench.landmarks import LandmarkSet
from dgmld_bench.missing import mean_of_present
from dgmld_bench.scoring.metrics import mean_radial_error, radial_errors
from dgmld_bench.scoring.predictions import Predictions
from dgmld_bench.scoring.statistics import case_means

Array = NDArray[np.float64]

FAR_BETTER = 2.5
"""How many times smaller the Average must become; of an exchange, the MRE of each landmark concerned."""
GOOD = 1.0
"""What the Average must be at most, in radii of the landmarks (root mean square distance from their middle)."""
NOT_BETTER = 0.1
"""Share of the cases, less one case, that may gain nothing: who is wrong at times has not written wrongly."""
AS_GOOD_AS_A_SHIFT = 1.5
"""How many times the Average may be what one shift of all points leaves: a constant offset is an honest error."""
RESIZED = 1.25
"""By how much a film must have been reduced, or enlarged, at least."""
FRACTIONS = 50.0
"""No film is reduced so far: a greater scale is taken for that of coordinates from 0 to 1."""

_SCALE = re.compile(r"(\d+\.?\d*|\.\d+)x(\d+\.?\d*|\.\d+)")
_ORDER = {2: "yx", 3: "zyx"}


@dataclass(frozen=True)
class Reading:
    """A way to take the numbers of a predictions file; one without attributes takes them as the file says.

    Attributes
    ----------
    space : str or None
        Another space than the file's.
    reverse : bool
        Coordinates stand in the order z, y, x (2D: y, x).
    scale : (float, float) or None
        2D: how many original pixels a written pixel is wide and high, edges coinciding; from :data:`FRACTIONS` on, by
        how many pixels the numbers are multiplied.
    names : tuple of (str, str)
        Landmarks as written and as meant.
    """

    space: str | None = None
    reverse: bool = False
    scale: tuple[float, float] | None = None
    names: tuple[tuple[str, str], ...] = ()

    def flag(self, dimension: int) -> str:
        """Return what ``--read-as`` takes, for points of 2 or 3 coordinates.

        >>> Reading("voxel", reverse=True).flag(3), Reading(scale=(2.5, 2.5)).flag(2)
        ('voxel,zyx', '2.5x2.5')
        """
        parts = [self.space] if self.space else []
        parts += [_ORDER[dimension]] if self.reverse else []
        parts += ["{:g}x{:g}".format(*self.scale)] if self.scale else []
        return ",".join([*parts, *(f"{written}={meant}" for written, meant in self.names)])

    def describe(self, space: str, dimension: int) -> str:
        """Say in words what would be wrong with a file that states ``space``."""
        parts = []
        if self.space:
            parts.append(f"coordinates are {_SPACE_WORDS[self.space]}, not {_SPACE_WORDS[space]}")
        if self.reverse:
            parts.append(f"coordinates stand in the order {', '.join(_ORDER[dimension])}")
        if self.scale:
            parts.append(
                (
                    "coordinates are fractions of a film, {:g} pixels wide and {:g} high"
                    if max(self.scale) >= FRACTIONS
                    else "pixels are those of a film of another size, {:g} times as wide and {:g} as high"
                ).format(*self.scale)
            )
        if self.names:
            parts.append(_name_words(self.names))
        return " and ".join(parts)

    def is_like(self, other: Reading) -> bool:
        """Whether two readings differ by nothing but a hundredth of their scale, as those of two runs do."""
        if self.scale is None or other.scale is None:
            return self == other
        return replace(self, scale=other.scale) == other and bool(np.allclose(self.scale, other.scale, rtol=0.01))

    def apply(self, predictions: Predictions, split: str) -> Predictions:
        """Return the predictions of one split read in this way; those given stay as they are.

        Raises
        ------
        UsageError
            For a space or a scale that does not fit the landmarks.
        DataError
            For coordinates that are impossible in the space.
        """
        names = predictions.landmark_set.names
        space = self.space or predictions.space
        if (space == "px") != (predictions.landmark_set.dimension == 2) or (self.scale and space != "px"):
            dimension = predictions.landmark_set.dimension
            raise UsageError(f"read_as={self.flag(dimension)} does not fit points in {dimension}D")
        runs = []
        for run in predictions.runs:
            cases = run.predictions.get(split, {})
            points = self._points(predictions.array(run.seed, split, cases), names)
            read = {
                case: {n: p.tolist() for n, p in zip(names, array, strict=True) if not np.isnan(p).any()}
                for case, array in zip(cases, points, strict=True)
            }
            runs.append({"seed": run.seed, "predictions": {split: read}})
        kept = predictions.model_dump(exclude={"runs", "space"}, exclude_none=True)
        return Predictions(**kept, space=space, runs=runs)

    def _points(self, points: Array, names: tuple[str, ...]) -> Array:
        """Return points ``(..., landmark, axis)`` in this reading's space."""
        if self.reverse:
            points = points[..., ::-1]
        if self.scale is not None:
            edge = 0.5 if max(self.scale) < FRACTIONS else 0.0
            points = (points + edge) * np.array(self.scale) - edge
        if self.names:
            written = {meant: name for name, meant in self.names}
            points = points[..., [names.index(written.get(n, n)) for n in names], :]
        return points


_SPACE_WORDS = {"ras_mm": "RAS millimetres", "lps_mm": "LPS millimetres", "voxel": "voxels", "px": "pixels"}


def parse_reading(text: str, landmark_set: LandmarkSet) -> Reading:
    """Return the reading that ``--read-as`` names: parts separated by commas, each of one kind.

    Raises
    ------
    UsageError
        For a part that is none, or landmarks that are not exchanged among each other.

    Examples
    --------
    >>> from dgmld_bench.landmarks import CEREBELLUM
    >>> parse_reading("voxel,zyx", CEREBELLUM)
    Reading(space='voxel', reverse=True, scale=None, names=())
    """
    reading = Reading()
    for part in (p.strip() for p in text.split(",")):
        if part in SPACES:
            reading = replace(reading, space=part)
        elif part == _ORDER[landmark_set.dimension]:
            reading = replace(reading, reverse=True)
        elif landmark_set.dimension == 2 and (found := _SCALE.fullmatch(part)) and min(map(float, found.groups())) > 0:
            reading = replace(reading, scale=(float(found[1]), float(found[2])))
        elif "=" in part:
            written, _, meant = part.partition("=")
            pair = (landmark_set.names[landmark_set.index(n.strip())] for n in (written, meant))
            reading = replace(reading, names=(*reading.names, tuple(pair)))  # type: ignore[arg-type]
        else:
            raise UsageError(
                f"read_as={text}: '{part}' is no reading{did_you_mean(part, SPACES)}; "
                f"expected a space ({', '.join(SPACES)}), "
                f"{_ORDER[landmark_set.dimension]}, "
                + ("a scale such as 2.5x2.5, " if landmark_set.dimension == 2 else "")
                + f"or landmarks as written and as meant, {'{0}={1},{1}={0}'.format(*landmark_set.names)}"
            )
    names = [[pair[i] for pair in reading.names] for i in (0, 1)]  # as written, as meant
    if sorted(names[0]) != sorted(names[1]) or len(set(names[0])) < len(names[0]):
        raise UsageError(f"read_as={text}: each landmark must be written once and meant once")
    return reading


@dataclass(frozen=True)
class Doubt:
    """A reading that fits far better than what the file says.

    Attributes
    ----------
    reading : Reading
    seeds : tuple of int
        The runs that it holds for.
    mre_mm, read_mre_mm : float
        Their Average as scored, and under the reading.
    words, flag : str
        What would be wrong, and the argument of ``score`` that reads the file so.
    """

    reading: Reading
    seeds: tuple[int, ...]
    mre_mm: float
    read_mre_mm: float
    words: str
    flag: str

    def __str__(self) -> str:
        return (
            f"written wrongly? The Average would be {self.read_mre_mm:.2f} mm, not {self.mre_mm:.2f} mm, if "
            f"{self.words}; `score {self.flag}` reads the file so"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return what ``score --json`` writes."""
        return {
            "seeds": list(self.seeds),
            "mre_mm": self.mre_mm,
            "read_mre_mm": self.read_mre_mm,
            "words": self.words,
            "flag": self.flag,
        }


def find_doubts(
    predictions: Predictions,
    split: str,
    cases: Mapping[str, Case],
    reference: Array,
    mm_per_unit: Array,
) -> tuple[Doubt, ...]:
    """Return readings that fit the reference far better than what the file says, the runs of each together.

    Parameters
    ----------
    predictions : Predictions
    split : str
    cases : mapping of id to Case
    reference : array, shape (case, landmark, axis)
        World coordinates, NaN where missing.
    mm_per_unit : array, shape (case,)
    """
    trial = _Trial(predictions, cases, reference, mm_per_unit)
    found: dict[Reading, list[int]] = {}
    for seed in predictions.seeds:
        if (reading := trial.best(predictions.array(seed, split, cases))) is not None:
            alike = next((r for r in found if r.is_like(reading)), reading)
            found.setdefault(alike, []).append(seed)
    dimension = predictions.landmark_set.dimension
    doubts = []
    for reading, seeds in found.items():
        written = [predictions.array(seed, split, cases) for seed in seeds]
        before, after = (float(np.mean([trial.average(w, r) for w in written])) for r in (Reading(), reading))
        words = reading.describe(predictions.space, dimension)
        if len(seeds) < len(predictions.seeds):
            words = f"in seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))} the {words}"
        doubts.append(Doubt(reading, tuple(seeds), before, after, words, f"--read-as {reading.flag(dimension)}"))
    return tuple(doubts)


class _Trial:
    """One reference, against which the points of a run are read in every way."""

    def __init__(
        self, predictions: Predictions, cases: Mapping[str, Case], reference: Array, mm_per_unit: Array
    ) -> None:
        self.names = predictions.landmark_set.names
        self.space = predictions.space
        self.cases = cases
        self.reference = reference
        self.mm = mm_per_unit[:, None]
        seen = ~np.isnan(reference).all(axis=(1, 2))
        away = radial_errors(reference[seen], np.nanmean(reference[seen], axis=1, keepdims=True)) * self.mm[seen]
        self.radius_mm = float(np.median(np.sqrt(np.nanmean(away**2, axis=1))))

    def average(self, written: Array, reading: Reading) -> float:
        """Return the Average of a run under a reading, in mm."""
        return self._average(self._errors(self._world(written, reading)))

    def best(self, written: Array) -> Reading | None:
        """Return the reading that fits best of those that pass the rule; None where none does.

        ``written``: ``(case, landmark, axis)`` as in the file, NaN where missing.
        """
        world = self._world(written, Reading())
        errors = self._errors(world)
        before = self._average(errors)
        if np.isnan(before):
            return None
        passed: list[tuple[float, Reading]] = []
        if before * FAR_BETTER > self.radius_mm:  # else no other space comes into question, and no header is read
            shifted = self._average(self._errors(world + np.nanmedian(self.reference - world, axis=(0, 1))))
            for reading in self._whole(written):
                read = self._errors(self._world(written, reading))
                limit = shifted * (AS_GOOD_AS_A_SHIFT if reading.scale is None else 0.5)  # a scale is fitted
                if self._is_far_better(errors, read) and self._average(read) <= limit:
                    passed.append((self._average(read), reading))
        if (renamed := self._renamed(world)) is not None:
            read = self._errors(self._world(written, renamed))
            moved = [self.names.index(meant) for _, meant in renamed.names]
            if self._are_exchanged(errors, read, moved):
                passed.append((self._average(read), renamed))
        return min(passed, key=lambda p: p[0])[1] if passed else None

    def _world(self, written: Array, reading: Reading) -> Array:
        points = reading._points(written, self.names)
        space = reading.space or self.space
        if space != "voxel":
            return to_world(points, space)
        return np.stack([to_world(p, space, c.affine) for p, c in zip(points, self.cases.values(), strict=True)])

    def _errors(self, world: Array) -> Array:
        return radial_errors(world, self.reference) * self.mm

    @staticmethod
    def _average(errors_mm: Array) -> float:
        return float(mean_radial_error(errors_mm))

    def _whole(self, written: Array) -> Iterator[Reading]:
        """Yield every reading that concerns all points alike."""
        if self.space == "px":
            for reverse in (False, True):
                if reverse:
                    yield Reading(reverse=True)
                if (scale := self._scale(written, reverse)) is not None:
                    yield Reading(reverse=reverse, scale=scale)
            return
        for space, reverse in product(("ras_mm", "lps_mm", "voxel"), (False, True)):
            if space != self.space or reverse:
                yield Reading(None if space == self.space else space, reverse)

    def _scale(self, written: Array, reverse: bool) -> tuple[float, float] | None:
        """Return the size of a written pixel in original ones, to four digits; None where it is about one."""
        points = Reading(reverse=reverse)._points(written, self.names)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.nanmedian((self.reference + 0.5) / (points + 0.5), axis=(0, 1))
            if ratio.max() >= FRACTIONS:
                ratio = np.nanmedian(self.reference / points, axis=(0, 1))
        if not (np.isfinite(ratio).all() and (ratio > 0).all() and np.abs(np.log(ratio)).max() >= np.log(RESIZED)):
            return None
        if max(ratio) / min(ratio) < 1.01:  # one factor for both, so that a person recognises it
            ratio[:] = ratio.mean()
        return float(f"{ratio[0]:.4g}"), float(f"{ratio[1]:.4g}")

    def _is_far_better(self, errors: Array, read: Array) -> bool:
        before, after = self._average(errors), self._average(read)
        present = ~np.isnan(errors).all(axis=1)
        no_better = int((case_means(read[None]) >= case_means(errors[None]))[present].sum())
        return bool(
            after * FAR_BETTER <= before
            and after <= GOOD * self.radius_mm
            and no_better <= max(0.0, NOT_BETTER * present.sum() - 1)
        )

    def _renamed(self, world: Array) -> Reading | None:
        """Return the assignment of written landmarks to reference ones that has the least error; None for the file's.

        Only exchanges that are worth it remain: a landmark that no case has, or that gains little, keeps its name.
        """
        from scipy.optimize import linear_sum_assignment

        apart = radial_errors(world[:, :, None], self.reference[:, None, :]) * self.mm[..., None]
        cost = mean_of_present(apart, axis=0)
        lacking = np.isnan(np.diag(cost))
        cost = np.where(lacking[:, None] | lacking[None, :], np.where(np.eye(len(cost)) > 0, 0.0, 1e9), cost)
        meant = linear_sum_assignment(np.nan_to_num(cost, nan=1e9))[1]
        pairs: list[tuple[str, str]] = []
        for cycle in _cycles(meant):
            nearest = cost[cycle].argmin(axis=1)  # else it was found at a third landmark, which is an error
            if (nearest == meant[cycle]).all() and (cost[cycle, nearest] * FAR_BETTER <= cost[nearest, nearest]).all():
                pairs += [(self.names[i], self.names[meant[i]]) for i in cycle]
        return Reading(names=tuple(pairs)) if pairs else None

    def _are_exchanged(self, errors: Array, read: Array, moved: list[int]) -> bool:
        """Whether landmarks were wrong, and become right, in a prediction that is good otherwise."""
        others = [k for k in range(len(self.names)) if k not in moved]
        stands_out = not others or self._average(errors[:, others]) * 2 <= self._average(errors[:, moved])
        return (
            stands_out
            and all(self._is_far_better(errors[:, [k]], read[:, [k]]) for k in moved)
            and self._average(read) <= GOOD * self.radius_mm
        )


def _cycles(permutation: NDArray[np.int_]) -> Iterator[list[int]]:
    """Yield the cycles of a permutation that move anything.

    >>> list(_cycles(np.array([1, 0, 2, 3])))
    [[0, 1]]
    """
    seen: set[int] = set()
    for start in range(len(permutation)):
        cycle = []
        while start not in seen:
            seen.add(start)
            cycle.append(start)
            start = int(permutation[start])
        if len(cycle) > 1:
            yield cycle


def _name_words(names: tuple[tuple[str, str], ...]) -> str:
    """Say which landmarks are exchanged.

    >>> _name_words((("a", "b"), ("b", "a")))
    'a and b are exchanged'
    """
    meant = dict(names)
    couples = [(a, b) for a, b in names if meant.get(b) == a and a < b]
    if len(couples) * 2 == len(names):
        return ", ".join(f"{a} and {b}" for a, b in couples) + " are exchanged"
    return f"{len(names)} landmarks stand under other names ({', '.join(f'{a} is {b}' for a, b in names)})"
