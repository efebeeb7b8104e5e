from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from dgmld_bench import derive, geometry
from dgmld_bench.formats import volumes
from dgmld_bench.obtaining.importing import import_source
from dgmld_bench.sources.dgmld import label_files
from dgmld_bench.splits import get_split, load_split
from dgmld_bench.storage.register import Register
from tests.trees import PAINTED, brain, dgmld_release, write_cases, write_labels, write_mrk, write_pretraining

LFC = list(get_split("lfc").case_ids or ())[:8]
VAL = list(get_split("lfc-val").case_ids or ())[:4]


def messages(register: Register, where: str) -> list[str]:
    return [p.message for p in register.problems if p.where == where]


def test_landmarks_land_on_the_painted_voxels(tmp_path: Path) -> None:
    truth = dgmld_release(
        tmp_path / "a/b",
        {"lfc": LFC, "lfc-val": VAL, "atlas": ["GA21", "GA22"], "feta": ["feta001", "feta002", "feta003"]},
    )
    register = import_source("dgmld", tmp_path / "a", data_dir=tmp_path / "data")
    assert {s: register.count(s) for s in truth} == {"lfc": 8, "lfc-val": 4, "atlas": 2, "feta": 3}
    for split, cases in truth.items():
        for case in load_split(split, references=True, data_dir=tmp_path / "data"):
            np.testing.assert_allclose(case.landmarks, cases[case.id], atol=1e-4)  # NIfTI affines are float32
            index = geometry.world_to_index(case.affine, case.landmarks)
            voxels = case.image[tuple(np.rint(index).astype(int).T)]
            assert voxels.tolist() == [1, 2, 3, 4, 5, 6], (split, case.id)
            assert case.centre == get_split(split).centre and case.info == {}


def test_landmarks_land_on_the_same_voxels_of_the_network_grid(tmp_path: Path) -> None:
    """Whatever the storage order, all cases look the same in canonical axes."""
    dgmld_release(tmp_path, {"lfc": LFC})
    import_source("dgmld", tmp_path, data_dir=tmp_path)
    for case in load_split("lfc", references=True, data_dir=tmp_path):
        stored_order = geometry.canonical_axes(case.affine)[0]
        shape = tuple(case.image.shape[s] for s in stored_order)
        grid = geometry.NetworkGrid(case.affine, case.image.shape, shape)
        np.testing.assert_allclose(grid.to_grid(case.landmarks), PAINTED, atol=1e-4)


def test_everything_incomplete_is_named(tmp_path: Path) -> None:
    release = tmp_path / "release"
    dgmld_release(release, {"lfc": LFC, "feta": ["1", "2", "3"], "atlas": ["x"]})
    images, labels = release / "LFC_dataset/train", release / "LFC_dataset/train_label"
    (labels / LFC[0] / "L_9.mrk.json").unlink()  # one line is missing
    (images / f"{LFC[1]}.nii.gz").unlink()
    (images / f"{LFC[2]}.nii.gz").write_bytes(b"<html>")
    write_mrk(labels / LFC[3] / "L_10.mrk.json", np.zeros((3, 3)), "RAS")  # three points
    (labels / LFC[4]).rename(labels / "4711")
    write_mrk(labels / LFC[5] / "L_13.mrk.json", np.array([[0, 0, 0], [0, 300.0, 0]]), "LPS")
    cut = release / "feta21/feta21/3.nii.gz"
    cut.write_bytes(cut.read_bytes()[:-20])
    (release / "feta.zip").touch()
    register = import_source("dgmld", release, data_dir=tmp_path / "data")
    assert [c.id for c in register.cases_of("lfc")] == LFC[5:]
    assert "5 of 6" in messages(register, f"lfc/{LFC[0]}")[0]
    assert messages(register, f"lfc/{LFC[1]}") == ["incomplete: no image"]
    assert "not a readable NIfTI" in messages(register, f"lfc/{LFC[2]}")[0]
    assert "3 control points" in messages(register, f"lfc/{LFC[3]}")[0]
    assert messages(register, f"lfc/{LFC[4]}") == ["incomplete: no label folder"]
    assert "unknown" in messages(register, "lfc/4711")[0]
    assert messages(register, f"lfc/{LFC[5]}") == ["L_13.mrk.json has an end point outside the image"]
    assert messages(register, "lfc")[0].startswith("117 cases are missing or incomplete: ")
    nothing = "no folder valid/ with <id>.nii.gz and no valid_label/ with <id>/*.mrk.json below"
    assert messages(register, "lfc-val") == [f"{nothing} {release}"]
    assert messages(register, "feta") == ["2 complete cases are here; the split of the paper has 55"]
    assert "3.nii.gz: damaged" in messages(register, "feta/3")[0]
    assert any("no mask, no pre-training folder" in m for m in messages(register, "atlas"))
    assert any(p.where.endswith("feta.zip") for p in register.problems)


