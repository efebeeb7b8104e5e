"""What a model knows of its error: hand-computed cases, and simulations with known answers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgmld_bench.scoring.certainty import (
    MIN_CASES_WITH_MISS,
    auroc,
    auroc_interval,
    conformal_radii,
    covered,
    risk_coverage,
    seed_spread,
)


def test_seed_spread_is_that_of_points_and_ignores_where_they_are():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(3, 5000, 1, 2))
    assert np.square(seed_spread(points)).mean() == pytest.approx(2, rel=0.05)
    np.testing.assert_allclose(seed_spread(points + rng.normal(size=(1, 5000, 1, 2))), seed_spread(points))
    points[1, 7, 0, 0] = np.nan
    assert np.isnan(seed_spread(points)).sum() == 1


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=30))
def test_auroc_counts_pairs(points):
    misses = [d for d, miss in points if miss]
    found = [d for d, miss in points if not miss]
    pairs = [(m > f) + (m == f) / 2 for m in misses for f in found]
    value = auroc([d for d, _ in points], [miss for _, miss in points])
    assert value == pytest.approx(np.mean(pairs)) if pairs else np.isnan(value)


def test_a_point_that_counts_twice_is_there_twice():
    doubt, miss = np.array([1.0, 2.0, 3.0, 1.5]), np.array([False, True, False, True])
    weights = np.array([[2, 1, 1, 0], [0, 1, 0, 1]])
    first, second = auroc(doubt, miss, weights)
    assert first == auroc([1.0, 1.0, 2.0, 3.0], [False, False, True, False]) and np.isnan(second)


def test_the_interval_of_chance_holds_a_half_and_that_of_knowledge_does_not():
    rng = np.random.default_rng(1)
    miss = rng.random((100, 10)) < 0.05
    low, high = auroc_interval(rng.random(miss.shape), miss)
    assert low < 0.5 < high
    low, high = auroc_interval(rng.random(miss.shape) + 0.5 * miss, miss)
    assert low > 0.6
    few = np.zeros_like(miss)
    few[: MIN_CASES_WITH_MISS - 1] = True  # all points of too few cases
    assert auroc_interval(rng.random(miss.shape), few) is None
    few[MIN_CASES_WITH_MISS, 3] = True
    assert auroc_interval(rng.random(miss.shape), few) is not None


def test_risk_falls_with_coverage_where_doubt_is_error_and_not_where_it_is_constant():
    errors = np.random.default_rng(2).gamma(2, size=500)
    best = risk_coverage(errors, errors, [1.0, 0.5])
    assert best[0] == pytest.approx(errors.mean()) and best[1] == pytest.approx(np.sort(errors)[:250].mean())
    np.testing.assert_allclose(risk_coverage(np.zeros(500), errors, [1.0, 0.5]), errors.mean())


def test_radii_need_enough_cases():
    errors = np.arange(1.0, 10.0)[:, None]
    assert conformal_radii(errors)[0] == 9 and np.isnan(conformal_radii(errors[:8])[0])
    errors = np.concatenate([errors, errors], axis=1)
    errors[0, 1] = np.nan
    assert np.isnan(conformal_radii(errors)).tolist() == [False, True]


def test_a_radius_covers_what_it_promises_where_cases_are_of_one_kind_and_not_elsewhere():
    rng = np.random.default_rng(3)
    same, shifted = [], []
    for _ in range(500):
        radii = conformal_radii(rng.gamma(2, size=(39, 2)))
        same.append(covered(rng.gamma(2, size=(20, 2)), radii).mean())
        shifted.append(covered(rng.gamma(2, size=(20, 2)) + 1, radii).mean())
    assert np.mean(same) == pytest.approx(0.9, abs=0.01)  # 36 of 40: exactly 90 %
    assert np.mean(shifted) < 0.8
