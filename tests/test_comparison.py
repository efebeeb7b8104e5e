"""Two methods on the same cases, from arrays alone: no coordinates, no reference data."""

from dataclasses import replace

import numpy as np
import pytest

from dgmld_bench.errors import DataError
from dgmld_bench.landmarks import CEREBELLUM
from dgmld_bench.scoring.comparison import compare, draw_comparison
from dgmld_bench.scoring.errors_table import ErrorsTable
from dgmld_bench.scoring.statistics import holm, paired_difference, training_spread

RNG = np.random.default_rng(5)
IDS = tuple(str(i) for i in range(1, 21))
ERRORS = np.random.default_rng(3).gamma(2, size=(3, 20, 6))


def method(errors=ERRORS, ids=IDS, name="A"):
    return ErrorsTable(tuple(range(len(errors))), ids, CEREBELLUM.names, np.asarray(errors), "0" * 64, name=name)


def test_a_shift_of_one_landmark_is_found_where_it_is():
    worse = ERRORS.copy()
    worse[:, :, 2] += 3.0
    result = compare(method(), method(worse, name="B"))
    assert result.overall.difference_mm == pytest.approx(-0.5)  # 3 mm in one of six landmarks
    assert result.per_landmark["HDV1"].difference_mm == pytest.approx(-3.0)
    assert result.per_landmark["HDV1"].effect_size == -1.0
    assert [n for n, d in result.per_landmark.items() if d.p < 0.05] == ["HDV1"]
    assert result.better is result.a and compare(result.b, result.a).better.name == "A"


def test_better_means_on_average():
    worse = ERRORS + 0.05
    worse[:, 0] -= 3.0  # one case far the other way: in most cases A is better, but not on average
    one = compare(method(), method(worse, name="B"))
    low, high = one.overall.ci95_mm
    assert one.overall.effect_size < -0.5 and low < 0 < high and one.better is None


def test_of_one_training_nothing_is_sure():
    far = method(ERRORS[:1] + 9, name="B")
    one = compare(method(), far)
    assert one.overall.p < 0.001 and one.overall.ci95_mm[1] < 0
    assert one.better is None and one.overall.n_trainings == (3, 1)
    assert compare(method(), method(ERRORS + 9)).better is not None


def test_the_board_lends_what_it_knows_of_trainings():
    runs = np.array([-0.1, 0.0, 0.1])[:, None, None]
    one, other = (method(np.repeat(ERRORS[:1], 3, axis=0) + runs + shift) for shift in (0.0, 0.3))
    steady = [one.errors_mm + 0.3 * runs * RNG.random((3, 1, 1)) - runs for _ in range(20)]
    alone = compare(one, other)
    informed = compare(one, other, training_spread(steady))
    assert np.ptp(informed.overall.ci95_mm) < np.ptp(alone.overall.ci95_mm)
    assert informed.per_landmark == alone.per_landmark


def test_nothing_is_better_than_itself():
    result = compare(method(), method(name="B"))
    assert result.overall.difference_mm == 0 and result.overall.p == 1 and result.better is None


def test_a_copy_is_told_from_an_equal_average():
    shuffled = ERRORS[:, ::-1]
    assert compare(method(), method(name="B")).is_of_equals
    assert not compare(method(), method(shuffled, name="B")).is_of_equals


def test_p_per_landmark_is_corrected_over_landmarks():
    other = np.random.default_rng(4).gamma(2, size=(1, 20, 6)) + np.arange(6) / 4
    result = compare(method(), method(other))
    raw = [paired_difference(ERRORS[:, :, [k]], other[:, :, [k]]).p for k in range(6)]
    np.testing.assert_allclose([d.p for d in result.per_landmark.values()], holm(raw))
    assert result.overall.p == paired_difference(ERRORS, other).p


def test_cases_are_matched_by_id_whatever_their_order():
    shuffled = method(ERRORS[:, ::-1], IDS[::-1])
    assert compare(method(), shuffled).overall.difference_mm == 0
    half = compare(method(), method(ERRORS[:, 5:] + 1, IDS[5:]))
    assert half.overall.n_cases == 15 and half.overall.difference_mm == pytest.approx(-1)


def test_the_two_averages_are_of_the_same_cases():
    half = compare(method(), method(ERRORS[:, 5:] + 1, IDS[5:])).to_dict()
    assert half["a"]["mre_mm"] - half["b"]["mre_mm"] == pytest.approx(half["difference_mm"])


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(DataError, match="no case in common"):
        compare(method(), method(ids=tuple(f"x{i}" for i in IDS)))
    with pytest.raises(DataError, match="different landmarks"):
        compare(method(), replace(method(), landmarks=CEREBELLUM.names[::-1]))


def test_a_landmark_without_any_point_is_left_out():
    empty = ERRORS.copy()
    empty[:, :, 5] = np.nan
    result = compare(method(), method(empty + 1))
    assert "ADV2" not in result.per_landmark and result.overall.difference_mm == pytest.approx(-1)


def test_one_case_is_no_evidence():
    result = compare(method(ERRORS[:, :1], ("1",)), method(ERRORS[:, :1] + 9, ("1",)))
    assert result.better is None and result.overall.ci95_mm is None
    draw_comparison(result)


def test_the_picture_takes_any_name(tmp_path):
    figure = draw_comparison(compare(method(name="$x^{ $"), method(name="<script>$" * 20)))
    figure.savefig(tmp_path / "picture.png")
    labels = [t.get_text() for t in figure.axes[1].get_yticklabels()]
    assert labels == [*CEREBELLUM.names, "Average"]
