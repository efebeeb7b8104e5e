"""The tables in README.md and docs/results.md are those of the board."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dgmld_bench.files import read_json
from dgmld_bench.leaderboard.records import find_record
from dgmld_bench.scoring.comparison import compare

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "docs/make_results.py"))


def test_tables_are_current(script):
    stale = [p for p in script["PAGES"] if script["filled"]((ROOT / p).read_text("utf-8")) != (ROOT / p).read_text()]
    assert not stale, "run `python docs/make_results.py`"


def test_every_table_is_shown_and_marks_are_closed(script):
    text = "\n".join((ROOT / p).read_text("utf-8") for p in script["PAGES"])
    assert set(re.findall(r"<!-- table: (.+?) -->", text)) == set(script["TABLES"])
    assert text.count("<!-- table:") == text.count("<!-- end -->")


def test_a_table_is_filled_in_and_the_rest_stays(script):
    text = "before\n<!-- table: ceph -->\nold\n<!-- end -->\nafter\n"
    filled = script["filled"](text)
    assert filled.startswith("before\n<!-- table: ceph -->\n| method ") and filled.endswith("\n<!-- end -->\nafter\n")
    assert "old" not in filled and script["filled"](filled) == filled
    with pytest.raises(KeyError):
        script["filled"]("<!-- table: nothing -->\n<!-- end -->")


def test_pairs_say_what_compare_says(script):
    lines = script["TABLES"]["open pairs"]().splitlines()
    row = next(line for line in lines if line.startswith("| open-sb | unet | BaPDG − Baseline |"))
    ours, other = (find_record(ROOT, "open-sb", name).named(name) for name in ("bapdg-unet", "baseline-unet"))
    difference = compare(ours, other).overall.difference_mm
    assert f"| {difference:+.2f} |".replace("-", "−") in row


def test_parts_are_those_of_the_records(script):
    (line,) = (x for x in script["TABLES"]["parts phantom-lfc"]().splitlines() if x.startswith("| AugDG | unet |"))
    mre, rest, *shares, missed, greatest, held = line.strip("| ").split(" | ")[2:]
    errors, calibration = (find_record(ROOT, s, "augdg-unet").errors for s in ("phantom-lfc", "phantom-val"))
    assert mre == f"{errors.per_seed_mm.mean():.2f}" and float(rest) < float(mre)
    assert sum(map(int, shares)) in (99, 100, 101) and 0 < float(missed) < 5
    name, length = greatest.split(" (")[0].split()
    assert length == f"{errors.parts.lengths_mm.max():.1f}"
    assert errors.parts.lengths_mm[errors.landmarks.index(name)] == errors.parts.lengths_mm.max()
    radii = np.sort(calibration.errors_mm, axis=1)[:, 54]  # the 55th of 60, 0.9 * 61 rounded up
    within = (errors.errors_mm <= radii[:, None]).mean()
    assert held.split(" / ")[1] == f"{100 * within:.0f}"


def test_on_the_phantom_no_table_mixes_recipes(script):
    for file in (ROOT / "submissions/phantom").glob("*.run.json"):
        name = file.name.removesuffix(".run.json")
        says_so = "today's recipe of preset small" in (
            read_json(file.with_name(f"{name}.json")).get("description") or ""
        )
        assert (script["_recipe"]("phantom", name) == "today's") == says_so, name
    for name in ("phantom", "phantom pairs", "phantom synthdg pairs", "parts phantom-lfc", "parts phantom-feta"):
        table = script["TABLES"][name]()
        assert "| unet |" in table and "| vitpose |" not in table, name
    for name in ("phantom earlier", "phantom earlier pairs", "phantom earlier parts"):
        table = script["TABLES"][name]()
        assert "| vitpose |" in table and "| unet |" not in table, name


def test_people_stand_beside_methods(script):
    table = script["TABLES"]["offsets hamedan"]()
    assert "two annotators of hamedan" in table and "two annotators of isbi" in table
    assert len(table.splitlines()) == 2 + 19


def test_a_single_training_stands_where_its_method_has_nothing_better(script):
    for split in ("isbi", "hamedan", "open-sb"):
        rows = [row.strip("| ").split(" | ")[:2] for row in script["TABLES"][f"parts {split}"]().splitlines()[2:]]
        trained = [(method.removesuffix(" (seed0)"), backbone) for method, backbone in rows if backbone != "–"]
        assert len(trained) == len(set(trained)) >= 5, split
    table = script["TABLES"]["parts isbi"]()
    assert "| SynthDG | unet |" in table and "| Baseline (seed0) | vitpose |" in table


def test_a_single_training_has_its_mean_and_interval(script):
    heads, _, *lines = script["TABLES"]["open single"]().splitlines()
    (row,) = (line.strip("| ").split(" | ") for line in lines if line.startswith("| Baseline (seed0) | vitpose |"))
    mean, low, high = re.fullmatch(
        r"([\d.]+) \(([\d.]+) … ([\d.]+)\)", row[heads.strip("| ").split(" | ").index("open-sb [mm]")]
    ).groups()
    errors = find_record(ROOT, "open-sb", "baseline-vitpose-seed0").errors
    assert mean == f"{errors.errors_mm.mean():.2f}" and float(low) < float(mean) < float(high)


def test_a_stranger_who_takes_a_methods_name_stays_out(script):
    assert {"bapdg-unet", "bapdg-boundary-mse-unet", "augdg-vitpose"} <= script["IDS"]
    assert not {"bapdg-unet-x", "bapdg-resnet"} & script["IDS"]
    rows = script["TABLES"]["ceph"]().splitlines()[2:]
    assert {row.split(" | ")[1] for row in rows} <= {"unet", "vitpose", "unknown"}
