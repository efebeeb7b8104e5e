"""What is too good to be taken at its word: references plus noise are seen, and nothing that was really trained is."""

import csv
import io

import numpy as np
import pytest

from dgmld_bench.leaderboard.implausible import find_implausible, looks_like_noise, people_floor_mm, shared_errors
from dgmld_bench.leaderboard.model import IMPLAUSIBLE
from dgmld_bench.leaderboard.publish import publish
from dgmld_bench.scoring.errors_table import ErrorsTable
from dgmld_bench.scoring.parts import errors_without_offset
from dgmld_bench.scoring.parts_table import parts_table
from dgmld_bench.splits import load_split
from tests.submissions import ROOT, make_repository, submission

SHAPES = [(3, 15, 6, 3), (3, 40, 6, 3), (3, 120, 6, 3), (3, 150, 19, 2), (1, 150, 19, 2), (2, 55, 6, 3)]


def table(errors, parts=None):
    names = tuple(f"p{i}" for i in range(errors.shape[2]))
    return ErrorsTable(
        tuple(range(len(errors))), tuple(map(str, range(errors.shape[1]))), names, errors, "0", parts=parts
    )


def noise(shape, scale=1.0, rng=0):
    return np.linalg.norm(np.random.default_rng(rng).normal(0, scale, shape), axis=-1)


def model(shape, rng=0):
    """Errors of trainings that agree on what is hard: a case, and a point of a case."""
    random = np.random.default_rng(rng)
    hard = random.lognormal(0, 0.4, (1, shape[1], 1)) * random.lognormal(0, 0.4, (1, *shape[1:3]))
    return noise(shape, rng=rng) * hard


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_added_noise_is_seen_and_a_model_is_not(shape):
    of_noise = [looks_like_noise(noise(shape, rng=i), shape[-1]) for i in range(20)]
    of_models = [looks_like_noise(model(shape, rng=i), shape[-1]) for i in range(20)]
    assert sum(of_noise) >= 17 and sum(of_models) <= 1


def test_of_few_points_and_of_one_training_of_them_nothing_is_said():
    assert not looks_like_noise(noise((3, 4, 6, 3)), 3)
    assert not looks_like_noise(noise((1, 40, 6, 3)), 3)


def test_the_reference_itself_and_missing_values():
    assert looks_like_noise(np.zeros((1, 10, 6)), 3)
    errors = noise((3, 150, 19, 2))
    errors[:, :5, 3] = np.nan
    assert looks_like_noise(errors, 2)
    between, within = shared_errors(errors)
    assert abs(between) < 0.05 and abs(within) < 0.02


def test_the_floor_of_people_is_half_their_scatter_and_no_half_of_their_definitions():
    apart = np.random.default_rng(0).normal(0, 1.0, (1, 2000, 2, 2)) + np.array([5.0, 0.0])
    people = table(np.linalg.norm(apart, axis=-1), parts_table(apart, errors_without_offset(apart), ("x", "y")))
    assert people_floor_mm(people) == pytest.approx(np.sqrt(np.pi / 2) / 2, rel=0.03)
    close, far = table(model((3, 150, 2, 2)) * 0.1), table(model((3, 150, 2, 2)) * 3)
    assert find_implausible(close, 2, [], people) == ("below-people",)
    assert find_implausible(far, 2, [], people) == find_implausible(close, 2, [], None) == ()


def test_far_below_the_middle_of_five_others():
    errors = table(model((3, 40, 6, 3)))
    average = float(errors.per_seed_mm.mean())
    assert find_implausible(errors, 3, [average * 3.1] * 5, None) == ("far-below",)
    assert find_implausible(errors, 3, [average * 2.9] * 5, None) == ()
    assert find_implausible(errors, 3, [average * 3.1] * 4, None) == ()


def test_nothing_in_the_repository_is_marked():
    """The board as committed; that it is current is tested with the board."""
    rows = list(csv.DictReader(io.StringIO((ROOT / "leaderboard/results.csv").read_text("utf-8"), newline="")))
    assert [(r["split"], r["id"]) for r in rows if set(r["flags"].split()) & set(IMPLAUSIBLE)] == []
    assert sum(r["kind"] == "measured" for r in rows) > 50


def test_references_plus_noise_are_marked_on_every_page_that_shows_them(tmp_path, isbi_films):
    root = make_repository(tmp_path / "repository", isbi_films)
    cheat = submission(isbi_films, "Cheat", 0)
    random = np.random.default_rng(0)
    for run in cheat.runs:
        for case in load_split("isbi", references=True, data_dir=isbi_films):
            moved = case.landmarks + random.normal(0, 8, case.landmarks.shape)
            run.predictions["isbi"][case.id] = dict(zip(case.landmark_set.names, moved.tolist(), strict=True))
    cheat.save(root / "submissions/ceph/cheat-unet.json")
    publish(root, isbi_films)
    label, rule = IMPLAUSIBLE["like-noise"]
    site = root / "leaderboard/site"
    for page in ("splits/isbi.html", "submissions/ceph/cheat-unet.html", "about.html"):
        text = (site / page).read_text("utf-8")
        assert label in text and rule in text
    assert label not in (site / "submissions/ceph/good-unet.html").read_text("utf-8")
    assert "like-noise" in (root / "leaderboard/results.csv").read_text()
