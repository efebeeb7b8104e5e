from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dgmld_bench.obtaining.importing import import_source
from dgmld_bench.splits import load_split
from dgmld_bench.storage.register import Register
from tests.trees import isbi


def messages(register: Register, where: str) -> list[str]:
    return [p.message for p in register.problems if p.where == where]


@pytest.mark.parametrize("suffix", ["bmp", "png", "jpg", "tif"])
def test_films_and_both_doctors(tmp_path: Path, suffix: str) -> None:
    truth = isbi(tmp_path / "deep/er", [1, 150, 151, 300, 301, 400], suffix=suffix)
    junk = tmp_path / "deep/__MACOSX/RawImage/Test1Data/._151.bmp"  # as unzip leaves it, and first by its name
    junk.parent.mkdir(parents=True)
    junk.touch()
    register = import_source("isbi", tmp_path / "deep", data_dir=tmp_path)
    assert [c.id for c in register.cases] == ["1", "150", "301", "400", "151", "300"]
    case = load_split("isbi", references=True, data_dir=tmp_path)[0]
    assert case.id == "151" and case.spacing_mm == 0.1 and case.image.shape == (480, 387)
    np.testing.assert_array_equal(case.landmarks, truth["151"] + [0.5, 0])  # the mean stays at half pixels
    np.testing.assert_allclose(case.affine @ [479.5, 386.5, 1], [1934.5, 2399.5, 1])
    assert messages(register, "isbi-train")[0].startswith("148 cases are missing or incomplete: 2, 3,")


def test_everything_incomplete_is_named(tmp_path: Path) -> None:
    isbi(tmp_path, [151, 152, 153, 154, 155, 156])
    films, doctors = tmp_path / "RawImage/Test1Data", tmp_path / "AnnotationsByMD"
    (doctors / "400_junior/151.txt").unlink()
    (doctors / "400_senior/152.txt").write_text("1,2\n")
    Image.new("L", (400, 400)).save(films / "153.bmp")
    Image.new("L", (387, 480)).save(films / "154.png")
    Image.new("L", (387, 480)).save(films / "007.bmp")
    (films / "156.bmp").write_bytes((films / "155.bmp").read_bytes()[:-500])
    (films / "Thumbs.db").touch()
    register = import_source("isbi", tmp_path, data_dir=tmp_path)
    assert [c.id for c in register.cases] == ["155"]
    assert "151.txt: no such file" in messages(register, "isbi/151")[0]
    assert "1 lines" in messages(register, "isbi/152")[0]
    assert "no reduced copy" in messages(register, "isbi/153")[0]
    assert "2 films of one number: 154.bmp, 154.png" in messages(register, "isbi/154")[0]
    assert "unknown" in messages(register, "isbi/7")[0]
    assert "156.bmp: not a readable image" in messages(register, "isbi/156")[0]
    assert "no such folder" in messages(register, "TrainingData")[0]


def test_one_doctor_is_not_the_reference(tmp_path: Path) -> None:
    isbi(tmp_path, [151])
    (tmp_path / "AnnotationsByMD/400_junior").rename(tmp_path / "AnnotationsByMD/elsewhere")
    with pytest.raises(ValueError, match="400_junior: no such folder"):
        import_source("isbi", tmp_path, data_dir=tmp_path)


@pytest.mark.skipif("DGMLD_BENCH_REAL_DATA" not in os.environ, reason="DGMLD_BENCH_REAL_DATA is not set")
def test_real_isbi(tmp_path: Path) -> None:
    register = import_source("isbi", Path(os.environ["DGMLD_BENCH_REAL_DATA"]) / "isbi2015", data_dir=tmp_path)
    assert [register.count(s) for s in ("isbi-train", "isbi-val", "isbi")] == [150, 100, 150]
    assert not register.problems
    for split, published in (("isbi", 2.363), ("isbi-val", 1.514)):  # senior against junior, Test1 and Test2
        errors_mm = [
            np.linalg.norm(c.annotations["senior"] - c.annotations["junior"], axis=1) * c.mm_per_unit
            for c in load_split(split, references=True, data_dir=tmp_path)
        ]
        assert round(float(np.mean(errors_mm)), 3) == published
