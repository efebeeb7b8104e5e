"""The parts of errors on the board: what is drawn, which landmarks are marked, and what is not known."""

from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from dgmld_bench.landmarks import CEPHALOMETRIC, CEREBELLUM
from dgmld_bench.leaderboard.parts_plots import Offsets, PartsBar, offset_map, parts_bars
from dgmld_bench.leaderboard.parts_view import Definitions, method_parts, split_parts
from dgmld_bench.leaderboard.schematic import views
from dgmld_bench.leaderboard.site import render
from dgmld_bench.scoring.directions import direction_names
from dgmld_bench.scoring.parts import errors_without_offset
from dgmld_bench.scoring.parts_table import parts_table
from dgmld_bench.splits import get_split
from tests.board_fixtures import HOSTILE, board


def parts(offset_mm, landmark_set, seeds=2, cases=20):
    """Parts of errors around known offsets, ``(landmark, direction)``, or the same for all landmarks."""
    rng = np.random.default_rng(0)
    shape = (seeds, cases, len(landmark_set), landmark_set.dimension)
    differences = rng.normal(scale=0.5, size=shape) + np.asarray(offset_mm)
    return parts_table(differences, errors_without_offset(differences), direction_names(landmark_set))


def drawing(offset_mm, landmark_set=CEPHALOMETRIC):
    n = len(landmark_set)
    offset = np.broadcast_to(np.asarray(offset_mm, dtype=float), (n, landmark_set.dimension))
    tips = [f"{title}: moved" for title in landmark_set.titles]
    offsets = Offsets(offset, 0.2 * np.ones_like(offset), np.arange(n) > 0, np.arange(n) == 2, tips)
    return ElementTree.fromstring(str(offset_map("k", "Offsets", views(landmark_set), offsets)))


def arrows(root):
    """The ends of every straight arrow, ``(arrow, from and to, x and y)``."""
    lines = [p.get("d") for p in root.iter("path") if p.get("class", "").startswith("arrow")]
    return np.array([[p.split() for p in d[1:].split("L")] for d in lines if d.count("L") == 1], dtype=float)


@pytest.mark.parametrize("landmark_set", [CEPHALOMETRIC, CEREBELLUM])
def test_every_direction_of_every_landmark_is_drawn_somewhere(landmark_set):
    seen = {(k, axis) for view in views(landmark_set) for k in view.shown for axis in view.axes}
    assert seen == {(k, axis) for k in range(len(landmark_set)) for axis in range(landmark_set.dimension)}
    for view in views(landmark_set):
        apart = np.linalg.norm(view.points[:, None] - view.points, axis=-1)[np.ix_(view.shown, view.shown)]
        assert apart[~np.eye(len(view.shown), dtype=bool)].min() > 4  # mm: none hides another


def test_the_head_lies_level_and_looks_to_the_right():
    (view,) = views(CEPHALOMETRIC)
    sella, nasion, menton = (view.points[CEPHALOMETRIC.index(n)] for n in ("sella", "nasion", "menton"))
    assert nasion[0] > sella[0] and abs(nasion[1] - sella[1]) < 0.2 and menton[1] < sella[1] - 80


def test_arrows_point_where_the_offset_does_and_have_its_length():
    ends = arrows(drawing([2.0, 0.0]))
    assert len(ends) == 19 and np.allclose(np.diff(ends, axis=1)[:, 0, 1], 0, atol=0.11)
    along = np.diff(ends, axis=1)[:, 0, 0]
    assert (along > 5).all() and np.ptp(along) < 0.3
    up = np.diff(arrows(drawing([0.0, 2.0])), axis=1)[:, 0]
    assert np.allclose(up, [[0, -along[0]]], atol=0.3)  # y runs down
    root = drawing([0.0, 0.0, 9.0], CEREBELLUM)
    behind, right, above = np.split(np.diff(arrows(root), axis=1)[:, 0], [4, 8])
    assert (behind[:, 1] < -5).all() and (right[:, 1] < -5).all() and len(above) == 4  # one dot each, seen from above
    assert np.allclose(above, 0, atol=0.11)


