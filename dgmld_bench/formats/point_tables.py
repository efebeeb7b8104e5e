"""Points in a CSV file, read forgivingly in form and strictly in meaning. One of two layouts::

    case,landmark,x,y[,z][,annotator][,space][,spacing_mm]          a row per point
    case,sella_x,sella_y,nasion_x,nasion_y,…[,annotator][,space]    a row per case (and annotator)
    case,x1,y1,x2,y2,…                                              the same, all landmarks numbered in their order

Columns may stand in any order, be separated by commas, semicolons or tabs, and capitals do not matter. What a
spreadsheet adds is left out: a line ``sep=;`` at the top, columns with neither a name nor a value. A point that is not
there has no row, or empty fields (or ``NA``, ``NaN``). 3D points are millimetres; the column ``space`` says ``RAS``
or ``LPS``. In 2D the column ``spacing_mm`` says the edge of a pixel, film by film. Nothing that could be read in two
ways is read: a decimal comma is an error between commas, and where it could part thousands.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dgmld_bench import geometry
from dgmld_bench.errors import DataError, UsageError, unknown_name
from dgmld_bench.files import absence
from dgmld_bench.landmarks import LandmarkSet

Array = NDArray[np.float64]
Annotations = dict[str, Array]
"""annotator -> points ``(landmark, axis)``, NaN where a point is missing."""

MAX_BYTES = 64 * 1024 * 1024
DEFAULT_ANNOTATOR = "reference"
SPACES = {"ras": "ras_mm", "lps": "lps_mm", "ras_mm": "ras_mm", "lps_mm": "lps_mm"}
_AXES = ("x", "y", "z")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_SEPARATOR_HINT = re.compile(r"sep=.\r?\n", re.IGNORECASE)
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+")
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")
_NUMBERED = re.compile(r"(?:l|p|lm|pt|landmark|point)?[ _]?(?P<n>\d+)[ _]?(?P<a>[xyz])|(?P<b>[xyz])[ _]?(?P<m>\d+)")
_MISSING = {"", "na", "n/a", "nan"}
_HINTS = {
    "seed": ": a table is one run, and Predictions.from_frame reads several",
    "split": ": a table is of one split",
}
_MAX_FAULTS = 10
_MAX_COUNTED = 1000  # faults; a file of rubbish has millions, and to describe each takes minutes
_MAX_FIELDS = 4_000_000  # read, the costliest of so many take less than 1 GiB
_MAX_CASES = 10_000  # as many as a split of predictions may have
_MAX_COLUMNS = 1000
_MAX_NAMED = 8
_MAX_CASE = 255  # characters, as the longest name of a file


@dataclass(frozen=True)
class PointTable:
    """What a table holds.

    Attributes
    ----------
    cases : dict
        case -> annotator -> points ``(landmark, axis)`` in the order of the set, in world coordinates (3D: RAS mm; 2D:
        px as given), NaN where a point has no row. Without a column ``annotator`` there is one, named "reference".
    landmark_set : LandmarkSet
    states_space : bool
        Whether the table has a column ``space``.
    spacings_mm : dict
        2D: case -> the edge of a pixel, of the cases for which a column ``spacing_mm`` states it.
    """

    cases: dict[str, Annotations]
    landmark_set: LandmarkSet
    states_space: bool = False
    spacings_mm: dict[str, float] = field(default_factory=dict)

    def points_once(self, path: Path | str) -> dict[str, dict[str, list[float]]]:
        """Return case -> landmark -> point of a table that predicts each point once.

        Raises
        ------
        DataError
            Naming ``path``, for a table with annotators, and for one without a row.
        """
        cases = {}
        for case, annotators in self.cases.items():
            if set(annotators) != {DEFAULT_ANNOTATOR}:
                raise DataError("a column 'annotator' belongs to reference points; predictions have none", path)
            named = zip(self.landmark_set.names, annotators[DEFAULT_ANNOTATOR], strict=True)
            cases[case] = {name: point.tolist() for name, point in named if not np.isnan(point).any()}
        if not cases:
            raise DataError("the table has no row", path)
        return cases


def parse_space(text: str) -> str:
    """Return ``ras_mm`` or ``lps_mm`` for what a person calls it; UsageError for anything else.

    >>> parse_space("LPS"), parse_space("ras_mm")
    ('lps_mm', 'ras_mm')
    """
    try:
        return SPACES[text.strip().casefold()]
    except KeyError:
        raise unknown_name("space", text.strip(), ("RAS", "LPS")) from None


def read_point_table(path: Path | str, landmark_set: LandmarkSet, space: str | None = None) -> PointTable:
    """Read points by case and annotator.

    Parameters
    ----------
    path : path
    landmark_set : LandmarkSet
    space : {"ras_mm", "lps_mm"}, optional
        3D: the space of a table without a column ``space``; RAS where neither says.

    Raises
    ------
    DataError
        Naming the file and each line at fault: an unknown column or landmark, a point given twice or by half, a value
        that is no finite number.
    UsageError
        When ``space`` is given and the table has a column for it.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(absence(path), path)
    if path.stat().st_size > MAX_BYTES:
        raise DataError(f"{path.stat().st_size:,} bytes; at most {MAX_BYTES:,} are read", path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"not UTF-8 text (byte {error.start}); save the table as 'CSV UTF-8'", path) from None
    return parse_point_table(text, landmark_set, space, path)


