"""Completeness without data: by ids, by counts, by landmark."""

import numpy as np

from dgmld_bench.scoring.predictions import Predictions
from dgmld_bench.scoring.validation import find_problems
from dgmld_bench.splits import get_split


def whole(split="phantom-feta", track="phantom", seeds=(0,), ids=None):
    predictions = Predictions(track=track, method="m", backbone="b")
    shape = (len(predictions.landmark_set), predictions.landmark_set.dimension)
    for seed in seeds:
        for case in ids or get_split(split).case_ids:
            predictions.add(seed=seed, split=split, case=case, landmarks=np.zeros(shape))
    return predictions


def test_whole_predictions_have_no_problem():
    assert find_problems(whole()) == []
    assert find_problems(whole("feta", "dgmld", ids=[f"sub-{i}" for i in range(55)])) == []


def test_what_is_missing_or_strange_is_named():
    predictions = whole(seeds=(0, 7))
    del predictions.runs[1].predictions["phantom-feta"]["3"]
    predictions.runs[1].predictions["phantom-feta"]["x"] = predictions.runs[0].predictions["phantom-feta"]["1"]
    del predictions.runs[0].predictions["phantom-feta"]["2"]["ADV2"]
    assert find_problems(predictions) == [
        "seed 0, split 'phantom-feta', case '2': missing landmarks 'ADV2'",
        "seed 7, split 'phantom-feta': 1 of 55 cases are missing: '3'",
        "seed 7, split 'phantom-feta': 1 case id is not of this split: 'x'",
    ]


def test_counts_decide_where_ids_are_not_known():
    assert find_problems(whole("feta", "dgmld", ids=["1", "2"])) == ["seed 0, split 'feta': expected 55 cases, got 2"]


def test_every_run_predicts_the_same_splits_and_one_is_a_test():
    predictions = whole("phantom-val")
    assert find_problems(predictions) == ["no test split is predicted; there must be at least one"]
    predictions = whole(seeds=(0, 1))
    del predictions.runs[1].predictions["phantom-feta"]
    assert find_problems(predictions) == [
        "seed 1, split 'phantom-feta': missing; every run must predict the same splits"
    ]
    assert find_problems(Predictions(track="phantom", method="m", backbone="b")) == ["there is no run"]
