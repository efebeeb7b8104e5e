"""The front page's table of methods at home and away, on boards small enough to work out by hand."""

from dataclasses import replace

import pytest

from dgmld_bench.leaderboard.model import Rank, Row, SplitBoard, Submission, TrackBoard, Value
from dgmld_bench.leaderboard.overview import Overview
from dgmld_bench.splits import get_split, get_track


def row(name, average, low=None, **changes):
    rank = None if low is None else Rank(low, low, 9, 1)
    made = Row(name, "measured", name, "unet", "source-val", Value(average), (), (), (0, 1, 2), rank=rank)
    return replace(made, **changes)


def track(**splits):
    boards = tuple(
        SplitBoard(get_split(name), tuple(splits.get(name.replace("-", "_"), ())))
        for name in ("phantom-source", "phantom-lfc", "phantom-feta")
    )
    return Overview(TrackBoard(get_track("phantom"), boards, ()))


def test_methods_are_in_the_order_of_their_mean_out_of_domain_with_the_gap():
    shown = track(
        phantom_source=[row("a", 1.0, 1), row("b", 2.0, 2)],
        phantom_lfc=[row("a", 5.0, 2), row("b", 3.0, 1)],
        phantom_feta=[row("a", 4.0, 1), row("b", 4.0, 1)],
    )
    assert [(e.row.id, e.out_mm, e.gap_mm) for e in shown.entries] == [("b", 3.5, 1.5), ("a", 4.5, 3.5)]
    assert [[c.may_lead for c in e.cells] for e in shown.entries] == [[False, True, True], [True, False, True]]
    assert [s.split.name for s in shown.splits] == ["phantom-source", "phantom-lfc", "phantom-feta"]
    assert shown.picture("x").count("<circle") == 4


def test_what_is_not_measured_everywhere_away_is_not_shown_and_without_home_there_is_no_gap():
    shown = track(
        phantom_lfc=[row("a", 5.0, 1), row("b", 3.0, 1), row("c", 1.0, 1, flags=("incomplete",)), row("d", 1.0)],
        phantom_feta=[row("a", 4.0, 1), row("c", 1.0, 1), row("d", 1.0, kind="reported")],
    )
    assert [(e.row.id, e.gap_mm) for e in shown.entries] == [("a", None)]
    assert shown.picture("x").count("<circle") == 1


def test_a_track_without_measured_rows_has_no_table():
    assert track().entries == []


def test_protocols_are_shown_apart_each_in_an_order_of_its_own():
    rows = [
        row("t", 1.0, 1, selection="target-val"),
        row("a", 3.0, 2),
        row("b", 2.0, 1),
        row("f", 0.5, kind="mean-shape"),
    ]
    shown = track(phantom_lfc=rows, phantom_feta=rows)
    assert [(g.title, [e.row.id for e in g.entries]) for g in shown.groups] == [
        ("Strict domain generalisation (source-val)", ["b", "a"]),
        ("The paper’s protocol (target-val)", ["t"]),
        ("Not ranked", ["f"]),
    ]
    assert shown.picture("x").count("<circle") == 4 and "The paper’s protocol" in shown.picture("x")
    alone = track(phantom_lfc=rows[1:], phantom_feta=rows[1:])
    assert [(g.title, [e.row.id for e in g.entries]) for g in alone.groups] == [("", ["f", "b", "a"])]


def test_a_floor_alone_has_no_table():
    floor = [row("floor", 9.0, kind="mean-shape")]
    assert track(phantom_lfc=floor, phantom_feta=floor).entries == []


def test_a_long_board_says_how_many_more_there_are():
    rows = [row(f"m{i}", float(i), 1) for i in range(20)]
    shown = track(phantom_lfc=rows, phantom_feta=rows)
    assert (len(shown.entries), shown.more) == (15, 5) and shown.entries[0].out_mm == pytest.approx(0)
    floor = [row("floor", 99.0, kind="mean-shape")]
    shown = track(phantom_lfc=rows + floor, phantom_feta=rows + floor)
    assert [e.row.id for e in shown.entries[14:]] == ["m14", "floor"] and shown.more == 5


def test_what_brackets_mean_is_said_where_there_are_any():
    plain = [row("a", 1.0, 1)]
    assert not track(phantom_lfc=plain, phantom_feta=plain).tagged
    one = Submission("a-unet-x", "phantom", "a", "unet", "none", (), (0,), "", tag="x")
    tagged = [row("a", 1.0, 1, submission=one)]
    assert tagged[0].name == "a (x)" and track(phantom_lfc=tagged, phantom_feta=tagged).tagged


def test_methods_of_the_benchmarks_own_authors_are_said_to_be_theirs():
    of = Submission("a-unet", "phantom", "a", "unet", "none", (), (0,), "", authors="Us")
    rows = [
        row("a", 1.0, 1, submission=of),
        row("b", 2.0, 1, submission=replace(of, authors="Them")),
        row("floor", 9.0, kind="mean-shape", submission=of),
    ]
    shown = track(phantom_lfc=rows, phantom_feta=rows)
    assert shown.methods_by(("Us",)) == ["a"] and shown.methods_by(()) == []


def test_annotators_are_a_scale_and_have_no_gap():
    people = row("annotator", 1.5, kind="annotator")
    shown = track(
        phantom_source=[row("a", 1.0, 1), people],
        phantom_lfc=[row("a", 5.0, 1), people],
        phantom_feta=[row("a", 4.0, 1), people],
    )
    assert [(e.row.id, e.gap_mm) for e in shown.entries] == [("annotator", None), ("a", 3.5)]
    assert track(phantom_lfc=[people], phantom_feta=[people]).entries == []


def test_what_lies_far_beyond_the_methods_is_an_arrow_and_takes_no_room():
    rows = [row("a", 2.0, 1), row("near", 3.9, kind="mean-shape"), row("far", 4.1, kind="mean-shape")]
    near, far = (str(track(phantom_lfc=r, phantom_feta=r).picture("x")) for r in (rows[:2], rows))
    assert "→" not in near and near.count("<circle") == 2
    assert "→ 4.1" in far and far.count("<circle") == 1 and far.count("→ 3.9") == 1
