"""SynthDG's volumes: points follow, nothing folds, topology stays, and the same seed gives the same bytes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from baselines.common.augment import Poses
from baselines.common.config import get_preset
from baselines.common.decoding import decode
from baselines.common.heatmaps import gaussian_heatmaps
from baselines.common.recipe import Settings
from baselines.common.registry import method_of
from baselines.synthdg import volumes
from baselines.synthdg.greys import add_head, gauss, new_tissues, scan, window
from baselines.synthdg.run import build
from baselines.synthdg.shape import INTERVALS, Shapes, Swelling, Waves, sample
from baselines.synthdg.volumes import Volumes
from dgmld_bench.derive import CEREBELLUM_LABEL

SHAPE = (48, 44, 40)
CEREBELLUM = CEREBELLUM_LABEL["feta"]


def brain(shape=SHAPE) -> torch.Tensor:
    """A ball of white matter, a cerebellum in it, fluid around."""
    at = torch.stack(torch.meshgrid(*(torch.arange(float(n)) for n in shape), indexing="ij"), dim=-1)

    def inside(centre, radii):
        return (((at - torch.tensor(centre)) / torch.tensor(radii)) ** 2).sum(-1) < 1

    middle = [n / 2 for n in shape]
    labels = inside(middle, [n * 0.36 for n in shape]).to(torch.uint8)
    labels[inside(middle, [n * 0.32 for n in shape])] = 3
    labels[inside([middle[0], middle[1] - 5.0, middle[2] - 5.0], [7.0, 4.0, 4.0])] = CEREBELLUM
    return labels


def batch(count: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    labels = brain()[None].repeat(count, 1, 1, 1)
    return labels.float()[:, None] / 7, labels


def still(count: int = 1) -> tuple[Waves, Poses]:
    k = INTERVALS + 3
    eye = torch.eye(3, dtype=torch.float64).repeat(count, 1, 1)
    poses = Poses(eye, torch.ones(count).double(), torch.zeros(count, 3).double())
    return Waves(torch.zeros(count, 3, k, k, k)), poses


@given(seed=st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_a_bright_ball_at_a_landmark_stays_at_the_landmark(seed):
    """Seen through the inverse map, whose interpolation is what limits the precision."""
    _, labels = batch()
    generator = torch.Generator().manual_seed(seed)
    shapes = Volumes().draw_shapes(labels, generator)
    places = (labels[0] == CEREBELLUM).nonzero().double()
    chosen = places[torch.randperm(len(places), generator=generator)[:6]]
    points = (chosen + torch.rand(6, 3, generator=generator) - 0.5).repeat(2, 1, 1)
    moved = shapes.move_points(points, SHAPE)
    back = sample(shapes.sources(SHAPE).movedim(-1, 1), moved[:, :, None, None].float())[..., 0, 0].transpose(1, 2)
    inside = ((moved > 1) & (moved < torch.tensor(SHAPE) - 2)).all(-1)
    assert (back - points).norm(dim=-1)[inside].max() < 0.25


@given(seed=st.integers(0, 10_000))
@settings(max_examples=10, deadline=None)
def test_the_image_of_a_ball_is_brightest_where_its_point_went(seed):
    """A bent ball is no Gaussian any more, which is all that the decoder knows: it is off by up to a third of a voxel.

    That the map of points inverts that of voxels to 0.25 is tested above. Swellings stretch a ball until it is none:
    there, its brightest voxel is a neighbour of the point.
    """
    _, labels = batch()
    points = (labels == CEREBELLUM)[0].nonzero().double().mean(0).expand(2, 1, 3) + 0.3
    ball = gaussian_heatmaps(points, SHAPE, 2.0)
    for structures, limit in ((False, 0.4), (True, 1.5)):
        shapes = Volumes(structures=structures).draw_shapes(labels, torch.Generator().manual_seed(seed))
        found = decode(sample(ball, shapes.sources(SHAPE)), refine=not structures)
        assert (found - shapes.move_points(points, SHAPE)).norm(dim=-1).max() < limit


@given(seed=st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_nothing_folds(seed):
    _, labels = batch()
    sources = Volumes().draw_shapes(labels, torch.Generator().manual_seed(seed)).sources(SHAPE).double()
    n = [s - 1 for s in SHAPE]
    columns = [sources.diff(dim=axis + 1)[:, : n[0], : n[1], : n[2]] for axis in range(3)]
    assert torch.linalg.det(torch.stack(columns, dim=-1)).min() > 0


def test_the_limits_leave_no_fold_in_the_worst_case():
    """All draws at their limits and against each other: the layers' displacements still change by less than 1."""
    k = INTERVALS + 3
    signs = torch.from_numpy(np.indices((k, k, k)).sum(0) % 2 * 2.0 - 1)
    shape = (64, 64, 64)
    waves = Waves((3.0 * signs).expand(1, 3, k, k, k).float())
    swelling = Swelling(
        torch.full((1, 3), 31.5), torch.tensor([12.0]), torch.full((1, 3), 0.4), torch.tensor([[3.0, 0.0, 0.0]])
    )
    for displaced in (
        waves.dense(shape),
        Shapes(*still(), [swelling]).sources(shape).movedim(-1, 1) - torch.from_numpy(np.indices(shape)).float()[None],
    ):
        jacobian = torch.stack([displaced.diff(dim=a + 2)[:, :, :63, :63, :63] for a in range(3)], dim=2)
        norms = torch.linalg.matrix_norm(jacobian.movedim((1, 2), (-2, -1)), ord=2)
        assert norms.max() < 0.95


