"""Predictions as people have them in files: complete, or the bare points of one split, in JSON, tables or a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dgmld_bench.errors import DataError, UsageError, unknown_name
from dgmld_bench.files import json_type, read_json
from dgmld_bench.formats.nnlandmark import read_nnlandmark
from dgmld_bench.formats.point_tables import read_point_table
from dgmld_bench.landmarks import LandmarkSet
from dgmld_bench.scoring.predictions import MAX_COORDINATE, TABLES, Predictions
from dgmld_bench.splits import SPLITS, Split, track_with
from dgmld_bench.text import shortened

_HINTS = {
    ".fcsv": "a point list of an older 3D Slicer; write the points of all cases into one table, "
    "case,landmark,x,y,z,space (its line 'CoordinateSystem' says the space)",
    ".dcm": "an image, not predictions; they are JSON, CSV or TSV",
    ".xlsx": "a spreadsheet; save it as 'CSV UTF-8'",
}


def read_predictions(
    path: Path | str, split: Split, landmark_set: LandmarkSet, space: str | None = None
) -> Predictions:
    """Read a predictions file, or a bare file of one split: case -> points in order, or case -> name -> point.

    A bare file may also be a table, CSV or TSV (:mod:`dgmld_bench.formats.point_tables`), and in 3D a folder that
    nnLandmark wrote (:mod:`dgmld_bench.formats.nnlandmark`). Cases that are called after another split are left out
    where some are called after this one.

    Parameters
    ----------
    path : path
    split : Split
        What a bare file is for.
    landmark_set : LandmarkSet
        That of the split.
    space : str, optional
        The space of a bare file; the default of the dimension when not given. For a full file it must agree.

    Raises
    ------
    UsageError
        For a space that is unknown, does not fit the split, or is not the file's.
    DataError
        For a file at fault.
    """
    if space is not None:
        if space not in MAX_COORDINATE:
            raise unknown_name("space", space, tuple(MAX_COORDINATE))
        if (space == "px") != (landmark_set.dimension == 2):
            raise UsageError(f"space '{space}' does not fit split '{split.name}' ({landmark_set.dimension}D)")
    path = Path(path)
    if path.is_dir():
        if landmark_set.dimension == 2 or space not in (None, "voxel"):
            raise UsageError(f"{path}: a folder is nnLandmark's predictions of volumes, in space 'voxel'")
        return _bare(path, split, landmark_set, "voxel", read_nnlandmark(path, landmark_set))
    if path.suffix.lower() in TABLES:
        table = read_point_table(path, landmark_set, _as_given(space))
        return _bare(path, split, landmark_set, "ras_mm" if table.states_space else space, table.points_once(path))
    if hint := _HINTS.get(path.suffix.lower()):
        raise DataError(hint, path)
    value = read_json(path)
    if isinstance(value, dict) and "format" in value:
        predictions = Predictions.from_json(value, path)
        if space is not None and space != predictions.space:
            raise UsageError(f"{path} says its space is '{predictions.space}'; space '{space}' contradicts it")
        return predictions
    if not isinstance(value, dict) or not value:
        raise DataError(
            "expected a predictions file, or an object that holds case ids and their points; "
            f"got {'an empty object' if value == {} else json_type(value)}",
            path,
        )
    if by_split := [name for name in value if name in {*SPLITS, split.name}]:
        raise DataError(f"'{by_split[0]}' is a split, and a bare file holds cases: give it what stands below", path)
    names = landmark_set.names
    cases = {}
    for case, points in value.items():
        if isinstance(points, list):
            if len(points) != len(names):
                raise DataError(f"case '{case}': expected {len(names)} points, got {len(points)}", path)
            points = dict(zip(names, points, strict=True))
        if not isinstance(points, dict):
            raise DataError(f"case '{case}': expected a list or an object of points", path)
        cases[case] = points
    return _bare(path, split, landmark_set, space, cases)


def _bare(path: Path, split: Split, landmark_set: LandmarkSet, space: str | None, cases: dict[str, Any]) -> Predictions:
    """Return the predictions of a bare file: one split, one run, the method named like the file."""
    track = split.track if split.track != "own" else track_with(landmark_set)
    optional = {} if space is None else {"space": space}
    try:
        runs = [{"seed": 0, "predictions": {split.name: _of_split(cases, split)}}]
        name = shortened(path.stem)[:64].strip() or "bare file"
        return Predictions(track=track, method=name, backbone="unknown", runs=runs, **optional)
    except DataError as error:
        raise DataError(str(error), path) from None


def _of_split(cases: dict[str, Any], split: Split) -> dict[str, Any]:
    """Leave out cases that are called after other splits, as ``export`` calls those of several, beside this split's."""
    names = sorted({*SPLITS, split.name}, key=len, reverse=True)  # lfc-val-3 is of lfc-val, and not of lfc
    owner = {case: next((n for n in names if case.startswith(f"{n}-")), None) for case in cases}
    owner |= dict.fromkeys(set(cases).intersection(split.case_ids or ()), split.name)
    if split.name not in owner.values():
        return cases
    return {case: points for case, points in cases.items() if owner[case] in (split.name, None)}


def _as_given(space: str | None) -> str | None:
    """Return the space that a table is read in so that its numbers stay: they are of the file's space anyway."""
    return None if space is None else "ras_mm"
