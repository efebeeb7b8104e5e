"""Errors by group: who is in which, intervals of each, and a test that is asked only where the cases can carry it."""

import io
import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.console import Console

from dgmld_bench.cases import Case
from dgmld_bench.cli.grouped import print_difference_by_group, print_groups
from dgmld_bench.errors import UsageError
from dgmld_bench.landmarks import CEREBELLUM
from dgmld_bench.leaderboard.groups_record import groups_text, read_groups, rounded_groups
from dgmld_bench.leaderboard.groups_view import group_tables
from dgmld_bench.leaderboard.model import Board
from dgmld_bench.leaderboard.site import render
from dgmld_bench.scoring.errors_table import ErrorsTable
from dgmld_bench.scoring.groups import (
    MIN_CASES,
    by_group,
    difference_by_group,
    group_cases,
    groupings,
    permutation_p,
)
from dgmld_bench.splits import get_split
from tests.board_fixtures import board

PHANTOM = get_split("phantom-feta")


def case(id, centre=None, **info):
    return Case(
        str(id), "s", CEREBELLUM, image=lambda: np.zeros((2, 2, 2)), affine=lambda: np.eye(4), centre=centre, info=info
    )


def table(errors):
    errors = np.asarray(errors, dtype=float)
    return ErrorsTable(
        tuple(range(len(errors))), tuple(map(str, range(errors.shape[1]))), CEREBELLUM.names, errors, "0" * 64
    )


def printed(show, value):
    stream = io.StringIO()
    show(Console(file=stream, width=120), value)
    return stream.getvalue()


def test_cases_are_grouped_by_what_they_share():
    cases = [case(i, "AB"[i % 2], pathology=[None, "small"][i % 3 == 0]) for i in range(12)] + [case(12)]
    by_centre, by_device, by_pathology = (group_cases(cases, by, PHANTOM) for by in ("centre", "device", "pathology"))
    assert [(g.name, len(g.cases)) for g in by_centre.groups] == [("A", 6), ("B", 6)] and by_centre.n_unknown == 1
    assert by_device.groups == by_centre.groups
    assert [(g.name, g.cases) for g in by_pathology.groups][1] == ("small", ("0", "3", "6", "9"))
    assert by_pathology.groups[0].name == "none"  # first, whatever the others are called
    assert [g.by for g in groupings(cases, PHANTOM)] == ["centre", "pathology"]


@given(st.lists(st.floats(18, 40), min_size=3, max_size=40))
@example([18.0, 19.0, 19.0, 19.0])
@example([18.0, 18.0, 18.0, 19.0])
@settings(max_examples=60, deadline=None)
def test_ages_are_parted_into_thirds_without_overlap(ages):
    cases = [case(i, gestational_age_weeks=age) for i, age in enumerate(ages)]
    if len(set(ages)) < 2:
        with pytest.raises(UsageError, match="all are of"):
            group_cases(cases, "age", PHANTOM)
        return
    groups = group_cases(cases, "age", PHANTOM).groups
    inside = [sorted(ages[int(c)] for c in g.cases) for g in groups]
    assert sorted(a for group in inside for a in group) == sorted(ages)
    assert all(low[-1] < high[0] for low, high in pairwise(inside))
    if len(set(ages)) == len(ages):
        assert max(map(len, inside)) - min(map(len, inside)) <= 1


def test_what_cannot_be_grouped_is_said():
    cases = [case(i, "A", gestational_age_weeks=20 + i) for i in range(9)]
    with pytest.raises(UsageError, match="by centre: all are of 'A'; by age they can"):
        group_cases(cases, "centre", PHANTOM)
    with pytest.raises(UsageError, match="by pathology: it is not known of any case"):
        group_cases(cases, "pathology", PHANTOM)
    with pytest.raises(UsageError, match="did you mean 'centre'"):
        group_cases(cases, "center", PHANTOM)


def test_groups_that_are_alike_are_told_apart_as_rarely_as_promised():
    rng = np.random.default_rng(0)
    alike = [permutation_p([rng.gamma(2, size=12), rng.gamma(2, size=8), rng.gamma(2, size=10)]) for _ in range(150)]
    assert np.mean(np.array(alike) < 0.05) < 0.1
    uneven = [permutation_p([rng.normal(scale=4, size=8), rng.normal(scale=1, size=40)]) for _ in range(150)]
    assert np.mean(np.array(uneven) < 0.05) < 0.12  # the same mean, another spread
    apart = [permutation_p([rng.normal(size=20), rng.normal(size=20) + 1.5]) for _ in range(20)]
    assert np.mean(np.array(apart) < 0.05) > 0.9


