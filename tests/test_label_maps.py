from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dgmld_bench import derive
from dgmld_bench.errors import DataError
from dgmld_bench.formats import markups, volumes
from dgmld_bench.landmarks import CEREBELLUM
from dgmld_bench.obtaining.importing import import_source
from dgmld_bench.obtaining.label_maps import derive_folder, find_label_maps
from dgmld_bench.splits import find_split
from tests.trees import brain

AFFINE = np.array([[0.8, 0, 0, -24], [0, 0.8, 0, -29], [0, 0, 0.8, -22], [0, 0, 0, 1.0]])
BRAIN = brain()


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


@pytest.mark.parametrize(
    ("files", "ids"),
    [
        (["b10.nii.gz", "b2.nii", "readme.txt"], ["b2", "b10"]),
        (["a/srr.nii.gz", "a/parcellation.nii.gz", "b/srr.nii.gz", "b/parcellation.nii.gz"], ["a", "b"]),
        (["s1/anat/s1_rec-mial_T2w.nii.gz", "s1/anat/s1_rec-mial_dseg.nii.gz"], ["s1_rec-mial"]),
        (["image/7.nii.gz", "label/7.nii.gz", "image/8.nii.gz"], ["7"]),
        (["unsegmented/x.nii.gz"], ["x"]),
    ],
)
def test_label_maps_are_told_from_images(tmp_path: Path, files: list[str], ids: list[str]) -> None:
    touch(tmp_path, *files)
    assert list(find_label_maps(tmp_path)) == ids


def test_a_pattern_chooses(tmp_path: Path) -> None:
    touch(tmp_path, "s1/s1_rec-irtk_dseg.nii.gz", "s1/s1_rec-mial_dseg.nii.gz", "s1/s1_T2w.nii.gz")
    assert list(find_label_maps(tmp_path, "*irtk*_dseg.nii.gz")) == ["s1_rec-irtk"]
    assert list(find_label_maps(tmp_path, "*_T2w.nii.gz")) == ["s1_T2w"]


def test_lines_are_those_of_the_derivation_and_can_be_imported(tmp_path: Path) -> None:
    root = tmp_path / "clinic"
    for case_id, numbering in (("a", "fidon"), ("b", "feta")):
        labels = np.roll(brain(numbering), 2 if case_id == "b" else 0, axis=0)
        volumes.write_volume(root / "labels" / f"{case_id}_seg.nii.gz", labels, AFFINE)
        volumes.write_volume(root / "images" / f"{case_id}.nii.gz", labels * np.int16(10), AFFINE)
    cases, problems = derive_folder(root / "labels", root / "landmarks")
    assert [(c.id, c.numbering) for c in cases] == [("a", "fidon"), ("b", "feta")]
    expected = derive.derive_landmarks(BRAIN, AFFINE, "fidon")
    np.testing.assert_allclose(cases[0].points_ras_mm, expected, atol=1e-5)
    np.testing.assert_allclose(cases[1].points_ras_mm, expected + np.array([1.6, 0, 0]), atol=1e-5)
    assert cases[0].lengths_mm["TCD"] == pytest.approx(np.linalg.norm(expected[0] - expected[1]), abs=1e-5)
    assert [p.message for p in problems] == ["the maps are of different numberings: a is fidon, b is feta"]
    np.testing.assert_allclose(
        markups.read_lines(markups.landmark_paths(root / "landmarks/a", CEREBELLUM), CEREBELLUM), expected, atol=1e-5
    )
    import_source("own/x", root, landmarks="cerebellum", data_dir=tmp_path / "data")
    assert find_split("own/x", tmp_path / "data").reference == "mask-derived"
    assert len(derive_folder(root / "labels", root / "landmarks")[0]) == 2  # its own files it writes again


def test_lines_of_a_person_are_left_alone(tmp_path: Path) -> None:
    volumes.write_volume(tmp_path / "a.nii.gz", BRAIN, AFFINE)
    markups.write_landmarks(tmp_path / "landmarks/a", np.arange(18.0).reshape(6, 3), CEREBELLUM)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*.mrk.json")}
    cases, problems = derive_folder(tmp_path, tmp_path / "landmarks")
    assert not cases and "is there and not mask-derived: left as it is" in str(problems[0])
    assert {p: p.read_bytes() for p in tmp_path.rglob("*.mrk.json")} == before


def test_a_corrected_line_is_left_alone(tmp_path: Path) -> None:
    volumes.write_volume(tmp_path / "a.nii.gz", BRAIN, AFFINE)
    (case,), _ = derive_folder(tmp_path, tmp_path / "landmarks")
    points = case.points_ras_mm + np.array([[0, 0, 0]] * 3 + [[0, 0, 0.5]] + [[0, 0, 0]] * 2)
    markups.write_landmarks(tmp_path / "landmarks/a", points, CEREBELLUM, description=markups.MASK_DERIVED)
    cases, problems = derive_folder(tmp_path, tmp_path / "landmarks")
    assert not cases and "HDV.mrk.json is there and has HDV2 elsewhere than this map says" in str(problems[0])
    np.testing.assert_allclose(
        markups.read_lines(markups.landmark_paths(tmp_path / "landmarks/a", CEREBELLUM), CEREBELLUM), points, atol=1e-5
    )


