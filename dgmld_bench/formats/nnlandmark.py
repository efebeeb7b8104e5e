"""What nnLandmark predicts: a folder with a JSON per case, ``{"1": {"coordinates": [i, j, k], "likelihood": p}, …}``.

Landmarks are numbered from 1 in the order of their set, as ``export --format nnlandmark`` numbers them; coordinates are
indices of the stored array. Other JSON files in the folder, such as plans and summaries, are no case's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote

from dgmld_bench.errors import DataError
from dgmld_bench.files import read_json
from dgmld_bench.landmarks import LandmarkSet


def read_nnlandmark(folder: Path | str, landmark_set: LandmarkSet) -> dict[str, dict[str, list[float]]]:
    """Read the predictions of a folder.

    Returns
    -------
    dict
        Case, as its file is called, -> landmark -> indices (i, j, k). A landmark that was not found is left out.

    Raises
    ------
    DataError
        When no file is of a case, or one has an unknown landmark or no three coordinates.
    """
    folder = Path(folder)
    cases = {}
    for path in sorted(folder.glob("*.json")):
        value = read_json(path)
        if (
            isinstance(value, dict)
            and value
            and all(isinstance(v, dict) and "coordinates" in v for v in value.values())
        ):
            cases[unquote(path.stem)] = _points(value, landmark_set, path)
    if not cases:
        raise DataError(
            f"{folder}: a folder of predictions is nnLandmark's, with a JSON per case such as "
            '{"1": {"coordinates": [i, j, k]}, …}; none of its files is one'
        )
    return cases


def _points(value: dict[str, Any], landmark_set: LandmarkSet, path: Path) -> dict[str, list[float]]:
    names = {str(n): name for n, name in enumerate(landmark_set.names, start=1)}
    points = {}
    for label, found in value.items():
        if label not in names:
            raise DataError(
                f"{path}: unknown label '{label[:40]}'; expected 1 to {len(names)}, for {', '.join(names.values())}"
            )
        place = found["coordinates"]
        if not isinstance(place, list) or len(place) != 3:
            raise DataError(f"{path}: label {label}: expected three coordinates, got {str(place)[:80]}")
        if None not in place:
            points[names[label]] = place
    return points
