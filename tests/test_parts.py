"""Errors taken apart: closed forms, simulations with known parts, and properties that hold for any errors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dgmld_bench.scoring.parts import MIN_CASES, N_FOLDS, errors_without_offset, offset_intervals, take_apart
from dgmld_bench.scoring.statistics import average_interval


def shares(parts):
    squares = parts.squares_mm2.mean(axis=(0, 1))
    return squares / squares.sum()


def noise(rng, *, seeds=1, cases=200, landmarks=4, axes=2, sigma=1.0):
    return rng.normal(scale=sigma, size=(seeds, cases, landmarks, axes))


def test_a_pure_offset_is_all_offset():
    differences = np.zeros((2, 10, 1, 3)) + np.array([2.0, 3.0, 6.0])
    parts = take_apart(differences)
    np.testing.assert_allclose(parts.offset_mm, [[[2, 3, 6]], [[2, 3, 6]]])
    np.testing.assert_allclose(parts.squares_mm2[0, 0], [49, 0, 0])
    assert not parts.is_miss.any() and not errors_without_offset(differences).any()


def test_pure_noise_has_no_offset_to_speak_of():
    rng = np.random.default_rng(0)
    means = np.mean([shares(take_apart(noise(rng, cases=15))) for _ in range(200)], axis=0)
    assert means[0] < 0.05 and means[2] < 0.03  # uncorrected, the offset's share alone would be 1 / 15 and more
    differences = noise(rng, cases=2000)
    mre = np.linalg.norm(differences, axis=-1).mean()
    assert mre == pytest.approx(np.sqrt(np.pi / 2), rel=0.03)  # the mean of a Rayleigh distribution
    assert errors_without_offset(differences).mean() == pytest.approx(mre, rel=0.002)
    np.testing.assert_allclose(take_apart(differences).spread_mm, 1.0, rtol=0.05)


def test_taking_an_offset_away_that_is_chance_makes_errors_larger_not_smaller():
    rng = np.random.default_rng(1)
    before, after = [], []
    for _ in range(200):
        differences = noise(rng, cases=10, landmarks=1)
        before.append(np.linalg.norm(differences, axis=-1).mean())
        after.append(errors_without_offset(differences).mean())
    # with the mean of nine others taken away, the variance of each direction is 1 + 1 / 9
    assert np.mean(after) / np.mean(before) == pytest.approx(np.sqrt(10 / 9), rel=0.02)


@pytest.mark.parametrize(("axes", "offset"), [(2, [3.0, 0.0]), (3, [0.0, 1.0, 2.0])])
def test_a_mixture_is_told_apart(axes, offset):
    rng = np.random.default_rng(2)
    differences = noise(rng, seeds=2, cases=1000, axes=axes) + offset
    length2 = np.square(offset).sum()
    expected = np.array([length2, axes, 0]) / (length2 + axes)
    np.testing.assert_allclose(shares(take_apart(differences)), expected, atol=0.02)
    clean = np.linalg.norm(differences - offset, axis=-1).mean()
    assert errors_without_offset(differences).mean() == pytest.approx(clean, rel=0.005)


def test_five_per_cent_misses_are_found_and_move_nothing_else():
    rng = np.random.default_rng(3)
    differences = noise(rng, cases=400, sigma=0.5) + np.array([1.0, 0.0])
    missed = rng.permutation(400)[:20]
    differences[:, missed] += [15.0, -10.0]
    parts = take_apart(differences)
    expected = np.zeros(400, bool)
    expected[missed] = True
    assert (parts.is_miss == expected[None, :, None]).all()
    np.testing.assert_allclose(parts.offset_mm, np.broadcast_to([1.0, 0.0], (1, 4, 2)), atol=0.1)
    np.testing.assert_allclose(parts.spread_mm, 0.5, rtol=0.1)
    assert parts.squares_mm2[0, 0, 2] == pytest.approx(0.05 * (16**2 + 10**2), rel=0.05)


def test_no_point_is_a_miss_within_the_floor():
    differences = np.zeros((1, 40, 1, 2))
    differences[0, :2, 0, 0] = 1.9, 3.0
    assert take_apart(differences).is_miss[0, :3, 0].tolist() == [False, True, False]
    assert not take_apart(differences, floor_mm=[3.1]).is_miss.any()


def test_the_offset_taken_from_a_case_is_that_of_the_others():
    rng = np.random.default_rng(4)
    differences = noise(rng, seeds=2, cases=20, landmarks=2) + np.array([2.0, 1.0])
    differences[1, 3, 0] = np.nan
    differences[0, 5, 1] += 30
    errors = errors_without_offset(differences)
    for case in range(20):
        others = take_apart(np.delete(differences, case, axis=1)).offset_mm
        expected = np.linalg.norm(differences[:, case] - others, axis=-1)
        np.testing.assert_allclose(errors[:, case], expected)


def test_with_many_cases_folds_take_the_place_of_single_cases():
    rng = np.random.default_rng(5)
    differences = noise(rng, cases=2 * N_FOLDS + 7, landmarks=1)
    fold = np.arange(differences.shape[1]) % N_FOLDS == 3
    others = take_apart(differences[:, ~fold]).offset_mm
    expected = np.linalg.norm(differences[:, fold] - others[:, None], axis=-1)
    np.testing.assert_allclose(errors_without_offset(differences)[:, fold], expected)


@pytest.mark.parametrize("n_cases", [1, 2, MIN_CASES - 1])
def test_of_few_cases_nothing_is_said(n_cases):
    differences = np.ones((1, n_cases, 2, 3))
    parts = take_apart(differences)
    assert not parts.is_miss.any()
    for value in (parts.spread_mm, parts.squares_mm2, errors_without_offset(differences)):
        assert np.isnan(value).all()
    assert np.isnan(offset_intervals(differences, parts)).all()


def test_of_a_landmark_that_few_cases_have_nothing_is_said_and_the_rest_stays():
    rng = np.random.default_rng(6)
    differences = noise(rng, cases=30, landmarks=2)
    alone = take_apart(differences[:, :, :1])
    differences[:, 5:, 1] = np.nan
    parts = take_apart(differences)
    assert np.isnan(parts.limit_mm[0, 1]) and not parts.is_miss[:, :, 1].any()
    np.testing.assert_array_equal(parts.offset_mm[:, :1], alone.offset_mm)
    assert np.isnan(errors_without_offset(differences)[..., 1]).all()


@settings(max_examples=40, deadline=None)
@given(
    arrays(np.float64, (2, 12, 2, 2), elements=st.integers(-240, 240).map(lambda n: n / 8)),
    arrays(np.bool_, (2, 12, 2), elements=st.sampled_from([False] * 9 + [True])),
)
def test_the_parts_add_up_and_move_with_the_points(differences, lacking):
    differences[lacking] = np.nan
    parts = take_apart(differences)
    told = ~np.isnan(parts.limit_mm)
    present = (~lacking).sum(axis=1)
    total = np.nansum(np.square(differences).sum(axis=-1), axis=1) / np.maximum(present, 1)
    np.testing.assert_allclose(parts.squares_mm2.sum(axis=-1)[told], total[told], atol=1e-9)
    assert (parts.squares_mm2[told] >= -1e-9).all() and (told == (present >= MIN_CASES)).all()
    moved = take_apart(differences + np.array([64.0, -32.0]))
    np.testing.assert_allclose(moved.offset_mm[told], parts.offset_mm[told] + np.array([64.0, -32.0]), atol=1e-9)


def test_intervals_cover_what_they_promise():
    """Of simulated splits with heavy tails, an offset and misses, near 95 in 100 intervals hold the truth."""
    rng = np.random.default_rng(7)
    offsets, errors = [], []
    truth = np.linalg.norm(noise(rng, cases=200_000, landmarks=1), axis=-1).mean()
    for _ in range(150):
        differences = noise(rng, cases=40, landmarks=2) + np.array([1.0, -0.5])
        low, high = average_interval(errors_without_offset(differences))
        errors.append(low <= truth <= high)
        differences[:, rng.random(40) < 0.05] += 20.0
        ends = offset_intervals(differences, take_apart(differences))
        offsets.append((ends[..., 0] <= [1.0, -0.5]) & (ends[..., 1] >= [1.0, -0.5]))
    assert 0.90 <= np.mean(offsets) <= 0.98
    assert np.mean(errors) >= 0.9


def test_the_interval_of_an_offset_knows_that_seeds_differ():
    rng = np.random.default_rng(8)
    differences = noise(rng, seeds=3, cases=100, landmarks=1, sigma=0.1)
    alike = offset_intervals(differences, take_apart(differences))
    differences += np.array([-1.0, 0.0, 1.0]).reshape(3, 1, 1, 1)
    apart = offset_intervals(differences, take_apart(differences))
    assert np.ptp(alike, axis=-1).max() < 0.1 and np.ptp(apart, axis=-1).min() > 1.0


def test_the_interval_of_an_offset_by_hand():
    one = np.arange(10.0).reshape(1, 10, 1, 1) * [0.1, 0.0]  # one training: the t interval of the cases' mean
    ends = offset_intervals(one, take_apart(one))
    half = 2.262157 * 0.1 * np.std(np.arange(10), ddof=1) / np.sqrt(10)
    np.testing.assert_allclose(ends[0], [[0.45 - half, 0.45 + half], [0.0, 0.0]], rtol=1e-6)
    three = np.zeros((3, 10, 1, 2)) + np.array([-1.0, 0.0, 4.0]).reshape(3, 1, 1, 1)  # of the trainings' mean
    half = 4.302653 * np.std([-1, 0, 4], ddof=1) / np.sqrt(3)
    np.testing.assert_allclose(offset_intervals(three, take_apart(three))[0], [[1 - half, 1 + half]] * 2, rtol=1e-6)


@pytest.mark.parametrize("sigma", [0.0, 0.1, 0.3, 1.0])
def test_the_interval_of_an_offset_holds_however_much_trainings_differ(sigma):
    rng = np.random.default_rng(11)
    held = []
    for _ in range(60):
        differences = noise(rng, seeds=3, cases=55) + rng.normal(scale=sigma, size=(3, 1, 4, 2))
        ends = offset_intervals(differences, take_apart(differences))
        held.append((ends[..., 0] <= 0) & (ends[..., 1] >= 0))
    assert np.mean(held) >= 0.93


def test_shapes_are_checked():
    with pytest.raises(ValueError, match=r"\(seed, case, landmark, 2 or 3\)"):
        take_apart(np.zeros((3, 4, 2)))
