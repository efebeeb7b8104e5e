"""Predictions written wrongly are doubted with both figures and the way out; honest ones, however bad, never are."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dgmld_bench.cases import Case
from dgmld_bench.errors import UsageError
from dgmld_bench.geometry import flip_ras_lps, world_to_index
from dgmld_bench.landmarks import CEPHALOMETRIC, CEREBELLUM, LandmarkSet
from dgmld_bench.scoring.predictions import Predictions
from dgmld_bench.scoring.readings import Doubt, Reading, find_doubts, parse_reading
from dgmld_bench.scoring.reference import Reference
from dgmld_bench.scoring.score import score, score_against
from dgmld_bench.splits import get_split
from tests.honest import PREDICTORS, Array
from tests.test_cli_score import program

WIDTH, HEIGHT = 1935, 2400
SPLITS = {CEREBELLUM.name: "phantom-feta", CEPHALOMETRIC.name: "isbi"}
SHAPE_3D = np.array([[16, 0, 0], [-16, 0, 0], [0, 1, 7], [0, -1, -7], [0, 6, 0], [0, -6, -1]], float)


@cache
def reference(landmark_set: LandmarkSet, n_cases: int = 30) -> Reference:
    """Heads that differ in size, place and pose; 3D: no two affines are alike."""
    rng = np.random.default_rng(5)
    d = landmark_set.dimension
    if d == 3:
        shape, unit = SHAPE_3D, 1.0
        places = np.array([0, -30, -20]) + rng.normal(0, 8, (n_cases, 1, 3))
    else:
        shape, unit = rng.uniform([-450, -500], [450, 500], (len(landmark_set), 2)), 10.0
        places = np.array([1000, 1300]) + rng.normal(0, 60, (n_cases, 1, 2))
    turn = np.linalg.qr(np.eye(d) + rng.normal(0, 0.08, (n_cases, d, d)))[0]
    turn *= np.sign(np.einsum("nii->ni", turn))[:, None]
    points = places + shape @ turn * rng.uniform(0.75, 1.25, (n_cases, 1, 1)) + rng.normal(0, unit, (n_cases, 1, d))
    split = SPLITS[landmark_set.name]
    ids = (get_split(split).case_ids or ())[:n_cases]
    cases = {}
    for case in ids:
        matrix = np.diag([*rng.uniform(0.5, 0.9, d), 1.0])
        matrix[:d, d] = rng.uniform(-80, -60, d)
        cases[case] = Case(case, split, landmark_set, image=lambda: np.zeros(1), affine=lambda m=matrix: m)
    mm = np.full(n_cases, 1 / unit)
    return Reference(get_split(split), landmark_set, ids, points, mm, cases)


def as_predictions(ref: Reference, runs: list[Array]) -> Predictions:
    predictions = Predictions(track=ref.split.track, method="m", backbone="b")
    names = ref.landmark_set.names
    for seed, points in enumerate(runs):
        for case, array in zip(ref.ids, points, strict=True):
            present = {n: p for n, p in zip(names, array, strict=True) if not np.isnan(p).any()}
            predictions.add(seed=seed, split=ref.split.name, case=case, landmarks=present)
    return predictions


def doubts(ref: Reference, *runs: Array) -> tuple[Doubt, ...]:
    return find_doubts(as_predictions(ref, list(runs)), ref.split.name, ref.cases, ref.points, ref.mm_per_unit)


def good(ref: Reference, seed: int = 0) -> Array:
    """Predictions that are 1.5 mm off in each coordinate."""
    noise = np.random.default_rng(seed).normal(0, 1.5, ref.points.shape)
    return ref.points + noise / ref.mm_per_unit[:, None, None]


def to_voxels(ref: Reference, points: Array) -> Array:
    return np.stack([world_to_index(c.affine, p) for c, p in zip(ref.cases.values(), points, strict=True)])


def exchanged(i: int, k: int) -> Callable[[Reference, Array], Array]:
    def exchange(ref: Reference, points: Array) -> Array:
        order = np.arange(points.shape[1])
        order[[i, k]] = order[[k, i]]
        return points[:, order]

    return exchange


WRONG: list[tuple[LandmarkSet, str, Callable[[Reference, Array], Array]]] = [
    (CEREBELLUM, "lps_mm", lambda r, p: flip_ras_lps(p)),
    (CEREBELLUM, "voxel", to_voxels),
    (CEREBELLUM, "zyx", lambda r, p: p[..., ::-1]),
    (CEREBELLUM, "voxel,zyx", lambda r, p: to_voxels(r, p)[..., ::-1]),
    (CEREBELLUM, "TCD1=TCD2,TCD2=TCD1", exchanged(0, 1)),
    (CEREBELLUM, "ADV1=ADV2,ADV2=ADV1", exchanged(4, 5)),
    (CEREBELLUM, "TCD2=ADV1,ADV1=TCD2", exchanged(1, 4)),
    (CEPHALOMETRIC, "yx", lambda r, p: p[..., ::-1]),
    (CEPHALOMETRIC, "sella=gonion,gonion=sella", exchanged(0, 9)),
    (CEPHALOMETRIC, "3.7", lambda r, p: (p + 0.5) * [512 / WIDTH, 512 / HEIGHT] - 0.5),
    (CEPHALOMETRIC, "yx,2.", lambda r, p: ((p + 0.5) / 2.5 - 0.5)[..., ::-1]),
]


@pytest.mark.parametrize(("landmark_set", "flag", "write"), WRONG)
def test_a_good_prediction_written_wrongly_is_doubted_and_the_flag_mends_it(
    landmark_set: LandmarkSet, flag: str, write: Callable[[Reference, Array], Array]
) -> None:
    ref = reference(landmark_set)
    right = [good(ref, seed) for seed in (0, 1)]
    wrong = as_predictions(ref, [write(ref, points) for points in right])
    before, intended = score_against(ref, wrong), score_against(ref, as_predictions(ref, right))
    [doubt] = before.doubts
    assert doubt.flag.startswith(f"--read-as {flag}") and doubt.seeds == (0, 1) and not intended.doubts
    read = parse_reading(doubt.flag.removeprefix("--read-as "), landmark_set).apply(wrong, ref.split.name)
    mended = score_against(ref, read)
    assert doubt.mre_mm == pytest.approx(before.per_seed_mm.mean())
    assert doubt.read_mre_mm == pytest.approx(mended.per_seed_mm.mean())
    assert mended.per_seed_mm == pytest.approx(intended.per_seed_mm, rel=0.05) and not mended.doubts
    assert f"{doubt.read_mre_mm:.2f} mm, not {doubt.mre_mm:.2f} mm" in str(doubt) and doubt.flag in str(doubt)
    assert before.to_dict()["mre_mm"]["mean"] == pytest.approx(doubt.mre_mm)  # the score itself is of what is written


@pytest.mark.parametrize("landmark_set", [CEREBELLUM, CEPHALOMETRIC])
def test_no_false_alarm_on_a_thousand_bad_and_honest_predictors(landmark_set: LandmarkSet) -> None:
    ref = reference(landmark_set)
    d = landmark_set.dimension
    low = np.zeros((30, 1, 2)) if d == 2 else ref.points.mean(axis=1, keepdims=True) - 60
    box = low, (np.broadcast_to([WIDTH - 1.0, HEIGHT - 1.0], (30, 1, 2)) if d == 2 else low + 120)
    rng = np.random.default_rng(11)
    alarms = []
    for n in range(510):  # 1,020 together
        predictor = PREDICTORS[n % len(PREDICTORS)]
        points = predictor(rng, ref.points, box, 1 / ref.mm_per_unit[0])
        found = doubts(ref, np.clip(points, -990, 990) if d == 3 else points)
        alarms += [f"{predictor.__name__}: {doubt}" for doubt in found]
    assert not alarms


def test_fractions_of_a_film_are_recognised() -> None:
    ref = reference(CEPHALOMETRIC)
    (doubt,) = doubts(ref, good(ref) / [WIDTH, HEIGHT])
    assert doubt.words.startswith("coordinates are fractions of a film, ") and doubt.read_mre_mm < 3
    assert doubt.reading.scale == pytest.approx((WIDTH, HEIGHT), rel=0.01)


def test_one_run_of_several_is_doubted_alone() -> None:
    ref = reference(CEREBELLUM)
    [doubt] = doubts(ref, good(ref), flip_ras_lps(good(ref, 1)), good(ref, 2))
    assert doubt.seeds == (1,) and "in seed 1 the coordinates are LPS millimetres, not RAS millimetres" in doubt.words


def test_missing_points_do_not_hide_it() -> None:
    ref = reference(CEPHALOMETRIC)
    points = exchanged(0, 9)(ref, good(ref))
    points[:, 3] = np.nan
    points[0] = np.nan
    points[1, 0] = np.nan
    [doubt] = doubts(ref, points)
    assert doubt.reading.names == (("sella", "gonion"), ("gonion", "sella"))


@pytest.mark.parametrize(
    ("text", "landmark_set", "words"),
    [
        ("xyz", CEREBELLUM, "'xyz' is no reading; expected a space"),
        ("2x2", CEREBELLUM, "no reading"),
        ("0x2", CEPHALOMETRIC, "no reading"),
        ("zyx", CEPHALOMETRIC, "no reading"),
        ("TCD1=TCD3", CEREBELLUM, "did you mean"),
        ("TCD1=TCD2", CEREBELLUM, "each landmark must be written once and meant once"),
        ("", CEREBELLUM, "no reading"),
    ],
)
def test_what_is_no_reading_is_said(text: str, landmark_set: LandmarkSet, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        parse_reading(text, landmark_set)


def test_a_space_of_another_dimension_is_refused() -> None:
    ref = reference(CEREBELLUM)
    with pytest.raises(UsageError, match="does not fit points in 3D"):
        parse_reading("px", CEREBELLUM).apply(as_predictions(ref, [good(ref)]), "phantom-feta")


readings = st.builds(
    Reading,
    space=st.sampled_from([None, "ras_mm", "lps_mm", "voxel"]),
    reverse=st.booleans(),
    names=st.permutations(CEREBELLUM.names).map(
        lambda order: tuple((a, b) for a, b in zip(CEREBELLUM.names, order, strict=True) if a != b)
    ),
)


@settings(deadline=None)
@given(readings.filter(lambda r: r != Reading()))
def test_a_reading_and_its_flag_say_the_same(reading: Reading) -> None:
    assert parse_reading(reading.flag(3), CEREBELLUM) == reading


def test_score_doubts_and_never_applies_it(brains: Path, tmp_path: Path) -> None:
    from dgmld_bench.splits import load_split

    cases = load_split("lfc", references=True, data_dir=brains)
    bare = {c.id: flip_ras_lps(c.landmarks + np.array([0.3, 0.2, 0.1])).tolist() for c in cases}
    path = tmp_path / "p.json"
    path.write_text(json.dumps(bare))
    at = ("--split", "lfc", "--data-dir", brains)
    result = program("score", path, *at, "--json", tmp_path / "s.json", COLUMNS="400")
    assert result.returncode == 0, result.stderr
    value = json.loads((tmp_path / "s.json").read_text())
    [doubt] = value["doubts"]
    assert doubt["flag"] == "--read-as lps_mm" and value["mre_mm"]["mean"] == pytest.approx(doubt["mre_mm"])
    assert f"not {doubt['mre_mm']:.2f} mm, if coordinates are LPS" in result.stdout
    mended = program("score", path, *at, "--read-as", "lps_mm")
    assert "read as lps_mm: not as the file says" in mended.stdout and "doubt" not in mended.stdout
    assert score(path, "lfc", data_dir=brains, space="lps_mm").per_seed_mm[0] == pytest.approx(doubt["read_mre_mm"])
    compared = program("compare", path, path, *at, COLUMNS="400")
    assert f"{path}: doubt: written wrongly?" in compared.stderr
    assert program("score", path, *at, "--read-as", "left").returncode == 2
