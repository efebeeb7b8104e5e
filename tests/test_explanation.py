"""A score taken apart on films with known parts: directions, people, seeds, promised radii, and what cannot be told."""

import json

import numpy as np
import pytest

from dgmld_bench.cases import Case
from dgmld_bench.landmarks import CEPHALOMETRIC, CEREBELLUM
from dgmld_bench.scoring.comparison import compare
from dgmld_bench.scoring.directions import directions
from dgmld_bench.scoring.explanation import Explanation
from dgmld_bench.scoring.people import against_people, annotator_shift_mm
from dgmld_bench.scoring.predictions import Predictions
from dgmld_bench.scoring.reference import load_reference
from dgmld_bench.scoring.score import score_against


@pytest.fixture(scope="module")
def isbi(isbi_films):
    return load_reference("isbi", isbi_films)


def moved(reference, vectors_mm, seeds=(0,)):
    """Predictions whose points lie off the reference by vectors (seed, case, landmark, forward and up)."""
    turned = directions(reference.points, reference.landmark_set)
    predictions = Predictions(track="ceph", method="m", backbone="b")
    for seed, of_seed in zip(seeds, np.broadcast_to(vectors_mm, (len(seeds), *reference.points.shape)), strict=True):
        pixels = np.einsum("cda,cld->cla", turned, of_seed) / reference.mm_per_unit[:, None, None]
        for case, points in zip(reference.ids, reference.points + pixels, strict=True):
            predictions.add(seed=seed, split=reference.split.name, case=case, landmarks=points)
    return predictions


def explained(reference, predictions, **options):
    return Explanation(score_against(reference, predictions, **options)).to_dict()


def test_a_face_turned_or_mirrored_has_the_same_directions_of_its_own():
    rng = np.random.default_rng(0)
    face = rng.normal(scale=100, size=(1, 19, 2))
    own = directions(face, CEPHALOMETRIC)
    np.testing.assert_allclose(own[0] @ own[0].T, np.eye(2), atol=1e-12)
    assert own[0, 1] @ (face[0, 7] - face[0, 0]) < 0  # menton lies below
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    for change in (turn, np.diag([-1.0, 1.0])):
        np.testing.assert_allclose(directions(face @ change.T, CEPHALOMETRIC)[0], own[0] @ change.T, atol=1e-12)
    face[0, 7] = np.nan
    assert np.isnan(directions(face, CEPHALOMETRIC)).all()
    np.testing.assert_array_equal(directions(np.zeros((2, 6, 3)), CEREBELLUM), np.stack([np.eye(3)] * 2))


def test_parts_are_said_in_the_directions_of_the_face(isbi):
    rng = np.random.default_rng(1)
    vectors = rng.normal(scale=0.3, size=(2, *isbi.points.shape)) + np.array([3.0, -1.0])
    values = explained(isbi, moved(isbi, vectors, seeds=(0, 1)))
    parts = values["parts"]
    assert parts["share_of_squared_error_percent"]["offset"] == pytest.approx(100 * 10 / 10.18, abs=1)
    assert sum(parts["share_of_squared_error_percent"].values()) == pytest.approx(100)
    menton = parts["per_landmark"]["menton"]
    assert menton["offset_mm"] == pytest.approx({"forward": 3.0, "up": -1.0}, abs=0.1)
    low, high = menton["offset_ci95_mm"]["up"]
    assert low < -1.0 < high
    assert menton["spread_mm"] == pytest.approx({"forward": 0.3, "up": 0.3}, rel=0.15)
    assert parts["mre_without_offset_mm"]["mean"] == pytest.approx(0.3 * np.sqrt(np.pi / 2), rel=0.05)
    low, high = parts["mre_without_offset_mm"]["ci95"]
    assert low < parts["mre_without_offset_mm"]["mean"] < high
    assert json.loads(json.dumps(values, allow_nan=False)) == values


def test_seeds_that_part_where_they_miss_are_told_from_seeds_that_miss_together(isbi):
    rng = np.random.default_rng(2)
    noise = rng.normal(scale=0.2, size=(3, *isbi.points.shape))
    together, apart = noise.copy(), noise.copy()
    missed = rng.random(isbi.points.shape[:2]) < 0.03
    together[:, missed] += 30.0
    apart[0, missed] += 90.0
    apart_values = explained(isbi, moved(isbi, apart, seeds=(0, 1, 2)))["seed_spread"]
    together_values = explained(isbi, moved(isbi, together, seeds=(0, 1, 2)))["seed_spread"]
    assert apart_values["misses_of_the_mean"] == together_values["misses_of_the_mean"] == missed.sum()
    assert apart_values["auroc"] > 0.99 and together_values["auroc"] == pytest.approx(0.5, abs=0.15)
    curve = apart_values["risk_coverage"]
    assert curve[0]["mre_mm"] > 5 * curve[1]["mre_mm"] and curve[0]["mre_mm"] == pytest.approx(
        curve[0]["mre_mm_at_best"]
    )
    assert explained(isbi, moved(isbi, noise[:1]))["seed_spread"] is None