def parse_point_table(
    text: str, landmark_set: LandmarkSet, space: str | None = None, path: Path | str = "table"
) -> PointTable:
    """Read points from the text of a table, as :func:`read_point_table` does; errors name ``path``."""
    if not text.strip():
        raise DataError("is empty; expected a line of column names, such as case,landmark,x,y", path)
    start = hint.end() if (hint := _SEPARATOR_HINT.match(text)) else 0
    delimiter = _delimiter(text[start:])
    if text.count(delimiter) + text.count("\n") > _MAX_FIELDS:
        raise DataError(f"more than {_MAX_FIELDS:,} fields, which no table of points here has", path)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        if start:
            next(lines)
        layout = _Layout.of([c.strip().casefold() for c in next(lines, [])], landmark_set, path)
        if layout.states_space and space is not None:
            raise UsageError(f"{path} has a column 'space'; leave out space={space}")
        reader = _Reader(landmark_set, layout, space or "ras_mm")
        rows = [(row, f"line {lines.line_num}") for row in lines if any(field.strip() for field in row)]
        points = delimiter == "," or not _has_decimal_commas(layout, [row for row, _ in rows])
        for row, where in rows:
            reader.add(row if points else layout.with_points(row), where)
            if len(reader.faults) >= _MAX_COUNTED:
                break
            if len(reader.cases) > _MAX_CASES:
                raise DataError(f"more than {_MAX_CASES:,} cases, which no table of points here has", path)
    except csv.Error as error:
        raise DataError(f"not a CSV file ({error})", path) from None
    if reader.faults:
        raise DataError(_listed(reader.faults), path)
    return PointTable(reader.cases, landmark_set, layout.states_space, reader.spacings_mm)


@lru_cache(maxsize=2)
def _read_again(path: Path, mtime_ns: int, landmark_set: LandmarkSet) -> PointTable:
    return read_point_table(path, landmark_set)


def points_of_case(path: Path, case_id: str, landmark_set: LandmarkSet) -> Annotations:
    """Return one case's points from a table that was read at import; the table is kept between calls.

    Raises
    ------
    DataError
        When the table is gone, has become wrong, or holds the case no more.
    """
    cases = _read_again(path, path.stat().st_mtime_ns, landmark_set).cases if path.is_file() else {}
    if case_id not in cases:
        raise DataError(f"no points of case '{case_id}' any more; import the source again", path)
    return {annotator: points.copy() for annotator, points in cases[case_id].items()}


def format_point_table(cases: Mapping[str, Annotations], landmark_set: LandmarkSet) -> str:
    """Return a table of points, a row each, that :func:`read_point_table` reads as the same numbers. 3D: RAS mm."""
    axes = _AXES[: landmark_set.dimension]
    text = io.StringIO(newline="")
    rows = csv.writer(text, lineterminator="\n")
    space = ["space"] if landmark_set.dimension == 3 else []
    rows.writerow(["case", "landmark", *axes, "annotator", *space])
    for case_id, annotators in cases.items():
        for annotator, points in annotators.items():
            for name, point in zip(landmark_set.names, points, strict=True):
                if not np.isnan(point).any():
                    rows.writerow([case_id, name, *map(repr, point.tolist()), annotator, *(["RAS"] if space else [])])
    return text.getvalue()


