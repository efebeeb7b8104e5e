"""Tracks and splits: what is trained on, selected on and tested on, and the cases of a split that is on disk.

Each data source says which splits it gives; a track is made of them. Counts are those of Table 1 of the paper for
``dgmld``, of what was published for ``ceph``; ``open`` and ``phantom`` are tracks of this package.
"""

from __future__ import annotations

from pathlib import Path

from dgmld_bench.cases import Case, CaseList
from dgmld_bench.errors import UsageError, unknown_name
from dgmld_bench.landmarks import CEPHALOMETRIC, CEREBELLUM, LandmarkSet, get_landmark_set
from dgmld_bench.sources import all_sources, get_source, open_register
from dgmld_bench.storage import folders
from dgmld_bench.storage.register import own_sources, read_register
from dgmld_bench.tracks import ReferenceKind, Role, Split, Track, case_sort_key

__all__ = [
    "SPLITS",
    "TRACKS",
    "Role",
    "Split",
    "Track",
    "case_sort_key",
    "find_split",
    "get_split",
    "get_track",
    "landmark_set_of",
    "load_split",
]

SPLITS = {split.name: split for source in all_sources() for split in source.gives}


def _track(name: str, title: str, landmarks: LandmarkSet, validation_is_source: bool = False) -> Track:
    """Return a track of the splits that the sources give for it."""

    def names(role: Role) -> tuple[str, ...]:
        return tuple(s.name for s in SPLITS.values() if s.track == name and s.role == role)

    (train,), (validation,) = names("train"), names("validation")
    return Track(name, title, landmarks, train, validation, names("test"), validation_is_source)


TRACKS = {
    track.name: track
    for track in (
        _track("dgmld", "Fetal cerebellum, the paper's benchmark", CEREBELLUM),
        _track("open", "Fetal cerebellum, open atlases (mask-derived references)", CEREBELLUM, True),
        _track("ceph", "Cephalograms", CEPHALOMETRIC),
        _track("phantom", "Fetal cerebellum, simulated", CEREBELLUM),
    )
}


def get_track(name: str) -> Track:
    """Return the track of that name; UsageError with the known names when there is none."""
    if name in TRACKS:
        return TRACKS[name]
    for track in TRACKS.values():
        if name in {get_split(split).source for split in track.split_names}:
            raise UsageError(f"'{name}' is a source; its cases are in track '{track.name}'")
    raise unknown_name("track", name, tuple(TRACKS))


def get_split(name: str) -> Split:
    """Return the built-in split of that name; UsageError with the known names when there is none.

    Splits ``own/NAME`` live in the data folder: see :func:`find_split`.

    >>> get_split("lfc").n_cases, get_split("lfc").out_of_domain
    (120, True)
    """
    try:
        return SPLITS[name]
    except KeyError:
        raise unknown_name("split", name, tuple(SPLITS)) from None


def find_split(name: str, data_dir: Path | str | None = None) -> Split:
    """Return a split by name, built in or the user's own.

    Parameters
    ----------
    name : str
        As on the command line, such as ``"feta"`` or ``"own/clinic"``.
    data_dir : path, optional
        Where a split of the user's own is; else ``DGMLD_BENCH_DATA``, else the platform's user data folder.

    Raises
    ------
    UsageError
        For an unknown name.
    """
    if not name.startswith("own/"):
        return get_split(name)
    known = own_sources(data_dir)
    if name not in known:
        raise UsageError(
            f"unknown split '{name}'. Your own centres in {folders.data_dir(data_dir)}: {', '.join(known) or 'none'}; "
            "add one with `dgmld-bench import own PATH --name NAME --landmarks SET`"
        )
    register = read_register(name, data_dir)
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
        case = source.read(files[case_id], landmark_set, register, withheld=withheld)
        case.reference_kind = split.reference
        return case

    return CaseList(list(files), make, name)