@pytest.mark.parametrize("seed", range(4))
def test_structures_keep_their_topology(seed):
    _, labels = batch()
    shapes = Volumes(shape=False).draw_shapes(labels, torch.Generator().manual_seed(seed))
    moved = sample(labels.float()[:, None], shapes.sources(SHAPE), mode="nearest")[:, 0].numpy()
    for one in moved:
        for label in (1, 3, CEREBELLUM):
            parts, number = ndimage.label(one == label)
            sizes = np.sort(np.bincount(parts.ravel())[1:])
            assert number >= 1 and sizes[:-1].sum() <= 0.01 * sizes.sum()  # but for specks of the sampling
        assert ndimage.label(one != CEREBELLUM)[1] == 1
    assert (moved != labels.numpy()).any()


def test_waves_are_one_function_on_voxels_and_at_points():
    generator = torch.Generator().manual_seed(0)
    k = INTERVALS + 3
    waves = Waves(torch.randn(2, 3, k, k, k, generator=generator))
    dense = waves.dense(SHAPE)
    voxels = torch.tensor([[[0, 0, 0], [5, 40, 17], [47, 43, 39]]]).double().expand(2, -1, -1)
    at = waves.at(voxels, SHAPE)
    for n in range(3):
        torch.testing.assert_close(at[:, n].float(), dense[(..., *voxels[0, n].long())], atol=1e-4, rtol=1e-4)
    same = Waves(torch.full((1, 3, k, k, k), 2.5)).dense(SHAPE)  # splines sum up to 1
    torch.testing.assert_close(same, torch.full_like(same, 2.5), atol=1e-4, rtol=0)


def test_a_swelling_by_hand():
    """Half as large at its centre: what was 1 voxel from it in the source is twice as far before the fading."""
    swelling = Swelling(torch.zeros(1, 3), torch.tensor([10.0]), torch.full((1, 3), 0.4), torch.zeros(1, 3))
    points = torch.tensor([[[0.0, 0, 0], [5.0, 0, 0], [10.0, 0, 0], [30.0, 0, 0]]])
    expected = torch.tensor([0.0, 0.75**2 * 0.4 * 5, 0.0, 0.0])
    torch.testing.assert_close(swelling.displacement(points)[0, :, 0], expected)


def test_the_same_seed_gives_the_same_bytes_and_the_input_is_left_alone():
    images, labels = batch()
    points = torch.full((2, 6, 3), 20.0).double()
    before = images.clone()

    def change(seed):
        return Volumes()(images, points, labels, torch.Generator().manual_seed(seed))

    (a, p), (b, q), (c, r) = change(1), change(1), change(2)
    assert torch.equal(a, b) and torch.equal(p, q) and not torch.equal(a, c) and not torch.equal(p, r)
    assert torch.equal(images, before)
    assert a.shape == images.shape and a.dtype == torch.float32 and p.dtype == torch.float64
    assert a.min() >= 0 and a.max() <= 1 and torch.isfinite(a).all()


