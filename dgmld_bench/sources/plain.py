"""The plain layout that a user makes, a folder of images beside a table of points, and the checks of its cases."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dgmld_bench import geometry
from dgmld_bench.cases import mean_of_annotators
from dgmld_bench.errors import DataError
from dgmld_bench.files import Progress
from dgmld_bench.formats import films, volumes
from dgmld_bench.formats.point_tables import DEFAULT_ANNOTATOR, Annotations, Array
from dgmld_bench.landmarks import LandmarkSet
from dgmld_bench.sources import plausibility
from dgmld_bench.storage.register import CaseFiles, Register

IMAGES, TABLE, FILMS_TABLE = "images", "landmarks.csv", "films.csv"
SPACING = "spacing_mm"
"""Key of a case's ``info`` and of a register's ``options``: the edge of one pixel, of a film and of all films."""


def spacing_of(files: CaseFiles, register: Register) -> float:
    """Return the edge of a film's pixels in mm: its own, else the one given for all at import."""
    return float(files.info[SPACING] if SPACING in files.info else register.options[SPACING])


def read_films_table(path: Path) -> dict[str, tuple[float, str]]:
    """Read a table with a row per film, ``case,spacing_mm[,device]``: case -> edge of a pixel in mm, device or "".

    Raises
    ------
    DataError
        Naming the file and the line at fault.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=";" if ";" in text else ",", strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a CSV file in UTF-8 ({error})") from None
    columns = [c.strip().casefold() for c in rows[0]] if rows else []
    if sorted(columns) not in (["case", "spacing_mm"], ["case", "device", "spacing_mm"]):
        raise DataError(f"{path}: columns {','.join(columns) or 'none'}; expected case,spacing_mm[,device]")
    films: dict[str, tuple[float, str]] = {}
    for number, fields in enumerate(rows[1:], 2):
        if not any(f.strip() for f in fields):
            continue
        row = dict(zip(columns, (f.strip() for f in fields), strict=False))
        try:
            spacing_mm = float(row["spacing_mm"])
            if not (math.isfinite(spacing_mm) and spacing_mm > 0 and row["case"]):
                raise ValueError
        except (KeyError, ValueError):
            shown = ",".join(fields)[:80]
            raise DataError(f"{path}, line {number}: {shown!r}, expected a case and millimetres per pixel") from None
        if row["case"] in films:
            raise DataError(f"{path}, line {number}: case '{row['case']}' is there twice")
        films[row["case"]] = spacing_mm, row.get("device", "")
    return films


@dataclass(frozen=True)
class CheckedCases:
    """Cases whose image was read whole, with what was found.

    Attributes
    ----------
    cases : list of CaseFiles
        Those whose points lie in their image.
    faults : dict
        Case id -> why a case is none of them.
    remarks : list of str
        What looks wrong, or is missing, in the points of the cases that passed.
    """

    cases: list[CaseFiles]
    faults: dict[str, str]
    remarks: list[str]


def check_cases(
    cases: list[CaseFiles],
    annotations: Mapping[str, Annotations],
    landmark_set: LandmarkSet,
    progress: Progress,
    *,
    mm_per_unit: float = 1.0,
    spaces: Mapping[str, str] | None = None,
) -> CheckedCases:
    """Read every image whole and check every point against it.

    Parameters
    ----------
    cases : list of CaseFiles
        With absolute paths.
    annotations : mapping
        Case id -> annotator -> points ``(landmark, axis)`` in world coordinates, NaN where one is missing.
    landmark_set : LandmarkSet
    progress : callable
        Called with (step, done, total).
    mm_per_unit : float
        The edge of a pixel in 2D, of films that do not state their own (:data:`SPACING`).
    spaces : mapping, optional
        3D: case id -> the space that its points were read from; RAS where it names none.
    """
    passed, middles, faults = [], [], {}
    for n, case in enumerate(cases):
        progress("Checking cases", n, len(cases))
        try:
            middles.append(_check_case(case, annotations[case.id], landmark_set, (spaces or {}).get(case.id, "ras_mm")))
            passed.append(case)
        except DataError as error:
            faults[case.id] = str(error)
    progress("Checking cases", len(cases), len(cases))
    if not passed:
        return CheckedCases(passed, faults, [])
    points = np.stack([mean_of_annotators(annotations[case.id]) for case in passed])
    ids = [case.id for case in passed]
    each_mm = np.array([float(case.info.get(SPACING, mm_per_unit)) for case in passed])
    remarks = plausibility.find_remarks(landmark_set, ids, points, np.array(middles), each_mm)
    return CheckedCases(passed, faults, remarks + _missing(landmark_set, points))


def _check_case(case: CaseFiles, annotations: Annotations, landmark_set: LandmarkSet, space: str) -> Array:
    """Read an image whole and check its points; return the world coordinates of its middle."""
    path = Path(case.image)
    if landmark_set.dimension == 3:
        image, affine = volumes.read_volume(path)
    else:
        image, affine = films.read_film(path), films.film_affine(path)
    if image.min() == image.max():
        raise DataError(f"{path.name}: every {'voxel' if image.ndim == 3 else 'pixel'} is {image.min()}")
    if all(np.isnan(points).all() for points in annotations.values()):
        raise DataError("none of its points has coordinates")
    for annotator, points in annotations.items():
        names, place = plausibility.shared_position(points, landmark_set)
        if len(names) * 2 > len(landmark_set):
            who = "" if annotator == DEFAULT_ANNOTATOR else f"annotator '{annotator}': "
            raise DataError(f"{who}{len(names)} of {len(landmark_set)} points are at {place}: they were not set")
        if message := plausibility.explain_outside(points, affine, image.shape, landmark_set, space):
            raise DataError(message if annotator == DEFAULT_ANNOTATOR else f"annotator '{annotator}': {message}")
    return geometry.index_to_world(affine, (np.array(image.shape) - 1) / 2)


def _missing(landmark_set: LandmarkSet, points: Array) -> list[str]:
    """Say how many reference points there are not, ``points`` of shape (case, landmark, axis)."""
    absent = np.isnan(points).any(axis=-1)
    if not absent.any():
        return []
    counts = [f"{name} {n}" for name, n in zip(landmark_set.names, absent.sum(axis=0), strict=True) if n]
    share = f"{int(absent.sum())} of {absent.size} points"
    return [f"no reference for {share}, which scores leave out: {', '.join(counts)}"]
