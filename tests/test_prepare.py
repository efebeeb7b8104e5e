"""Preparing and caching: exactly what scikit-image computes, on the right voxels, anew when a file changes."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baselines.common import prepare
from baselines.common.prepare import FULL_SCALE, Cache, preprocess, preprocess_mask, resample, spline_matrix, window
from dgmld_bench.cases import Case
from dgmld_bench.errors import DataError, ReferenceWithheldError
from dgmld_bench.formats import volumes
from dgmld_bench.landmarks import CEREBELLUM
from dgmld_bench.splits import load_split
from dgmld_bench.storage.register import REGISTER, CaseFiles, Register, write_register
from tests.trees import PAINTED, affines, paint

GRID = (16, 16, 16)


def make_case(image: np.ndarray, affine: np.ndarray | None = None, mask: np.ndarray | None = None) -> Case:
    return Case(
        "7",
        "atlas",
        CEREBELLUM,
        image=lambda: image,
        affine=lambda: np.eye(image.ndim + 1) if affine is None else affine,
        mask=None if mask is None else lambda: mask,
    )


@settings(max_examples=25, deadline=None)
@given(
    shape=st.lists(st.integers(3, 24), min_size=2, max_size=3),
    grid=st.lists(st.integers(2, 24), min_size=3, max_size=3),
    seed=st.integers(0, 99),
)
def test_resampling_is_that_of_scikit_image(shape: list[int], grid: list[int], seed: int) -> None:
    from skimage.transform import resize

    image = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    expected = resize(image, grid[: len(shape)], order=3)
    assert np.abs(resample(image, grid[: len(shape)]) - expected).max() <= 1e-3 * np.ptp(image)


def test_resampling_does_not_depend_on_the_order_in_memory() -> None:
    image = np.random.default_rng(0).normal(size=(9, 10, 11)).astype(np.float32)
    assert np.array_equal(resample(image, GRID), resample(np.asfortranarray(image), GRID))
    assert np.array_equal(resample(image, image.shape), image)


def test_a_matrix_holds_no_values_that_would_become_denormal() -> None:
    matrix = spline_matrix(189, 128)
    assert np.abs(matrix[matrix != 0]).min() >= 1e-7


def test_window_by_hand() -> None:
    # 0 … 100: the 5th and the 95th percentile are 5 and 95
    result = window(np.arange(101.0))
    assert result[:6].max() == 0 and result[95:].min() == 1
    assert result[50] == pytest.approx(0.5)


def test_window_of_an_image_that_is_nearly_all_background() -> None:
    image = np.zeros(10_000)
    image[:101] = np.arange(100, 201)
    image[101:700] = 0.05  # the ripple that resampling leaves beside edges: not zero, and not anatomy
    result = window(image)
    # over the voxels that are not zero the window is 105 to 195
    assert result[:6].max() == 0 and result[95:101].min() == 1 and result[101:].max() == 0
    assert result[50] == pytest.approx(0.5, abs=1e-6)


@pytest.mark.parametrize("value", [0.0, 3.0, -2.0])
def test_a_constant_image_has_no_contrast(value: float) -> None:
    assert not window(np.full((4, 4), value)).any()


@pytest.mark.parametrize("affine", list(affines()))
def test_landmarks_stay_on_their_voxels_in_every_orientation(affine: np.ndarray) -> None:
    volume, world = paint(affine)
    for n, point in enumerate(world):
        one = (volume == n + 1).astype(np.float32) * 1000
        image, grid = preprocess(make_case(one, affine), (40, 48, 44))  # twice the resolution
        peak = np.argwhere(image > 0.9 * image.max()).mean(axis=0)
        assert np.allclose(peak, grid.to_grid(point), atol=0.6)
        assert np.allclose(grid.to_grid(point), 2 * PAINTED[n] + 0.5)


def test_masks_are_cut_at_one_half() -> None:
    labels = np.zeros((20, 24, 22), np.uint8)
    labels[2:18, 2:22, 2:20] = 1  # white matter
    labels[6:14, 4:10, 4:9] = 3  # cerebellum in Fidon's numbering
    mask = preprocess_mask(make_case(labels, np.diag([0.8, 0.8, 0.8, 1]), labels), (40, 48, 44))
    assert mask.dtype == np.uint8
    expected = np.zeros((40, 48, 44), np.uint8)
    expected[12:28, 8:20, 8:18] = 1
    inside = np.zeros_like(expected)
    inside[14:26, 10:18, 10:16] = 1
    assert mask[inside == 1].all()
    assert (mask != expected).sum() < 0.1 * expected.sum()  # corners are rounded


def test_a_case_without_mask_or_with_values_that_are_not_finite() -> None:
    image = np.ones((4, 4, 4), np.float32)
    with pytest.raises(DataError, match=r"case '7' of split 'atlas' has no mask"):
        preprocess_mask(make_case(image), GRID)
    image[1, 1, 1] = np.nan
    with pytest.raises(DataError, match="not finite"):
        preprocess(make_case(image), GRID)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with two cases of the test split ``lfc``."""
    folder = tmp_path / "data" / "dgmld"
    folder.mkdir(parents=True)
    files = []
    for n, affine in zip("12", affines(), strict=False):
        image, _ = paint(affine)
        volumes.write_volume(folder / f"{n}.nii.gz", image, affine)
        files.append(CaseFiles(n, "lfc", f"{n}.nii.gz", (), f"{n}.nii.gz"))
    write_register(Register("dgmld", folder, tuple(files)))
    return tmp_path / "data"