def test_what_cannot_be_derived_is_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    volumes.write_volume(tmp_path / "good.nii.gz", BRAIN, AFFINE)
    volumes.write_volume(tmp_path / "down.nii.gz", BRAIN[:, :, ::-1], AFFINE)
    volumes.write_volume(tmp_path / "grey.nii.gz", BRAIN + np.float32(0.5), AFFINE)
    (tmp_path / "cut.nii.gz").write_bytes((tmp_path / "good.nii.gz").read_bytes()[:400])
    cases, problems = derive_folder(tmp_path, tmp_path / "out")
    assert [c.id for c in cases] == ["good"]
    found = {p.where: p.message for p in problems}
    assert "cannot tell the numbering" in found["down"] and "down.nii.gz" in found["down"]
    assert "not a label map" in found["grey"] and "cut.nii.gz" in found["cut"]
    assert not (tmp_path / "out/down").exists()


def test_folders_without_maps(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no label map"):
        derive_folder(tmp_path, tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        derive_folder(tmp_path / "none", tmp_path)


def test_a_stated_numbering_serves_where_the_anatomy_does_not_tell(tmp_path: Path) -> None:
    only = np.where(BRAIN == 3, 5, 0).astype(np.uint8)  # nothing but a cerebellum
    volumes.write_volume(tmp_path / "a.nii.gz", only, AFFINE)
    assert not derive_folder(tmp_path, tmp_path / "out")[0]
    (case,), _ = derive_folder(tmp_path, tmp_path / "out", numbering="feta")
    np.testing.assert_allclose(case.points_ras_mm, derive.derive_landmarks(BRAIN, AFFINE, "fidon"), atol=1e-5)


def program(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dgmld_bench", "derive-landmarks", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_command(tmp_path: Path) -> None:
    volumes.write_volume(tmp_path / "maps/a.nii.gz", BRAIN, AFFINE)
    result = program(tmp_path / "maps", "--json", "-")
    assert result.returncode == 0, result.stderr
    (case,) = json.loads(result.stdout)["cases"]
    assert case["case"] == "a" and case["numbering"] == "fidon" and set(case["lengths_mm"]) == {"TCD", "HDV", "ADV"}
    assert f"{case['lengths_mm']['TCD']:.1f}" in result.stderr and "Mask-derived landmarks of 1 case" in result.stderr
    assert re.search(r"^a .* fidon +a\.nii\.gz *$", result.stderr, re.MULTILINE), result.stderr
    assert sorted(p.name for p in (tmp_path / "maps/landmarks/a").iterdir()) == [
        "ADV.mrk.json",
        "HDV.mrk.json",
        "TCD.mrk.json",
    ]
    wrong = program(tmp_path / "maps", "--numbering", "feta", "--out", tmp_path / "out")
    assert wrong.returncode == 1 and "in the fidon numbering, and --numbering says feta" in wrong.stderr
    (tmp_path / "empty").mkdir()
    nothing = program(tmp_path / "empty")
    assert nothing.returncode == 1 and "no label map" in nothing.stderr and "Traceback" not in nothing.stderr


def test_maps_of_any_numbering_with_the_cerebellum_stated(tmp_path: Path) -> None:
    drawem = np.array([0, 3, 5, 6, 1, 2, 7, 8, 9], np.uint8)[BRAIN]  # labels up to 9, the cerebellum is 6
    volumes.write_volume(tmp_path / "drawem/a_dseg.nii.gz", drawem, AFFINE)
    refused = program(tmp_path / "drawem")
    assert refused.returncode == 1 and "--cerebellum, such as 6 or 5,8" in " ".join(refused.stderr.split())
    done = program(tmp_path / "drawem", "--cerebellum", "6", "--json", "-")
    assert done.returncode == 0, done.stderr
    (case,) = json.loads(done.stdout)["cases"]
    assert case["numbering"] == "6" and json.loads(done.stdout)["problems"] == []
    expected = derive.derive_landmarks(BRAIN, AFFINE, "fidon")
    np.testing.assert_allclose(list(case["landmarks_ras_mm"].values()), expected, atol=1e-5)
    for value in ("six", "5,,8", "0", "-1", "5;8"):
        wrong = program(tmp_path / "drawem", "--cerebellum", value)
        assert wrong.returncode == 2 and "expected labels between commas" in wrong.stderr
    both = program(tmp_path / "drawem", "--cerebellum", "6", "--numbering", "feta")
    assert both.returncode == 2


def test_a_vermis_apart_is_not_left_out_in_silence(tmp_path: Path) -> None:
    feta = brain("feta")
    middle = slice(feta.shape[0] // 2 - 3, feta.shape[0] // 2 + 3)
    feta[middle][feta[middle] == 5] = 8
    volumes.write_volume(tmp_path / "a.nii.gz", feta, AFFINE)
    cases, problems = derive_folder(tmp_path, tmp_path / "out")
    assert not cases and "labels 5 and 8 together look like a cerebellum" in str(problems[0])
    (case,), problems = derive_folder(tmp_path, tmp_path / "out", cerebellum=(5, 8))
    np.testing.assert_allclose(case.points_ras_mm, derive.derive_landmarks(BRAIN, AFFINE, "fidon"), atol=1e-5)
    assert case.numbering == "5,8" and problems == []
    (case,), problems = derive_folder(tmp_path, tmp_path / "white", cerebellum=(3,))
    assert "is it the cerebellum?" in str(problems[0])
    assert not derive_folder(tmp_path, tmp_path / "none", cerebellum=(12,))[0]
