from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dgmld_bench.errors import DataError, UsageError
from dgmld_bench.formats import markups
from dgmld_bench.landmarks import CEPHALOMETRIC, CEREBELLUM
from tests.trees import write_mrk

POINTS = np.array([[1.5, -2.0, 3.0], [4.0, 5.0, -6.25]])


@pytest.mark.parametrize("system", ["LPS", "RAS"])
def test_reads_both_systems_into_ras(tmp_path: Path, system: str) -> None:
    write_mrk(tmp_path / "L_1.mrk.json", POINTS, system)
    np.testing.assert_array_equal(markups.read_line(tmp_path / "L_1.mrk.json"), POINTS)


def test_lps_file_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "L.mrk.json"
    points = '[{"position": [10, 20, 30]}, {"position": [-1, -2, -3]}]'
    path.write_text(f'{{"markups": [{{"type": "Line", "coordinateSystem": "LPS", "controlPoints": {points}}}]}}')
    assert markups.read_line(path).tolist() == [[-10, -20, 30], [1, 2, -3]]


@given(arrays(float, (2, 3), elements=st.floats(-500, 500)), st.sampled_from(["LPS", "RAS"]))
def test_written_lines_come_back(tmp_path_factory: pytest.TempPathFactory, points: np.ndarray, system: str) -> None:
    path = tmp_path_factory.getbasetemp() / "line.mrk.json"
    markups.write_line(path, points, "TCD", system)
    line = markups.load_line(path)
    np.testing.assert_array_equal(line.points_ras_mm, points)
    assert line.stated_length_mm == pytest.approx(line.length_mm) and line.length_agrees


def test_written_file_has_what_slicer_needs(tmp_path: Path) -> None:
    path = tmp_path / "TCD.mrk.json"
    markups.write_line(path, POINTS, "TCD")
    value = json.loads(path.read_text())
    (markup,) = value["markups"]
    assert value["@schema"].endswith("markups-schema-v1.0.3.json#")
    assert (markup["type"], markup["coordinateSystem"], markup["coordinateUnits"]) == ("Line", "LPS", "mm")
    assert [p["label"] for p in markup["controlPoints"]] == ["TCD-1", "TCD-2"]
    assert markup["controlPoints"][0]["position"] == [-1.5, 2.0, 3.0]
    assert {p["positionStatus"] for p in markup["controlPoints"]} == {"defined"}
    assert markup["measurements"][0]["value"] == pytest.approx(np.sqrt(2.5**2 + 7**2 + 9.25**2))


def test_landmarks_of_a_set(tmp_path: Path) -> None:
    points = np.arange(18.0).reshape(6, 3)
    paths = markups.write_landmarks(tmp_path, points, CEREBELLUM)
    assert [p.name for p in paths] == ["TCD.mrk.json", "HDV.mrk.json", "ADV.mrk.json"]
    np.testing.assert_array_equal(markups.read_lines(markups.landmark_paths(tmp_path, CEREBELLUM), CEREBELLUM), points)
    np.testing.assert_array_equal(markups.read_line(paths[1]), points[2:4])
    paths[1].unlink()
    with pytest.raises(DataError, match=r"HDV\.mrk\.json: no such file"):
        markups.read_lines(markups.landmark_paths(tmp_path, CEREBELLUM), CEREBELLUM)
    with pytest.raises(DataError, match="2 lines, expected one for each of TCD, HDV, ADV"):
        markups.read_lines(paths[:2], CEREBELLUM)


def test_what_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="finite"):
        markups.write_line(tmp_path / "a.mrk.json", [[0, 0, np.nan], [1, 1, 1]], "a")
    with pytest.raises(DataError, match=r"\(6, 3\)"):
        markups.write_landmarks(tmp_path, np.zeros((5, 3)), CEREBELLUM)
    with pytest.raises(UsageError, match="not made of lines"):
        markups.landmark_paths(tmp_path, CEPHALOMETRIC)
    with pytest.raises(UsageError, match="LPS or RAS"):
        markups.write_line(tmp_path / "a.mrk.json", POINTS, "a", "RAI")
    assert not list(tmp_path.iterdir())