def test_a_group_that_errs_more_is_found_and_small_ones_are_not_tested():
    rng = np.random.default_rng(1)
    errors = rng.gamma(4, 0.25, size=(3, 40, 6))
    errors[:, 20:] *= 2
    cases = [case(i, "new" if i >= 20 else "old", pathology="rare" if i < 3 else None) for i in range(40)]
    found = by_group(table(errors), group_cases(cases, "centre", PHANTOM))
    new, old = found.groups
    assert (new.name, new.n_cases, old.n_cases) == ("new", 20, 20) and found.test.p < 0.001
    assert new.mean_mm == pytest.approx(errors[:, 20:].mean()) and new.ci95_mm[0] > old.ci95_mm[1]
    rare = by_group(table(errors), group_cases(cases, "pathology", PHANTOM))
    assert rare.test.p is None and f"groups of {MIN_CASES} cases" in rare.test.reason and rare.groups[1].n_cases == 3
    values = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert values["groups"][0]["mre_mm"]["mean"] == new.mean_mm and values["test"]["groups"] == 2
    assert "new" in printed(print_groups, found) and "p < 0.001" in printed(print_groups, found)
    assert "not tested: fewer than two groups" in printed(print_groups, rare)


def test_weeks_of_an_atlas_are_no_subjects():
    cases = [case(i, gestational_age_weeks=20 + i) for i in range(30)]
    grouping = group_cases(cases, "age", get_split("open-sb"))
    found = by_group(table(np.ones((1, 30, 6))), grouping)
    assert found.test.p is None and "not independent" in found.test.reason


def test_a_difference_that_depends_on_the_group_is_an_interaction():
    rng = np.random.default_rng(2)
    a = rng.gamma(4, 0.25, size=(2, 40, 6))
    b, c = a + rng.normal(scale=0.05, size=a.shape) + 0.3, a.copy()
    c[:, 20:] += 0.6
    grouping = group_cases([case(i, "new" if i >= 20 else "old") for i in range(40)], "centre", PHANTOM)
    same, other = (difference_by_group(table(a), table(x), grouping) for x in (b, c))
    assert same.test.p > 0.05 and other.test.p < 0.001
    assert [round(d.difference_mm, 3) for _, d in other.groups] == [-0.6, 0.0]
    assert json.loads(json.dumps(other.to_dict(), allow_nan=False))["by"] == "centre"
    assert "(interaction): p < 0.001" in printed(print_difference_by_group, other)


def test_cases_without_a_point_are_in_no_test():
    errors = np.random.default_rng(3).gamma(2, size=(1, 20, 6))
    errors[:, 0] = np.nan
    grouping = group_cases([case(i, "ab"[i % 2]) for i in range(20)], "centre", PHANTOM)
    found = by_group(table(errors), grouping)
    assert found.test.n_cases == 19 and not np.isnan(found.groups[0].mean_mm)


def test_a_group_of_which_nothing_is_predicted_is_left_out():
    rng = np.random.default_rng(5)
    errors = rng.gamma(2, size=(2, 20, 6))
    errors[:, 1::2] = np.nan  # none of b
    errors[1, :10] = np.nan  # the second run has less
    cases = [case(i, "ab"[i % 2]) for i in range(20)] + [case(i, "c") for i in range(20, 25)]
    errors = np.concatenate([errors, rng.gamma(2, size=(2, 5, 6))], axis=1)
    errors[1, 20:] = np.nan
    grouping = group_cases(cases, "centre", PHANTOM)
    found = by_group(table(errors), grouping)
    assert [(g.name, g.n_cases, len(g.per_seed_mm)) for g in found.groups] == [("a", 10, 2), ("c", 5, 1)]
    json.dumps(found.to_dict(), allow_nan=False)
    assert "nan" not in printed(print_groups, found)
    errors = errors[:1]  # methods are compared where all of their runs have points
    other = difference_by_group(table(errors), table(errors + 1), grouping)
    assert [(name, d.n_cases) for name, d in other.groups] == [("a", 10), ("c", 5)]


def test_a_record_keeps_groups_and_the_page_shows_them(tmp_path):
    rng = np.random.default_rng(4)
    errors = rng.gamma(4, 0.25, size=(3, 40, 6))
    cases = [case(i, "new" if i >= 20 else "<b>old", pathology="rare" if i < 3 else None) for i in range(40)]
    groups = rounded_groups(tuple(by_group(table(errors), g) for g in groupings(cases, PHANTOM)))
    text = groups_text(groups)
    assert read_groups(json.loads(text)) == groups and groups_text(read_groups(json.loads(text))) == text
    assert [g.by for g in groups] == ["centre", "pathology"] and not any(f'"{i}"' in text for i in range(40))
    (the_track,) = board(3, tracks=("phantom",)).tracks
    split = the_track.splits[0]
    rows = tuple(replace(row, groups=groups) if row.kind == "measured" else row for row in split.rows)
    shown, *others = group_tables(rows, {row.id: row.method for row in rows})
    assert shown.by == "centre" and len(shown.lines) == 3 and len(others) == 1
    assert shown.heads == (("<b>old", 20), ("new", 20)) and "in 2 groups" in shown.note
    assert others[0].lines[0].p == "" and "Not tested: fewer than two groups" in others[0].note
    assert shown.lines[0].cells[1].text == f"{errors[:, 20:].mean():.2f}"
    track = replace(the_track, splits=(replace(split, rows=rows), *the_track.splits[1:]))
    pages = dict(render(Board(2, (track,))))
    page = pages[f"splits/{split.split.name}.html"]
    assert "By pathology" in page and "&lt;b&gt;old" in page and "<b>old" not in page
    assert "By group of cases" not in pages[f"splits/{the_track.splits[1].split.name}.html"]
    assert group_tables(split.rows, {}) == []