@dataclass(frozen=True)
class _Layout:
    """Which column is what. ``points`` is empty where the table has a row per point."""

    columns: tuple[str, ...]
    axes: tuple[str, ...]
    points: dict[str, dict[str, str]]  # wide: landmark -> axis -> column

    @property
    def states_space(self) -> bool:
        return "space" in self.columns

    @classmethod
    def of(cls, columns: list[str], landmark_set: LandmarkSet, path: Path | str) -> _Layout:
        if len(columns) > _MAX_COLUMNS:
            raise DataError(f"{len(columns):,} columns; at most {_MAX_COLUMNS:,} are read", path)
        axes = _AXES[: landmark_set.dimension]
        optional = {"annotator", "space"} if landmark_set.dimension == 3 else {"annotator", "spacing_mm"}
        faults = [f"'{c}' is there twice" for c in dict.fromkeys(filter(None, columns)) if columns.count(c) > 1]
        points: dict[str, dict[str, str]] = {}
        if "landmark" in columns or not (points := _wide(columns, landmark_set) or _numbered(columns, landmark_set)):
            points = {}
            needed = ["case", "landmark", *axes]
        else:
            needed = ["case", *(found.get(a, f"{name}_{a}") for name, found in points.items() for a in axes)]
        faults += [f"'{c}' is missing" for c in needed if c not in columns]
        strange = [c for c in filter(None, columns) if c not in needed and c not in optional]
        faults += [f"'{c}' is not known{_HINTS.get(c, '')}" for c in strange[:_MAX_NAMED]]
        faults += [f"nor are {len(strange) - _MAX_NAMED} more"] if len(strange) > _MAX_NAMED else []
        if faults:
            shown = ",".join(columns[:_MAX_NAMED]) + (f",… ({len(columns)})" if len(columns) > _MAX_NAMED else "")
            raise DataError(
                f"columns {shown or 'none'}; expected case,landmark,{','.join(axes)}"
                f"{''.join(f'[,{c}]' for c in sorted(optional))}, or a row per case with "
                f"{','.join(f'{landmark_set.names[0]}_{a}' for a in axes)},… ({'; '.join(faults)})",
                path,
            )
        return cls(tuple(columns), axes, points)

    @property
    def coordinates(self) -> set[str]:
        """The columns of numbers."""
        return {c for columns in self.points.values() for c in columns.values()} or set(self.axes)

    def with_points(self, row: list[str]) -> list[str]:
        """Return a row with a decimal point where its numbers have a comma."""
        numbers = self.coordinates
        return [
            f.replace(",", ".") if i < len(self.columns) and self.columns[i] in numbers else f
            for i, f in enumerate(row)
        ]


def _has_decimal_commas(layout: _Layout, rows: list[list[str]]) -> bool:
    """Whether the commas in numbers are surely decimal ones: no number has a point, and they part no thousands."""
    numbers = layout.coordinates
    fields = [f.strip() for row in rows for c, f in zip(layout.columns, row, strict=False) if c in numbers]
    fields = [f for f in fields if f.casefold() not in _MISSING]
    with_comma = [f for f in fields if _DECIMAL_COMMA.fullmatch(f)]
    if not with_comma or any("." in f for f in fields):
        return False
    return len(with_comma) == len(fields) or not all(_THOUSANDS.fullmatch(f) for f in with_comma)


def _wide(columns: list[str], landmark_set: LandmarkSet) -> dict[str, dict[str, str]]:
    """Return landmark -> axis -> column for columns such as ``tcd1_x``."""
    points: dict[str, dict[str, str]] = {}
    for column in columns:
        name = landmark_set.spelled(column[:-1])
        if name and column[-1] in _AXES[: landmark_set.dimension]:
            points.setdefault(name, {}).setdefault(column[-1], column)
    return points


def _numbered(columns: list[str], landmark_set: LandmarkSet) -> dict[str, dict[str, str]]:
    """Return the same for columns such as ``x1`` or ``l1_x``: all landmarks in their order, from 0 or 1."""
    found: dict[int, dict[str, str]] = {}
    for column in columns:
        if match := _NUMBERED.fullmatch(column):
            number, axis = int(match["n"] or match["m"]), match["a"] or match["b"]
            found.setdefault(number, {}).setdefault(axis, column)
    numbers = sorted(found)
    if numbers not in (list(range(len(landmark_set))), list(range(1, len(landmark_set) + 1))):
        return {}
    return {name: found[number] for name, number in zip(landmark_set.names, numbers, strict=True)}


