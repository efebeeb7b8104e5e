"""SynthDG on films: points follow the image, nothing folds, a seed gives the same bytes."""

import math
import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from baselines.common.heatmaps import gaussian_heatmaps
from baselines.synthdg.films import (
    MARGIN,
    WITHOUT,
    Ranges,
    Spline,
    Warp,
    blur,
    change_films,
    local_contrast,
    random_convolutions,
    random_warp,
    redevelop,
    reframe,
    window,
)
from dgmld_bench.errors import UsageError

SHAPE = (192, 160)
LIKE = torch.zeros((), dtype=torch.float64)
SEEDS = st.integers(0, 2**31)


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def landmarks(seed, count=19):
    """Points in the middle half of the film."""
    size = torch.tensor(SHAPE, dtype=torch.float64)
    return size / 4 + torch.rand((1, count, 2), dtype=torch.float64, generator=seeded(seed)) * size / 2


def film(seed=0):
    noise = torch.rand((1, *SHAPE), generator=seeded(seed))
    return window(blur(noise, 6.0))


def still(shape=SHAPE, **changes):
    """A warp that moves nothing but what is asked for."""
    nothing = {
        "matrix": torch.eye(2, dtype=torch.float64),
        "shift": torch.zeros(2, dtype=torch.float64),
        "bend": Spline(torch.zeros((2, 7, 6), dtype=torch.float64), 0.25 * shape[0]),
    }
    return Warp(**(nothing | changes))


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS)
def test_a_bright_ball_stays_at_its_landmark(seed):
    """Within a quarter of a pixel, when the film is turned, enlarged, stretched, bent and shifted."""
    generator = seeded(seed)
    points = landmarks(seed, 16)[0]  # some may leave the film
    warp = random_warp(points, SHAPE, Ranges(), generator)
    moved = warp.move_points(points, SHAPE)
    inside = ((moved > 8) & (moved < torch.tensor(SHAPE) - 9)).all(dim=1)
    balls = gaussian_heatmaps(points[None], SHAPE, 2.0)[0] / 255
    rows, columns = (torch.arange(n, dtype=torch.float64) for n in SHAPE)
    for ball, at, usable in zip(balls, moved, inside, strict=True):
        if not usable:
            continue
        image = reframe(ball[None], warp, moved, Ranges(blades=0.0), generator)[0].double()
        near = ((rows[:, None] - at[0]) ** 2 + (columns - at[1]) ** 2) < 100  # what is beyond the film may be white
        weight = (image * near).square()  # its centre of mass; squared, as a fold in the tail tells nothing
        centre = torch.stack([(weight * rows[:, None]).sum(), (weight * columns).sum()]) / weight.sum()
        assert (centre - at).norm() < 0.25
    assert inside.sum() >= 6


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS)
def test_points_solve_the_map_of_the_pixels(seed):
    points = landmarks(seed)[0]
    warp = random_warp(points, SHAPE, Ranges(), seeded(seed))
    moved = warp.move_points(points, SHAPE)
    at = moved - warp.shift
    centre = (torch.tensor(SHAPE, dtype=torch.float64) - 1) / 2
    back = (at - centre + warp.bend.at(at)) @ warp.matrix.T + centre
    assert (back - points).abs().max() < 1e-3


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS)
def test_no_change_of_shape_folds(seed):
    """The Jacobian, by differences of neighbouring pixels, is positive everywhere."""
    warp = random_warp(landmarks(seed)[0], SHAPE, Ranges(), seeded(seed))
    where = warp.sources(SHAPE, LIKE)
    down, right = where[1:, :-1] - where[:-1, :-1], where[:-1, 1:] - where[:-1, :-1]
    assert (down[..., 0] * right[..., 1] - down[..., 1] * right[..., 0]).min() > 0.05


def test_the_wildest_bend_does_not_fold():
    """Control points pulled against each other as far as they may be: the bound, not luck, keeps the map one to one."""
    cell = 0.25 * SHAPE[0]
    signs = (-1.0) ** (torch.arange(7)[:, None] + torch.arange(6))
    control = torch.stack([signs, -signs]).double() * Ranges().bend * cell
    warp = still(bend=Spline(control, cell))
    where = warp.sources(SHAPE, LIKE)
    down, right = where[1:, :-1] - where[:-1, :-1], where[:-1, 1:] - where[:-1, :-1]
    assert (down[..., 0] * right[..., 1] - down[..., 1] * right[..., 0]).min() > 0
    points = landmarks(0)[0]
    moved = warp.move_points(points, SHAPE)
    assert (moved + warp.bend.at(moved) - points).abs().max() < 1e-3


