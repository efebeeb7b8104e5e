"""3D Slicer markups files (``*.mrk.json``): lines of two points and lists of named points, in RAS millimetres.

The format is the markups schema v1.0.3 of 3D Slicer. A file with a ``Line`` is how a biometric such as the Transverse
Cerebellar Diameter is annotated; its two control points are two landmarks. A file with a point list (``Fiducial``)
holds landmarks by the labels of its points.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dgmld_bench import geometry
from dgmld_bench.errors import DataError, UsageError
from dgmld_bench.files import read_json, write_json
from dgmld_bench.landmarks import LandmarkSet

Array = NDArray[np.float64]

SUFFIX = ".mrk.json"
MAX_BYTES = 1024 * 1024
_MAX_ABS_MM = 10_000.0  # ten metres from the scanner's origin: no head lies there
_SCHEMA = (
    "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/Resources/Schema/"
    "markups-schema-v1.0.3.json#"
)
MASK_DERIVED = "mask-derived"
"""Description of control points that were derived from a label map."""

_SPACE_OF = {"RAS": "ras_mm", "LPS": "lps_mm"}


@dataclass(frozen=True)
class Line:
    """One annotated line.

    Attributes
    ----------
    points_ras_mm : array, shape (2, 3)
        The control points in the order of the file.
    stated_length_mm : float or None
        What the file's measurement says, where there is one in millimetres.
    """

    points_ras_mm: Array
    stated_length_mm: float | None

    @property
    def length_mm(self) -> float:
        """Distance between the control points."""
        return float(np.linalg.norm(self.points_ras_mm[1] - self.points_ras_mm[0]))

    @property
    def length_agrees(self) -> bool:
        """Whether the stated length is that of the points, to 0.1 mm or 0.5 % (True where none is stated)."""
        if self.stated_length_mm is None:
            return True
        return math.isclose(self.stated_length_mm, self.length_mm, rel_tol=0.005, abs_tol=0.1)

    @property
    def disagreement(self) -> str:
        """What to say where they do not agree."""
        return (
            f"states a length of {self.stated_length_mm:.2f} mm, its end points are {self.length_mm:.2f} mm apart; "
            "the end points are used"
        )


def is_markups(path: Path) -> bool:
    """Whether a file's name is that of a markups file, in capitals or not."""
    return path.name.lower().endswith(SUFFIX)


def stem(path: Path) -> str:
    """Return a markups file's name without ``.mrk.json``.

    >>> stem(Path("1_label/TCD_3.MRK.JSON"))
    'TCD_3'
    """
    return path.name[: -len(SUFFIX)] if is_markups(path) else path.name


def load_line(path: Path | str) -> Line:
    """Read a markups file that holds one line of two points.

    Raises
    ------
    DataError
        When the file cannot be read, is no markups file of exactly one ``Line`` with exactly two defined, finite
        control points, or does not say in which coordinate system they are. The message names the file.
    """
    path = Path(path)
    markup, space = _markup(path, ("Line",))
    return _line(markup, space, path)


@dataclass(frozen=True)
class NamedPoints:
    """The landmarks that one file holds.

    Attributes
    ----------
    points_ras_mm : dict
        landmark -> point ``(3,)``; a point that was declared and not placed is left out.
    space : {"ras_mm", "lps_mm"}
        In which system the file states them.
    mask_derived : bool
        Whether the file says that they come from a label map (:data:`MASK_DERIVED`).
    remark : str
        What is odd about the file, or nothing.
    """

    points_ras_mm: dict[str, Array]
    space: str
    mask_derived: bool
    remark: str = ""


def read_named_points(path: Path | str, landmark_set: LandmarkSet) -> NamedPoints:
    """Read landmarks from a line or a point list.

    A point list names each landmark by the label of its control point. The points of a line are named by their labels,
    or else by the file: ``TCD.mrk.json`` and ``case7_TCD.mrk.json`` hold TCD1 and TCD2, in this order.

    Raises
    ------
    DataError
        When the file cannot be read, a label is no landmark or there twice, or nothing says which line it is.
    """
    path = Path(path)
    markup, space = _markup(path, ("Line", "Fiducial"))
    controls = _field(markup, "controlPoints", list, path)
    labels = [str(c.get("label", "")) if isinstance(c, dict) else "" for c in controls]
    derived = any(isinstance(c, dict) and c.get("description") == MASK_DERIVED for c in controls)
    if markup["type"] == "Line":
        line = _line(markup, space, path)
        names = _line_names(path, labels, landmark_set)
        remark = "" if line.length_agrees else line.disagreement
        return NamedPoints(dict(zip(names, line.points_ras_mm, strict=True)), space, derived, remark)
    points = {}
    for number, (control, label) in enumerate(zip(controls, labels, strict=True), 1):
        name = landmark_set.spelled(label)
        if name is None:
            expected = ", ".join(landmark_set.names)
            raise DataError(f"{path}: control point {number} is labelled '{label[:40]}'; expected one of {expected}")
        if name in points:
            raise DataError(f"{path}: two control points are labelled {name}")
        placed = control.get("positionStatus", "defined") == "defined"
        position = _position(control, number, path) if placed else [math.nan] * 3
        points[name] = geometry.to_world(position, space)
    return NamedPoints({n: p for n, p in points.items() if not np.isnan(p).any()}, space, derived)


