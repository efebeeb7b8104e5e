"""A predictions file with millions of faults: cut to the first ones, since to describe each takes gigabytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MOST = 1000
_POINT = 3  # split -> case -> landmark -> point


def up_to_faults(values: Mapping[str, Any], most: int = MOST) -> dict[str, Any] | None:
    """Return a file's values as far as the first things in them that look like faults; None where that is all of them.

    What looks like one is only counted here: whether it is one says the format.

    >>> up_to_faults({"runs": [{"seed": 0, "predictions": {"s": {"1": {"a": [], "b": [1, 2], "c": []}}}}]}, most=1)
    {'runs': [{'seed': 0, 'predictions': {'s': {'1': {'a': []}}}}]}
    """
    walk = _Walk(most)
    kept: dict[str, Any] = {}
    for key, value in values.items():
        walk.left -= key != "runs"  # of the others an honest file has a dozen
        if walk.left <= 0:
            break
        runs = isinstance(value, list) and key == "runs"
        kept[key] = [walk.run(run) for run in value if walk.left > 0] if runs else value
    return kept if walk.left <= 0 else None


class _Walk:
    def __init__(self, most: int) -> None:
        self.left = most

    def run(self, run: Any) -> Any:
        if not isinstance(run, dict):
            self.left -= 1
            return run
        kept = {}
        for key, value in run.items():
            if self.left <= 0:
                break
            self.left -= key not in ("seed", "predictions")
            kept[key] = self.below(value, 0) if key == "predictions" else value
        return kept

    def below(self, value: Any, depth: int) -> Any:
        if depth == _POINT:
            self.left -= not _is_point(value)
            return value
        if not isinstance(value, dict):
            self.left -= 1
            return value
        kept = {}
        for name, inner in value.items():
            if self.left <= 0:
                break
            self.left -= not (isinstance(name, str) and 0 < len(name) <= 64 and name.isprintable())
            kept[name] = self.below(inner, depth + 1)
        return kept


def _is_point(value: Any) -> bool:
    return isinstance(value, list) and 2 <= len(value) <= 3 and all(type(v) in (int, float) for v in value)
