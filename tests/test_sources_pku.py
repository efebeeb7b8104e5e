from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dgmld_bench.errors import DataError, UsageError
from dgmld_bench.landmarks import CEPHALOMETRIC
from dgmld_bench.obtaining.importing import NothingUsableError, import_source
from dgmld_bench.splits import load_split

NAMES = CEPHALOMETRIC.names


def rows(case: str, annotator: str, shift: float = 0.0) -> str:
    """Return 19 points at the left of a film, sella and nasion as far apart as is usual at 0.1 mm per pixel."""
    return "".join(f"{case},{name},{n + shift},{450 * (n % 2)},{annotator}\n" for n, name in enumerate(NAMES))


def layout(root: Path, table: str, films: tuple[str, ...]) -> Path:
    (root / "images").mkdir(parents=True)
    for film in films:
        Image.linear_gradient("L").resize((300, 500)).save(root / "images" / film)
    (root / "landmarks.csv").write_text("case,landmark,x,y,annotator\n" + table)
    return root


def test_mean_of_annotators_and_given_spacing(tmp_path: Path) -> None:
    layout(tmp_path / "a/pku", rows("p1", "ann") + rows("p1", "bob", 1), ("p1.png",))
    register = import_source("pku", tmp_path / "a", data_dir=tmp_path, spacing_mm=0.125)
    case = load_split("pku", references=True, data_dir=tmp_path)[0]
    assert case.spacing_mm == case.mm_per_unit == 0.125 and case.image.shape == (500, 300)
    np.testing.assert_array_equal(case.landmarks[:, 0], np.arange(19) + 0.5)
    assert sorted(case.annotations) == ["ann", "bob"]
    assert [p.message for p in register.problems] == ["1 of the 102 cases of the split are complete"]


def test_spacing_is_never_assumed(tmp_path: Path) -> None:
    layout(tmp_path / "pku", rows("p1", "ann"), ("p1.png",))
    with pytest.raises(UsageError, match="--spacing-mm"):
        import_source("pku", tmp_path / "pku", data_dir=tmp_path)
    for spacing_mm in (0.0, -0.1, float("nan"), 50.0):
        with pytest.raises(UsageError, match="expected millimetres per pixel"):
            import_source("pku", tmp_path / "pku", data_dir=tmp_path, spacing_mm=spacing_mm)


def test_everything_incomplete_is_named(tmp_path: Path) -> None:
    table = rows("ok", "a") + rows("film_only_table", "a") + rows("gap", "a").replace("gap,gonion,9.0,450,a\n", "")
    layout(tmp_path / "p", table + rows("broken", "a"), ("ok.bmp", "gap.png", "no_points.tif", "broken.jpg"))
    (tmp_path / "p/images/broken.jpg").write_text("<html>")
    (tmp_path / "p/images/read.me").touch()
    register = import_source("pku", tmp_path / "p", data_dir=tmp_path, spacing_mm=0.1)
    assert [c.id for c in register.cases] == ["ok"]
    found = {p.where: p.message for p in register.problems}
    assert found["pku/gap"] == "annotator 'a' has no gonion in landmarks.csv"
    assert found["pku/no_points"] == "no points in landmarks.csv"
    assert found["pku/film_only_table"] == "no film in images/"
    assert "not a readable image" in found["pku/broken"]
    assert "unknown" in found["images/read.me"]


def test_points_that_do_not_fit_their_film_are_named(tmp_path: Path) -> None:
    turned = "".join(f"turned,{name},{400 + n},{n},a\n" for n, name in enumerate(NAMES))
    larger = "".join(f"larger,{name},{4000 + n},{5000 + n},reference\n" for n, name in enumerate(NAMES))
    films = ("cut.png", "empty.png", "larger.png", "ok.png", "turned.png")
    layout(tmp_path / "p", rows("cut", "a") + rows("empty", "a") + rows("ok", "a") + turned + larger, films)
    (tmp_path / "p/images/cut.png").write_bytes((tmp_path / "p/images/ok.png").read_bytes()[:-200])
    Image.new("L", (300, 500), 7).save(tmp_path / "p/images/empty.png")
    register = import_source("pku", tmp_path / "p", data_dir=tmp_path, spacing_mm=2.0)
    assert [c.id for c in register.cases] == ["ok"]
    found = {p.where: p.message for p in register.problems}
    assert "cut.png: not a readable image" in found["pku/cut"] and found["pku/empty"] == "empty.png: every pixel is 7"
    assert "annotator 'a': 19 of 19 points" in found["pku/turned"] and "x and y exchanged" in found["pku/turned"]
    assert "were the images made smaller after they were annotated?" in found["pku/larger"]
    general = [p.message for p in register.problems if p.where == "pku"]
    assert "900 mm apart in every case" in general[0] and "check --spacing-mm" in general[0]
    assert general[1] == "1 of the 102 cases of the split are complete"


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no folder with images/ and landmarks\.csv"):
        import_source("pku", tmp_path, data_dir=tmp_path, spacing_mm=0.1)
    layout(tmp_path / "p", "", ("a.png",))
    with pytest.raises(NothingUsableError, match=r"no points in landmarks\.csv"):
        import_source("pku", tmp_path, data_dir=tmp_path, spacing_mm=0.1)


def test_table_that_changed_after_the_import(tmp_path: Path) -> None:
    layout(tmp_path / "p", rows("p1", "ann"), ("p1.png",))
    import_source("pku", tmp_path / "p", data_dir=tmp_path, spacing_mm=0.1)
    (tmp_path / "p/landmarks.csv").write_text("case,landmark,x,y\n")
    with pytest.raises(DataError, match="import the source again"):
        _ = load_split("pku", references=True, data_dir=tmp_path)[0].landmarks