def line(**change: Any) -> str:
    markup: dict[str, Any] = {
        "type": "Line",
        "coordinateSystem": "RAS",
        "controlPoints": [{"position": [0, 0, 0]}, {"position": [3, 4, 0]}],
    }
    return json.dumps({"markups": [markup | change]})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not valid JSON"),
        ("[]", "no 'markups'"),
        ('{"markups": []}', "0 markups"),
        ('{"markups": {}}', "type dict, expected list"),
        ('{"markups": [1]}', "no 'type'"),
        ('{"markups": [{}, {}]}', "2 markups"),
        (line(type="Fiducial"), "type 'Fiducial', expected 'Line'"),
        (line(coordinateSystem="RAI"), "'RAI', expected 'LPS' or 'RAS'"),
        (line(coordinateSystem=0), "type int, expected str"),
        (line().replace('"coordinateSystem": "RAS", ', ""), "no 'coordinateSystem'"),
        (line(coordinateUnits="um"), "coordinateUnits"),
        (line(controlPoints=[{"position": [0, 0, 0]}]), "1 control points, expected exactly 2"),
        (line(controlPoints=[{"position": [0, 0, 0]}] * 3), "3 control points"),
        (line(controlPoints=[{"position": [0, 0]}] * 2), "control point 1"),
        (line(controlPoints=[{"position": [0, 0, 0]}, {"position": [0, "1", 0]}]), "control point 2"),
        (line(controlPoints=[{"position": [0, True, 0]}] * 2), "control point 1"),
        (line(controlPoints=[{"position": [0, 1e9, 0]}] * 2), "control point 1"),
        (line(controlPoints=[{}, {}]), "no 'position'"),
        (line(controlPoints=[{"position": [0, 0, 0], "positionStatus": "undefined"}] * 2), "'undefined', not placed"),
        (line().replace("3,", "NaN,"), "NaN is not a JSON number"),
        (line().replace("3,", "1e999,"), "control point 2"),
        ("[" * 100_000, "nested too deeply|not valid JSON"),
        (" " * (markups.MAX_BYTES + 1), "at most"),
    ],
)
def test_hostile_or_broken_files(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.mrk.json"
    path.write_text(text)
    with pytest.raises(DataError, match=message) as error:
        markups.read_line(path)
    assert "bad.mrk.json" in str(error.value)


def measured(**measurement: Any) -> str:
    return line(measurements=[{"name": "length", "units": "mm", **measurement}])


@pytest.mark.parametrize(
    ("text", "agrees"),
    [
        (line(), True),
        (measured(value=5.0), True),
        (measured(value=5.05), True),
        (measured(value=5.5), False),
        (measured(value=0.5, units="cm"), True),  # not compared
        (measured(value="5"), True),
        (line(measurements="none"), True),
    ],
)
def test_stated_length_is_compared(tmp_path: Path, text: str, agrees: bool) -> None:
    path = tmp_path / "a.mrk.json"
    path.write_text(text)
    assert markups.load_line(path).length_agrees is agrees


def write_list(path: Path, labels: list[str], positions: list[list[float]], **extra: Any) -> Path:
    controls = [{"label": n, "position": p} | extra for n, p in zip(labels, positions, strict=True)]
    markup = {"type": "Fiducial", "coordinateSystem": "LPS", "controlPoints": controls}
    path.write_text(json.dumps({"markups": [markup]}))
    return path


def test_a_point_list_by_hand(tmp_path: Path) -> None:
    path = write_list(tmp_path / "7.mrk.json", ["hdv 1", "TCD-2"], [[1, 2, 3], [4, 5, 6]])
    found = markups.read_named_points(path, CEREBELLUM)
    assert {n: p.tolist() for n, p in found.points_ras_mm.items()} == {"HDV1": [-1, -2, 3], "TCD2": [-4, -5, 6]}
    assert found.space == "lps_mm" and not found.mask_derived


def test_points_that_were_not_placed_are_missing(tmp_path: Path) -> None:
    path = write_list(tmp_path / "7.mrk.json", ["TCD1"], [[0, 0, 0]], positionStatus="undefined")
    assert markups.read_named_points(path, CEREBELLUM).points_ras_mm == {}


def test_lists_with_unclear_labels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"control point 1 is labelled 'F-1'; expected one of TCD1, TCD2"):
        markups.read_named_points(write_list(tmp_path / "a.mrk.json", ["F-1"], [[1, 2, 3]]), CEREBELLUM)
    with pytest.raises(DataError, match="two control points are labelled TCD1"):
        path = write_list(tmp_path / "b.mrk.json", ["TCD1", "tcd-1"], [[1, 2, 3]] * 2)
        markups.read_named_points(path, CEREBELLUM)


@pytest.mark.parametrize("name", ["HDV", "case7_HDV", "hdv-2", "7 HDV (final)"])
def test_a_line_is_named_by_its_file(tmp_path: Path, name: str) -> None:
    write_mrk(tmp_path / f"{name}.mrk.json", POINTS, "RAS")
    found = markups.read_named_points(tmp_path / f"{name}.mrk.json", CEREBELLUM)
    assert {n: p.tolist() for n, p in found.points_ras_mm.items()} == {
        "HDV1": POINTS[0].tolist(),
        "HDV2": POINTS[1].tolist(),
    }


def test_labels_of_a_line_go_before_its_file_name(tmp_path: Path) -> None:
    controls = [{"label": "ADV2", "position": [1, 2, 3]}, {"label": "ADV1", "position": [4, 5, 6]}]
    write_mrk(tmp_path / "TCD.mrk.json", POINTS, "RAS", controlPoints=controls, measurements=[])
    found = markups.read_named_points(tmp_path / "TCD.mrk.json", CEREBELLUM).points_ras_mm
    assert found["ADV1"].tolist() == [4, 5, 6] and found["ADV2"].tolist() == [1, 2, 3]


def test_a_line_that_nothing_names_is_refused(tmp_path: Path) -> None:
    write_mrk(tmp_path / "L_1.mrk.json", POINTS, "RAS")
    with pytest.raises(DataError, match="nothing says which line this is; name the file after it, one of TCD, HDV"):
        markups.read_named_points(tmp_path / "L_1.mrk.json", CEREBELLUM)


def test_mask_derived_lines_say_so(tmp_path: Path) -> None:
    (path, *_) = markups.write_landmarks(
        tmp_path, np.arange(18.0).reshape(6, 3), CEREBELLUM, description=markups.MASK_DERIVED
    )
    assert markups.read_named_points(path, CEREBELLUM).mask_derived


def test_a_length_that_disagrees_is_remarked(tmp_path: Path) -> None:
    wrong = [{"name": "length", "value": 99.0, "units": "mm"}]
    write_mrk(tmp_path / "TCD.mrk.json", POINTS, "RAS", measurements=wrong)
    assert "states a length of 99.00 mm" in markups.read_named_points(tmp_path / "TCD.mrk.json", CEREBELLUM).remark