class _Reader:
    """Rows in, cases and faults out."""

    def __init__(self, landmark_set: LandmarkSet, layout: _Layout, space: str) -> None:
        self.landmark_set = landmark_set
        self.layout = layout
        self.space = space
        self.cases: dict[str, Annotations] = {}
        self.spacings_mm: dict[str, float] = {}
        self.faults: list[str] = []
        self._seen: set[tuple[str, str, str]] = set()

    def add(self, fields: list[str], where: str) -> None:
        """Add a row, or what is wrong with it."""
        n_columns = len(self.layout.columns)
        if len(fields) != n_columns:
            hint = ""
            if len(fields) > n_columns and self._looks_like_decimal_commas(fields):
                hint = "; a decimal comma? write 12.5, not 12,5, or part columns by semicolons"
            self.faults.append(
                f"{where}: the row has not as many fields as the header, {len(fields)} of {n_columns}{hint}"
            )
            return
        row = dict(zip(self.layout.columns, (f.strip() for f in fields), strict=True))
        unnamed = [f for c, f in zip(self.layout.columns, fields, strict=True) if not c and f.strip()]
        if unnamed:
            self.faults.append(f"{where}: {unnamed[0][:40]!r} is in a column without a name")
            return
        try:
            for name, point in self._points(row):
                self._put(row, name, point)
            self._put_spacing(row)
        except (DataError, UsageError) as error:
            self.faults.append(f"{where}: {error}")

    def _looks_like_decimal_commas(self, fields: list[str]) -> bool:
        return all(_NUMBER.fullmatch(f.strip()) for f in fields[-2 * len(self.layout.axes) :])

    def _points(self, row: dict[str, str]) -> Iterator[tuple[str, Array]]:
        axes = self.layout.axes
        if self.layout.points:
            for name, columns in self.layout.points.items():
                yield name, _point([columns[a] for a in axes], row)
        else:
            name = self.landmark_set.spelled(row["landmark"]) or ""
            if not name:
                raise unknown_name("landmark", row["landmark"], self.landmark_set.names)
            yield name, _point(list(axes), row)

    def _put_spacing(self, row: dict[str, str]) -> None:
        text = row.get("spacing_mm", "")
        if text.casefold() in _MISSING:
            return
        value = float(text) if _NUMBER.fullmatch(text) else math.nan
        if not (math.isfinite(value) and value > 0):
            raise DataError(f"spacing_mm is {text[:40]!r}, expected millimetres per pixel")
        known = self.spacings_mm.setdefault(row["case"], value)
        if known != value:
            raise DataError(f"case '{row['case']}' has two pixel sizes, {known:g} and {value:g} mm")

    def _put(self, row: dict[str, str], name: str, point: Array) -> None:
        case, annotator = row["case"], row.get("annotator", DEFAULT_ANNOTATOR)
        if not case or not annotator:
            raise DataError("case or annotator is empty")
        if len(case) > _MAX_CASE:
            raise DataError(
                f"case '{case[:40]}…' has {len(case):,} characters, at most {_MAX_CASE} are the name of a file"
            )
        if (case, annotator, name) in self._seen:
            who = f" by '{annotator}'" if "annotator" in row else ""
            raise DataError(f"{name} of case '{case}'{who} is given twice")
        self._seen.add((case, annotator, name))
        if self.landmark_set.dimension == 3:
            point = geometry.to_world(point, parse_space(row["space"]) if "space" in row else self.space)
        blank = np.full((len(self.landmark_set), len(self.layout.axes)), np.nan)
        points = self.cases.setdefault(case, {}).setdefault(annotator, blank)
        points[self.landmark_set.index(name)] = point


def _point(columns: list[str], row: dict[str, str]) -> Array:
    """Return a point from its columns, NaN where all are empty."""
    texts = [row[column] for column in columns]
    if all(text.casefold() in _MISSING for text in texts):
        return np.full(len(texts), np.nan)
    values = [float(text) if _NUMBER.fullmatch(text) else math.nan for text in texts]
    if not all(map(math.isfinite, values)):
        comma = any(_DECIMAL_COMMA.fullmatch(text) for text in texts)
        hint = "; write decimals with a point, 12.5 and not 12,5" if comma else ""
        raise DataError(f"{', '.join(columns)} are {texts}, expected finite numbers{hint}")
    return np.array(values)


def _delimiter(text: str) -> str:
    header = text.split("\n", 1)[0]
    return max(",;\t", key=header.count)


def _listed(faults: list[str]) -> str:
    if len(faults) == 1:
        return faults[0]
    more = f"\n  … and {len(faults) - _MAX_FAULTS} more" if len(faults) > _MAX_FAULTS else ""
    at_least = "at least " if len(faults) >= _MAX_COUNTED else ""
    return f"{at_least}{len(faults)} faults:\n  " + "\n  ".join(faults[:_MAX_FAULTS]) + more
