"""Scoring: hand-computed results on cases made in memory, and the golden check on real files."""

import json

import numpy as np
import pytest

from dgmld_bench.cases import Case
from dgmld_bench.errors import DataError
from dgmld_bench.geometry import flip_ras_lps, world_to_index
from dgmld_bench.landmarks import CEREBELLUM
from dgmld_bench.scoring.predictions import Predictions
from dgmld_bench.scoring.reference import Reference
from dgmld_bench.scoring.score import score_against
from dgmld_bench.splits import get_split

IDS = ("1", "2", "3", "4")
AFFINE = np.array([[0, -0.5, 0, 10.0], [0.6, 0, 0, -20], [0, 0, -0.8, 5], [0, 0, 0, 1]])
POINTS = np.random.default_rng(0).normal(scale=20, size=(4, 6, 3))


def reference(points=POINTS, split="phantom-feta"):
    cases = {i: Case(i, split, CEREBELLUM, image=lambda: np.zeros((2, 2, 2)), affine=lambda: AFFINE) for i in IDS}
    return Reference(get_split(split), CEREBELLUM, IDS, points, np.ones(4), cases)


def predictions(shift=(0.0, 0.0, 0.0), seeds=(0,), space="ras_mm", points=POINTS, track="phantom"):
    result = Predictions(track=track, method="m", backbone="b", space=space)
    for seed in seeds:
        for i, case in enumerate(IDS):
            moved = points[i] + np.array(shift) * (seed + 1)
            if space == "lps_mm":
                moved = flip_ras_lps(moved)
            if space == "voxel":
                moved = world_to_index(AFFINE, moved)
            result.add(seed=seed, split="phantom-feta", case=case, landmarks=moved)
    return result


@pytest.mark.parametrize("space", ["ras_mm", "lps_mm", "voxel"])
def test_the_same_points_score_the_same_in_every_space(space):
    result = score_against(reference(), predictions((0, 3, 4), space=space))
    np.testing.assert_allclose(result.errors_mm, 5.0, atol=1e-9)


def test_mean_and_deviation_over_seeds():
    value = score_against(reference(), predictions((1, 0, 0), seeds=(0, 1, 2))).to_dict()
    assert value["mre_mm"]["mean"] == pytest.approx(2.0)  # seeds score 1, 2 and 3
    assert value["mre_mm"]["std"] == pytest.approx(np.sqrt(2 / 3))  # ddof = 0
    assert [run["mre_mm"] for run in value["runs"]] == pytest.approx([1, 2, 3])
    assert value["runs"][1]["sdr_percent"]["2.5"] == 100
    factor = np.exp(4.302653 / np.sqrt(3) / 2)  # cases agree, seeds do not: t of two degrees of freedom
    assert value["mre_mm"]["ci95"] == pytest.approx([2 / factor, 2 * factor])


def test_a_score_at_the_prompt_is_one_line_and_no_flood_of_points():
    result = score_against(reference(), predictions((0, 3, 4)))
    assert repr(result) == "Score(split='phantom-feta', method='m', seeds=[0], mre_mm=5.000, complete=False)"
    assert len(repr(result.reference)) < 100 and len(str(result.predictions)) < 150


def test_one_seed_has_no_deviation():
    assert score_against(reference(), predictions()).to_dict()["mre_mm"]["std"] is None


def test_biometric_errors_are_differences_of_lengths():
    points = POINTS.copy()
    length = np.linalg.norm(points[:, 0] - points[:, 1], axis=1, keepdims=True)
    points[:, 0] += 2.0 * (points[:, 0] - points[:, 1]) / length  # TCD 2 mm longer
    value = score_against(reference(), predictions(points=points)).to_dict()
    assert value["biometric_error_mm"]["TCD"]["mean"] == pytest.approx(2.0)
    assert value["biometric_error_mm"]["HDV"]["mean"] == 0


def test_incomplete_predictions_are_refused_by_name_or_counted_as_misses():
    incomplete = predictions()
    del incomplete.runs[0].predictions["phantom-feta"]["2"]
    del incomplete.runs[0].predictions["phantom-feta"]["3"]["ADV1"]
    with pytest.raises(DataError, match=r"case '2'\n.*case '3', landmark 'ADV1'"):
        score_against(reference(), incomplete)
    result = score_against(reference(), incomplete, allow_missing=True)
    value = result.to_dict()
    assert value["complete"] is False and value["coverage"] == pytest.approx(17 / 24)
    assert value["runs"][0]["sdr_percent"]["4.0"] == pytest.approx(100 * 17 / 24)
    assert value["mre_mm"]["mean"] == 0
    assert any("7 of 24 points are not predicted" in n for n in value["notes"])


