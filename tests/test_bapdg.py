"""Equations 1 to 8, 31 and 32 of the paper in closed form, and the targets of the other methods."""

import itertools

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from baselines.bapdg.run import boundary, build, distance_map, log_cosh, mixed
from baselines.common.config import PRESETS
from baselines.common.edges import boundary_provider, canny
from baselines.common.method import Subject, mse
from baselines.common.prepare import PreparedCase
from baselines.common.registry import method_of, methods
from dgmld_bench.errors import DataError, UsageError
from dgmld_bench.geometry import NetworkGrid, film_affine

CUBE = np.zeros((26, 26, 26), dtype=bool)
CUBE[9:17, 9:17, 9:17] = True
X = torch.linspace(-6, 6, 241, dtype=torch.float64)
ZERO = torch.zeros(1)


def test_the_boundary_of_a_cube_is_a_shell_two_voxels_thick():
    outer, inner = np.zeros_like(CUBE), np.zeros_like(CUBE)
    outer[8:18, 8:18, 8:18] = True
    inner[10:16, 10:16, 10:16] = True
    np.testing.assert_array_equal(boundary(CUBE), outer & ~inner)


def test_the_distance_map_of_a_cube_at_every_chebyshev_distance():
    profile = distance_map(boundary(CUBE), 5)[:, 13, 13] / 255
    #      outside, at distance 8 .. 1 from the shell         shell     inside
    outside = [0, 0, 0, 0.2, 0.4, 0.6, 0.8, 1]
    np.testing.assert_allclose(profile[:13], [*outside, 1, 1, 1, 0.8, 0.6], atol=1e-6)
    np.testing.assert_allclose(profile, profile[::-1])


@pytest.mark.parametrize("shape", [(40, 36), (24, 26, 22)])
def test_the_distance_map_is_the_mean_of_iterated_dilations(shape):
    beta = np.random.default_rng(0).random(shape) > 0.997
    beta.flat[beta.size // 2] = True
    block = np.ones((3,) * len(shape), bool)
    dilations = [ndimage.binary_dilation(beta, block, iterations=i) for i in range(1, 6)]
    np.testing.assert_allclose(distance_map(beta, 5), np.mean(dilations, axis=0) * 255, rtol=1e-6)


def test_the_range_follows_the_grid_and_may_be_a_fraction():
    assert [PRESETS[3][p].range_vox for p in ("paper", "small")] == [5.0, 2.5]
    beta = np.zeros(15, dtype=bool)
    beta[7] = True
    np.testing.assert_allclose(distance_map(beta, 2.5)[7:12] / 255, [1, 1, 0.6, 0.2, 0], atol=1e-6)
    assert distance_map(np.zeros((4, 4), bool), 5).max() == 0


def test_the_mixed_loss_starts_as_log_cosh_and_ends_as_mse():
    prediction, target = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0)), torch.zeros(2, 1, 4)
    assert mixed(prediction, target, 0, 50) == log_cosh(prediction, target)
    assert mixed(prediction, target, 50, 50) == mse(prediction, target)
    halfway = (mse(prediction, target) + log_cosh(prediction, target)) / 2
    torch.testing.assert_close(mixed(prediction, target, 25, 50), halfway)


def test_the_gradient_of_log_cosh_is_tanh_and_of_mse_twice_the_error():  # Eq. 5 and 6
    x = X.float().clone().requires_grad_()
    log_cosh(x, ZERO).backward()
    torch.testing.assert_close(x.grad * len(X), torch.tanh(X).float(), atol=1e-6, rtol=1e-5)
    x.grad = None
    mse(x, ZERO).backward()
    torch.testing.assert_close(x.grad * len(X), 2 * X.float())


def test_lipschitz_constants():  # Eq. 31 and 32
    x = X.float()
    steps = x.diff()
    slopes = torch.tensor([(log_cosh(b, ZERO) - log_cosh(a, ZERO)).abs() for a, b in itertools.pairwise(x)])
    assert 0.99 < (slopes / steps).max() <= 1 + 1e-4
    squares = torch.tensor([(mse(b, ZERO) - mse(a, ZERO)).abs() for a, b in itertools.pairwise(x)])
    assert (squares / steps).max() == pytest.approx(2 * 6, rel=0.01)


def test_log_cosh_is_half_the_square_near_zero_and_linear_far_away():  # Eq. 4
    assert log_cosh(torch.tensor([1e-2]), ZERO).item() == pytest.approx(0.5e-4, rel=1e-2)
    assert log_cosh(torch.tensor([50.0]), ZERO).item() == pytest.approx(50 - np.log(2), rel=1e-6)
    assert (log_cosh(torch.tensor([3.0]), ZERO) <= mse(torch.tensor([3.0]), ZERO)).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_log_cosh_is_stable_at_huge_errors(dtype):
    x = torch.tensor([-1e4, 1e4], dtype=dtype, requires_grad=True)
    value = log_cosh(x, torch.zeros(2))
    value.backward()
    assert value.item() == pytest.approx(float(x[1].detach()) - np.log(2), rel=1e-3)
    assert x.grad.tolist() == [-0.5, 0.5]


def test_the_ablation_of_table_4():
    assert build().name == "BaPDG"
    assert build("mse").name == "BaPDG-boundary-mse"
    assert build("mse").pretraining_for(3).loss is mse