@pytest.mark.parametrize("part", ["appearance", "outside", "shape", "structures"])
def test_a_part_can_be_left_out(part):
    method = build(part)
    assert method.name == f"SynthDG-without-{part}" and method.dimensions == ((3,) if part == "structures" else (2, 3))
    images, labels = batch()
    at = torch.full((2, 6, 3), 20.0).double()

    def changed(change):
        return change(images.clone(), at.clone(), labels, torch.Generator().manual_seed(0))

    moved, points = changed(method.augmentation_for(3).change)
    assert torch.isfinite(moved).all() and torch.isfinite(points).all()
    without = Volumes(**{n: n != part for n in ("appearance", "outside", "shape", "structures")})
    assert all(torch.equal(a, b) for a, b in zip((moved, points), changed(without), strict=True))
    whole, _ = changed(build().augmentation_for(3).change)
    assert not torch.equal(moved, whole)


def test_without_greys_only_the_shape_changes():
    images, labels = batch()
    change = Volumes(appearance=False, outside=False)
    moved, _ = change(images, torch.zeros(2, 1, 3).double(), labels, torch.Generator().manual_seed(0))
    assert moved.max() <= images.max() + 1e-6 and moved.min() >= 0
    assert ((moved - 3 / 7).abs() < 1e-4).float().mean() > 0.05  # white matter is as bright as it was


def test_tissues_get_greys_of_their_own_and_the_outside_keeps_its():
    images, labels = batch()
    images = images + 0.01 * torch.randn(images.shape, generator=torch.Generator().manual_seed(3))
    made = new_tissues(images, labels, torch.Generator().manual_seed(0))
    background = (labels == 0)[:, None]
    torch.testing.assert_close(made[background], images[background], atol=1e-5, rtol=0)
    means = torch.stack([made[:, 0][labels == tissue].mean() for tissue in (1, 3, CEREBELLUM)])
    old = torch.stack([images[:, 0][labels == tissue].mean() for tissue in (1, 3, CEREBELLUM)])
    assert ((means - old).abs() > 0.01).any()
    assert not torch.equal(made[0], made[1])


def test_a_head_is_drawn_around_the_brain_and_not_in_it():
    images, labels = batch(8)
    made = add_head(images, labels, torch.Generator().manual_seed(0))
    inside = (labels > 0)[:, None]
    assert torch.equal(made[inside], images[inside])
    changed = [(a != b).any().item() for a, b in zip(made, images, strict=True)]
    assert any(changed) and not all(changed)


def test_blurring_keeps_the_sum_and_has_the_width_asked_for():
    dot = torch.zeros(1, 1, 31, 31, 31)
    dot[0, 0, 15, 15, 15] = 1
    wide = gauss(dot, torch.tensor([[1.0, 2.0, 0.0]]))[0, 0]
    assert wide.sum().item() == pytest.approx(1, abs=1e-5)
    steps = torch.arange(31.0) - 15
    for axis, sigma in enumerate((1.0, 2.0, 0.0)):
        profile = wide.sum(dim=[a for a in range(3) if a != axis])
        assert (profile * steps**2).sum().sqrt().item() == pytest.approx(sigma, abs=0.02)


def test_the_window_is_that_of_prepared_images():
    volume = torch.rand(1, 1, 32, 32, 32, generator=torch.Generator().manual_seed(0)) * 40 - 7
    result = window(volume)
    assert result.min() == 0 and result.max() == 1
    assert (result == 0).float().mean().item() == pytest.approx(0.05, abs=0.02)
    mostly_black = torch.zeros(1, 1, 32, 32, 32)
    mostly_black[..., :8, :14, :14] = 5.0  # 4.8 %
    assert window(mostly_black).max() == 1 and torch.isfinite(window(torch.zeros(1, 1, 16, 16, 16))).all()


def test_a_scan_stays_in_the_range():
    images, _ = batch()
    made = scan(images, torch.Generator().manual_seed(1))
    assert made.min() >= 0 and made.max() <= 1 and made.shape == images.shape
    assert volumes.REAL < 0.5


@pytest.mark.parametrize(("cases", "epochs"), [(14, 500), (40, 200), (8000, 50)])
def test_endless_examples_are_learnt_for_steps_and_not_for_epochs(cases, epochs):
    synthdg, baseline = (
        Settings(method_of(name), "open", "unet", get_preset("small", 3), "source-val")
        for name in ("synthdg", "baseline")
    )
    assert (synthdg.epochs(cases), baseline.epochs(cases)) == (epochs, 50)