def test_missing_references_are_left_out():
    points = POINTS.copy()
    points[0, 0] = np.nan
    value = score_against(reference(points), predictions((0, 0, 1))).to_dict()
    assert value["mre_mm"]["mean"] == pytest.approx(1) and value["coverage"] == 1
    assert value["runs"][0]["sdr_percent"]["2.0"] == 100
    assert any("missing in the reference: 1 of 24 points" in n for n in value["notes"])


def test_a_run_without_any_prediction_counts_in_sdr_alone():
    lacking = predictions((0, 0, 1), seeds=(0, 1))
    lacking.runs[1].predictions.clear()
    value = score_against(reference(), lacking, allow_missing=True).to_dict()
    assert value["mre_mm"]["mean"] == pytest.approx(1) and value["mre_mm"]["ci95"] == pytest.approx([1, 1])
    assert value["mre_mm_per_landmark"]["TCD1"]["std"] is None
    assert value["runs"][1]["mre_mm"] is None
    assert value["sdr_percent"]["2.0"]["mean"] == 50 and value["coverage"] == 0.5


def test_what_is_missing_is_listed_up_to_ten_lines():
    empty = predictions()
    for case in empty.runs[0].predictions["phantom-feta"].values():
        case.pop("TCD1"), case.pop("HDV2"), case.pop("ADV1")
    with pytest.raises(DataError, match="and 2 more") as caught:
        score_against(reference(), empty)
    assert str(caught.value).count("\n  seed 0, case") == 10


def test_mask_derived_and_simulated_references_are_named():
    assert any(n.startswith("simulated") for n in score_against(reference(), predictions()).notes)
    ids = get_split("open-sb").case_ids[:4]
    cases = {i: Case(i, "open-sb", CEREBELLUM, image=lambda: np.zeros(1), affine=lambda: AFFINE) for i in ids}
    open_reference = Reference(get_split("open-sb"), CEREBELLUM, ids, POINTS, np.ones(4), cases)
    made = Predictions(track="open", method="m", backbone="b")
    for i, case in enumerate(ids):
        made.add(seed=0, split="open-sb", case=case, landmarks=POINTS[i])
    value = score_against(open_reference, made).to_dict()
    assert value["reference"] == "mask-derived" and any(n.startswith("mask-derived") for n in value["notes"])


def test_unknown_cases_and_other_splits_are_refused():
    strange = predictions()
    cases = strange.runs[0].predictions["phantom-feta"]
    cases["99"] = cases[IDS[0]]
    with pytest.raises(DataError, match="'99'"):
        score_against(reference(), strange)
    with pytest.raises(DataError, match="nothing for split 'phantom-lfc'"):
        score_against(reference(split="phantom-lfc"), predictions())


def test_ids_that_only_the_missing_part_of_a_release_could_tell_are_no_fault():
    cases = {i: Case(i, "feta", CEREBELLUM, image=lambda: np.zeros(1), affine=lambda: AFFINE) for i in IDS}
    made = Predictions(track="dgmld", method="m", backbone="b")
    for case in (*IDS, "sub-031"):
        made.add(seed=0, split="feta", case=case, landmarks=POINTS[0])
    result = score_against(Reference(get_split("feta"), CEREBELLUM, IDS, POINTS, np.ones(4), cases), made)
    assert result.errors_mm.shape == (1, 4, 6) and result.complete is False


def test_a_case_of_the_split_that_is_not_on_disk_is_no_fault_and_the_result_is_partial():
    extra = predictions()
    extra.add(seed=0, split="phantom-feta", case="55", landmarks=POINTS[0])
    value = score_against(reference(), extra).to_dict()
    assert value["complete"] is False and any("4 of the split's 55" in n for n in value["notes"])


def test_the_hash_of_the_reference_sees_every_change():
    moved = POINTS.copy()
    moved[3, 5, 2] = np.nextafter(moved[3, 5, 2], 100)
    assert len({reference().sha256, reference(moved).sha256, reference(split="phantom-lfc").sha256}) == 3
    assert reference().sha256 == reference(POINTS.copy()).sha256
    zero, minus_zero = POINTS.copy(), POINTS.copy()
    zero[0, 0, 0], minus_zero[0, 0, 0] = 0.0, -0.0
    assert reference(zero).sha256 == reference(minus_zero).sha256


def test_table_is_tidy():
    frame = score_against(reference(), predictions((0, 0, 1), seeds=(0, 5))).to_frame()
    assert list(frame.columns) == ["seed", "case", "landmark", "radial_error_mm"] and len(frame) == 2 * 4 * 6


def test_json_output_holds_nothing_that_json_cannot():
    text = json.dumps(score_against(reference(), predictions()).to_dict(), allow_nan=False)
    assert json.loads(text)["protocol"] == 2