def test_what_is_not_known_is_not_drawn_and_what_is_marked_is_ringed():
    offset = np.ones((19, 2))
    offset[3] = np.nan
    root = drawing(offset)
    assert len(arrows(root)) == 18
    rings = [c for c in root.iter("circle") if c.get("class") == "twice"]
    assert len(rings) == 1
    assert not arrows(drawing(np.full((19, 2), np.nan))).size


def test_names_of_strangers_are_text():
    bars = [PartsBar(name, (20.0, 30.0, 50.0), 2.0, 1.0) for name in HOSTILE]
    root = ElementTree.fromstring(str(parts_bars("k", "Parts", bars)))
    assert {e.tag for e in root.iter()} <= {"svg", "title", "desc", "text", "rect"}
    widths = [float(r.get("width")) for r in root.iter("rect")][:3]
    assert widths[0] / sum(widths) == pytest.approx(0.2, abs=0.01)


def with_parts(track="ceph"):
    """A board whose rows have parts: all methods off by (3, 0) mm, annotators apart at one landmark of the source."""
    apart = np.zeros((19, 2))
    apart[4] = [0.0, 3.0]
    (the_track,) = board(4, tracks=(track,)).tracks
    shifts = {"measured": np.array([3.0, 0.0]), "annotator": apart}
    splits = tuple(
        replace(
            split,
            rows=tuple(
                replace(row, parts=parts(shifts[row.kind], CEPHALOMETRIC)) if row.kind in shifts else row
                for row in split.rows
            ),
        )
        for split in the_track.splits
    )
    return replace(the_track, splits=splits)


def test_landmarks_are_marked_where_annotators_of_split_or_source_place_them_apart():
    track = with_parts()
    outside = next(s for s in track.splits if s.split.name == "hamedan")
    definitions = Definitions(outside, track)
    assert np.flatnonzero(definitions.marked(19)).tolist() == [4]
    here, source = definitions.of(4)
    assert "of hamedan place it 3.0 mm apart" in here and "of isbi" in source
    alone = replace(outside, rows=tuple(r for r in outside.rows if r.kind != "annotator"))
    assert Definitions(alone, track).of(4) == (source,)


def test_pages_say_what_errors_are_made_of_where_it_is_known():
    track = with_parts()
    split = track.splits[0]
    row = next(r for r in split.rows if r.kind == "measured")
    shown = method_parts(row, split.split.name, CEPHALOMETRIC, Definitions(split, track))
    assert sum(shown.shares_percent) == pytest.approx(100) and shown.shares_percent[0] > 90
    assert shown.lines[4].marks and shown.lines[0].cells[:2] == (("+3.00", True), ("−0.03", False))
    assert shown.promise == ""
    calibrated = replace(split, split=get_split("isbi-val"))  # the same errors: a radius holds what it promises
    told = method_parts(row, "isbi", CEPHALOMETRIC, Definitions(split, track), calibrated)
    assert told.promise.startswith("Radii that promise 90 % of the points on isbi-val hold 9")
    assert method_parts(replace(row, parts=None), "isbi", CEPHALOMETRIC, Definitions(split, track)) is None
    assert (
        split_parts([replace(row, parts=None)], {row.id: "m"}, "isbi", CEPHALOMETRIC, Definitions(split, track)) is None
    )
    pages = dict(render(replace(board(4, tracks=("ceph",)), tracks=(track,))))
    assert (
        "What the errors are made of" in pages["splits/isbi.html"]
        and "two definitions" in pages[f"submissions/ceph/{row.id}.html"]
    )
    plain = dict(render(board(4, tracks=("ceph",))))
    assert "What the errors are made of" not in plain["splits/isbi.html"] + plain[f"submissions/ceph/{row.id}.html"]