def test_a_quarter_turn_by_hand():
    """The matrix is the way back: (row, column) of the new film came from the turned place."""
    back = torch.tensor([[0.0, 1.0], [-1.0, 0.0]], dtype=torch.float64)
    warp = Warp(back, torch.tensor([2.0, -1.0], dtype=torch.float64), still().bend)
    assert warp.move_points(torch.tensor([[3.0, 4.0]]), (9, 9)).tolist() == [[4 + 2, 3 - 1]]
    assert warp.sources((9, 9), LIKE)[6, 2].tolist() == [3.0, 4.0]


def test_splines_are_a_partition_of_one_and_agree_on_grid_and_at_points():
    flat = Spline(torch.full((1, 6, 5), 0.7, dtype=torch.float64), 10.0)
    rows, columns = torch.linspace(-20, 60, 33).double(), torch.linspace(-20, 50, 21).double()
    assert torch.allclose(flat.on_grid(rows, columns, LIKE), torch.tensor(0.7, dtype=torch.float64))
    bumpy = Spline.random(2, (31, 21), 10.0, 1.0, seeded(1))
    grid = bumpy.on_grid(rows, columns, LIKE)
    points = torch.cartesian_prod(rows, columns)
    assert torch.allclose(grid.flatten(1).T, bumpy.at(points))
    assert bumpy.control.shape == (2, 6, 5) and bumpy.control.abs().max() <= 1
    # by hand: at a control point the weights are 1/6, 4/6, 1/6
    one = torch.zeros((1, 6, 5), dtype=torch.float64)
    one[0, 2, 2] = 36.0
    assert Spline(one, 10.0).at(torch.tensor([[10.0, 10.0], [10.0, 20.0]]).double()).flatten().tolist() == (
        pytest.approx([16.0, 4.0])
    )


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS)
def test_all_landmarks_stay_on_the_film_where_there_is_room(seed):
    points = landmarks(seed)[0]
    moved = random_warp(points, SHAPE, Ranges(), seeded(seed)).move_points(points, SHAPE)
    room = torch.tensor(SHAPE) - (moved.amax(0) - moved.amin(0)) - 2 * MARGIN * SHAPE[0] > 1
    assert ((moved.amin(0) > 0) & (moved.amax(0) < torch.tensor(SHAPE) - 1))[room].all()


def test_blades_leave_the_landmarks_alone():
    points = landmarks(3)[0]
    white = torch.ones((1, *SHAPE))
    covered = 0
    for seed in range(20):
        result = reframe(white, still(), points, Ranges(blades=1.0), seeded(seed))[0]
        rows, columns = points.round().long().T
        assert (result[rows, columns] == 1).all()
        covered += int((result < 1).any())
    assert covered > 8


def test_the_same_seed_gives_the_same_bytes_and_another_does_not():
    images, points = torch.stack([film(i) for i in range(6)]), landmarks(0).repeat(6, 1, 1)
    first, second, other = (change_films(images, points, None, seeded(s)) for s in (1, 1, 2))
    assert torch.equal(first[0], second[0]) and torch.equal(first[1], second[1])
    assert not torch.equal(first[0], other[0])


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS)
def test_strong_changes_give_films_in_range_and_of_full_contrast(seed):
    images, points = film(seed)[None], landmarks(seed)
    points[0, 4] = math.nan
    before = images.clone()
    result, moved = change_films(images, points, None, seeded(seed), Ranges(share=1.0))
    assert torch.equal(images, before)
    assert result.shape == images.shape and result.dtype == torch.float32
    assert result.min() >= 0 and result.max() <= 1 and result.std() > 0.05
    assert torch.isnan(moved[0, 4]).all() and torch.isfinite(moved[0, [*range(4), *range(5, 19)]]).all()


@pytest.mark.parametrize("image", [torch.zeros((1, *SHAPE)), torch.ones((1, *SHAPE))], ids=["black", "white"])
def test_an_empty_film_stays_finite(image):
    nowhere = torch.full((1, 19, 2), math.nan, dtype=torch.float64)
    for seed in range(12):
        result, moved = change_films(image[None], nowhere, None, seeded(seed), Ranges(share=1.0, local=1.0, random=1.0))
        assert torch.isfinite(result).all() and torch.isnan(moved).all()


def test_half_of_the_films_change_little():
    """Weakly changed films keep Baseline's bounds: 5° and a zoom of 1.15 about the centre, a shift of 6 %."""
    images, points = film()[None].repeat(200, 1, 1, 1), landmarks(0).repeat(200, 1, 1)
    _, moved = change_films(images[:, :, ::8, ::8], points / 8, None, seeded(0), Ranges(share=0.0))
    between = (moved[:, 0] - moved[:, 1]).norm(dim=1) / ((points[0, 0] - points[0, 1]) / 8).norm()
    assert between.min() > 1 / 1.1501 and between.max() < 1.1501 and between.std() > 0.05
    _, wild = change_films(images[:, :, ::8, ::8], points / 8, None, seeded(0), Ranges(share=1.0))
    beyond = ((wild[:, 0] - wild[:, 1]).norm(dim=1) / ((points[0, 0] - points[0, 1]) / 8).norm()).log().abs() > 0.15
    assert beyond.float().mean() > 0.3


