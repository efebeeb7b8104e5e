"""Annotations of LabelMe: a JSON file per image, with labelled shapes in its pixels."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dgmld_bench.errors import DataError
from dgmld_bench.files import fault_of, read_json

Point = tuple[float, float]


@dataclass(frozen=True)
class Annotation:
    """What one file says: the image that was open, its size, and the points set on it.

    Attributes
    ----------
    image_name : str
        The name that the image had on the annotator's machine.
    size : (width, height)
        In pixels.
    points : dict
        Label -> every point that carries it, ``(x, y)`` in pixels.
    """

    image_name: str
    size: tuple[int, int]
    points: dict[str, list[Point]]


def read_labelme(path: Path | str) -> Annotation:
    """Read the points of a file; the copy of the image that it may hold is ignored.

    Raises
    ------
    DataError
        Naming the file and what is wrong with it.
    """
    path = Path(path)
    value = read_json(path)
    try:
        points: dict[str, list[Point]] = {}
        for shape in value["shapes"]:
            points.setdefault(str(shape["label"]), []).append(_point(shape))
        return Annotation(str(value["imagePath"]), (int(value["imageWidth"]), int(value["imageHeight"])), points)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise DataError(f"{path}: not an annotation of points by LabelMe: {fault_of(value, error)}") from None


def _point(shape: dict[str, Any]) -> Point:
    points = shape["points"]
    if not isinstance(points, list) or len(points) != 1:
        raise ValueError(f"'{shape['label']}' is a shape of several points, expected one")
    x, y = (float(v) for v in points[0])
    if not (math.isfinite(x) and math.isfinite(y)):
        raise ValueError(f"'{shape['label']}' has no finite coordinates")
    return x, y


def without_image(path: Path) -> bytes:
    """Return the content of a file without the base64 copy of the image, most of its bytes."""
    value = read_json(path)
    if isinstance(value, dict):
        value["imageData"] = None
    return json.dumps(value, ensure_ascii=False).encode()