def subject(dimension):
    rng = np.random.default_rng(0)
    image = ndimage.gaussian_filter(rng.random((32,) * dimension), 2).astype(np.float32)
    image = (image - image.min()) / np.ptp(image)
    mask = np.zeros(image.shape, bool)
    mask[(slice(10, 20),) * dimension] = True
    if dimension == 3:
        return Subject(image, mask=mask, range_vox=2.5)
    small = np.zeros((16, 16), np.float32)
    small[8] = 1
    return Subject(image, boundary=small, range_vox=2.0, heatmap_stride=2)


@pytest.mark.parametrize("name", methods())
@pytest.mark.parametrize("dimension", [2, 3])
def test_every_method_pre_trains_on_what_its_header_says(name, dimension):
    method = method_of(name)
    assert (method.paper is None) is (name == "synthdg") and method.name.lower() == name
    assert method.fine_tune_rotation_deg == (15 if name == "augdg" else 5)
    if not method.pretraining:
        assert method.pretraining_for(dimension) is None
        return
    if dimension not in method.pretraining:
        with pytest.raises(UsageError, match="mask"):
            method.pretraining_for(2)
        return
    stage, one = method.pretraining_for(dimension), subject(dimension)
    target = stage.target(one)
    assert target.shape == ((32,) * 3 if dimension == 3 else (16, 16)) and target.dtype == np.float32
    assert target.max() == 255 and target.min() == 0 and stage.rotation_deg == 15
    values = set(np.unique(target))
    assert (values == {0, 255}) == (name != "bapdg")
    seen = stage.input(one)
    assert seen.shape == one.image.shape
    assert (set(np.unique(seen)) == {0, 1}) == ((name, dimension) == ("edgedg", 3))


@pytest.mark.parametrize("dimension", [2, 3])
def test_canny_finds_the_edge_of_a_block(dimension):
    image = np.zeros((24,) * dimension, np.float32)
    image[(slice(8, 16),) * dimension] = 1
    edges = canny(image) > 0
    distance = ndimage.distance_transform_cdt(~boundary(image > 0.5), metric="chessboard")
    assert edges.any() and distance[edges].max() <= 1


def film(tmp_path, **picture):
    preset = PRESETS[2]["smoke"]
    grid = NetworkGrid(film_affine((120, 90)), (120, 90), preset.grid_shape)
    image = (np.random.default_rng(0).random(preset.grid_shape) * 65535).astype(np.uint16)
    if picture:
        array = np.zeros(picture.get("shape", (120, 90)), np.uint8)
        array[60:66] = picture.get("value", 255)
        Image.fromarray(array).convert(picture.get("mode", "L")).save(tmp_path / "7.png")
    return PreparedCase("7", "isbi-train", image, grid), preset


def test_edge_maps_of_the_user_lie_where_they_were_painted(tmp_path):
    case, preset = film(tmp_path, value=255)
    edges = boundary_provider(str(tmp_path), preset)(case)
    assert edges.shape == preset.heatmap_shape
    rows = np.flatnonzero(edges.max(axis=1) > 0.5)
    scale = preset.heatmap_shape[0] / 120
    assert abs(rows.mean() - ((62.5 + 0.5) * scale - 0.5)) < 0.6


@pytest.mark.parametrize("width", [1, 2, 5])
def test_a_thin_line_on_a_large_film_stays_a_boundary(tmp_path, width):
    preset = PRESETS[2]["small"]
    grid = NetworkGrid(film_affine((2400, 1935)), (2400, 1935), preset.grid_shape)
    array = np.zeros((2400, 1935), np.uint8)
    array[np.arange(2400)[:, None], 200 + np.arange(2400)[:, None] // 2 + np.arange(width)] = 200
    Image.fromarray(array).save(tmp_path / "7.png")
    case = PreparedCase("7", "isbi-train", np.zeros(preset.grid_shape, np.uint16), grid)
    edges = boundary_provider(str(tmp_path), preset)(case)
    assert edges.shape == preset.heatmap_shape
    assert ((edges >= 0.5).sum(axis=1) >= 1).all()  # no gap in any row
    assert 1 <= (edges >= 0.5).sum(axis=1).mean() <= 3


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        ({}, "no such file"),
        ({"shape": (90, 120)}, "120x90 pixels; the film has 90x120"),
        ({"mode": "RGB"}, "mode RGB; expected 8-bit grey"),
        ({"value": 1}, "no boundary in it"),
    ],
)
def test_edge_maps_at_fault_are_named(tmp_path, picture, words):
    case, preset = film(tmp_path, **picture)
    with pytest.raises(DataError, match=words):
        boundary_provider(str(tmp_path), preset)(case)
    (tmp_path / "7.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match="not a PNG that can be read"):
        boundary_provider(str(tmp_path), preset)(case)


def test_the_built_in_boundaries_and_a_folder_that_is_not_there(tmp_path):
    case, preset = film(tmp_path)
    edges = boundary_provider(None, preset)(case)
    assert edges.shape == preset.heatmap_shape and 0 <= edges.min() <= edges.max() <= 1
    with pytest.raises(UsageError, match="no such folder"):
        boundary_provider(str(tmp_path / "none"), preset)