def test_folders_are_found_by_what_is_in_them_wherever_they_were_unpacked(tmp_path: Path) -> None:
    truth = dgmld_release(tmp_path / "r", {"lfc": LFC[:2], "feta": ["3"]})
    for name in ("train", "train_label"):  # each archive unpacked into a folder of its own name
        (tmp_path / "apart" / name).mkdir(parents=True)
        (tmp_path / "r/LFC_dataset" / name).rename(tmp_path / "apart" / name / name)
    (tmp_path / "r/feta21").rename(tmp_path / "apart/feta21")
    (tmp_path / "apart/old/train").mkdir(parents=True)
    (tmp_path / "apart/old/train/9999.nii.gz").touch()
    register = import_source("dgmld", tmp_path / "apart", data_dir=tmp_path)
    cases = load_split("lfc", references=True, data_dir=tmp_path)
    for case in (*cases, *load_split("feta", references=True, data_dir=tmp_path)):
        np.testing.assert_allclose(case.landmarks, truth[case.split][case.id], atol=1e-4)
    assert cases.ids == tuple(LFC[:2])
    assert messages(register, str(tmp_path / "apart/old/train")) == [
        f"a second train/; {tmp_path / 'apart/train/train'} is used"
    ]


def test_a_stated_length_that_is_another_is_named_but_kept(tmp_path: Path) -> None:
    dgmld_release(tmp_path, {"lfc": LFC[:1]})
    path = tmp_path / "LFC_dataset/train_label" / LFC[0] / "L_10.mrk.json"
    points = np.array([[1.0, 0, 0], [-1, 0, 0]])
    write_mrk(path, points, "RAS", measurements=[{"name": "length", "value": 20.0, "units": "mm"}])
    register = import_source("dgmld", tmp_path, data_dir=tmp_path)
    assert register.count("lfc") == 1
    assert "states a length of 20.00 mm, its end points are 2.00 mm apart" in messages(register, f"lfc/{LFC[0]}")[0]


def test_numbers_order_the_lines_and_names_without_one_are_refused(tmp_path: Path) -> None:
    write_labels(tmp_path, PAINTED.astype(float), "RAS")  # L_8 … L_13: text order would put 10 first
    assert [p.name for p in label_files(tmp_path)] == ["L_10.mrk.json", "L_12.mrk.json", "L_13.mrk.json"]
    (tmp_path / "._L_8.mrk.json").touch()  # what some archivers leave
    assert len(label_files(tmp_path)) == 3
    (tmp_path / "L_8.mrk.json").rename(tmp_path / "L.mrk.json")
    with pytest.raises(ValueError, match="no number at the end"):
        label_files(tmp_path)
    (tmp_path / "L.mrk.json").rename(tmp_path / "M_9.mrk.json")
    with pytest.raises(ValueError, match="shares its number"):
        label_files(tmp_path)


