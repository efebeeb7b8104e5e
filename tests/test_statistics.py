"""Intervals and tests: against scipy's own, against hand-made cases, and against the clock."""

import time

import numpy as np
import pytest
from scipy import stats

from dgmld_bench import metrics, statistics

RNG = np.random.default_rng(7)


def test_counts_draw_n_things_and_repeat_exactly():
    counts = statistics.resampling_counts(7, 100)
    assert (counts.sum(axis=1) == 7).all()
    np.testing.assert_array_equal(counts, statistics.resampling_counts(7, 100))
    assert not np.array_equal(counts, statistics.resampling_counts(7, 100, stream=1))


@pytest.mark.parametrize("missing", [False, True])
def test_resampled_means_follow_the_definition(missing):
    errors, counts = RNG.random((2, 5, 3)), statistics.resampling_counts(5, 20)
    if missing:
        errors[0, 2, 1] = np.nan
    for b in range(20):
        drawn = np.repeat(np.arange(5), counts[b].astype(int))
        expected = metrics.mean_radial_error(errors[:, drawn])
        np.testing.assert_allclose(statistics.resampled_means(errors, counts)[:, b], expected)


def test_interval_agrees_with_scipys_bootstrap_of_case_means():
    errors = RNG.gamma(2, size=(1, 60, 6))
    ours = statistics.bootstrap_interval(errors)
    theirs = stats.bootstrap(
        (errors[0].mean(axis=1),), np.mean, n_resamples=10_000, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    np.testing.assert_allclose(ours, theirs, rtol=0.01)


def test_landmarks_of_a_case_stay_together():
    errors = np.repeat(np.array([[0.0], [1.0]]), 6, axis=1)[None]  # two cases whose landmarks agree
    assert statistics.bootstrap_interval(errors) == (0.0, 1.0)
    assert statistics.bootstrap_interval(errors[:, :1]) is None


def test_seeds_that_differ_widen_the_interval():
    same = np.repeat(RNG.gamma(2, size=(1, 50, 6)), 3, axis=0)
    different = same + np.array([-0.5, 0, 0.5])[:, None, None]
    narrow, wide = statistics.bootstrap_interval(same), statistics.bootstrap_interval(different)
    assert wide[1] - wide[0] > 1.3 * (narrow[1] - narrow[0])


def test_paired_difference_agrees_with_scipy():
    a, b = RNG.random(40), RNG.random(40) + 0.2
    result = statistics.paired_difference(a, b)
    assert result.p == stats.wilcoxon(a, b).pvalue
    assert result.difference_mm == pytest.approx((a - b).mean())
    assert result.ci95_mm[0] < result.difference_mm < result.ci95_mm[1]
    assert result.n_cases == 40 and -1 < result.effect_size < 0


def test_effect_size_by_hand():
    result = statistics.paired_difference([0, 0, 0], [1, 2, -3])  # ranks 1 and 2 for A, 3 against
    assert result.effect_size == 0.0
    assert statistics.paired_difference([0, 0], [1, 2]).effect_size == -1.0


def test_no_difference_is_no_evidence():
    result = statistics.paired_difference([1.0, 2.0], [1.0, 2.0])
    assert (result.p, result.effect_size, result.ci95_mm) == (1.0, 0.0, (0.0, 0.0))


def test_holm_by_hand():
    np.testing.assert_allclose(statistics.holm([0.01, 0.02, 0.03, 0.04]), [0.04, 0.06, 0.06, 0.06])
    np.testing.assert_allclose(statistics.holm([0.9, 0.5]), [1.0, 1.0])
    assert statistics.holm([]).shape == (0,)


def test_methods_that_differ_are_ranked_and_equal_ones_share_a_group():
    base = RNG.gamma(2, size=(3, 80, 6))
    noise = RNG.normal(scale=0.05, size=(3, 80, 6))
    ranking = statistics.rank_methods([base + 2, base, base + noise])
    assert ranking.rank[0] == 3 and sorted(ranking.rank[1:]) == [1, 2]
    assert ranking.group.tolist() == [2, 1, 1]
    assert ranking.low[0] == ranking.high[0] == 3
    assert (ranking.low[1:] == 1).all() and (ranking.high[1:] == 2).all()
    assert ranking.p[0, 1] < 0.001 < 0.05 < ranking.p[1, 2]


def test_one_method_has_rank_one():
    ranking = statistics.rank_methods([RNG.random((1, 5, 6))])
    assert (ranking.rank.tolist(), ranking.group.tolist(), ranking.p.tolist()) == ([1], [1], [[1.0]])


def test_pairwise_tests_agree_with_scipy_one_by_one():
    means = RNG.random((4, 30)) + np.arange(4)[:, None] * 0.1
    raw = [stats.wilcoxon(means[i], means[j]).pvalue for i in range(4) for j in range(i)]
    ours = statistics.pairwise_tests(means)
    np.testing.assert_allclose([ours[i, j] for i in range(4) for j in range(i)], statistics.holm(raw))


def test_rank_agreement():
    assert statistics.rank_agreement([1, 2, 3], [3, 2, 1]) == -1.0
    assert statistics.rank_agreement([1], [2]) is None


def test_thirty_methods_are_ranked_in_two_seconds():
    errors = [RNG.gamma(2, size=(3, 120, 6)) + i / 10 for i in range(30)]
    start = time.perf_counter()
    statistics.rank_methods(errors)
    assert time.perf_counter() - start < 2.0
