"""Metrics: cases small enough to work out by hand, and properties."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dgmld_bench.scoring import metrics

ERRORS = hnp.arrays(np.float64, (4, 3), elements=st.floats(0, 50))


def test_radial_error_is_the_euclidean_distance():
    assert metrics.radial_errors([[1, 2, 2]], [[0, 0, 0]]).tolist() == [3.0]


def test_ties_at_twenty_pixels_survive_when_measured_in_pixels():
    predicted, reference = np.array([[1000.5, 731.0]]), np.array([[1012.5, 747.0]])  # 12 and 16 px: 20 px
    assert metrics.success_rates(metrics.radial_errors(predicted, reference)[None] * 0.1, [2.0]).item() == 100.0


def test_average_is_the_mean_of_landmark_means():
    errors = np.array([[1.0, 10.0], [3.0, np.nan]])
    assert metrics.mean_over_cases(errors).tolist() == [2.0, 10.0]
    assert metrics.mean_radial_error(errors) == 6.0


def test_a_missing_prediction_is_a_miss_and_a_missing_reference_is_not():
    errors = np.array([[1.0, np.nan, np.nan]])
    expected = np.array([[True, True, False]])
    assert metrics.success_rates(errors, [2.0], expected=expected).tolist() == [50.0]


def test_nothing_expected_gives_nan_not_a_warning():
    assert np.isnan(metrics.success_rates(np.full((1, 1), np.nan), [2.0])).all()
    assert np.isnan(metrics.mean_radial_error(np.full((2, 2), np.nan)))


def test_strict_differs_only_at_ties():
    errors = np.array([[1.9, 2.0, 2.1]])
    assert metrics.success_rates(errors, [2.0]).item() == pytest.approx(200 / 3)
    assert metrics.success_rates(errors, [2.0], strict=True).item() == pytest.approx(100 / 3)


def test_lengths_of_biometrics():
    points = np.zeros((2, 4, 3))
    points[:, 1] = [0, 0, 5]
    points[1, 3] = [1, 2, 2]
    assert metrics.lengths(points, [(0, 1), (2, 3)]).tolist() == [[5, 0], [5, 3]]
    assert metrics.lengths(points, []).shape == (2, 0)


@given(ERRORS)
def test_sdr_rises_with_the_threshold_and_is_between_its_strict_variant_and_100(errors):
    curve = metrics.success_rates(errors, metrics.SDR_CURVE_MM)
    assert (np.diff(curve) >= 0).all()
    assert (metrics.success_rates(errors, metrics.SDR_CURVE_MM, strict=True) <= curve).all()
    assert curve.max() <= 100


@given(ERRORS)
def test_leading_axes_are_independent(errors):
    both = np.stack([errors, errors[::-1] + 1])
    np.testing.assert_array_equal(metrics.mean_radial_error(both)[1], metrics.mean_radial_error(errors[::-1] + 1))
    np.testing.assert_array_equal(metrics.success_rates(both)[0], metrics.success_rates(errors))


@given(
    hnp.arrays(np.float64, (6, 3), elements=st.floats(-100, 100)),
    hnp.arrays(np.float64, (3,), elements=st.floats(-100, 100)),
)
def test_radial_errors_do_not_change_under_translation(points, shift):
    moved = metrics.radial_errors(points + shift, np.zeros((6, 3)) + shift)
    np.testing.assert_allclose(moved, np.linalg.norm(points, axis=1), atol=1e-9)


def test_a_thousand_runs_take_less_than_a_second():
    rng = np.random.default_rng(0)
    predicted, reference = rng.normal(size=(1000, 120, 6, 3)), rng.normal(size=(120, 6, 3))
    start = time.process_time()
    errors = metrics.radial_errors(predicted, reference)
    metrics.mean_radial_error(errors)
    metrics.success_rates(errors)
    assert time.process_time() - start < 1.0
