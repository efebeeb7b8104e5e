"""The parts of errors in a record on disk: aggregates by run and landmark, and no point of any case."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgmld_bench.scoring.parts_table import PARTS, PartsTable

Array = NDArray[np.float64]

DIGITS = 4
"""A tenth of a micrometre."""

_ARRAYS = {
    "offset_mm": "offset_mm",
    "offset_ci95_mm": "offset_ci95_mm",
    "spread_mm": "spread_mm",
    "misses_percent": "misses_percent",
    "miss_beyond_mm": "miss_beyond_mm",
    "squared_error_mm2": "squares_mm2",
    "mre_without_offset_mm": "without_offset_mm",
}
"""Key of the file -> attribute."""


def rounded(parts: PartsTable) -> PartsTable:
    """Return parts as the file keeps them, so that both give the same board."""
    ends = parts.without_offset_ci95_mm
    return PartsTable(
        directions=parts.directions,
        without_offset_ci95_mm=None if ends is None else (round(ends[0], DIGITS), round(ends[1], DIGITS)),
        **{attribute: getattr(parts, attribute).round(DIGITS) + 0.0 for attribute in _ARRAYS.values()},
    )


def parts_text(parts: PartsTable) -> str:
    """Return parts as JSON, one line per key: the same parts give the same text."""
    values: dict[str, Any] = {"directions": list(parts.directions)}
    values |= {key: _listed(getattr(parts, attribute)) for key, attribute in _ARRAYS.items()}
    values["mre_without_offset_ci95_mm"] = parts.without_offset_ci95_mm and list(parts.without_offset_ci95_mm)
    return "{\n" + ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in values.items()) + "\n }"


def read_parts(value: Any, n_seeds: int, n_landmarks: int) -> PartsTable:
    """Read what :func:`parts_text` wrote.

    Raises
    ------
    KeyError, TypeError, ValueError
        For anything else.
    """
    directions = tuple(map(str, value["directions"]))
    per_seed, d = (n_seeds, n_landmarks), len(directions)
    shapes = {
        "offset_mm": (*per_seed, d),
        "offset_ci95_mm": (n_landmarks, d, 2),
        "spread_mm": (*per_seed, d),
        "squared_error_mm2": (*per_seed, len(PARTS)),
    }
    arrays = {}
    for key, attribute in _ARRAYS.items():
        array = np.array(value[key], dtype=np.float64)  # null is NaN
        if array.shape != shapes.get(key, per_seed):
            raise ValueError(f"{key} has shape {array.shape}")
        arrays[attribute] = array
    ends = value["mre_without_offset_ci95_mm"]
    return PartsTable(directions, without_offset_ci95_mm=ends and (float(ends[0]), float(ends[1])), **arrays)


def _listed(values: Array) -> Any:
    """Return nested lists, null for NaN, whole numbers as such."""
    if values.ndim == 0:
        return None if np.isnan(values) else round(float(values), DIGITS)
    return [_listed(v) for v in values]
