"""The mean of runs as a method of its own: of a method's seeds, of several methods, of those chosen on validation."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dgmld_bench.errors import DataError, UsageError
from dgmld_bench.landmarks import CEPHALOMETRIC
from dgmld_bench.leaderboard.submissions import submission_id
from dgmld_bench.scoring.combining import Pool, choose, combine
from dgmld_bench.scoring.predictions import Predictions
from dgmld_bench.scoring.reference import Reference
from dgmld_bench.scoring.score import score_against
from dgmld_bench.splits import get_split

IDS = ("301", "302", "303")


def reference(split="isbi-val", mm_per_unit=0.5):
    """Return a split of three cases whose points all lie at (100, 100)."""
    points = np.full((len(IDS), len(CEPHALOMETRIC), 2), 100.0)
    the_split = replace(get_split(split), case_ids=IDS, n_cases=len(IDS))
    return Reference(the_split, CEPHALOMETRIC, IDS, points, np.full(len(IDS), mm_per_unit), dict.fromkeys(IDS))


def runs(method, *shifts, **values):
    """Return predictions of a method, a run for each shift in pixels, (x, y) or one for each case."""
    values = {"selection": "target-val", "training_data": ["isbi-train"], "backbone": "unet", **values}
    predictions = Predictions(track="ceph", method=method, **values)
    for seed, shift in enumerate(shifts):
        for case, at in zip(IDS, np.broadcast_to(shift, (len(IDS), 2)), strict=True):
            predictions.add(
                seed=seed, split="isbi-val", case=case, landmarks=np.tile(100.0 + at, (len(CEPHALOMETRIC), 1))
            )
    return predictions


def test_the_mean_of_the_seeds_is_a_method_of_its_own():
    predictions = runs("m", (2, 0), (6, 0))
    predictions.runs[1].seed = 7
    mean = combine(Pool((predictions,)))
    assert (mean.method, mean.seeds, mean.selection) == ("m, mean of 2 seeds", [0], "target-val")
    assert mean.description == "The mean of the points of 2 runs (seed 0; seed 7)."
    np.testing.assert_allclose(score_against(reference(), mean).errors_mm, 2.0)
    long = combine(Pool((predictions.model_copy(update={"method": "x" * 64}),)))
    assert len(long.method) == 64 and long.method.endswith(", mean of 2 seeds")


def test_what_a_run_lacks_is_not_averaged_over_the_others():
    predictions, other = runs("m", (1, 0), (1, 0)), runs("other", (1, 1))
    del predictions.runs[1].predictions["isbi-val"]["301"]["sella"]
    with pytest.raises(DataError, match="'isbi-val': seed 1, case '301', landmark 'sella' has no point"):
        combine(Pool((predictions,)))
    with pytest.raises(DataError, match="'isbi-val': m · unet, seed 1, case '301', landmark 'sella' has no point"):
        combine(Pool((other, predictions)))
    with pytest.raises(DataError, match=r"m · unet, seed 1, case '301', landmark 'sella'"):
        choose(Pool((other, predictions)), reference())
    with pytest.raises(DataError, match="there is 1 run to combine; the mean takes at least two"):
        combine(Pool((other,)))


def test_a_case_that_is_called_like_a_run_is_no_run():
    pool = Pool((runs("A", (1, 0)), runs("B", (1, 1))))
    assert pool.named("seed 1, case 'seed 7'") == "B · unet, seed 0, case 'seed 7'"


def test_several_methods_say_together_what_they_are():
    a = runs("A", (2, 0), (4, 0), authors="Us", selection="source-val", code="https://example.org/a")
    b = runs("B", (0, 3), authors="You", training_data=["isbi-train", "other"], backbone="mine")
    b.add(seed=0, split="isbi", case="151", landmarks=np.zeros((19, 2)))
    mean = combine(Pool((a, b)))
    assert mean.method == "Mean of 3 trainings" and mean.backbone == "unet+mine"
    assert submission_id(mean) == "mean-of-3-trainings-unet+mine"
    assert (mean.selection, mean.training_data) == ("target-val", ["isbi-train", "other"])
    assert (mean.authors, mean.code) == ("Us; You", None)
    assert mean.description.endswith(" of 3 runs (A · unet, seed 0; A · unet, seed 1; B · mine, seed 0).")
    assert mean.splits == ["isbi-val"]
    np.testing.assert_allclose(mean.array(0, "isbi-val", IDS) - 100, np.broadcast_to([2.0, 1.0], (3, 19, 2)))
    assert combine(Pool((a, b)), name="Both").method == "Both"
    unsaid = combine(Pool((a, runs("C", (0, 0), selection=None, training_data=None))))
    assert unsaid.selection is None and unsaid.training_data is None
    with pytest.raises(DataError, match="no split is predicted by all"):
        Pool((a, Predictions(track="ceph", method="C", backbone="unet")))
    with pytest.raises(DataError, match="one track is expected, and the files have ceph, phantom"):
        Pool((a, Predictions(track="phantom", method="C", backbone="unet")))
    with pytest.raises(DataError, match=r"one training, seed 1 of 'A' and seed 0 of 'Again' are the same points"):
        Pool((a, runs("Again", (4, 0))))


def test_runs_are_chosen_one_after_the_other_as_long_as_the_mean_gains():
    # 3, 4 and 5 px off to the right, left and below; the fourth is so far off that it only harms
    pool = Pool((runs("A", (4, 0), (40, 40)), runs("B", (-3, 0)), runs("C", (0, 5))))
    steps = choose(pool, reference())
    assert [pool.labels[s.place] for s in steps] == ["B · unet, seed 0", "A · unet, seed 0"]
    assert [s.mre_mm for s in steps] == pytest.approx([1.5, 0.25])  # |-3| and |(-3 + 4) / 2| px, half a millimetre each
    chosen = combine(pool.of_runs(s.place for s in steps), chosen_on="isbi-val")
    assert chosen.method == "Mean of 2 trainings"
    assert "(A · unet, seed 0; B · unet, seed 0), chosen on isbi-val by forward selection." in chosen.description
    np.testing.assert_allclose(score_against(reference(), chosen).mre_mm, 0.25)


def test_to_choose_on_a_validation_split_is_to_have_selected_on_it():
    pool = Pool((runs("A", (4, 0), (-3, 0), selection="source-val"),))
    assert combine(pool).selection == "source-val"
    assert combine(pool, chosen_on="isbi-val").selection == "target-val"


@pytest.mark.parametrize("split", ["isbi", "isbi-train"])
def test_nothing_is_chosen_on_what_is_tested_or_trained_on(split):
    with pytest.raises(UsageError, match=f"'{split}' is a t.+ split; runs are chosen on .+: 'isbi-val'"):
        choose(Pool((runs("A", (1, 0), (2, 0)),)), reference(split))


@settings(max_examples=40, deadline=None)
@given(arrays(np.float64, (5, 3, 2), elements=st.floats(-30, 30).map(lambda x: round(x, 3))))
def test_no_run_that_is_left_would_improve_the_choice_and_each_taken_did(shifts):
    assume(not any((a == b).all() for a in shifts[:2] for b in shifts[2:]))  # no training is given twice
    pool = Pool((runs("A", *shifts[:2]), runs("B", *shifts[2:])))
    steps = choose(pool, reference())

    def average(places):
        return np.linalg.norm(shifts[list(places)].mean(axis=0), axis=-1).mean() * 0.5

    taken = [s.place for s in steps]
    for n, step in enumerate(steps, start=1):
        assert step.mre_mm == pytest.approx(average(taken[:n]), abs=1e-9)
        others = set(range(5)) - set(taken[:n])
        assert all(average([*taken[: n - 1], other]) >= step.mre_mm - 1e-9 for other in others)
    assert all(later.mre_mm < earlier.mre_mm for earlier, later in pairwise(steps))
    assert all(average([*taken, other]) >= steps[-1].mre_mm - 1e-9 for other in set(range(5)) - set(taken))
