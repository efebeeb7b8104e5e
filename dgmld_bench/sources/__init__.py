"""Data sources, one module each. Adding one is one file here and its name in ``SOURCE_NAMES``.

A centre of the user's own is a source too, ``own/NAME``; there are as many as a user imports.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from dgmld_bench.errors import UsageError, unknown_name
from dgmld_bench.splits import TRACKS, get_split

if TYPE_CHECKING:
    from dgmld_bench.sources.base import Source

SOURCE_NAMES = ("dgmld", "atlases", "isbi", "pku", "phantom")


@cache
def get_source(name: str) -> Source:
    """Return a source by its name, ``own/NAME`` too; UsageError with the known names when there is none."""
    if name.startswith("own/"):
        from dgmld_bench.sources.own import Own

        return Own(name)
    if name in TRACKS and name not in SOURCE_NAMES:
        sources = dict.fromkeys(get_split(split).source for split in TRACKS[name].split_names)
        raise UsageError(f"'{name}' is a track; its data comes from source {' and '.join(map(repr, sources))}")
    if name not in SOURCE_NAMES:
        raise unknown_name("source", name, (*SOURCE_NAMES, "own/NAME"))
    source: Source = import_module(f"dgmld_bench.sources.{name}").SOURCE
    return source


def how_to_get(name: str) -> str:
    """Return the sentence that says how to get a source."""
    return get_source(name).how_to_get
