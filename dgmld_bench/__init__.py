"""The benchmark for domain-generalised medical landmark detection.

>>> import dgmld_bench as db
>>> db.get_split("feta").n_cases
55
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from dgmld_bench.version import __version__ as __version__

if TYPE_CHECKING:
    from dgmld_bench import landmarks
    from dgmld_bench.cases import Case
    from dgmld_bench.errors import DataError, DgmldBenchError, UsageError
    from dgmld_bench.scoring.predictions import Predictions
    from dgmld_bench.scoring.score import Score, score
    from dgmld_bench.splits import CaseList, get_track, load_split
    from dgmld_bench.splits import find_split as get_split

__all__ = [
    "Case",
    "CaseList",
    "DataError",
    "DgmldBenchError",
    "Predictions",
    "Score",
    "UsageError",
    "get_split",
    "get_track",
    "landmarks",
    "load_split",
    "score",
]

_HOMES = {
    "Case": "cases",
    "CaseList": "splits",
    "Score": "scoring.score",
    "load_split": "splits",
    "DataError": "errors",
    "DgmldBenchError": "errors",
    "UsageError": "errors",
    "Predictions": "scoring.predictions",
    "score": "scoring.score",
    "get_track": "splits",
}


def __getattr__(name: str) -> Any:  # modules load at first use: `import dgmld_bench` costs nothing
    if name in _HOMES:
        return getattr(import_module(f"dgmld_bench.{_HOMES[name]}"), name)
    if name == "get_split":  # those of the user's own too, which live in the data folder
        from dgmld_bench.splits import find_split

        return find_split
    if name in ("landmarks", "torch"):
        return import_module(f"dgmld_bench.{name}")
    raise AttributeError(f"module 'dgmld_bench' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
