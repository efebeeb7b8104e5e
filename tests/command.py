"""A script of ``baselines/`` run as its command line, inside this process."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from baselines.common.command import run_app


def run_script(monkeypatch: pytest.MonkeyPatch, function: Callable[..., None], *arguments: object) -> int:
    """Run the function of a script with arguments as typed; return the exit code."""
    monkeypatch.setattr(sys, "argv", [f"baselines/{function.__name__}.py", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        run_app(function)
    return int(stop.value.code or 0)
