"""Data sources, one module each: a file here that defines ``SOURCE`` is one, and nothing else names it.

A centre of the user's own is a source too, ``own/NAME``; there are as many as a user imports. Sources import formats
and storage; they know nothing of scores.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING, get_args

from dgmld_bench.errors import DataError, UsageError, unknown_name
from dgmld_bench.storage import folders
from dgmld_bench.storage.register import has_register, read_register
from dgmld_bench.tracks import TrackName

if TYPE_CHECKING:
    from dgmld_bench.sources.base import Source
    from dgmld_bench.storage.register import Register


@cache
def all_sources() -> tuple[Source, ...]:
    """Return every source: by the track that it is for, those of the paper and those that train first, then by name."""
    modules = (import_module(f"dgmld_bench.sources.{module.name}") for module in iter_modules(__path__))
    found: list[Source] = [module.SOURCE for module in modules if hasattr(module, "SOURCE")]

    def order(source: Source) -> tuple[int, bool, bool, str]:
        trains = any(split.role == "train" for split in source.gives)
        return get_args(TrackName).index(source.gives[0].track), not source.in_paper, not trains, source.name

    return tuple(sorted(found, key=order))


def source_names() -> tuple[str, ...]:
    """Return the names of all sources, in the order of :func:`all_sources`."""
    return tuple(source.name for source in all_sources())


@cache
def get_source(name: str, *, offered: tuple[str, ...] = ()) -> Source:
    """Return a source by its name, ``own/NAME`` too; UsageError with the known names when there is none.

    ``offered`` are the names that the error gives: what the command at hand takes, else all.
    """
    if name.startswith("own/"):
        from dgmld_bench.sources.own import Own

        return Own(name)
    known = {source.name: source for source in all_sources()}
    if name in known:
        return known[name]
    for kind, field in (("track", "track"), ("split", "name")):
        if giving := [repr(x.name) for x in known.values() if any(getattr(s, field) == name for s in x.gives)]:
            raise UsageError(f"'{name}' is a {kind}; its data comes from source {' and '.join(giving)}")
    raise unknown_name("source", name, offered or (*known, "own/NAME"))


def how_to_get(name: str) -> str:
    """Return the sentence that says how to get a source."""
    return get_source(name).how_to_get


def open_register(name: str, data_dir: Path | str | None = None) -> Register:
    """Read what is on disk of a source.

    Raises
    ------
    DataError
        When the source is not on disk (the message says how to get it) or its register cannot be read.
    """
    if not has_register(name, data_dir):
        raise DataError(f"the data of source '{name}' is not in {folders.data_dir(data_dir)}. {how_to_get(name)}")
    return read_register(name, data_dir)