def test_a_run_without_points_is_left_out_of_the_parts(isbi):
    predictions = moved(isbi, np.array([3.0, 4.0]), seeds=(0, 1))
    predictions.runs[1].predictions.clear()
    values = explained(isbi, predictions, allow_missing=True)
    assert values["parts"]["per_landmark"]["sella"]["offset_length_mm"] == pytest.approx(5)
    assert values["seed_spread"] is None
    json.dumps(values, allow_nan=False)


def test_of_few_cases_and_without_a_validation_split_the_reason_is_said(films):
    reference = load_reference("isbi", films)
    values = explained(reference, moved(reference, np.array([3.0, 4.0])))
    assert "fewer than 8 cases" in values["parts"]["reason"]
    assert "nothing for 'isbi-val'" in values["conformal"]["reason"]


def test_radii_of_the_validation_split_are_tried_on_another(isbi, isbi_films, monkeypatch):
    rng = np.random.default_rng(3)
    same = score_against(isbi, moved(isbi, rng.normal(size=isbi.points.shape)))
    shifted = score_against(isbi, moved(isbi, rng.normal(size=isbi.points.shape) + np.array([2.0, 0.0])))
    for score, low, high in ((same, 86, 94), (shifted, 20, 70)):
        explanation = Explanation(score)
        explanation.__dict__["calibration"] = same  # what the validation split would give
        conformal = explanation.to_dict()["conformal"]
        assert low < conformal["covered_percent"]["mean"] < high and conformal["promised_percent"] == 90
        # the 90 % quantile of a Rayleigh distribution is sqrt(2 ln 10)
        assert conformal["radius_mm"] == pytest.approx(2.146, rel=0.05)


def case_of(annotations):
    return Case(
        "1", "isbi", CEPHALOMETRIC, image=lambda: np.zeros((2, 2)), affine=lambda: np.eye(3),
        annotations=lambda: annotations, pixel_spacing_mm=0.5,
    )  # fmt: skip


def test_a_model_beside_two_annotators():
    one, other = np.zeros((19, 2)), np.zeros((19, 2))
    other[:, 0] = 10.0  # px: 5 mm apart
    other[1] = np.nan
    predicted = np.zeros((1, 1, 19, 2)) + np.array([5.0, 0.0])  # as near to both
    predicted[0, 0, 2] = [-4.0, 0.0]  # 4 px from one, 14 px from the other
    predicted[0, 0, 3] = [30.0, 0.0]  # far from both
    people = against_people([case_of({"one": one, "other": other})], predicted)
    assert people.as_near_percent[0, [0, 2, 3]].tolist() == [100, 50, 0] and np.isnan(people.as_near_percent[0, 1])
    assert people.distance_mm[0] == people.shift_mm[0] == 5 and people.is_defined_twice[0]
    values = people.to_dict(CEPHALOMETRIC.names)
    assert "nasion" not in values["per_landmark"] and values["per_landmark"]["sella"]["two_definitions"] is True
    assert against_people([case_of({"one": one})], predicted) is None


def test_a_difference_is_said_to_be_the_part_that_it_is(isbi):
    rng = np.random.default_rng(4)
    vectors = rng.normal(scale=0.5, size=(2, *isbi.points.shape))
    far = vectors.copy()
    far[:, rng.random(isbi.points.shape[:2]) < 0.05] += 20.0
    plain, offset, missing, wide = (
        Explanation(score_against(isbi, moved(isbi, v, seeds=(0, 1)))).errors
        for v in (vectors, vectors + np.array([3.0, 0.0]), far, 4 * vectors)
    )
    for other, part in ((offset, "offset"), (missing, "misses"), (wide, "spread")):
        parts = compare(other, plain).parts
        assert parts.most == part
        total = np.mean(other.errors_mm**2) - np.mean(plain.errors_mm**2)
        assert parts.difference_mm2.sum() == pytest.approx(total)
        assert json.loads(json.dumps(compare(other, plain).to_dict(), allow_nan=False))["parts"]["most"] == part
    rest = compare(offset, plain).parts.rest
    assert rest.difference_mm == pytest.approx(0, abs=1e-9) and rest.p > 0.9
    assert compare(offset, plain).overall.difference_mm > 2
    assert compare(offset, plain.of_cases(plain.cases[::-1])).parts.rest.difference_mm == pytest.approx(0, abs=1e-9)


