"""The methods there are: one folder each under ``baselines/``."""

from __future__ import annotations

from importlib import import_module

from baselines.common.method import Method
from dgmld_bench.errors import unknown_name

METHODS = ("baseline", "augdg", "edgedg", "segdg", "bapdg", "synthdg")


def method_of(name: str) -> Method:
    """Return the method that ``baselines/<name>/run.py`` defines; UsageError when there is none of that name."""
    if name not in METHODS:
        raise unknown_name("method", name, METHODS)
    method: Method = import_module(f"baselines.{name}.run").METHOD
    return method
