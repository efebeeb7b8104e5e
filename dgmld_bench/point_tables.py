"""Points in a CSV file with the columns ``case,landmark,x,y[,z][,annotator]``, one row per point."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dgmld_bench.errors import DataError
from dgmld_bench.landmarks import LandmarkSet

Array = NDArray[np.float64]

MAX_BYTES = 64 * 1024 * 1024
DEFAULT_ANNOTATOR = "reference"
_AXES = ("x", "y", "z")


def read_point_table(path: Path | str, landmark_set: LandmarkSet) -> dict[str, dict[str, Array]]:
    """Read points by case and annotator.

    Returns
    -------
    dict
        case -> annotator -> points ``(landmark, axis)`` in the order of the set, NaN where a point has no row.
        Without a column ``annotator`` there is one, named "reference".

    Raises
    ------
    DataError
        Naming the file and line, for an unknown column or landmark, a point given twice, or a value that is no
        finite number.
    """
    path = Path(path)
    axes = _AXES[: landmark_set.dimension]
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    if path.stat().st_size > MAX_BYTES:
        raise DataError(f"{path}: {path.stat().st_size:,} bytes; at most {MAX_BYTES:,} are read")
    table: dict[str, dict[str, Array]] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = csv.DictReader(stream, strict=True)
            _check_columns(path, [c.strip() for c in rows.fieldnames or []], axes)
            rows.fieldnames = [c.strip() for c in rows.fieldnames or []]
            for row in rows:
                _add(table, row, landmark_set, axes, f"{path}, line {rows.line_num}")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text (byte {error.start})") from None
    except csv.Error as error:
        raise DataError(f"{path}: not a CSV file ({error})") from None
    return table


def _check_columns(path: Path, columns: list[str], axes: tuple[str, ...]) -> None:
    needed = ["case", "landmark", *axes]
    if sorted(columns) not in (sorted(needed), sorted([*needed, "annotator"])):
        raise DataError(f"{path}: columns {','.join(columns) or 'none'}; expected {','.join(needed)}[,annotator]")


def _add(
    table: dict[str, dict[str, Array]],
    row: dict[str, str],
    landmark_set: LandmarkSet,
    axes: tuple[str, ...],
    where: str,
) -> None:
    if None in row or None in row.values():
        raise DataError(f"{where}: the row has not as many fields as the header")
    case, name = row["case"].strip(), row["landmark"].strip()
    annotator = row.get("annotator", DEFAULT_ANNOTATOR).strip()
    if not case or not annotator:
        raise DataError(f"{where}: case or annotator is empty")
    if name not in landmark_set.names:
        raise DataError(f"{where}: unknown landmark '{name}'; expected one of {', '.join(landmark_set.names)}")
    try:
        point = [float(row[axis]) for axis in axes]
    except ValueError:
        point = [math.nan]
    if not all(map(math.isfinite, point)):
        raise DataError(f"{where}: {', '.join(axes)} are {[row[axis] for axis in axes]}, expected finite numbers")
    annotators = table.setdefault(case, {})
    points = annotators.setdefault(annotator, np.full((len(landmark_set), len(axes)), np.nan))
    index = landmark_set.index(name)
    if not np.isnan(points[index]).all():
        raise DataError(f"{where}: {name} of case '{case}' by '{annotator}' is given twice")
    points[index] = point
