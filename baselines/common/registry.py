"""The methods there are: one folder each under ``baselines/``."""

from __future__ import annotations

from importlib import import_module

from baselines.common.method import Method

METHODS = ("baseline", "augdg", "edgedg", "segdg", "bapdg")


def method_of(name: str) -> Method:
    """Return the method that ``baselines/<name>/run.py`` defines."""
    method: Method = import_module(f"baselines.{name}.run").METHOD
    return method