def _line_names(path: Path, labels: list[str], landmark_set: LandmarkSet) -> list[str]:
    """Return the landmarks at a line's control points, by their labels or by the biometric in the file's name."""
    named = [name for label in labels if (name := landmark_set.spelled(label))]
    ends = {b.name.casefold(): [b.start, b.end] for b in landmark_set.biometrics}
    if any(sorted(named) == sorted(pair) for pair in ends.values()):
        return named
    words = re.findall(r"[a-z]+", stem(path).casefold())
    fitting = [pair for name, pair in ends.items() if name in words]
    if len(fitting) != 1:
        raise DataError(
            f"{path}: nothing says which line this is; name the file after it, one of {', '.join(ends).upper()}, or "
            f"label its control points ({', '.join(landmark_set.names)})"
        )
    return fitting[0]


def _markup(path: Path, kinds: tuple[str, ...]) -> tuple[dict[str, Any], str]:
    """Return a file's only markup and the space of its points, both checked."""
    markup = _only(_field(read_json(path, max_bytes=MAX_BYTES), "markups", list, path), path, "markups")
    kind = _field(markup, "type", str, path)
    if kind not in kinds:
        raise DataError(f"{path}: markup is of type '{kind}', expected {' or '.join(map(repr, kinds))}")
    system = _field(markup, "coordinateSystem", str, path)
    if system not in _SPACE_OF:
        raise DataError(f"{path}: coordinateSystem is '{system}', expected 'LPS' or 'RAS'")
    units = markup.get("coordinateUnits", "mm")
    if units not in ("mm", ["mm", "mm", "mm"]):
        raise DataError(f"{path}: coordinateUnits is {units!r}, expected 'mm'")
    return markup, _SPACE_OF[system]


def _line(markup: dict[str, Any], space: str, path: Path) -> Line:
    control_points = _field(markup, "controlPoints", list, path)
    if len(control_points) != 2:
        raise DataError(f"{path}: {len(control_points)} control points, expected exactly 2")
    points = [_position(point, number, path) for number, point in enumerate(control_points, 1)]
    return Line(geometry.to_world(points, space), _stated_length(markup))


def read_line(path: Path | str) -> Array:
    """Read the two end points of a line: shape ``(2, 3)``, RAS mm, in the order of the file.

    Raises
    ------
    DataError
        As :func:`load_line`.
    """
    return load_line(path).points_ras_mm


def write_line(
    path: Path | str, points_ras_mm: ArrayLike, name: str, coordinate_system: str = "LPS", *, description: str = ""
) -> None:
    """Write one line so that 3D Slicer opens it, with its length as measurement.

    Parameters
    ----------
    path : path
        Should end in ``.mrk.json``, by which Slicer knows the format.
    points_ras_mm : array, shape (2, 3)
    name : str
        Label of the end points: ``TCD`` gives ``TCD-1`` and ``TCD-2``.
    coordinate_system : {"LPS", "RAS"}
        In which system the positions are written; readers get the same points from both.
    description : str
        Of both control points, for example :data:`MASK_DERIVED`.

    Raises
    ------
    DataError
        When the points have not that shape or are not finite.
    UsageError
        For another coordinate system.
    """
    points = geometry.as_points(points_ras_mm, 3)
    if points.shape != (2, 3) or not np.isfinite(points).all():
        raise DataError(f"a line needs two finite points of shape (2, 3), got {points.tolist()}")
    length = {
        "name": "length",
        "enabled": True,
        "value": float(np.linalg.norm(points[1] - points[0])),
        "units": "mm",
        "printFormat": "%-#4.4g%s",
    }
    _write_markup(path, "Line", points, [f"{name}-1", f"{name}-2"], coordinate_system, [length], description)


def write_points(path: Path | str, points_ras_mm: ArrayLike, names: Sequence[str]) -> None:
    """Write a list of named points (a ``Fiducial`` markup) in LPS so that 3D Slicer opens it.

    Parameters
    ----------
    path : path
        Should end in ``.mrk.json``.
    points_ras_mm : array, shape (point, 3)
    names : sequence of str
        One label per point.

    Raises
    ------
    DataError
        When points and names differ in number or a point is not finite.
    """
    points = geometry.as_points(points_ras_mm, 3)
    if points.shape != (len(names), 3) or not np.isfinite(points).all():
        raise DataError(f"expected one finite point of 3 coordinates for each of {len(names)} names")
    _write_markup(path, "Fiducial", points, names, "LPS", [])