@pytest.mark.parametrize("numbering", ["fidon", "feta"])
def test_atlas_masks_come_from_the_pretraining_folder(tmp_path: Path, numbering: derive.Scheme) -> None:
    labels = brain(numbering)
    affine = np.diag([0.8, 0.8, 0.8, 1.0])
    points = derive.derive_landmarks(labels, affine, numbering)
    ids = ["1", "10", "2", "3"]
    for case_id in ids:
        volumes.write_volume(tmp_path / "atlas/atlas-reconstruct" / f"{case_id}.nii.gz", labels, affine)
        write_labels(tmp_path / "atlas/atlas_label" / case_id, points, "LPS")
    write_pretraining(
        tmp_path / "pretrain",
        {"10": (labels, affine), "1": (labels, affine), "2": (labels[::-1], affine @ np.diag([1, 1, 2, 1.0]))},
    )
    register = import_source("dgmld", tmp_path, data_dir=tmp_path / "data")
    cases = load_split("atlas", data_dir=tmp_path / "data")
    assert list(cases.ids) == ["1", "2", "3", "10"]
    assert [case.mask is not None for case in cases] == [True, False, False, True]
    assert Path(register.cases_of("atlas")[0].mask or "").name == "1_parcellation.nii.gz"
    assert cases[0].info == {"label_scheme": numbering}
    mask = cases[0].mask
    assert mask is not None
    np.testing.assert_array_equal(
        derive.cerebellum(mask, cases[0].affine), labels == derive.CEREBELLUM_LABEL[numbering]
    )
    assert "mask not used" in messages(register, "atlas/2")[0]
    assert any("1 of 4 cases have no mask, no label map fits: 3" in m for m in messages(register, "atlas"))


RAS = np.diag([0.8, 0.8, 0.8, 1.0])


def atlas_of(root: Path, heads: dict[str, np.ndarray]) -> None:
    """Write atlas cases whose images are different textures on one anatomy, with landmarks derived from it."""
    points = derive.derive_landmarks(brain(), RAS, "fidon")
    for case_id, image in heads.items():
        volumes.write_volume(root / "atlas/atlas-reconstruct" / f"{case_id}.nii.gz", image, RAS)
        write_labels(root / "atlas/atlas_label" / case_id, points, "RAS")


def heads(*ids: str) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    shape = brain().shape
    return {i: ((brain() > 0) * (50 + 12 * gaussian_filter(rng.normal(size=shape), 3) * 30)).astype("f4") for i in ids}


def pretraining(root: Path, maps: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray | None]]) -> None:
    """Write label maps, and images where there are some, by their names; ``train.list`` as the release has it."""
    (root / "image").mkdir(parents=True)
    for name, (labels, affine, image) in maps.items():
        volumes.write_volume(root / "label" / f"{name}_parcellation.nii.gz", labels, affine)
        if image is not None:
            volumes.write_volume(root / "image" / f"{name}.nii.gz", image, affine)
    (root / "train.list").write_text("\n".join(maps) + "\n")


def test_masks_whose_names_do_not_begin_with_the_id(tmp_path: Path) -> None:
    images = heads("1", "10", "21", "2")
    atlas_of(tmp_path, images)
    names = {"1": "sub-001", "10": "atlas_10_srr", "21": "HarvardSTA21_Study1", "2": "whatever"}
    pretraining(tmp_path / "pre", {names[i]: (brain(), RAS, image) for i, image in images.items()})
    register = import_source("dgmld", tmp_path, data_dir=tmp_path / "data")
    found = {c.id: Path(c.mask or "").name for c in register.cases_of("atlas")}
    assert found == {i: f"{name}_parcellation.nii.gz" for i, name in names.items()}
    assert messages(register, "atlas/10") == ["mask atlas_10_srr_parcellation.nii.gz, found by its name"]
    # 21 and 1 are both in HarvardSTA21_Study1, so that its name alone does not tell; nothing is in "whatever"
    assert messages(register, "atlas/21") == ["mask HarvardSTA21_Study1_parcellation.nii.gz, found by its image"]
    assert messages(register, "atlas/2") == ["mask whatever_parcellation.nii.gz, found by its image"]


