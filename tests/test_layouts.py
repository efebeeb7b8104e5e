"""The board in the layouts of the paper's tables and figure."""

import csv
import io

import numpy as np
import pytest

from dgmld_bench.leaderboard.build import build_board
from dgmld_bench.leaderboard.figures import panels
from dgmld_bench.leaderboard.layouts import layouts
from dgmld_bench.leaderboard.model import Board, Row, SplitBoard, TrackBoard, Value
from dgmld_bench.leaderboard.tables import readme, results_csv
from dgmld_bench.splits import get_split, get_track
from tests.submissions import ROOT


@pytest.fixture(scope="module")
def paper(tmp_path_factory):
    root = tmp_path_factory.mktemp("paper")
    (root / "leaderboard").mkdir()
    (root / "leaderboard/reported.csv").write_bytes((ROOT / "leaderboard/reported.csv").read_bytes())
    return {t.track.name: t for t in build_board(root, root).tracks}


def measured(name, method, mean, backbone="unet", **more):
    row = {"selection": "target-val", "seeds": (0, 1), "landmarks": (Value(mean, 0.1),) * 6, "sdr": (Value(50.0),) * 4}
    row |= {"average": Value(mean, 0.1), "errors_mm": np.full((2, 3, 6), mean), "kind": "measured"}
    return Row(id=name, method=method, backbone=backbone, **row | more)


def table(track, number):
    (found,) = [layout for layout in layouts(track) if layout.number == number]
    return found


def bold(layout):
    return [
        (*line.labels, layout.columns[k], line.cells[k].mean)
        for block in layout.blocks
        for line in block
        for k in sorted(line.best)
    ]


def test_table_2_is_the_papers(paper):
    layout = table(paper["dgmld"], 2)
    assert layout.columns == ("TCD1", "TCD2", "HDV1", "HDV2", "ADV1", "ADV2", "Average")
    assert [block[0].labels[:2] for block in layout.blocks] == [
        ("lfc", "unet"),
        ("lfc", "vitpose"),
        ("feta", "unet"),
        ("feta", "vitpose"),
    ]
    assert all(
        [line.labels[2] for line in b] == ["Baseline", "AugDG", "EdgeDG", "SegDG", "BaPDG"] for b in layout.blocks
    )
    best = bold(layout)
    assert len(best) == 28
    assert {b[2] for b in best if b[3] == "Average"} == {"BaPDG"}
    assert ("lfc", "unet", "SegDG", "TCD2", 3.81) in best and ("feta", "vitpose", "AugDG", "TCD2", 10.29) in best


def test_table_3_and_4_are_the_papers(paper):
    layout = table(paper["ceph"], 3)
    (block,) = layout.blocks
    assert [line.labels[0] for line in block] == ["Baseline", "EdgeDG", "BaPDG"]
    assert [v.mean for v in block[2].cells] == [1.95, 85.19, 91.26, 2.66, 74.25, 83.33]
    assert [v.mean for v in block[0].cells] == [2.43, 82.52, 88.59, 3.02, 74.09, 81.26]
    assert block[2].best == {0, 1, 2, 3, 4, 5}
    ((line,),) = table(paper["dgmld"], 4).blocks
    assert [(v.mean, v.std) for v in line.cells] == [(2.14, 0.05), (2.05, 0.07), (1.97, 0.14)] and line.best == {2}


def test_measured_rows_stand_below_reported_ones_and_have_a_best_of_their_own(paper):
    feta = paper["dgmld"].splits[1]
    rows = [measured("b", "BaPDG", 3.0), measured("x", "Mine", 2.0), measured("w", "Waits", 1.0, kind="awaiting")]
    split = SplitBoard(feta.split, (*feta.rows, *rows))
    layout = table(TrackBoard(get_track("dgmld"), (split,)), 2)
    assert [line.labels[2] for line in layout.blocks[0]][5:] == ["BaPDG", "Mine"]
    assert [b[2:] for b in bold(layout) if b[3] == "Average"][:2] == [
        ("BaPDG", "Average", 2.75),
        ("Mine", "Average", 2.0),
    ]
    (panel,) = panels(split)
    assert [c.name for c in panel.curves] == ["BaPDG", "Mine"] and panel.file == "feta-unet.svg"
    assert panel.curves[0].mean[29] == 0 and panel.curves[0].mean[30] == 100  # every error is 3 mm


def test_the_best_is_that_of_one_selection(paper):
    rows = (
        measured("a", "A", 3.0),
        measured("b", "B", 2.0),
        *(measured(f"s{i}", f"S{i}", i, selection="source-val") for i in (1, 2)),
    )
    split = SplitBoard(get_split("open-sb"), rows)
    layout = table(TrackBoard(get_track("open"), (split,)), 2)
    assert [b[2:] for b in bold(layout) if b[3] == "Average"] == [("B", "Average", 2.0), ("S1", "Average", 1.0)]


def test_only_what_the_paper_prints_is_headed_as_the_papers(paper):
    assert [t.heading for t in layouts(paper["dgmld"])] == ["As Table 2 of the paper", "As Table 4 of the paper"]
    assert [t.heading for t in layouts(paper["ceph"])] == ["As Table 3 of the paper"]
    track = TrackBoard(get_track("open"), (SplitBoard(get_split("open-sb"), (measured("a", "A", 3.0),)),))
    assert [t.heading for t in layouts(track)] == ["Landmark by landmark"]
    text = readme(Board(1, (track,)))
    assert "### Landmark by landmark" in text and "### SDR curves" in text and "of the paper\n" not in text


def test_table_4_takes_measured_variants_where_there_are_two(paper):
    split = get_split("open-sb")
    rows = (
        measured("m", "BaPDG-boundary-mse", 4.0),
        measured("b", "BaPDG", 3.0),
        measured("v", "BaPDG", 9.0, "vitpose"),
    )
    track = TrackBoard(get_track("open"), (SplitBoard(split, rows),))
    ((line,),) = table(track, 4).blocks
    assert line.labels == ("open-sb", "unet") and [v and v.mean for v in line.cells] == [None, 4.0, 3.0]
    assert line.best == {2}


def test_numbers_in_the_csv_are_rounded_to_a_millionth_and_every_landmark_has_its_columns(paper):
    lines = list(csv.DictReader(io.StringIO(results_csv(Board(1, tuple(paper.values()))))))
    one = next(r for r in lines if r["split"] == "feta" and r["method"] == "BaPDG" and r["backbone"] == "unet")
    assert (one["TCD2_mm"], one["TCD2_std"], one["mre_mm"], one["mre_std"]) == ("4.6", "1.97", "2.75", "0.48")
    assert one["sella_mm"] == "" and one["rank"] == ""
    split = SplitBoard(get_split("feta"), (measured("a", "=A()", 1 / 3),))
    text = results_csv(Board(1, (TrackBoard(get_track("dgmld"), (split,)),)))
    assert ",0.333333,0.1," in text and ",'=A()," in text


def test_markdown_takes_names_as_text():
    split = SplitBoard(get_split("feta"), (measured("a", "<b>|`[x](http://y)", 1.0, "www.example.org"),))
    text = readme(Board(1, (TrackBoard(get_track("dgmld"), (split,)),)))
    assert r"&lt;b&gt;\|\`\[x\](http&#58;//y) | www&#46;example.org" in text
    assert "](site/figures/feta-www.example.org.svg)" in text