def _write_markup(
    path: Path | str,
    kind: str,
    points: Array,
    labels: Sequence[str],
    system: str,
    measurements: list[dict[str, Any]],
    description: str = "",
) -> None:
    if system not in _SPACE_OF:
        raise UsageError(f"unknown coordinate system '{system}'; expected LPS or RAS")
    lps = system == "LPS"
    written = geometry.flip_ras_lps(points) if lps else points
    orientation = [-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0] if lps else np.eye(3).ravel().tolist()
    markup = {
        "type": kind,
        "coordinateSystem": system,
        "coordinateUnits": "mm",
        "locked": False,
        "labelFormat": "%N-%d",
        "lastUsedControlPointNumber": len(points),
        "controlPoints": [
            {
                "id": str(number),
                "label": label,
                "description": description,
                "associatedNodeID": "",
                "position": [float(v) + 0.0 for v in position],  # + 0.0: no minus zero in the file
                "orientation": orientation,
                "selected": True,
                "locked": False,
                "visibility": True,
                "positionStatus": "defined",
            }
            for number, (position, label) in enumerate(zip(written, labels, strict=True), 1)
        ],
        "measurements": measurements,
    }
    write_json(Path(path), {"@schema": _SCHEMA, "markups": [markup]})


def landmark_paths(folder: Path | str, landmark_set: LandmarkSet) -> list[Path]:
    """Return the files ``<folder>/<BIOMETRIC>.mrk.json`` in the order of the set's biometrics.

    Raises
    ------
    UsageError
        When the set's landmarks are not exactly the end points of its biometrics.
    """
    ends = [i for pair in landmark_set.biometric_indices() for i in pair]
    if sorted(ends) != list(range(len(landmark_set))):
        raise UsageError(f"landmark set '{landmark_set.name}' is not made of lines; it has no .mrk.json layout")
    return [Path(folder) / f"{biometric.name}{SUFFIX}" for biometric in landmark_set.biometrics]


def read_lines(paths: Sequence[Path | str], landmark_set: LandmarkSet) -> Array:
    """Read one file per biometric, in the order of the set's biometrics, as landmarks ``(landmark, xyz)`` in RAS mm.

    Raises
    ------
    DataError
        When there is not one file for each biometric, or as :func:`load_line`.
    """
    pairs = landmark_set.biometric_indices()
    if len(paths) != len(pairs):
        raise DataError(f"{len(paths)} lines, expected one for each of {', '.join(_biometrics(landmark_set))}")
    points = np.full((len(landmark_set), 3), np.nan)
    for path, pair in zip(paths, pairs, strict=True):
        points[list(pair)] = read_line(path)
    return points


def write_landmarks(
    folder: Path | str,
    points_ras_mm: ArrayLike,
    landmark_set: LandmarkSet,
    *,
    description: str = "",
) -> list[Path]:
    """Write landmarks in LPS as one line per biometric, ``<folder>/<BIOMETRIC>.mrk.json``; return the paths.

    Parameters
    ----------
    folder : path
    points_ras_mm : array, shape (landmark, 3)
        In the order of the set.
    landmark_set : LandmarkSet
    description : str
        As in :func:`write_line`.

    Raises
    ------
    DataError
        When the points have another shape or are not finite.
    UsageError
        When the set is not made of lines.
    """
    points = geometry.as_points(points_ras_mm, 3)
    if points.shape != (len(landmark_set), 3):
        raise DataError(f"landmarks must have shape {(len(landmark_set), 3)}, got {points.shape}")
    paths = landmark_paths(folder, landmark_set)
    for path, pair, name in zip(paths, landmark_set.biometric_indices(), _biometrics(landmark_set), strict=True):
        write_line(path, points[list(pair)], name, description=description)
    return paths


def _biometrics(landmark_set: LandmarkSet) -> list[str]:
    return [biometric.name for biometric in landmark_set.biometrics]


def _field(value: Any, key: str, kind: type, path: Path) -> Any:
    if not isinstance(value, dict) or key not in value:
        raise DataError(f"{path}: no '{key}'; expected a 3D Slicer markups file (schema v1.0.x)")
    if not isinstance(value[key], kind):
        raise DataError(f"{path}: '{key}' is of type {type(value[key]).__name__}, expected {kind.__name__}")
    return value[key]


def _only(values: list[Any], path: Path, what: str) -> Any:
    if len(values) != 1:
        raise DataError(f"{path}: {len(values)} {what}, expected exactly 1")
    return values[0]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _position(point: Any, number: int, path: Path) -> list[float]:
    position = _field(point, "position", list, path)
    status = point.get("positionStatus", "defined")
    if status != "defined":
        raise DataError(f"{path}: control point {number} is '{status}', not placed")
    if len(position) != 3 or not all(_is_number(v) and abs(v) <= _MAX_ABS_MM for v in position):
        raise DataError(f"{path}: position of control point {number} is {position}, expected 3 numbers in mm")
    return [float(v) for v in position]


def _stated_length(markup: dict[str, Any]) -> float | None:
    measurements = markup.get("measurements")
    for measurement in measurements if isinstance(measurements, list) else []:
        if isinstance(measurement, dict) and measurement.get("name", "length") == "length":
            value = measurement.get("value")
            if (
                value is not None
                and _is_number(value)
                and measurement.get("units", "mm") == "mm"
                and measurement.get("enabled", True)
            ):
                return float(value)
    return None
