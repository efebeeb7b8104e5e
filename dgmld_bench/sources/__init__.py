"""Data sources, one module each. Adding one is one file here and its name in ``SOURCE_NAMES``.

A centre of the user's own is a source too, ``own/NAME``; there are as many as a user imports.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from dgmld_bench.cases import Case, CaseList
from dgmld_bench.errors import DataError, UsageError, unknown_name
from dgmld_bench.landmarks import LandmarkSet, get_landmark_set
from dgmld_bench.splits import TRACKS, ReferenceKind, Split, get_split, get_track
from dgmld_bench.storage import folders
from dgmld_bench.storage.register import has_register, own_sources, read_register

if TYPE_CHECKING:
    from dgmld_bench.sources.base import Source
    from dgmld_bench.storage.register import Register

SOURCE_NAMES = ("dgmld", "atlases", "isbi", "pku", "hamedan", "phantom")


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


def find_split(name: str, folder: Path | str | None = None) -> Split:
    """Return a split by name, built in or the user's own.

    Raises
    ------
    UsageError
        For an unknown name.
    """
    if not name.startswith("own/"):
        return get_split(name)
    known = own_sources(folder)
    if name not in known:
        raise UsageError(
            f"unknown split '{name}'. Your own centres in {folders.data_dir(folder)}: {', '.join(known) or 'none'}; "
            "add one with `dgmld-bench import own PATH --name NAME --landmarks SET`"
        )
    register = read_register(name, folder)
    ids = tuple(c.id for c in register.cases_of(name))
    kind: ReferenceKind = "mask-derived" if register.options.get("mask_derived") else "expert"
    return Split(name, "own", name, "test", name.partition("/")[2], len(ids), True, ids, kind)


def landmark_set_of(split: Split, folder: Path | str | None = None) -> LandmarkSet:
    """Return the landmark set of a split, built in or the user's own."""
    if split.track == "own":
        return get_landmark_set(read_register(split.source, folder).options["landmarks"])
    return get_track(split.track).landmarks


def load_split(name: str, *, references: bool = False, data_dir: Path | str | None = None) -> CaseList:
    """Return the cases of a split that is on disk, as a lazy sequence in the order of their ids.

    Parameters
    ----------
    name : str
        A split's name as on the command line, such as ``"feta"`` or ``"own/clinic"``.
    references : bool
        Give out landmarks and masks of a *test* split. Those of training and validation splits always are.
    data_dir : path, optional
        The data folder; else ``DGMLD_BENCH_DATA``, else the platform's user data folder.

    Raises
    ------
    UsageError
        For an unknown split.
    DataError
        When the split is not on disk; the message says how to get it.
    """
    split = find_split(name, data_dir)
    register = open_register(split.source, data_dir)
    files = {f.id: f for f in register.cases_of(name)}
    source = get_source(split.source)
    withheld = split.role == "test" and not references
    landmark_set = landmark_set_of(split, data_dir)

    def make(case_id: str) -> Case:
        return source.read(files[case_id], landmark_set, register, withheld=withheld)

    return CaseList(list(files), make)