def test_each_part_can_be_left_out():
    image, points = film(), landmarks(0)
    plain = Ranges(**WITHOUT["appearance"])
    for seed in range(5):  # no more than the common change of greys: the order of the grey values stays
        result = redevelop(image, plain, seeded(seed)).flatten()
        assert (result[image.flatten().argsort()].diff() >= -1e-6).all()

    half = image.clamp(0.3, 0.7)
    for seed in range(5):  # nothing that was not on the film
        generator = seeded(seed)
        warp = random_warp(points[0], SHAPE, Ranges(), generator)
        result = reframe(half, warp, points[0], Ranges(**WITHOUT["outside"]), generator)
        assert result.min() >= 0.3 - 1e-6 and result.max() <= 0.7 + 1e-6

    apart = (points[0, :, None] - points[0]).norm(dim=-1) + torch.eye(19)
    for seed in range(5):  # a similarity: all distances change by one factor
        moved = random_warp(points[0], SHAPE, Ranges(**WITHOUT["shape"]), seeded(seed)).move_points(points[0], SHAPE)
        ratio = ((moved[:, None] - moved).norm(dim=-1) / apart)[~torch.eye(19, dtype=torch.bool)]
        assert ratio.std() < 1e-6 and 1 / 1.1501 < ratio.mean() < 1.1501


def test_the_option_reaches_the_films():
    from baselines.synthdg.run import build

    image, points = film()[None], landmarks(0)
    results = {
        part: torch.cat([build(part).augmentation[2].change(image, points, None, seeded(s))[0] for s in range(4)])
        for part in ("nothing", "appearance", "outside", "shape")
    }
    same = [part for part, result in results.items() if torch.equal(result, results["nothing"])]
    assert same == ["nothing"]
    with pytest.raises(UsageError, match="in 3D only"):  # a film has no structures to be changed by themselves
        build("structures").augmentation_for(2)


def test_windows_are_those_of_the_preparation():
    from baselines.common.prepare import window as prepared

    image = blur(film(4) * 70 - 20, 4.0)
    assert np.allclose(window(image)[0], prepared(image[0].numpy()), atol=0.03)


def test_local_contrast_levels_a_slope_and_keeps_a_detail():
    rows = torch.linspace(0, 4, SHAPE[0])[:, None].expand(SHAPE).clone()
    rows[96:100, 80:84] += 0.2
    even = local_contrast(rows[None], 16.0)[0]
    inner = even[40:-40, 40:-40]
    assert inner.std() < 0.2 * rows.std() and int(inner.argmax()) in {  # the detail is now the brightest
        (r - 40) * inner.shape[1] + c - 40 for r in range(96, 100) for c in range(80, 84)
    }


def test_blur_has_the_width_it_says_and_keeps_the_sum():
    point = torch.zeros((1, 41, 41))
    point[0, 20, 20] = 1
    soft = blur(point, 2.0)[0].double()
    at = torch.arange(41) - 20.0
    assert soft.sum() == pytest.approx(1) and (soft.sum(1) * at**2).sum().sqrt() == pytest.approx(2.0, rel=0.06)


def test_random_convolutions_move_nothing():
    """A step stays where it is: kernels are no wider than 3, three of them reach three pixels."""
    step = torch.zeros((1, *SHAPE))
    step[:, :, 80:] = 1
    for seed in range(10):
        result = random_convolutions(step, seeded(seed))[0]
        assert torch.isfinite(result).all()
        assert result[:, :76].std(dim=1).max() < 1e-3 * result.std().clamp_min(1e-3) + 1e-5


def test_redevelopment_is_deterministic_and_leaves_its_film_alone():
    before = film(2)
    kept = before.clone()
    everything = Ranges(local=1.0, random=1.0, sharpness=1.0, negative=1.0)
    assert torch.equal(redevelop(before, everything, seeded(3)), redevelop(before, everything, seeded(3)))
    assert torch.equal(before, kept)


@pytest.mark.heavy
def test_a_strong_change_costs_less_than_a_quarter_of_a_second():
    images, points = torch.rand((4, 1, 384, 320)), landmarks(0).repeat(4, 1, 1)
    change_films(images, points, None, seeded(0), Ranges(share=1.0))
    start = time.process_time()
    change_films(images, points, None, seeded(1), Ranges(share=1.0))
    assert (time.process_time() - start) / 4 < 0.25
