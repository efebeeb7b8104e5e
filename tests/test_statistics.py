"""Intervals and tests: against scipy's own, against hand-made cases, and against the clock."""

import time

import numpy as np
import pytest
from scipy import stats

from dgmld_bench.errors import DataError
from dgmld_bench.scoring import metrics, statistics

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


def one_run(*cases):
    """One seed, one landmark: ``(1, case, 1)``."""
    return np.array(cases, dtype=float)[None, :, None]


def test_paired_difference_agrees_with_scipy():
    a, b = RNG.random((1, 40, 6)), RNG.random((1, 40, 6)) + 0.1
    a_case, b_case = a[0].mean(axis=1), b[0].mean(axis=1)
    result = statistics.paired_difference(a, b)
    theirs = stats.bootstrap(
        (a_case - b_case,), np.mean, n_resamples=10_000, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    assert result.p == pytest.approx(stats.wilcoxon(a_case, b_case).pvalue)
    assert result.difference_mm == pytest.approx((a - b).mean())
    np.testing.assert_allclose(result.ci95_mm, theirs, atol=0.01)
    assert result.n_cases == 40 and -1 < result.effect_size < 0


def test_effect_size_by_hand():
    result = statistics.paired_difference(one_run(0, 0, 0), one_run(1, 2, -3))  # ranks 1 and 2 for A, 3 against
    assert result.effect_size == 0.0
    assert statistics.paired_difference(one_run(0, 0), one_run(1, 2)).effect_size == -1.0


def test_no_difference_is_no_evidence():
    result = statistics.paired_difference(one_run(1, 2), one_run(1, 2))
    assert (result.p, result.effect_size, result.ci95_mm) == (1.0, 0.0, (0.0, 0.0))


def test_one_case_has_no_interval():
    result = statistics.paired_difference(one_run(1), one_run(2))
    assert (result.difference_mm, result.ci95_mm, result.p) == (-1.0, None, 1.0)


def test_seeds_that_scatter_widen_the_interval_of_a_difference():
    base = RNG.gamma(2, size=(1, 60, 6))
    steady = np.repeat(base, 3, axis=0)
    scattered = steady + np.array([-0.6, 0, 0.6])[:, None, None]
    assert statistics.paired_difference(steady, steady).ci95_mm == pytest.approx((0, 0), abs=1e-12)
    low, high = statistics.paired_difference(scattered, scattered.copy()).ci95_mm
    assert low < -0.5 and high > 0.5  # both methods' seeds were drawn, each for itself


def test_a_point_that_one_run_lacks_counts_for_neither_method():
    a, b = np.ones((2, 5, 2)), np.full((1, 5, 2), 3.0)
    a[1, 0, 0], b[0, 0, 0] = np.nan, 1e6
    b[0, 4] = np.nan
    result = statistics.paired_difference(a, b)
    assert result.difference_mm == -2.0 and result.n_cases == 4
    with pytest.raises(DataError, match="no point"):
        statistics.paired_difference(a * np.nan, b)


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


def test_equal_methods_share_their_ranks():
    errors = RNG.gamma(2, size=(1, 40, 6))
    ranking = statistics.rank_methods([errors, errors + 1, errors])
    assert ranking.rank.tolist() == [1, 3, 1] and ranking.group.tolist() == [1, 2, 1]
    assert ranking.low.tolist() == [1, 3, 1] and ranking.high.tolist() == [2, 3, 2]


def test_the_same_errors_once_and_thrice_are_equal():
    errors = RNG.gamma(2, size=(1, 55, 6)).round(6)
    thrice = np.repeat(errors, 3, axis=0)  # a sum over eighteen has another last bit than one over six
    ranking = statistics.rank_methods([thrice, errors])
    assert (ranking.rank.tolist(), ranking.group.tolist()) == ([1, 1], [1, 1])
    assert statistics.paired_difference(thrice, errors).effect_size == 0.0


def _of_cases(means):
    """Errors of one run and one landmark whose mean per case is given."""
    return np.asarray(means, dtype=np.float64)[None, :, None]


def test_a_method_that_is_better_in_most_cases_is_not_in_a_later_group():
    leader = np.full(40, 2.0)
    other = leader - 0.5 - np.arange(40) / 1000
    other[:3] = 12.0  # three cases far off make its Average the higher one
    ranking = statistics.rank_methods([_of_cases(leader), _of_cases(other)])
    assert stats.wilcoxon(leader, other).pvalue < 0.001
    assert ranking.rank.tolist() == [1, 2]
    assert ranking.group.tolist() == [1, 1]


def test_a_later_group_is_worse_than_the_best_of_every_earlier_one():
    leader = 2.0 + np.arange(40) / 100
    worse = leader + 0.1 + np.arange(40) / 1e4
    erratic = leader + np.where(np.arange(40) % 2, 0.5, -0.5) * (1 + np.arange(40))
    ranking = statistics.rank_methods([_of_cases(e) for e in (leader, worse, erratic)])
    assert ranking.rank.tolist() == [1, 2, 3]
    assert stats.wilcoxon(leader, worse).pvalue < 0.001 and stats.wilcoxon(leader, erratic).pvalue > 0.05
    assert ranking.group.tolist() == [1, 2, 1]


def test_a_tie_elsewhere_does_not_move_a_p_value():
    means = RNG.random((3, 15))
    raw = stats.wilcoxon(means[0], means[1]).pvalue
    means[2] = means[1] + np.r_[0.25, -0.25, RNG.random(13)]  # two differences of the same size
    assert statistics._wilcoxon(np.stack([means[0] - means[1], means[2] - means[1]], axis=1).round(9))[0] == raw


def test_rank_intervals_do_not_depend_on_seeds_of_equal_number_going_together():
    base = RNG.gamma(2, size=(1, 100, 6))
    a, b = (base + np.array(shift)[:, None, None] for shift in ([-0.5, 0, 0.5], [-0.4, 0.1, 0.6]))
    ranking = statistics.rank_methods([a, b])  # seed by seed A is always better, but seeds are not paired
    assert ranking.low.tolist() == [1, 1] and ranking.high.tolist() == [2, 2]


def test_missing_and_equal_cases_are_left_out_of_pairwise_tests_as_in_scipy():
    means = RNG.random((2, 30))
    means[0, 3], means[1, 5], means[0, 7] = np.nan, np.nan, means[1, 7]
    kept = [i for i in range(30) if i not in (3, 5, 7)]
    expected = stats.wilcoxon(means[0, kept], means[1, kept]).pvalue
    assert statistics.pairwise_tests(means)[0, 1] == pytest.approx(expected)


def test_one_method_has_rank_one():
    ranking = statistics.rank_methods([RNG.random((1, 5, 6))])
    assert (ranking.rank.tolist(), ranking.group.tolist()) == ([1], [1])


def test_no_number_of_bad_methods_lifts_them_to_the_best():
    methods = [10 * i + RNG.random((1, 13, 1)) for i in range(40)]  # p of 13 cases: 2 / 2^13 at the least
    ranking = statistics.rank_methods(methods, n_resamples=100)
    assert ranking.group.tolist() == list(range(1, 41))


def test_pairwise_tests_agree_with_scipy_one_by_one():
    means = RNG.random((4, 30)) + np.arange(4)[:, None] * 0.1
    raw = [stats.wilcoxon(means[i], means[j]).pvalue for i in range(4) for j in range(i)]
    ours = statistics.pairwise_tests(means)
    assert (ours == ours.T).all() and (np.diag(ours) == 1).all()
    np.testing.assert_allclose([ours[i, j] for i in range(4) for j in range(i)], raw)


def test_rank_agreement():
    assert statistics.rank_agreement([1, 2, 3], [3, 2, 1]) == -1.0
    assert statistics.rank_agreement([1], [2]) is None


def test_rank_agreement_is_scipys_tau():
    a, b = RNG.random(9), RNG.random(9)
    assert statistics.rank_agreement(a, b) == pytest.approx(stats.kendalltau(a, b).statistic)


def test_thirty_methods_are_ranked_in_two_seconds():
    errors = [RNG.gamma(2, size=(3, 120, 6)) + i / 10 for i in range(30)]
    start = time.process_time()
    statistics.rank_methods(errors)
    assert time.process_time() - start < 2.0
