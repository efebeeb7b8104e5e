from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dgmld_bench.errors import DataError, UsageError
from dgmld_bench.formats.point_tables import format_point_table, read_point_table
from dgmld_bench.landmarks import CEPHALOMETRIC, CEREBELLUM


def test_points_by_case_and_annotator(tmp_path: Path) -> None:
    path = tmp_path / "landmarks.csv"
    path.write_text(
        "﻿case,landmark,x,y,annotator\nb,nasion,3,4,ann\na,sella,1,2.5,ann\na,sella,2,2.5,bob\n", encoding="utf-8"
    )
    table = read_point_table(path, CEPHALOMETRIC).cases
    assert list(table) == ["b", "a"] and list(table["a"]) == ["ann", "bob"]
    assert table["a"]["bob"][0].tolist() == [2, 2.5]
    assert np.isnan(table["a"]["bob"][1:]).all()


def test_three_dimensions_and_any_column_order(tmp_path: Path) -> None:
    path = tmp_path / "landmarks.csv"
    path.write_text("z,y,x, landmark ,case\n3,2,1,TCD2,7\n")
    assert read_point_table(path, CEREBELLUM).cases["7"]["reference"][1].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; expected a line of column names"),
        ("case,landmark,x\n", "columns case,landmark,x; expected"),
        ("case,landmark,x,y,z\n", "expected case,landmark,x,y"),
        ("case,landmark,x,y,note\n", "columns"),
        (
            "case,landmark,x,y,seed\n",
            "'seed' is not known: a table is one run, and Predictions.from_frame reads several",
        ),
        ("case,landmark,x,y\n1,sela,1,2\n", "line 2: unknown landmark 'sela'"),
        ("case,landmark,x,y\n1,sella,1,\n", "line 2: x, y are"),
        ("case,landmark,x,y\n1,sella,1,inf\n", "line 2: x, y are"),
        ("case,landmark,x,y\n1,sella,1,\u0661\n", "line 2: x, y are"),  # a digit, and none that float() alone knows
        ("case,landmark,x,y\n1,sella,1\n", "line 2: the row"),
        ("case,landmark,x,y\n1,sella,1,2,3\n", "line 2: the row"),
        ("case,landmark,x,y\n,sella,1,2\n", "line 2: case or annotator is empty"),
        (f"case,landmark,x,y\n{'9' * 5000},sella,1,2\n", "line 2: case '9{40}…' has 5,000 characters, at most 255"),
        ("case,landmark,x,y,,\n1,sella,1,2,,see me\n", "line 2: 'see me' is in a column without a name"),
        ("case,landmark,x,y\n1,sella,1,2\n1,sella,1,2\n", "line 3: sella of case '1' is given twice"),
    ],
)
def test_bad_tables(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "landmarks.csv").write_text(text)
    with pytest.raises(DataError, match=message) as error:
        read_point_table(tmp_path / "landmarks.csv", CEPHALOMETRIC)
    assert "landmarks.csv" in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("case,landmark,x,y\n" + "1,sela,a,b\n" * 300_000, "at least 1000 faults"),
        ("case,landmark,x,y\n" + "1,sela,a,b\n" * 2_000_000, "more than 4,000,000 fields"),
        ("case,landmark,x,y\n" + "".join(f"{n},sella,1,2\n" for n in range(10_001)), "more than 10,000 cases"),
        ("a," * 5000, "5,001 columns; at most 1,000"),
        ("case,landmark,x,y\n" + "\n" * 3_000_000, ""),
    ],
    ids=["faults", "fields", "cases", "columns", "blank"],
)
def test_rubbish_costs_seconds(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    start = time.process_time()
    if message:
        with pytest.raises(DataError, match=message):
            read_point_table(tmp_path / "a.csv", CEPHALOMETRIC)
    else:
        assert read_point_table(tmp_path / "a.csv", CEPHALOMETRIC).cases == {}
    assert time.process_time() - start < 10


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"case,landmark,x,y\n\xff\xfe")
    with pytest.raises(DataError, match="not UTF-8"):
        read_point_table(tmp_path / "a.csv", CEPHALOMETRIC)
    with pytest.raises(DataError, match="no such file"):
        read_point_table(tmp_path / "b.csv", CEPHALOMETRIC)


def write(tmp_path: Path, text: str) -> Path:
    (tmp_path / "landmarks.csv").write_text(text)
    return tmp_path / "landmarks.csv"


def test_a_row_per_case(tmp_path: Path) -> None:
    path = write(
        tmp_path, "Case;Annotator;upper-lip_X;upperlip y;sella_x;sella_y\n7;ann;1;2;;\n7;bob;NA;n/a;3.5;-4e1\n"
    )
    table = read_point_table(path, CEPHALOMETRIC).cases
    assert list(table) == ["7"] and list(table["7"]) == ["ann", "bob"]
    assert table["7"]["ann"][CEPHALOMETRIC.index("upper_lip")].tolist() == [1, 2]
    assert np.isnan(table["7"]["ann"]).sum() == 2 * 18
    assert table["7"]["bob"][CEPHALOMETRIC.index("sella")].tolist() == [3.5, -40]


@pytest.mark.parametrize("text", ["sep=;\r\ncase;landmark;x;y\r\n7;sella;1;2", "case,landmark,x,y,,\n7,sella,1,2,, \n"])
def test_what_a_spreadsheet_adds_is_left_out(tmp_path: Path, text: str) -> None:
    assert read_point_table(write(tmp_path, text), CEPHALOMETRIC).cases["7"]["reference"][0].tolist() == [1, 2]


