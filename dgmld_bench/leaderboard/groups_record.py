"""Errors by group of cases in a record on disk: group means by run, and no case's group."""

from __future__ import annotations

import json
from typing import Any

from dgmld_bench.scoring.groups import ByGroup, GroupErrors, GroupTest

DIGITS = 6


def groups_text(groups: tuple[ByGroup, ...]) -> str:
    """Return errors by group as JSON, one line per group: the same groups give the same text."""
    blocks = []
    for one in groups:
        head = {"by": one.by, "cases_unknown": one.n_unknown, "test": one.test.to_dict()}
        lines = [f"   {json.dumps(k)}: {json.dumps(v)}" for k, v in head.items()]
        rows = [
            json.dumps(
                {
                    "name": group.name,
                    "cases": group.n_cases,
                    "mre_mm": list(group.per_seed_mm),
                    "ci95_mm": group.ci95_mm and list(group.ci95_mm),
                }
            )
            for group in one.groups
        ]
        lines.append('   "groups": [\n    ' + ",\n    ".join(rows) + "\n   ]")
        blocks.append("  {\n" + ",\n".join(lines) + "\n  }")
    return "[\n" + ",\n".join(blocks) + "\n ]"


def rounded_groups(groups: tuple[ByGroup, ...]) -> tuple[ByGroup, ...]:
    """Return errors by group as the file keeps them, so that both give the same board."""
    return read_groups(json.loads(groups_text(tuple(map(_rounded, groups)))))


def read_groups(value: Any) -> tuple[ByGroup, ...]:
    """Read what :func:`groups_text` wrote.

    Raises
    ------
    KeyError, TypeError, ValueError
        For anything else.
    """
    return tuple(
        ByGroup(
            by=str(one["by"]),
            groups=tuple(_group(group) for group in one["groups"]),
            n_unknown=int(one["cases_unknown"]),
            test=_test(one["test"]),
        )
        for one in value
    )


def _group(value: Any) -> GroupErrors:
    ends = value["ci95_mm"]
    return GroupErrors(
        name=str(value["name"]),
        n_cases=int(value["cases"]),
        per_seed_mm=tuple(float(v) for v in value["mre_mm"]),
        ci95_mm=None if ends is None else (float(ends[0]), float(ends[1])),
    )


def _test(value: Any) -> GroupTest:
    p = value["p"]
    return GroupTest(
        None if p is None else float(p), int(value["cases"]), int(value["groups"]), str(value["reason"] or "")
    )


def _rounded(one: ByGroup) -> ByGroup:
    groups = tuple(
        GroupErrors(
            g.name,
            g.n_cases,
            tuple(round(v, DIGITS) for v in g.per_seed_mm),
            g.ci95_mm and (round(g.ci95_mm[0], DIGITS), round(g.ci95_mm[1], DIGITS)),
        )
        for g in one.groups
    )
    return ByGroup(one.by, groups, one.n_unknown, one.test)
