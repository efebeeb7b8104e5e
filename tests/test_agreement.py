from __future__ import annotations

import numpy as np

from dgmld_bench.cases import Case
from dgmld_bench.landmarks import CEPHALOMETRIC
from dgmld_bench.scoring.agreement import measure_agreement


def case(case_id: str, annotations: dict[str, dict[int, list[float]]]) -> Case:
    points = {}
    for annotator, placed in annotations.items():
        points[annotator] = np.full((19, 2), np.nan)
        for index, point in placed.items():
            points[annotator][index] = point
    return Case(
        case_id,
        "own/x",
        CEPHALOMETRIC,
        image=lambda: np.zeros((2, 2)),
        affine=lambda: np.eye(3),
        annotations=lambda: points,
        pixel_spacing_mm=0.5,
    )


def test_by_hand() -> None:
    one = case("1", {"a": {0: [0, 0], 1: [0, 0]}, "b": {0: [6, 8], 1: [0, 2]}, "c": {1: [0, 4]}})
    two = case("2", {"a": {0: [1, 1]}, "b": {2: [1, 1]}})
    found = measure_agreement([one, two])
    assert found is not None
    # pairs: sella a-b 5 mm; nasion a-b 1, a-c 2, b-c 1 mm; case 2 shares no point
    assert found.annotators == ("a", "b", "c") and found.points == 2
    assert (found.mean_mm, found.median_mm, found.max_mm) == (9 / 4, 1.5, 5)
    assert found.max_at == ("1", "sella")
    assert found.mean_mm_per_landmark == {"sella": 5.0, "nasion": 4 / 3}
    np.testing.assert_array_equal(one.landmarks[:2], [[3, 4], [0, 2]])  # the mean of those who set the point
    assert np.isnan(one.landmarks[2:]).all() and two.landmarks[2].tolist() == [1, 1]


def test_one_annotator_agrees_with_nobody() -> None:
    assert measure_agreement([case("1", {"a": {0: [0, 0]}})]) is None
