"""The PyTorch adapter, and MONAI transforms on it: points stay on the voxels that they name."""

from __future__ import annotations

import pickle
import runpy
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dgmld_bench import geometry, load_split
from dgmld_bench.formats import volumes
from dgmld_bench.storage.register import CaseFiles, Register, write_register
from dgmld_bench.torch import LandmarkDataset
from tests.trees import affines, write_labels

SHAPE = (40, 44, 36)
POINTS = np.array([[26, 15, 17], [13, 15, 17], [20, 14, 23], [20, 14, 12], [20, 22, 17], [20, 8, 17]])


@pytest.fixture(scope="module")
def painted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Training cases of every orientation: at each landmark a bright ball, brighter from landmark to landmark."""
    folder = tmp_path_factory.mktemp("painted") / "dgmld"
    register = Register("dgmld", folder, ())
    for n, affine in enumerate(affines(), start=1):
        order, flips = geometry.canonical_axes(affine)
        grid = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), axis=-1)
        volume = np.zeros(SHAPE, np.float32)
        for value, point in enumerate(POINTS, start=1):
            volume[((grid - point) ** 2).sum(axis=-1) <= 2.5**2] = 10 * value
        stored = np.transpose(volume, np.argsort(order))
        index = np.empty_like(POINTS)
        for world, (axis, flip) in enumerate(zip(order, flips, strict=True)):
            stored = np.flip(stored, axis) if flip else stored
            index[:, axis] = SHAPE[world] - 1 - POINTS[:, world] if flip else POINTS[:, world]
        volumes.write_volume(folder / f"{n}.nii.gz", stored, affine)
        write_labels(folder / str(n), geometry.index_to_world(affine, index), "LPS")
        lines = tuple(f"{n}/L_{8 + place}.mrk.json" for place in (2, 4, 5))
        register = replace(register, cases=(*register.cases, CaseFiles(str(n), "atlas", f"{n}.nii.gz", lines)))
    write_register(register)
    return folder.parent


def test_points_are_indices_of_the_image(painted: Path) -> None:
    data = LandmarkDataset("atlas", data_dir=painted)
    assert len(data) == 4 and data.ids == ("1", "2", "3", "4")
    for item, case in zip((data[i] for i in range(4)), load_split("atlas", data_dir=painted), strict=True):
        assert item["image"].dtype == torch.float32 and item["image"].shape == (1, *case.image.shape)
        index = item["landmarks"].round().long()
        assert item["image"][0][tuple(index.T)].tolist() == [10, 20, 30, 40, 50, 60]
        assert np.allclose(geometry.index_to_world(item["affine"], item["landmarks"]), case.landmarks)
        assert np.array_equal(item["world"], case.landmarks)


def test_films_are_row_and_column(films: Path) -> None:
    item = LandmarkDataset("isbi-train", data_dir=films)[0]
    (case,) = load_split("isbi-train", data_dir=films)[:1]
    assert item["image"].shape == (1, 480, 387)
    row, column = item["landmarks"][0].tolist()
    assert (column * 5 + 2, row * 5 + 2) == pytest.approx(tuple(case.landmarks[0]))  # a fifth of the original


def test_landmarks_of_a_test_split_are_withheld_unless_asked_for(brains: Path) -> None:
    assert not {"landmarks", "world"} & LandmarkDataset("lfc", data_dir=brains)[0].keys()
    assert {"landmarks", "world"} <= LandmarkDataset("lfc", references=True, data_dir=brains)[0].keys()


def test_a_data_set_travels_to_worker_processes(brains: Path) -> None:
    data = LandmarkDataset("atlas", data_dir=brains)
    copy = pickle.loads(pickle.dumps(data))
    assert torch.equal(copy[1]["landmarks"], data[1]["landmarks"])


def test_a_transform_sees_the_item(brains: Path) -> None:
    data = LandmarkDataset("atlas", data_dir=brains, transform=lambda item: item["id"])
    assert [data[0], data[5]] == ["1", "6"]


def test_pytorch_is_imported_by_the_adapter_alone() -> None:
    code = (
        "import sys, dgmld_bench as db; db.load_split; db.score; assert 'torch' not in sys.modules; db.torch; print(1)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "1\n", done.stderr


def test_monai_keeps_points_and_image_together(painted: Path) -> None:
    pytest.importorskip("monai", reason="MONAI is not installed (extra 'dev')")
    example = runpy.run_path(str(Path(__file__).parents[1] / "docs/monai_transforms.py"))
    transforms = example["training_transforms"](spacing_mm=0.5, shape=(72, 80, 70))
    plain = example["training_transforms"](spacing_mm=0.5, shape=(72, 80, 70), degrees=0)
    plain.set_random_state(seed=3)
    transforms.set_random_state(seed=3)  # transforms have generators of their own
    data = LandmarkDataset("atlas", data_dir=painted, transform=transforms)
    turned = []
    for n in range(len(data)):
        item = data[n]
        image, points = np.asarray(item["image"])[0], np.asarray(item["landmarks"])[0]
        assert image.shape == (72, 80, 70)
        for point in points:
            index = np.stack(np.nonzero(image > 0.1), axis=1)
            near = index[np.linalg.norm(index - point, axis=1) <= 6]
            assert len(near), "no ball where the point is"
            assert np.linalg.norm(np.average(near, axis=0, weights=image[tuple(near.T)]) - point) < 0.5
        turned.append(points)
    # and the transforms do something: the points are not where they were without turning
    straight = [np.asarray(plain(LandmarkDataset("atlas", data_dir=painted)[n])["landmarks"])[0] for n in range(4)]
    assert min(np.abs(a - b).max() for a, b in zip(turned, straight, strict=True)) > 1
