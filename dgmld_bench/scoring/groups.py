"""Errors by group of cases: centre or device, gestational age, pathology; and whether the groups differ at all."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dgmld_bench.cases import Case
from dgmld_bench.errors import UsageError, unknown_name
from dgmld_bench.scoring.errors_table import ErrorsTable
from dgmld_bench.scoring.statistics import PairedDifference, Runs, paired_difference
from dgmld_bench.tracks import Split

Array = NDArray[np.float64]

BY = ("centre", "device", "age", "pathology")
"""What cases may be grouped by. A film's device stands where its centre does."""
MIN_CASES = 8
"""A group of fewer cases is shown, and not tested."""
N_PERMUTATIONS = 4_999
_N_AGES = 3
_SEED = 20_250_225


@dataclass(frozen=True)
class Group:
    """Cases that have something in common; ``cases`` are ids."""

    name: str
    cases: tuple[str, ...]


@dataclass(frozen=True)
class Grouping:
    """The cases of a split in groups.

    Attributes
    ----------
    by : str
    groups : tuple of Group
        Without those of which it is not known.
    n_unknown : int
    reason : str
        Why nothing can be tested on these cases, whatever their number; empty where something can.
    """

    by: str
    groups: tuple[Group, ...]
    n_unknown: int
    reason: str = ""

    @property
    def tested(self) -> tuple[Group, ...]:
        """The groups that are large enough."""
        return tuple(g for g in self.groups if len(g.cases) >= MIN_CASES)


@dataclass(frozen=True)
class GroupTest:
    """Whether groups differ: ``p`` by permutation of the cases, or the reason why it was not asked."""

    p: float | None
    n_cases: int
    n_groups: int
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return what ``--json`` writes."""
        return {"p": self.p, "cases": self.n_cases, "groups": self.n_groups, "reason": self.reason or None}


@dataclass(frozen=True)
class GroupErrors:
    """What one method errs in a group; nothing is rounded."""

    name: str
    n_cases: int
    per_seed_mm: tuple[float, ...]
    ci95_mm: tuple[float, float] | None

    @property
    def mean_mm(self) -> float:
        """The Average, mean over seeds."""
        return float(np.mean(self.per_seed_mm))

    def to_dict(self) -> dict[str, Any]:
        """Return what ``score --json`` writes of a group."""
        several = len(self.per_seed_mm) > 1
        return {
            "name": self.name,
            "cases": self.n_cases,
            "mre_mm": {
                "mean": self.mean_mm,
                "std": float(np.std(self.per_seed_mm)) if several else None,
                "ci95": None if self.ci95_mm is None else list(self.ci95_mm),
            },
        }


@dataclass(frozen=True)
class ByGroup:
    """One method's errors by group."""

    by: str
    groups: tuple[GroupErrors, ...]
    n_unknown: int
    test: GroupTest

    def to_dict(self) -> dict[str, Any]:
        """Return what ``score --json`` has below ``groups``."""
        return {
            "groups": [group.to_dict() for group in self.groups],
            "cases_unknown": self.n_unknown,
            "test": self.test.to_dict(),
        }


@dataclass(frozen=True)
class DifferenceByGroup:
    """What separates two methods, by group; the test is for interaction: does the difference depend on the group?"""

    by: str
    groups: tuple[tuple[str, PairedDifference], ...]
    n_unknown: int
    test: GroupTest

    def to_dict(self) -> dict[str, Any]:
        """Return what ``compare --json`` has as ``by``."""
        return {
            "by": self.by,
            "groups": [{"name": name, **asdict(difference)} for name, difference in self.groups],
            "cases_unknown": self.n_unknown,
            "test": self.test.to_dict(),
        }


def group_cases(cases: Iterable[Case], by: str, split: Split) -> Grouping:
    """Sort cases into groups: by value, ages into thirds.

    Parameters
    ----------
    cases : iterable of Case
        References are not looked at.
    by : str
        One of :data:`BY`.
    split : Split
        Cases of a population atlas are not independent, so that nothing is tested on them.

    Raises
    ------
    UsageError
        For another name, and where all cases are of one group or nothing is known of any.
    """
    cases = list(cases)
    if by not in BY:
        raise unknown_name("grouping", by, BY)
    values = {case.id: _value(case, by) for case in cases}
    known = {id: value for id, value in values.items() if value is not None}
    groups = _thirds(known) if by == "age" else _alike(known)
    if len(groups) < 2:
        said = f"all are of '{groups[0].name}'" if groups else "it is not known of any case"
        others = ", ".join(g.by for g in groupings(cases, split))
        can = f"by {others} they can" if others else "nor by anything else"
        raise UsageError(f"the cases of split '{split.name}' cannot be grouped by {by}: {said}; {can}")
    dependent = split.reference == "mask-derived"
    reason = "cases are weeks of a population atlas, not independent subjects" if dependent else ""
    return Grouping(by, groups, len(values) - len(known), reason)


def groupings(cases: Iterable[Case], split: Split) -> tuple[Grouping, ...]:
    """Return every grouping that parts these cases; a device is not said again as a centre."""
    cases, found = list(cases), []
    for by in BY:
        values = {v for case in cases if (v := _value(case, by)) is not None}
        if by != "device" and len(values) > 1:
            found.append(group_cases(cases, by, split))
    return tuple(found)