@pytest.mark.parametrize(
    "text", ["case;landmark;x;y\n7;sella;12,5;3\n", "case\tlandmark\tx\ty\n7\tsella\t12,500\t3,000\n"]
)
def test_decimal_commas_where_no_comma_parts_columns(tmp_path: Path, text: str) -> None:
    assert read_point_table(write(tmp_path, text), CEPHALOMETRIC).cases["7"]["reference"][0].tolist() == [12.5, 3]


@pytest.mark.parametrize(("form", "first"), [("{a}{n}", 1), ("{n}_{a}", 0), ("l{n}_{a}", 1), ("{a}_{n}", 0)])
def test_numbered_columns_are_all_landmarks_in_order(tmp_path: Path, form: str, first: int) -> None:
    columns = [form.format(a=a, n=n + first) for n in range(6) for a in "xyz"]
    path = write(tmp_path, f"case,{','.join(columns)}\n7,{','.join(map(str, range(18)))}\n")
    points = read_point_table(path, CEREBELLUM).cases["7"]["reference"]
    assert points.tolist() == np.arange(18.0).reshape(6, 3).tolist()


def test_ras_and_lps_by_column_and_by_option(tmp_path: Path) -> None:
    path = write(tmp_path, "case,landmark,x,y,z,space\n7,tcd-1,1,2,3,LPS\n7,TCD2,1,2,3,ras_mm\n")
    table = read_point_table(path, CEREBELLUM)
    assert table.states_space and table.cases["7"]["reference"][:2].tolist() == [[-1, -2, 3], [1, 2, 3]]
    with pytest.raises(UsageError, match="has a column 'space'"):
        read_point_table(path, CEREBELLUM, "lps_mm")
    path = write(tmp_path, "case,landmark,x,y,z\n7,TCD1,1,2,3\n")
    assert read_point_table(path, CEREBELLUM, "lps_mm").cases["7"]["reference"][0].tolist() == [-1, -2, 3]
    assert not read_point_table(path, CEREBELLUM).states_space


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("patient,landmark,x,y\n", r"'case' is missing; 'patient' is not known"),
        ("case,landmark,x,y,x\n", "'x' is there twice"),
        ("case,sella_x\n7,1\n", "'sella_y' is missing"),
        ("case,sella_x,sella_y,sela_x\n7,1,2,3\n", "'sela_x' is not known"),
        ("case,landmark,x,y,space\n7,sella,1,2,RAS\n", "'space' is not known"),  # films have no RAS
        ("case,sella_x,sella_y\n7,1,\n", "line 2: sella_x, sella_y are"),
        ("case,sella_x,sella_y\n7,1,2\n7,3,4\n", "line 3: sella of case '7' is given twice"),
        ("case;landmark;x;y\n7;sella;12,5;3.5\n", "line 2: x, y are .*write decimals with a point, 12.5 and not 12,5"),
        ("case;landmark;x;y\n7;sella;1,234;835\n", "line 2: x, y are .*write decimals with a point"),  # or thousands?
        ("case,x1,y1,x2,y2\n7,1,2,3,4\n", "'x1' is not known"),  # which two of nineteen?
        (
            "case," + ",".join(f"point{i}" for i in range(40)) + "\n",
            r"\(41\);.*'point7' is not known; nor are 32 more",
        ),
        ("case,landmark,x,y\n7,sella,12,5,3,25\n", "6 of 4; a decimal comma"),
        ("case,landmark,x,y\n7,sella,1_000,2\n", "expected finite numbers"),
        ("case,landmark,x,y\n7,sellaa,1,2\n", "did you mean 'sella'"),
        ('case,landmark,x,y\n7,"sella,1,2\n', "not a CSV file"),
    ],
)
def test_what_a_data_manager_gets_wrong(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_point_table(write(tmp_path, text), CEPHALOMETRIC)


def test_every_fault_is_listed_up_to_ten(tmp_path: Path) -> None:
    rows = "".join(f"{n},sella,one,2\n" for n in range(12))
    with pytest.raises(DataError, match="12 faults") as error:
        read_point_table(write(tmp_path, "case,landmark,x,y\n" + rows), CEPHALOMETRIC)
    assert "line 11:" in str(error.value) and "line 12:" not in str(error.value) and "and 2 more" in str(error.value)


def test_an_unknown_space_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="line 2: unknown space 'LAS'"):
        read_point_table(write(tmp_path, "case,landmark,x,y,z,space\n7,TCD1,1,2,3,LAS\n"), CEREBELLUM)


CELLS = st.floats(-500, 500) | st.just(float("nan"))


@settings(max_examples=30, deadline=None)
@given(
    st.dictionaries(
        st.text("aZ7,;\"' é", min_size=1, max_size=8).filter(lambda s: s == s.strip()),
        arrays(float, (6, 3), elements=CELLS),
        min_size=1,
        max_size=3,
    )
)
def test_written_tables_come_back(tmp_path_factory: pytest.TempPathFactory, cases: dict[str, np.ndarray]) -> None:
    whole = {c: {"a": np.where(np.isnan(p).any(axis=1, keepdims=True), np.nan, p)} for c, p in cases.items()}
    whole = {c: a for c, a in whole.items() if not np.isnan(a["a"]).all()}
    path = tmp_path_factory.getbasetemp() / "table.csv"
    path.write_text(format_point_table(whole, CEREBELLUM), encoding="utf-8")
    table = read_point_table(path, CEREBELLUM)
    assert table.states_space and list(table.cases) == list(whole)
    for case, annotators in whole.items():
        np.testing.assert_array_equal(table.cases[case]["a"], annotators["a"])
