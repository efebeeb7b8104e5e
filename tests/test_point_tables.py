from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dgmld_bench.errors import DataError
from dgmld_bench.landmarks import CEPHALOMETRIC, CEREBELLUM
from dgmld_bench.point_tables import read_point_table


def test_points_by_case_and_annotator(tmp_path: Path) -> None:
    path = tmp_path / "landmarks.csv"
    path.write_text(
        "﻿case,landmark,x,y,annotator\nb,nasion,3,4,ann\na,sella,1,2.5,ann\na,sella,2,2.5,bob\n", encoding="utf-8"
    )
    table = read_point_table(path, CEPHALOMETRIC)
    assert list(table) == ["b", "a"] and list(table["a"]) == ["ann", "bob"]
    assert table["a"]["bob"][0].tolist() == [2, 2.5]
    assert np.isnan(table["a"]["bob"][1:]).all()


def test_three_dimensions_and_any_column_order(tmp_path: Path) -> None:
    path = tmp_path / "landmarks.csv"
    path.write_text("z,y,x, landmark ,case\n3,2,1,TCD2,7\n")
    assert read_point_table(path, CEREBELLUM)["7"]["reference"][1].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "columns none"),
        ("case,landmark,x\n", "columns case,landmark,x; expected"),
        ("case,landmark,x,y,z\n", "expected case,landmark,x,y"),
        ("case,landmark,x,y,note\n", "columns"),
        ("case,landmark,x,y\n1,sela,1,2\n", "line 2: unknown landmark 'sela'"),
        ("case,landmark,x,y\n1,sella,1,\n", "line 2: x, y are"),
        ("case,landmark,x,y\n1,sella,1,inf\n", "line 2: x, y are"),
        ("case,landmark,x,y\n1,sella,1\n", "line 2: the row"),
        ("case,landmark,x,y\n1,sella,1,2,3\n", "line 2: the row"),
        ("case,landmark,x,y\n,sella,1,2\n", "line 2: case or annotator is empty"),
        ("case,landmark,x,y\n1,sella,1,2\n1,sella,1,2\n", "line 3: sella of case '1' by 'reference' is given twice"),
    ],
)
def test_bad_tables(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "landmarks.csv").write_text(text)
    with pytest.raises(DataError, match=message) as error:
        read_point_table(tmp_path / "landmarks.csv", CEPHALOMETRIC)
    assert "landmarks.csv" in str(error.value)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"case,landmark,x,y\n\xff\xfe")
    with pytest.raises(DataError, match="not UTF-8"):
        read_point_table(tmp_path / "a.csv", CEPHALOMETRIC)
    with pytest.raises(DataError, match="no such file"):
        read_point_table(tmp_path / "b.csv", CEPHALOMETRIC)
