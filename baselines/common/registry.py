"""The methods there are: a folder under ``baselines/`` whose ``run.py`` defines a ``METHOD``, and nothing names it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path

from baselines.common.method import Method
from dgmld_bench.errors import unknown_name
from dgmld_bench.leaderboard.layouts import PAPER_METHODS


@cache
def methods() -> dict[str, Method]:
    """Return every method by the name of its folder: those of the paper in its order, then the others by name."""
    folders = (path.parent.name for path in Path(__file__).parents[1].glob("*/run.py"))
    modules = {name: import_module(f"baselines.{name}.run") for name in folders}
    found = {name: module.METHOD for name, module in modules.items() if hasattr(module, "METHOD")}

    def order(item: tuple[str, Method]) -> tuple[int, str]:
        name = item[1].name
        return PAPER_METHODS.index(name) if name in PAPER_METHODS else len(PAPER_METHODS), item[0]

    return dict(sorted(found.items(), key=order))


def method_of(name: str) -> Method:
    """Return the method that ``baselines/<name>/run.py`` defines; UsageError when there is none of that name."""
    if name not in methods():
        raise unknown_name("method", name, tuple(methods()))
    return methods()[name]


def variant_of(name: str, options: Mapping[str, str]) -> Method | None:
    """Return a method as these options of its ``run.py`` make it; None where it has no such options.

    >>> variant_of("bapdg", {"loss": "mse"}).name, variant_of("baseline", {"loss": "mse"})
    ('BaPDG-boundary-mse', None)
    """
    method = method_of(name)
    if not options:
        return method
    build = getattr(import_module(f"baselines.{name}.run"), "build", None)
    if build is None or not set(options) <= set(inspect.signature(build).parameters):
        return None
    variant = build(**options)
    assert isinstance(variant, Method)
    return variant
