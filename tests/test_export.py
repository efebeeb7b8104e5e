"""Exports, read back with the libraries that they are for: the same numbers, the licence, nothing half done."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from scipy import ndimage
from typer.testing import CliRunner

from dgmld_bench import Predictions, geometry, load_split
from dgmld_bench.errors import DataError, UsageError
from dgmld_bench.export import FORMATS, export
from dgmld_bench.export.nnlandmark import label_map
from dgmld_bench.formats import markups, volumes
from dgmld_bench.landmarks import CEPHALOMETRIC, CEREBELLUM
from dgmld_bench.obtaining.importing import import_source
from dgmld_bench.storage.register import read_register
from tests.trees import isbi

datasets = pytest.importorskip("datasets", reason="datasets is not installed (extra 'export')")


@pytest.fixture
def predictions(tmp_path: Path, brains: Path) -> Path:
    """Two runs for split ``lfc``; the second misses one end of HDV in case 10."""
    made = Predictions(track="dgmld", method="Shifted", backbone="none", space="voxel")
    for seed in (0, 4):
        for case in load_split("lfc", references=True, data_dir=brains):
            points = geometry.world_to_index(case.affine, case.landmarks + seed)
            named = dict(zip(CEREBELLUM.names, points, strict=True))
            if (seed, case.id) == (4, "10"):
                del named["HDV1"]
            made.add(seed=seed, split="lfc", case=case.id, landmarks=named)
    made.save(tmp_path / "predictions.json")
    return tmp_path / "predictions.json"


def test_a_dataset_of_volumes_gives_the_same_numbers_back(brains: Path, tmp_path: Path) -> None:
    export("atlas", "hf", tmp_path / "out", data_dir=brains)
    loaded = datasets.load_from_disk(tmp_path / "out")
    cases = load_split("atlas", data_dir=brains)
    assert isinstance(loaded.features["image"], datasets.Nifti) and loaded["id"][:] == list(cases.ids)
    for row, case in zip(loaded, cases, strict=True):
        assert np.array_equal(np.asarray(row["image"].dataobj), case.image)
        assert np.array_equal(row["image"].affine, case.affine) and np.array_equal(row["affine"], case.affine)
        assert np.array_equal(np.asarray(row["mask"].dataobj), case.mask)
        assert np.array_equal(row["landmarks"], case.landmarks)
        assert tuple(row["landmark_names"]) == CEREBELLUM.names
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "README.md",
        "data-00000-of-00001.arrow",
        "dataset_info.json",
        "state.json",
    ]


def test_an_export_of_real_cases_stays_out_of_the_repository(brains: Path) -> None:
    here = Path(__file__).parents[1]
    if not (here / ".git").exists():
        pytest.skip("not in a checkout")
    with pytest.raises(UsageError, match="may not be passed on"):
        export("lfc", "hf", here / "lfc-hf", data_dir=brains)
    assert not (here / "lfc-hf").exists()


def test_a_dataset_withholds_what_belongs_to_a_test_split(brains: Path, tmp_path: Path) -> None:
    export(["lfc-val", "lfc"], "hf", tmp_path / "out", data_dir=brains)
    loaded = datasets.load_from_disk(tmp_path / "out")
    assert sorted(loaded) == ["lfc", "lfc_val"]
    assert not {"landmarks", "mask"} & set(loaded["lfc"].column_names)
    assert {"landmarks", "mask"} <= set(loaded["lfc_val"].column_names)
    export("lfc", "hf", tmp_path / "asked", references=True, data_dir=brains)
    first = datasets.load_from_disk(tmp_path / "asked")[0]
    assert np.array_equal(first["landmarks"], load_split("lfc", references=True, data_dir=brains)[0].landmarks)


@pytest.fixture
def painted(tmp_path: Path) -> Path:
    """A data folder with a reduced film of the test split ``isbi``; pixel (100, 40) is bright, all others dark."""
    from PIL import Image

    isbi(tmp_path / "release", [151])
    film = np.zeros((480, 387), np.uint8)
    film[100, 40] = 200
    Image.fromarray(film).save(tmp_path / "release/RawImage/Test1Data/151.bmp")
    import_source("isbi", tmp_path / "release", data_dir=tmp_path / "data")
    return tmp_path / "data"


def test_a_dataset_of_films_gives_the_same_numbers_back(painted: Path, tmp_path: Path) -> None:
    export("isbi", "hf", tmp_path / "out", references=True, data_dir=painted)
    (row,) = datasets.load_from_disk(tmp_path / "out")
    (case,) = load_split("isbi", references=True, data_dir=painted)
    assert np.array_equal(np.asarray(row["image"]), case.image) and np.asarray(row["image"])[100, 40] == 200
    assert np.array_equal(row["landmarks"], case.landmarks) and case.landmarks[0, 0] % 1 == 0.5
    assert np.array_equal(row["affine"], case.affine) and row["pixel_spacing_mm"] == 0.1


def test_a_table_of_references_and_predictions(brains: Path, predictions: Path, tmp_path: Path) -> None:
    import pandas as pd
    from pyarrow import parquet

    export("lfc", "parquet", tmp_path / "t.parquet", references=True, predictions=predictions, data_dir=brains)
    table = pd.read_parquet(tmp_path / "t.parquet")
    assert len(table) == 3 * 6 + 2 * 3 * 6 - 1  # references, two runs, one missing point
    reference = table[table.kind == "reference"]
    assert reference.seed.isna().all() and list(reference.landmark[:6]) == list(CEREBELLUM.names)
    cases = load_split("lfc", references=True, data_dir=brains)
    world = np.stack([c.landmarks for c in cases])
    assert np.array_equal(reference[["x_ras_mm", "y_ras_mm", "z_ras_mm"]].to_numpy().reshape(3, 6, 3), world)
    shifted = table[table.seed == 4].merge(reference, on=["case", "landmark"], suffixes=("", "_ref"))
    assert np.allclose(shifted.x_ras_mm - shifted.x_ras_mm_ref, 4)
    voxels = reference[reference.case == "1"][["voxel_i", "voxel_j", "voxel_k"]].to_numpy()
    assert np.allclose(geometry.index_to_world(cases[0].affine, voxels), world[0])
    about = json.loads(parquet.read_schema(tmp_path / "t.parquet").metadata[b"dgmld-bench"])
    assert about["splits"][0]["licence"].startswith("LFC and labels")
    assert [p.name for p in tmp_path.iterdir() if ".part" in p.name] == []
    job = export(["atlas", "lfc"], "parquet", tmp_path / "withheld.parquet", data_dir=brains)
    assert set(pd.read_parquet(tmp_path / "withheld.parquet").split) == {"atlas"}
    assert job.notes == ["no row of test split 'lfc': its landmarks are withheld unless references are asked for"]


def test_a_table_of_films_can_be_measured_in_millimetres(painted: Path, tmp_path: Path) -> None:
    import pandas as pd

    export("isbi", "parquet", tmp_path / "out", references=True, data_dir=painted)
    table = pd.read_parquet(tmp_path / "out/landmarks.parquet")
    assert list(table.landmark) == list(CEPHALOMETRIC.names) and set(table.pixel_spacing_mm) == {0.1}
    (case,) = load_split("isbi", references=True, data_dir=painted)
    assert np.array_equal(table[["x_px", "y_px"]].to_numpy(), case.landmarks)
    assert np.allclose(table.column, (table.x_px + 0.5) / 5 - 0.5)  # the film is stored at a fifth of its size


def test_nnlandmark_finds_every_landmark_at_the_centre_of_its_label(brains: Path, tmp_path: Path) -> None:
    export(["atlas", "lfc"], "nnlandmark", tmp_path / "out", references=True, data_dir=brains)
    out = tmp_path / "out"
    read = {p.stem: json.loads(p.read_text()) for p in out.glob("*.json")}
    names = read["name_to_label"]
    assert read["dataset"] | {"licence": ""} == {
        "channel_names": {"0": "MRI"},
        "labels": {"background": 0, **names},
        "numTraining": 6,
        "file_ending": ".nii.gz",
        "description": "dgmld-bench: atlas, lfc",
        "licence": "",
    }
    assert list(names.items()) == [(n, i) for i, n in enumerate(CEREBELLUM.names, 1)]
    for split, part in (("atlas", "Tr"), ("lfc", "Ts")):
        assert len(list((out / f"images{part}").iterdir())) == len(list((out / f"labels{part}").iterdir()))
        for case in load_split(split, references=True, data_dir=brains):
            key = f"{split}-{case.id}"
            image, affine = volumes.read_volume(out / f"images{part}/{key}_0000.nii.gz")
            assert np.array_equal(image, case.image) and np.array_equal(affine, case.affine)
            labels = volumes.read_labels(out / f"labels{part}/{key}.nii.gz")
            points = np.array([read["all_landmarks_voxel"][key][n] for n in names])
            assert np.allclose(geometry.index_to_world(affine, points), case.landmarks)
            centres = ndimage.center_of_mass(np.ones(labels.shape), labels, range(1, 7))
            assert np.array_equal(centres, np.rint(points))
            assert np.allclose(read["spacing"][key]["image_spacing"], 0.8)


def test_nnlandmark_of_a_test_split_without_references_has_images_alone(brains: Path, tmp_path: Path) -> None:
    export("lfc", "nnlandmark", tmp_path / "out", data_dir=brains)
    assert len(list((tmp_path / "out/imagesTs").iterdir())) == 3 and not (tmp_path / "out/labelsTs").exists()
    assert json.loads((tmp_path / "out/all_landmarks_voxel.json").read_text()) == {}


def test_label_maps_by_hand() -> None:
    missing = np.full(3, np.nan)
    labels = label_map(np.array([[2.4, 2, 2], missing, [0, 2, 2]]), (9, 5, 5))
    # two voxels apart the cubes would meet, and the last would leave the image: a voxel each
    assert np.argwhere(labels).tolist() == [[0, 2, 2], [2, 2, 2]] and labels[0, 2, 2] == 3
    with pytest.raises(DataError, match="case x: landmark 2 lies outside the image"):
        label_map(np.array([[1, 1, 1], [1, 1, 4.6]]), (5, 5, 5), "case x")
    with pytest.raises(DataError, match="landmarks 1 and 3 have one nearest voxel"):
        label_map(np.array([[1, 1, 1], [3, 3, 3], [1.2, 1, 1]]), (5, 5, 5))


def check_scene(path: Path) -> dict[str, ET.Element]:
    """Check that everything a scene refers to exists; return its nodes by name."""
    nodes = list(ET.parse(path).getroot())
    ids = [n.attrib["id"] for n in nodes]
    assert len(set(ids)) == len(ids)
    for node in nodes:
        for pair in filter(None, node.get("references", "").split(";")):
            assert pair.partition(":")[2] in ids
        assert node.get("backgroundVolumeID", ids[0]) in ids
        assert "fileName" not in node.attrib or (path.parent / node.attrib["fileName"]).is_file()
    return {n.attrib["name"]: n for n in nodes}


def test_scenes_of_volumes_hold_the_predictions_in_the_scanner_s_millimetres(
    brains: Path, predictions: Path, tmp_path: Path
) -> None:
    job = export("lfc", "slicer", tmp_path / "out", predictions=predictions, data_dir=brains)
    assert not list((tmp_path / "out").rglob("reference"))  # withheld
    for case in load_split("lfc", references=True, data_dir=brains):
        folder = tmp_path / "out" / case.id
        nodes = check_scene(folder / "scene.mrml")
        assert nodes["TCD seed-0"].tag == "MarkupsLine"
        image, affine = volumes.read_volume(folder / "image.nii.gz")
        assert np.array_equal(image, case.image) and np.array_equal(affine, case.affine)
        assert np.allclose(
            markups.read_lines(markups.landmark_paths(folder / "seed-0", CEREBELLUM), CEREBELLUM), case.landmarks
        )
        assert np.allclose(markups.read_line(folder / "seed-4/ADV.mrk.json"), case.landmarks[4:] + 4)
    assert job.notes == ["case '10' of split 'lfc', seed-4: without HDV"]
    assert job.notes[0] in (tmp_path / "out/README.md").read_text()
    assert "HDV seed-4" not in check_scene(tmp_path / "out/10/scene.mrml")

    export("lfc", "slicer", tmp_path / "one", predictions=predictions, seed=4, references=True, data_dir=brains)
    assert sorted(p.name for p in (tmp_path / "one/1").iterdir()) == [
        "image.nii.gz",
        "reference",
        "scene.mrml",
        "seed-4",
    ]


def test_scenes_of_films_put_points_on_their_pixels(painted: Path, tmp_path: Path) -> None:
    (case,) = load_split("isbi", references=True, data_dir=painted)
    made = Predictions(track="ceph", method="Bright", backbone="none")
    bright = geometry.index_to_world(case.affine, [100, 40])
    made.add(seed=0, split="isbi", case="151", landmarks=np.tile(bright, (19, 1)))
    made.save(tmp_path / "p.json")
    export("isbi", "slicer", tmp_path / "out", predictions=tmp_path / "p.json", data_dir=painted)
    nodes = check_scene(tmp_path / "out/151/scene.mrml")
    assert nodes["landmarks seed-0"].tag == "MarkupsFiducial"
    volume, affine = volumes.read_volume(tmp_path / "out/151/image.nii.gz")
    (markup,) = json.loads((tmp_path / "out/151/seed-0/landmarks.mrk.json").read_text())["markups"]
    assert [p["label"] for p in markup["controlPoints"]] == list(CEPHALOMETRIC.names)
    lps = np.array(markup["controlPoints"][0]["position"])
    assert markup["coordinateSystem"] == "LPS" and np.allclose(lps, [*(bright * 0.1), 0])  # x right, y down, in mm
    index = geometry.world_to_index(affine, geometry.flip_ras_lps(lps))
    assert np.allclose(index, [40, 100, 0], atol=1e-4) and volume[40, 100, 0] == 200


@pytest.mark.parametrize("format", FORMATS)
def test_a_sheared_volume_is_refused_where_the_target_does_not_open_it(
    brains: Path, predictions: Path, tmp_path: Path, format: str
) -> None:
    import SimpleITK

    shutil.copytree(brains, tmp_path / "data", ignore=shutil.ignore_patterns("cache"))
    case = read_register("dgmld", tmp_path / "data").cases_of("atlas")[1]
    path = tmp_path / "data/dgmld" / case.image
    assert case.mask is not None
    shear = np.eye(4)
    shear[0, 1] = np.tan(np.deg2rad(4))
    for file in (path, tmp_path / "data/dgmld" / case.mask):
        image, affine = volumes.read_volume(file)
        volumes.write_volume(file, image, affine @ shear)
    if format in ("hf", "parquet"):
        export("atlas", format, tmp_path / "out", data_dir=tmp_path / "data")
        return
    with pytest.raises(RuntimeError, match="orthonormal"):
        SimpleITK.ReadImage(str(path))
    with pytest.raises(DataError, match=rf"case '{case.id}' of split 'atlas': its axes are sheared .* at 86\.00°"):
        export("atlas", format, tmp_path / "out", data_dir=tmp_path / "data")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("format", FORMATS)
def test_a_failure_leaves_nothing_behind(brains: Path, tmp_path: Path, format: str) -> None:
    shutil.copytree(brains, tmp_path / "data", ignore=shutil.ignore_patterns("cache"))
    register = read_register("dgmld", tmp_path / "data")
    second = register.cases_of("atlas")[1]
    register.path(second.image if format != "parquet" else second.landmarks[0]).write_bytes(b"damaged")
    (tmp_path / "out").mkdir()
    with pytest.raises(DataError, match=r"atlas-2"):
        export("atlas", format, tmp_path / "out" / "here", data_dir=tmp_path / "data")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_link_to_an_empty_folder_is_filled_as_a_mount_is(brains: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "real")
    export("atlas", "parquet", tmp_path / "out", data_dir=brains)
    assert (tmp_path / "out").is_symlink()
    assert sorted(p.name for p in (tmp_path / "real").iterdir()) == ["README.md", "landmarks.parquet"]


@pytest.mark.parametrize(
    ("format", "cases", "message"),
    [
        ("parquet", {"a": "b-1", "a-b": "1"}, "files of two cases would be called 'own%2Fa-b-1'"),
        ("hf", {"a-b": "1", "a_b": "2"}, "'own/a-b' as own_a_b, 'own/a_b' as own_a_b"),
    ],
)
def test_names_that_would_be_one_in_the_export_are_refused(
    tmp_path: Path, format: str, cases: dict[str, str], message: str
) -> None:
    from PIL import Image

    for name, case in cases.items():
        (tmp_path / name / "images").mkdir(parents=True)
        Image.linear_gradient("L").save(tmp_path / name / "images" / f"{case}.png")
        (tmp_path / name / "landmarks.csv").write_text(f"case,landmark,x,y\n{case},sella,10,20\n")
        options = {"landmarks": "cephalometric", "spacing_mm": 0.1, "data_dir": tmp_path / "data"}
        import_source(f"own/{name}", tmp_path / name, **options)
    with pytest.raises(UsageError, match=message):
        export([f"own/{name}" for name in cases], format, tmp_path / "out", references=True, data_dir=tmp_path / "data")
    assert not (tmp_path / "out").exists()


def test_a_full_disk_is_named_and_left_as_it_was(brains: Path, small_disk: Path) -> None:
    with pytest.raises(OSError, match="No space left on device"):
        export("atlas", "nnlandmark", small_disk / "out", data_dir=brains)
    assert list(small_disk.iterdir()) == []


def test_what_is_refused(brains: Path, films: Path, predictions: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").write_text("mine")
    with pytest.raises(UsageError, match="is not empty; nothing was written"):
        export("atlas", "hf", tmp_path / "full", data_dir=brains)
    assert (tmp_path / "full/file").read_text() == "mine"
    with pytest.raises(UsageError, match="exists already"):
        export("atlas", "parquet", predictions, data_dir=brains)
    out = tmp_path / "out"
    with pytest.raises(UsageError, match="did you mean 'parquet'"):
        export("atlas", "parket", out, data_dir=brains)
    with pytest.raises(DataError, match="no case of split 'feta' is on disk"):
        export("feta", "hf", out, data_dir=brains)
    with pytest.raises(UsageError, match="withheld, so the table would have no rows"):
        export("lfc", "parquet", out, data_dir=brains)
    with pytest.raises(UsageError, match="needs predictions=FILE"):
        export("lfc", "slicer", out, data_dir=brains)
    with pytest.raises(UsageError, match="nnLandmark's layout and its evaluation have three axes"):
        export("isbi", "nnlandmark", out, data_dir=films)
    for format in ("hf", "nnlandmark"):
        with pytest.raises(UsageError, match="predictions"):
            export("lfc", format, out, predictions=predictions, data_dir=brains)
    with pytest.raises(DataError, match="has no predictions for split 'atlas'; it has: lfc"):
        export("atlas", "slicer", out, predictions=predictions, data_dir=brains)
    with pytest.raises(UsageError, match="no run with seed 3; seeds: 0, 4"):
        export("lfc", "slicer", out, predictions=predictions, seed=3, data_dir=brains)
    with pytest.raises(UsageError, match="has other landmarks"):
        export("isbi", "slicer", out, predictions=predictions, data_dir=films)
    with pytest.raises(UsageError, match="name each split once"):
        export(["atlas", "atlas"], "hf", out, data_dir=brains)
    assert not out.exists()


def test_the_command(brains: Path, tmp_path: Path) -> None:
    from dgmld_bench.cli.app import build_app

    arguments = ["export", "lfc-val", "--format", "parquet", "--out", str(tmp_path / "out"), "--data-dir", str(brains)]
    result = CliRunner().invoke(build_app(), arguments, env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    assert "lfc-val: 2 cases, reference landmarks: expert" in result.output and "FeTA: research" in result.output
    assert "research and education only" in (tmp_path / "out/README.md").read_text()
    again = CliRunner().invoke(build_app(), [*arguments, "--json", "-"])
    assert isinstance(again.exception, UsageError)
