"""Tracks and splits: what is trained on, selected on and tested on, and the cases of a split that is on disk.

Each data source says which splits it gives; a track is made of them. Counts are those of Table 1 of the paper for
``dgmld``, of what was published for ``ceph``; ``open`` and ``phantom`` are tracks of this package.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from copy import copy
from pathlib import Path
from typing import overload

from dgmld_bench.cases import Case
from dgmld_bench.errors import UsageError, unknown_name
from dgmld_bench.landmarks import CEPHALOMETRIC, CEREBELLUM, LandmarkSet, get_landmark_set
from dgmld_bench.sources import all_sources, get_source, open_register
from dgmld_bench.storage import folders
from dgmld_bench.storage.register import Register, own_sources, read_register
from dgmld_bench.tracks import ReferenceKind, Role, Split, Track, case_sort_key

__all__ = [
    "SPLITS",
    "TRACKS",
    "CaseList",
    "Role",
    "Split",
    "Track",
    "case_sort_key",
    "find_split",
    "get_split",
    "get_track",
    "load_split",
    "track_with",
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


def track_with(landmark_set: LandmarkSet) -> str:
    """Return a track with these landmarks, under whose rules the points of a centre of the user's own are checked."""
    return next(t.name for t in TRACKS.values() if t.landmarks is landmark_set)


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
    return _own_split(_own_register(name, data_dir)) if name.startswith("own/") else get_split(name)


def _own_register(name: str, data_dir: Path | str | None) -> Register:
    known = own_sources(data_dir)
    if name not in known:
        raise UsageError(
            f"unknown split '{name}'. Your own centres in {folders.data_dir(data_dir)}: {', '.join(known) or 'none'}; "
            "add one with `dgmld-bench import own PATH --name NAME --landmarks SET`"
        )
    return read_register(name, data_dir)


def _own_split(register: Register) -> Split:
    name = register.source
    ids = tuple(c.id for c in register.cases_of(name))
    kind: ReferenceKind = "mask-derived" if register.options.get("mask_derived") else "expert"
    return Split(name, "own", name, "test", name.partition("/")[2], len(ids), True, ids, kind)


class CaseList(Sequence[Case]):
    """A split that is on disk, opened: a lazy sequence of its cases in the order of their ids.

    Each access makes a new :class:`~dgmld_bench.cases.Case`, so memory stays flat.

    Attributes
    ----------
    split : Split
    landmark_set : LandmarkSet
    ids : tuple of str
    data_dir : Path
        The data folder that it was opened in.
    """

    def __init__(
        self, split: Split, landmark_set: LandmarkSet, register: Register, data_dir: Path, *, withheld: bool
    ) -> None:
        self.split = split
        self.landmark_set = landmark_set
        self.data_dir = data_dir
        self._register = register
        self._withheld = withheld
        self._files = {files.id: files for files in register.cases_of(split.name)}
        self.ids = tuple(self._files)

    def __repr__(self) -> str:
        shown = [repr(id) for id in self.ids]
        if len(shown) > 6:
            shown[3:-1] = ["…"]
        return f"CaseList(split={self.split.name!r}, {len(self)} cases: {', '.join(shown)})"

    def _repr_html_(self) -> str:
        """What a notebook shows: how many cases, and the first of them; reads no image."""
        rows = [
            f"<tr><td>{html.escape(case.id)}</td><td>{html.escape(case.centre or '')}</td>"
            f"<td>{html.escape(', '.join(f'{k}: {v}' for k, v in case.info.items()))}</td></tr>"
            for case in self[:10]
        ]
        more = f"<p>… and {len(self) - 10} more</p>" if len(self) > 10 else ""
        head = "<tr><th>case</th><th>centre</th><th>known</th></tr>"
        name = html.escape(self.split.name)
        return f"<p><b>{name}</b>, {len(self)} cases</p><table>{head}{''.join(rows)}</table>{more}"

    def __len__(self) -> int:
        return len(self.ids)

    @overload
    def __getitem__(self, index: int) -> Case: ...
    @overload
    def __getitem__(self, index: str) -> Case: ...
    @overload
    def __getitem__(self, index: slice) -> CaseList: ...
    def __getitem__(self, index: int | str | slice) -> Case | CaseList:
        if isinstance(index, slice):
            some = copy(self)
            some.ids = self.ids[index]
            return some
        return self.by_id(index) if isinstance(index, str) else self._read(self.ids[index])

    def __iter__(self) -> Iterator[Case]:
        return map(self._read, self.ids)

    def by_id(self, case_id: str) -> Case:
        """Return the case of that id; KeyError when the split has no such case."""
        if case_id not in self.ids:
            raise KeyError(f"no case '{case_id}' in {self!r}")
        return self._read(case_id)

    def _read(self, case_id: str) -> Case:
        case = get_source(self.split.source).read(
            self._files[case_id], self.landmark_set, self._register, withheld=self._withheld
        )
        case.reference_kind = self.split.reference
        return case

    def paths(self, case_id: str) -> tuple[Path, Path | None]:
        """Return the files of a case: its image, and its label map where it has one."""
        files = self._files[case_id]
        return self._register.path(files.image), self._register.path(files.mask) if files.mask else None


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
    if name.startswith("own/"):
        register = _own_register(name, data_dir)
        split, landmark_set = _own_split(register), get_landmark_set(register.options["landmarks"])
    else:
        split = get_split(name)
        register, landmark_set = open_register(split.source, data_dir), get_track(split.track).landmarks
    withheld = split.role == "test" and not references
    return CaseList(split, landmark_set, register, folders.data_dir(data_dir), withheld=withheld)
