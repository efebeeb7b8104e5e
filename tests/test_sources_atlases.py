from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from dgmld_bench import derive
from dgmld_bench.obtaining.importing import NothingUsableError, import_source
from dgmld_bench.sources.atlases import gestational_age_weeks, published_files
from dgmld_bench.splits import get_track, load_split

needs_real_data = pytest.mark.skipif(
    "DGMLD_BENCH_REAL_DATA" not in os.environ, reason="DGMLD_BENCH_REAL_DATA is not set"
)


def real() -> Path:
    return Path(os.environ["DGMLD_BENCH_REAL_DATA"]) / "atlas"


def test_embedded_list_holds_every_case_of_the_splits() -> None:
    files = published_files()
    assert len({f.case for f in files.values()}) == 47
    for split in get_track("open").split_names:
        for case_id in load_ids(split):
            project = next(f.project for f in files.values() if f.case == case_id)
            for name in ("srr", "parcellation"):
                file = files[f"{project}/{case_id}/{name}.nii.gz"]
                assert file.bytes > 10_000 and len(file.sha256) == 64


def load_ids(split: str) -> tuple[str, ...]:
    from dgmld_bench.splits import get_split

    return get_split(split).case_ids or ()


def test_gestational_ages() -> None:
    ages = {split: [gestational_age_weeks(i) for i in load_ids(split)] for split in get_track("open").split_names}
    assert ages["open-val"] == [23, 27, 31, 35] and ages["open-wu"] == list(range(22, 35))
    assert min(ages["open-train"]) == 21 and max(ages["open-train"]) == 38 and ages["open-sb"][4:6] == [25, 25]


def test_files_that_are_not_the_published_ones_are_refused(tmp_path: Path) -> None:
    case = tmp_path / "Neurotypical_Wu2021/Chinese22_Study1"
    case.mkdir(parents=True)
    (tmp_path / "Neurotypical_Wu2021/Chinese99_Study1").mkdir()
    size = published_files()["Neurotypical_Wu2021/Chinese22_Study1/srr.nii.gz"].bytes
    (case / "srr.nii.gz").write_bytes(bytes(size))
    (case / "parcellation.nii.gz").write_bytes(b"<html>")
    with pytest.raises(NothingUsableError) as error:
        import_source("atlases", tmp_path, data_dir=tmp_path / "data")
    problems = [str(p) for p in error.value.problems]
    assert any("srr.nii.gz differs from the published file: expected SHA-256" in p for p in problems)
    assert any("parcellation.nii.gz differs" in p and "got 6 bytes" in p for p in problems)
    assert any("Chinese99_Study1: unknown" in p for p in problems)
    assert any(p.startswith("SpinaBifida_Fidon2021: no such folder") for p in problems)
    assert not (tmp_path / "data/atlases/register.json").exists()
    assert not (tmp_path / "data/atlases/landmarks").exists()


@needs_real_data
def test_real_atlases(tmp_path: Path) -> None:
    register = import_source("atlases", real(), data_dir=tmp_path)
    assert [register.count(s) for s in get_track("open").split_names] == [14, 4, 13, 15]
    assert not register.problems  # Chinese35_Study1 is not there, and part of no split
    case = load_split("open-sb", references=True, data_dir=tmp_path).by_id("fetal_SB_atlas_GA25_operated")
    assert case.info["gestational_age_weeks"] == 25
    mask = case.mask
    assert mask is not None and mask.shape == case.image.shape == (135, 189, 155)
    np.testing.assert_allclose(case.spacing_mm, 0.8, atol=1e-5)
    np.testing.assert_allclose(case.landmarks, derive.derive_landmarks(mask, case.affine), atol=1e-9)


@needs_real_data
def test_one_bad_file_costs_one_case(tmp_path: Path) -> None:
    project = tmp_path / "x/Neurotypical_Gholipour2017"
    for case in ("HarvardSTA23_Study1", "HarvardSTA24_Study1", "HarvardSTA25_Study1"):
        shutil.copytree(real() / project.name / case, project / case)
    (project / "HarvardSTA24_Study1/srr.nii.gz").unlink()
    bad = project / "HarvardSTA25_Study1/parcellation.nii.gz"
    data = bytearray(bad.read_bytes())
    data[9000] ^= 1
    bad.write_bytes(data)
    register = import_source("atlases", tmp_path / "x", data_dir=tmp_path)
    assert [c.id for c in register.cases] == ["HarvardSTA23_Study1"]
    found = {p.where: p.message for p in register.problems}
    assert found["HarvardSTA24_Study1"] == "incomplete, srr.nii.gz is not there"
    assert "expected SHA-256" in found["HarvardSTA25_Study1"]