def test_nothing_is_guessed_when_two_fit(tmp_path: Path) -> None:
    images = heads("1", "2", "3", "4")
    atlas_of(tmp_path, images)
    other = heads("1", "2", "3", "4", "another")["another"]
    pretraining(
        tmp_path / "pre",
        {
            "1": (brain(), RAS, other),  # the name of case 1, the image of another head
            "2_a": (brain(), RAS, None),
            "2_b": (brain(), RAS, None),
            "p": (brain(), RAS, images["3"]),
            "q": (brain(), RAS, images["3"]),
        },
    )
    register = import_source("dgmld", tmp_path, data_dir=tmp_path / "data")
    assert [c.mask for c in register.cases_of("atlas")] == [None] * 4
    assert "the image beside it is another (correlation" in messages(register, "atlas/1")[0]
    assert messages(register, "atlas/2") == [
        "mask not used: 2 label maps fit by their names: 2_a_parcellation.nii.gz, 2_b_parcellation.nii.gz"
    ]
    assert messages(register, "atlas/3") == ["mask not used: 2 label maps fit 1 cases by their images; none is taken"]
    assert "1 of 4 cases have no mask, no label map fits: 4" in messages(register, "atlas")


def test_masks_on_another_grid_are_resampled_through_both_affines(tmp_path: Path) -> None:
    images = heads("5", "6")
    atlas_of(tmp_path, images)
    turned = brain()[::-1].transpose(2, 0, 1)  # the same anatomy, stored in another order, with a margin
    affine = np.zeros((4, 4))
    affine[2, 0], affine[0, 1], affine[1, 2], affine[3, 3] = 0.8, -0.8, 0.8, 1
    affine[0, 3] = 0.8 * (brain().shape[0] - 1)
    wide = np.pad(turned, 4)
    affine[:3, 3] -= affine[:3, :3] @ [4, 4, 4]
    away = RAS.copy()
    away[:3, 3] = 60, 0, 0
    pretraining(tmp_path / "pre", {"5": (wide, affine, None), "6": (np.pad(brain(), 2), away, None)})
    register = import_source("dgmld", tmp_path, data_dir=tmp_path / "data")
    assert messages(register, "atlas/5") == [
        "mask 5_parcellation.nii.gz, found by its name; resampled from another grid"
    ]
    (with_mask, without) = load_split("atlas", data_dir=tmp_path / "data")
    np.testing.assert_array_equal(with_mask.mask, brain())
    assert without.mask is None and "in the volume of its case" in messages(register, "atlas/6")[0]


def test_a_vermis_apart_becomes_part_of_the_cerebellum(tmp_path: Path) -> None:
    feta = brain("feta")
    middle = feta.shape[0] // 2
    apart = feta.copy()
    apart[middle - 3 : middle + 3][feta[middle - 3 : middle + 3] == 5] = 8
    atlas_of(tmp_path, heads("7"))
    pretraining(tmp_path / "pre", {"7": (apart, RAS, None)})
    register = import_source("dgmld", tmp_path, data_dir=tmp_path / "data")
    assert "label 8, the vermis, made part of label 5" in messages(register, "atlas/7")[0]
    (case,) = load_split("atlas", data_dir=tmp_path / "data")
    assert case.info == {"label_scheme": "feta"}
    np.testing.assert_array_equal(derive.cerebellum(case.mask, case.affine, "feta"), feta == 5)  # type: ignore[arg-type]
    assert derive.merge_vermis(feta, RAS) is None and derive.merge_vermis(brain(), RAS) is None
    callosum = brain().copy()
    callosum[middle - 4 : middle + 4, 30:40, 36:39] = 8  # Fidon's corpus callosum
    assert derive.merge_vermis(callosum, RAS) is None and derive.detect_scheme(callosum, RAS) == "fidon"


def test_a_folder_called_test_is_named(tmp_path: Path) -> None:
    dgmld_release(tmp_path, {"lfc": LFC[:1]})
    write_cases(tmp_path / "LFC_dataset/test", tmp_path / "LFC_dataset/test_label", ["901", "902"])
    register = import_source("dgmld", tmp_path, data_dir=tmp_path / "data")
    assert messages(register, str(tmp_path / "LFC_dataset/test")) == [
        "2 volumes, with test_label/ beside it: of no split of the benchmark, and not imported"
    ]