def test_the_cache_gives_what_preprocessing_gives(data: Path) -> None:
    told: list[tuple[int, int]] = []
    cases = load_split("lfc", data_dir=data)
    first = Cache(GRID, data).prepare(cases, on_case=lambda done, total: told.append((done, total)))
    assert [c.id for c in first] == ["1", "2"] and told == [(1, 2), (2, 2)]
    for prepared, case in zip(first, cases, strict=True):
        image, grid = preprocess(case, GRID)
        assert isinstance(prepared.image, np.memmap)
        assert np.abs(prepared.image / FULL_SCALE - image).max() <= 0.5 / FULL_SCALE + 1e-7
        assert np.array_equal(prepared.grid.grid_affine, grid.grid_affine)


def test_nothing_is_prepared_twice_unless_its_file_changed(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    original = prepare.preprocess

    def spy(case: Case, grid_shape: tuple[int, ...]) -> object:
        seen.append(case.id)
        return original(case, grid_shape)

    monkeypatch.setattr(prepare, "preprocess", spy)
    before = [np.array(c.image) for c in Cache(GRID, data).prepare(load_split("lfc", data_dir=data))]
    Cache(GRID, data).prepare(load_split("lfc", data_dir=data))
    assert sorted(seen) == ["1", "2"]

    file = data / "dgmld" / "2.nii.gz"
    volume = volumes.read_volume(file)
    volumes.write_volume(file, np.flip(volume[0], 0).copy(), volume[1])
    os.utime(file, ns=(0, 0))
    after = [np.array(c.image) for c in Cache(GRID, data).prepare(load_split("lfc", data_dir=data))]
    assert sorted(seen) == ["1", "2", "2"]
    assert np.array_equal(before[0], after[0]) and not np.array_equal(before[1], after[1])

    Cache((8, 8, 8), data).prepare(load_split("lfc", data_dir=data))
    assert len(seen) == 5  # another grid


def test_preparing_an_opened_split_reads_no_register(data: Path) -> None:
    cases = load_split("lfc", data_dir=data)
    (data / "dgmld" / REGISTER).unlink()
    assert [c.id for c in Cache(GRID, data).prepare(cases)] == ["1", "2"]


def test_masks_of_a_test_split_are_withheld_from_training_code(data: Path) -> None:
    with pytest.raises(ReferenceWithheldError, match="the mask is withheld"):
        Cache(GRID, data).prepare(load_split("lfc", data_dir=data), masks=True)


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY nonsense", "shape", "pickle"])
def test_a_damaged_cache_is_named(data: Path, content: bytes | str) -> None:
    Cache(GRID, data).prepare(load_split("lfc", data_dir=data))
    file = sorted((data / "cache").glob("*.npy"))[0]
    if content == "shape":
        np.save(file, np.zeros((3, 3), np.uint16))
    elif content == "pickle":
        np.save(file, np.array([{}], dtype=object), allow_pickle=True)
    else:
        assert isinstance(content, bytes)
        file.write_bytes(content)
    with pytest.raises(DataError, match=r"not a prepared case .*; delete .*cache and run again"):
        Cache(GRID, data).prepare(load_split("lfc", data_dir=data))


def test_a_source_file_that_went_away(data: Path) -> None:
    (data / "dgmld" / "1.nii.gz").unlink()
    with pytest.raises(DataError, match=r"1\.nii\.gz: no such file any more"):
        Cache(GRID, data).prepare(load_split("lfc", data_dir=data))


def test_an_image_that_cannot_be_read_leaves_nothing_half_done(data: Path) -> None:
    (data / "dgmld" / "1.nii.gz").write_bytes(b"not a volume")
    with pytest.raises(DataError, match=r"1\.nii\.gz"):
        Cache(GRID, data).prepare(load_split("lfc", data_dir=data))
    arrays = {p.stem for p in (data / "cache").glob("*.npy")}
    assert {p.stem for p in (data / "cache").glob("*.json")} == arrays
    assert not list((data / "cache").glob("*.part"))


def test_labels_on_the_grid_are_those_of_the_nearest_voxels_in_one_numbering(brains: Path) -> None:
    from dgmld_bench.derive import FIDON_TO_FETA
    from dgmld_bench.geometry import world_to_index

    cases = load_split("atlas", data_dir=brains)
    case = cases[0]
    (prepared, *_) = Cache(GRID, brains).prepare(cases, labels=True)
    assert isinstance(prepared.labels, np.memmap) and prepared.mask is None
    voxels = np.stack(np.meshgrid(*map(np.arange, GRID), indexing="ij"), axis=-1).reshape(-1, 3)
    index = world_to_index(case.affine, prepared.grid.to_world(voxels.astype(float)))
    found, numbering = prepared.labels.reshape(-1), np.array(FIDON_TO_FETA)
    # a centre that lies between two voxels may take the label of either
    rounded = [np.clip(np.rint(index + s * 1e-6).astype(int), 0, np.array(case.mask.shape) - 1) for s in (-1, 1)]
    near = np.stack([numbering[case.mask[tuple(r.T)]] for r in rounded])
    assert (near == found).any(axis=0).all() and set(found) > {0, 5}
