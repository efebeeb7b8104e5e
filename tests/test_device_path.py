"""What a GPU runs, as far as a processor can show it: the same code on tiny arrays, and at full size without values.

On PyTorch's ``meta`` device tensors have shapes and no values. Whatever would read one, and on a GPU wait for it, fails
there.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from baselines.bapdg.run import METHOD as BAPDG
from baselines.baseline.run import METHOD as BASELINE
from baselines.common import recipe
from baselines.common.config import get_preset
from baselines.common.data import TrainingSet
from baselines.common.decoding import decode
from baselines.common.heatmaps import gaussian_heatmaps
from baselines.common.networks.blocks import parameter_groups
from baselines.common.prepare import FULL_SCALE, PreparedCase
from baselines.common.recipe import Settings
from baselines.common.runtime import Runtime, training_precision
from baselines.common.stack import Stack, compact, has_room
from dgmld_bench.geometry import NetworkGrid
from dgmld_bench.splits import get_track

CPU, META = torch.device("cpu"), torch.device("meta")


@pytest.mark.parametrize("dtype", [np.uint16, np.uint8, np.float32])
def test_a_stack_on_a_device_gives_what_one_read_batch_by_batch_gives(dtype: Any) -> None:
    rng = np.random.default_rng(0)
    arrays = [rng.integers(0, 255, (3, 4)).astype(dtype) for _ in range(5)]
    arrays[1].flat[:2] = np.array([np.iinfo(dtype).max if dtype != np.float32 else 0.37, 0], dtype)
    here, there = (Stack(arrays, CPU, resident=resident) for resident in (False, True))
    assert torch.equal(here.take([3, 1, 1]), there.take([3, 1, 1]))
    assert torch.equal(here.images([3, 1]), there.images([3, 1]))
    scale = FULL_SCALE if dtype == np.uint16 else 1
    expected = np.stack([arrays[3], arrays[1]]).astype(np.float32)[:, None] / np.float32(scale)
    assert here.images([3, 1]).dtype == torch.float32 and np.array_equal(there.images([3, 1]).numpy(), expected)


def test_a_stack_of_mixed_arrays_loses_nothing() -> None:
    arrays = [compact(np.array(v, np.float32)) for v in ([0.0, 255.0], [0.5, 1.0])]
    assert [a.dtype for a in arrays] == [np.uint8, np.float32]
    for resident in (False, True):
        assert Stack(arrays, CPU, resident=resident).images([0, 1])[:, 0].tolist() == [[0, 255], [0.5, 1]]


def test_a_set_is_kept_on_a_gpu_that_has_four_times_its_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (40, 1000))
    assert has_room(10, torch.device("cuda")) and not has_room(11, torch.device("cuda"))
    assert not has_room(0, CPU)


def nothing_prepared(preset: Any, landmarks: int, count: int = 4) -> TrainingSet:
    """Return cases of the preset's grid with nothing in them but one point that nobody annotated."""
    shape = preset.grid_shape
    affine = np.eye(len(shape) + 1)
    blank = np.zeros(shape, np.uint16)
    mask = np.ones(shape, np.uint8)
    cases = [PreparedCase(str(n), "x", blank, NetworkGrid(affine, shape, shape), mask, mask) for n in range(count)]
    points = np.full((count, landmarks, len(shape)), 10.0)
    points[0, 0] = np.nan
    return TrainingSet(cases, points, points, np.ones(count))


@pytest.mark.parametrize("backbone", ["unet", "vitpose"])
@pytest.mark.parametrize("track", ["phantom", "ceph"])
def test_no_step_at_the_papers_size_reads_a_value_from_the_device(track: str, backbone: str) -> None:
    landmarks = len(get_track(track).landmarks)
    preset = get_preset("paper", get_track(track).landmarks.dimension)
    data = nothing_prepared(preset, landmarks)
    one = Settings(BAPDG, track, backbone, preset, "none", device="meta")
    with torch.device("meta"):
        network = one.runtime.place(one.new_network()).train()
        optimiser = torch.optim.Adam(parameter_groups(network, 1e-3))
        generator = torch.Generator(CPU).manual_seed(0)
        images = one.runtime.forward(network, torch.empty(4, 1, *preset.grid_shape))
    assert images.shape == (4, landmarks, *preset.heatmap_shape)
    targets = Stack([np.zeros(preset.heatmap_shape, np.uint8)] * 4, META)
    seen = Stack([case.image for case in data.cases], META)
    pretraining = BAPDG.pretraining_for(preset.dimension)
    assert pretraining is not None
    for loss in (
        recipe.landmark_loss(network, data, one),
        recipe.pretraining_loss(network, seen, targets, pretraining, one),
    ):
        value = loss([0, 3, 1, 2], 1, generator)
        optimiser.zero_grad(set_to_none=True)
        value.backward()
        optimiser.step()
        assert value.device.type == "meta" and value.shape == ()


def test_a_landmark_that_nobody_annotated_is_left_out_of_the_loss() -> None:
    preset = replace(get_preset("smoke", 3), grid_shape=(16, 16, 16))
    one = Settings(BASELINE, "phantom", "unet", preset, "none")
    data = nothing_prepared(preset, 6)
    network = one.new_network().eval()
    generator = torch.Generator().manual_seed(0)
    found = recipe.landmark_loss(network, data, one)([0, 1], 0, generator)
    generator = torch.Generator().manual_seed(0)
    images, points = recipe._examples(data, one)([0, 1], generator)
    error = (network(images) - gaussian_heatmaps(points, preset.heatmap_shape, preset.sigma_vox)).square()
    kept = torch.cat([error[0, 1:].flatten(), error[1].flatten()])
    assert torch.isclose(found, kept.mean(), rtol=1e-5)


@example([10.0, 10.375, 10.5625], 5.0, False)
@given(st.lists(st.floats(10, 21), min_size=3, max_size=3), st.sampled_from([1.25, 2.5, 5.0]), st.booleans())
@settings(max_examples=60, deadline=None)
def test_bf16_moves_a_peak_that_is_decoded_in_float32_by_a_fraction_of_a_voxel(
    point: list[float], sigma: float, refine: bool
) -> None:
    exact = gaussian_heatmaps(torch.tensor([[point]], dtype=torch.float64), (32, 32, 32), sigma)
    rounded = exact.to(torch.bfloat16).float()
    wanted = torch.tensor(point, dtype=torch.float64)
    error = [(decode(maps, refine=refine)[0, 0] - wanted).abs().max() for maps in (exact, rounded)]
    # argmax between two voxels whose values are one in bf16, 2⁻⁸ apart: their distances differ by 2 sigma² 2⁻⁸
    assert error[1] < error[0] + (0.1 if refine else max(0.1, sigma**2 / 100))


def test_the_precision_of_a_training_is_the_presets_on_a_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    preset = get_preset("paper", 3)
    assert training_precision(preset, "cpu") == "fp32"
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: True)
    assert training_precision(preset, "cuda") == "bf16"
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: False)
    assert training_precision(preset, "cuda") == "fp32"


def test_more_images_are_predicted_at_once_on_a_gpu_and_as_many_as_ever_on_a_processor() -> None:
    assert Runtime(CPU, "fp32").images_at_once == 4 < Runtime(torch.device("cuda"), "bf16").images_at_once