def test_parts_of_other_points_are_not_compared(isbi):
    table = Explanation(score_against(isbi, moved(isbi, np.array([3.0, 4.0])))).errors
    assert compare(table, table).parts is not None
    assert compare(table, table.of_cases(table.cases[:20])).parts is None
    lacking = moved(isbi, np.array([3.0, 4.0]))
    del lacking.runs[0].predictions["isbi"]["151"]["sella"]
    fewer = Explanation(score_against(isbi, lacking, allow_missing=True)).errors
    assert fewer.parts is not None and compare(table, fewer).parts is None
    exact = Explanation(score_against(isbi, moved(isbi, np.array([0.0, 0.0])))).errors
    assert exact.parts is None and compare(table, exact).parts is None


def test_a_confidence_that_knows_its_misses_is_told_from_one_that_does_not(isbi):
    rng = np.random.default_rng(5)
    vectors = rng.normal(scale=0.3, size=(2, *isbi.points.shape))
    missed = rng.random(vectors.shape[:3]) < 0.03
    vectors[missed] += 20.0
    for knows in (True, False):
        predictions = moved(isbi, vectors, seeds=(0, 1))
        for i, seed in enumerate((0, 1)):
            sure = 0.5 - 0.4 * missed[i] if knows else rng.random(missed[i].shape)
            for c, case in enumerate(isbi.ids[:100]):  # of the others it says nothing
                points = predictions.array(seed, "isbi", [case])[0]
                predictions.add(seed=seed, split="isbi", case=case, landmarks=points, confidence=sure[c])
        values = explained(isbi, predictions)["confidence"]
        assert values["points"] == 2 * 100 * 19 and values["misses"] == missed[:, :100].sum()
        if knows:
            assert (
                values["auroc"] == 1.0 and values["risk_coverage"][1]["mre_mm"] < values["risk_coverage"][0]["mre_mm"]
            )
        else:
            low, high = values["auroc_ci95"]
            assert low < 0.5 < high
        json.dumps(values, allow_nan=False)
    assert explained(isbi, moved(isbi, vectors[:1]))["confidence"] is None


def test_radii_are_tried_in_domain_beside_another_domain(isbi):
    rng = np.random.default_rng(6)
    home = score_against(isbi, moved(isbi, rng.normal(size=isbi.points.shape)))
    away = score_against(isbi, moved(isbi, rng.normal(size=isbi.points.shape) + np.array([2.0, 0.0])))
    explanation = Explanation(away)
    explanation.__dict__.update(calibration=home, at_home=home)
    conformal = explanation.to_dict()["conformal"]
    inside = conformal["in_domain"]
    assert inside["split"] == "isbi" and 89 < inside["covered_percent"]["mean"] < 92
    assert conformal["covered_percent"]["mean"] < 70
    for value in (inside["covered_percent"], conformal["covered_percent"]):
        low, high = value["ci95"]
        assert 0 <= low < value["mean"] < high <= 100
    explanation.__dict__["at_home"] = score_against(isbi, moved(isbi, np.zeros(isbi.points.shape)))
    assert explanation.to_dict()["conformal"]["in_domain"]["covered_percent"] == {
        "mean": 100.0,
        "std": None,
        "ci95": None,  # that all are held here does not say that all are elsewhere
    }
    assert Explanation(home).at_home is None  # it is at home


def test_landmarks_that_annotators_of_source_or_target_define_twice_are_named(isbi, monkeypatch):
    one, other = np.zeros((19, 2)), np.zeros((19, 2))
    other[3] = [0.0, 8.0]  # px: 4 mm apart
    other[4] = [0.0, 3.0]
    other[5] = np.nan
    source = [case_of({"one": one, "other": other}), case_of({"other": other, "one": one})]
    np.testing.assert_allclose(annotator_shift_mm(source)[[0, 3, 4, 5]], [0, 4, 1.5, np.nan])
    assert annotator_shift_mm([case_of({"one": one})]) is None
    monkeypatch.setattr("dgmld_bench.scoring.explanation.load_split", lambda name, data_dir: source)
    values = explained(isbi, moved(isbi, np.array([1.0, 0.0])))["definitions"]
    assert list(values) == ["isbi", "isbi-train"] and "supramentale" not in values["isbi-train"]
    twice = [name for name, row in values["isbi-train"].items() if row["two_definitions"]]
    assert twice == ["porion"] and values["isbi-train"]["porion"]["shift_mm"] == 4