def by_group(errors: ErrorsTable, grouping: Grouping) -> ByGroup:
    """Return a method's errors by group, and whether the groups differ."""
    rows = []
    for group in _present(grouping, errors):
        table = errors.of_cases(group.cases)
        per_seed = tuple(v for v in table.per_seed_mm.tolist() if not math.isnan(v))
        rows.append(GroupErrors(group.name, len(group.cases), per_seed, table.interval_mm))
    test = _test(_per_case(errors), errors.cases, grouping)
    return ByGroup(grouping.by, tuple(rows), grouping.n_unknown, test)


def difference_by_group(a: ErrorsTable, b: ErrorsTable, grouping: Grouping) -> DifferenceByGroup:
    """Return the difference of two methods by group, and whether it depends on the group.

    Parameters
    ----------
    a, b : ErrorsTable
        Of the same points, as :func:`dgmld_bench.scoring.comparison.compare` returns them.
    """
    rows = tuple(
        (group.name, paired_difference(a.of_cases(group.cases).errors_mm, b.of_cases(group.cases).errors_mm))
        for group in _present(grouping, a)
    )
    test = _test(_per_case(a) - _per_case(b), a.cases, grouping)
    return DifferenceByGroup(grouping.by, rows, grouping.n_unknown, test)


def permutation_p(groups: Sequence[ArrayLike]) -> float:
    """Return how often groups made by chance have means as far apart as these, relative to their spread.

    The statistic is James's (1951): the squared distances of the means from their weighted mean, in units of their own
    standard errors, summed, so that a group that merely varies more is not taken for one that differs (Janssen 1997).

    Parameters
    ----------
    groups : arrays, shape (case,)
        At least two, of at least two cases.

    Examples
    --------
    >>> permutation_p([[1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0]])
    1.0
    """
    values = np.concatenate([np.asarray(g, dtype=np.float64) for g in groups])
    numbers = np.array([len(np.asarray(g)) for g in groups])
    rng = np.random.default_rng(_SEED)
    shuffled = rng.permuted(np.broadcast_to(values, (N_PERMUTATIONS, len(values))), axis=1)
    own, chance = _apart(values[None], numbers)[0], _apart(shuffled, numbers)
    return float((1 + (chance >= own - 1e-12).sum()) / (1 + N_PERMUTATIONS))


def _apart(values: Array, numbers: NDArray[np.int64]) -> Array:
    """Return James's statistic of rows of values, the groups standing one after another, ``(row,)``."""
    starts = np.concatenate([[0], np.cumsum(numbers)[:-1]])
    means = np.add.reduceat(values, starts, axis=1) / numbers
    rest = np.square(values - np.repeat(means, numbers, axis=1))
    variances = np.add.reduceat(rest, starts, axis=1) / (numbers - 1)
    weights = numbers / np.maximum(variances, 1e-18)
    middle = (weights * means).sum(axis=1, keepdims=True) / weights.sum(axis=1, keepdims=True)
    return np.asarray((weights * np.square(means - middle)).sum(axis=1))


def _per_case(errors: ErrorsTable) -> Array:
    """Return what each case adds to the Average, landmarks that it lacks weighing nothing; NaN where it lacks all."""
    return np.where(np.isnan(errors.errors_mm).all(axis=(0, 2)), np.nan, Runs(errors.errors_mm).cases)


def _test(values: Array, cases: Sequence[str], grouping: Grouping) -> GroupTest:
    place = {case: i for i, case in enumerate(cases)}
    members = [[v for c in g.cases if c in place and not np.isnan(v := values[place[c]])] for g in grouping.groups]
    large = [m for m in members if len(m) >= MIN_CASES]
    test = GroupTest(None, sum(map(len, large)), len(large), grouping.reason)
    if test.reason:
        return test
    if len(large) < 2:
        return replace(test, reason=f"fewer than two groups of {MIN_CASES} cases or more")
    return replace(test, p=permutation_p(large))


def _present(grouping: Grouping, errors: ErrorsTable) -> Iterable[Group]:
    """Yield the groups with those of their cases that have an error; those without any are left out."""
    any_error = (~np.isnan(errors.errors_mm)).sum(axis=(0, 2))
    there = {case for case, n in zip(errors.cases, any_error, strict=True) if n}
    for group in grouping.groups:
        found = tuple(c for c in group.cases if c in there)
        if found:
            yield Group(group.name, found)


def _value(case: Case, by: str) -> Any:
    if by in ("centre", "device"):
        return case.centre
    if by == "age":
        return case.info.get("gestational_age_weeks")
    return (case.info["pathology"] or "none") if "pathology" in case.info else None


def _alike(values: dict[str, Any]) -> tuple[Group, ...]:
    names = sorted({str(v) for v in values.values()}, key=lambda name: (name != "none", name))
    return tuple(Group(name, tuple(c for c, v in values.items() if str(v) == name)) for name in names)


def _thirds(ages: dict[str, float]) -> tuple[Group, ...]:
    """Return three groups of ages, as equal in number as ties allow."""
    if not ages:
        return ()
    numbers = np.array(list(ages.values()), dtype=np.float64)
    edges = np.quantile(numbers, np.arange(1, _N_AGES) / _N_AGES, method="inverted_cdf")
    sides = [np.searchsorted(edges, numbers), np.searchsorted(edges, numbers, side="right")]
    place = max(sides, key=lambda p: len(np.unique(p)))  # with many ties one of the two parts nothing
    groups = []
    for k in range(_N_AGES):
        inside = np.flatnonzero(place == k)
        if len(inside):
            low, high = numbers[inside].min(), numbers[inside].max()
            name = f"{low:g} weeks" if low == high else f"{low:g}–{high:g} weeks"
            groups.append(Group(name, tuple(list(ages)[i] for i in inside)))
    return tuple(groups)
