"""Heatmaps, decoding and rotations: by hand, and there and back."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from baselines.common.augment import Poses, random_poses, vary_greys
from baselines.common.decoding import decode
from baselines.common.heatmaps import from_heatmap_grid, gaussian_heatmaps, known_landmarks, to_heatmap_grid

GRIDS = [(20, 26), (14, 18, 16)]


@pytest.mark.parametrize("shape", GRIDS)
def test_heatmaps_follow_the_formula(shape):
    point = torch.tensor([[[n / 2 - 0.3 for n in shape]]])
    heatmap = gaussian_heatmaps(point, shape, 2.0)[0, 0]
    voxels = torch.stack(torch.meshgrid(*[torch.arange(n) for n in shape], indexing="ij"), -1)
    expected = 255 * torch.exp(-(voxels - point[0, 0]).square().sum(-1) / 8)
    torch.testing.assert_close(heatmap, expected, atol=1e-4, rtol=1e-4)


def test_a_buffer_is_reused_and_missing_points_are_zero_and_known_as_such():
    points = torch.tensor([[[3.0, 4.0], [float("nan"), 4.0]]])
    buffer = torch.full((1, 2, 8, 9), 7.0)
    heatmaps = gaussian_heatmaps(points, (8, 9), 1.0, out=buffer)
    assert heatmaps.data_ptr() == buffer.data_ptr()
    assert heatmaps[0, 1].abs().max() == 0 and heatmaps[0, 0, 3, 4] == 255
    assert known_landmarks(points).tolist() == [[True, False]]


@given(st.lists(st.floats(-3, 60), min_size=4, max_size=4), st.sampled_from([1, 2, 4]))
def test_the_heatmaps_grid_goes_there_and_back(values, stride):
    points = torch.tensor(values, dtype=torch.float64).reshape(1, 2, 2)
    torch.testing.assert_close(from_heatmap_grid(to_heatmap_grid(points, stride), stride), points)


def test_edges_of_both_grids_coincide():
    assert to_heatmap_grid(torch.tensor([-0.5, 0.5, 7.5]), 2).tolist() == [-0.5, 0.0, 3.5]


@pytest.mark.parametrize("shape", GRIDS)
def test_argmax_is_the_nearest_voxel_and_refinement_finds_the_point(shape):
    generator = torch.Generator().manual_seed(0)
    inside = torch.tensor([n - 7.0 for n in shape])
    points = 3 + torch.rand(5, 4, len(shape), generator=generator) * inside
    heatmaps = gaussian_heatmaps(points, shape, 2.0)
    torch.testing.assert_close(decode(heatmaps), points.round().double())
    torch.testing.assert_close(decode(heatmaps, refine=True), points.double(), atol=2e-3, rtol=0)


def test_decoding_at_borders_plateaus_and_ties():
    heatmap = torch.zeros(1, 3, 6, 7)
    heatmap[0, 0, 0, 6] = 1  # in a corner: not refined
    heatmap[0, 2] = 5  # flat: the first voxel
    points = decode(heatmap, refine=True)[0]
    assert points[0].tolist() == [0, 6] and points[1].tolist() == [0, 0] and points[2].tolist() == [0, 0]
    assert points.dtype == torch.float64 and torch.isfinite(points).all()


@pytest.mark.parametrize("dimension", [2, 3])
@given(seed=st.integers(0, 1000), zoom=st.sampled_from([0.0, 0.2]), shift=st.sampled_from([0.0, 0.1]))
@settings(max_examples=15, deadline=None)
def test_a_painted_blob_and_its_point_stay_together(dimension, seed, zoom, shift):
    shape = (28, 24, 26)[:dimension]
    generator = torch.Generator().manual_seed(seed)
    poses = random_poses(2, dimension, 40, generator, zoom=zoom, shift=shift)
    middle = (torch.tensor(shape, dtype=torch.float64) - 1) / 2
    points = middle + (torch.rand(2, 1, dimension, generator=generator, dtype=torch.float64) - 0.5) * 9
    moved = poses.move_points(points, shape)
    found = decode(poses.move_images(gaussian_heatmaps(points, shape, 1.5)), refine=True)
    assert (found - moved).norm(dim=-1).max() < 0.2
    turned = moved - middle - (poses.shifts * torch.tensor(shape))[:, None]
    distance = (points - middle).norm(dim=-1) * poses.zooms[:, None]
    torch.testing.assert_close(turned.norm(dim=-1), distance)


def test_a_pose_by_hand():
    quarter = torch.tensor([[[0.0, -1.0], [1.0, 0.0]]], dtype=torch.float64)  # first axis to second
    pose = Poses(quarter, torch.tensor([2.0]).double(), torch.tensor([[0.1, -0.2]]).double())
    # centre (5, 10) of an 11 x 21 grid; (1, 0) from it becomes (0, 2), then 1.1 down and 4.2 back
    torch.testing.assert_close(
        pose.move_points(torch.tensor([[[6.0, 10.0]]]).double(), (11, 21)), torch.tensor([[[6.1, 7.8]]]).double()
    )


def test_draws_stay_within_their_limits_and_repeat_with_the_generator():
    def draw() -> Poses:
        return random_poses(500, 2, 5.0, torch.Generator().manual_seed(1), zoom=0.25, shift=0.1)

    poses = draw()
    angles = torch.rad2deg(torch.atan2(poses.rotations[:, 1, 0], poses.rotations[:, 0, 0]))
    assert 4.8 < angles.abs().max() <= 5.0 and angles.mean().abs() < 0.5
    assert 0.8 <= poses.zooms.min() < 0.81 and 1.24 < poses.zooms.max() <= 1.25
    assert 0.099 < poses.shifts.abs().max() <= 0.1
    again = draw()
    assert torch.equal(poses.rotations, again.rotations) and torch.equal(poses.shifts, again.shifts)
    solid = random_poses(50, 3, 15.0, torch.Generator().manual_seed(1)).rotations
    torch.testing.assert_close(solid @ solid.transpose(1, 2), torch.eye(3).double().expand(50, 3, 3))
    assert torch.rad2deg(torch.arccos((torch.einsum("nii->n", solid) - 1) / 2)).max() < 15 * math.sqrt(3) + 1


def test_no_change_changes_nothing_and_draws_nothing():
    image = torch.rand(1, 2, 9, 8, 7)
    still = random_poses(1, 3, 0.0, torch.Generator())
    torch.testing.assert_close(still.move_images(image), image, atol=1e-5, rtol=0)
    turning, moving = torch.Generator().manual_seed(3), torch.Generator().manual_seed(3)
    assert torch.equal(
        random_poses(2, 3, 5.0, turning).rotations, random_poses(2, 3, 5.0, moving, zoom=0.1, shift=0.1).rotations
    )
    state = turning.get_state()
    assert vary_greys(image, 0.0, turning) is image and torch.equal(turning.get_state(), state)


def test_greys_vary_within_their_limits_and_keep_their_order():
    ramp = torch.linspace(0, 1, 11).expand(200, 1, 11)
    varied = vary_greys(ramp, 0.3, torch.Generator().manual_seed(0))
    assert (varied.diff(dim=-1) > 0).all()
    gain = varied[..., -1] - varied[..., 0]
    assert 1 / 1.3 <= gain.min() < 0.8 and 1.25 < gain.max() <= 1.3
    assert ((varied[..., -1] + varied[..., 0]) / 2 - 0.5).abs().max() <= 0.15 + 1e-6
    assert len(torch.unique(varied, dim=0)) == 200
