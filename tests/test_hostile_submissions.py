"""Fifty submissions that must not get in: each refused with exit code 1 and one line that says why."""

import copy
import json
import os

import numpy as np
import pytest
from typer.testing import CliRunner

from dgmld_bench.cli.app import build_app
from dgmld_bench.scoring.predictions import Predictions
from dgmld_bench.splits import get_split

SPLIT = "phantom-source"
CASES = get_split(SPLIT).case_ids


def good():
    predictions = Predictions(
        track="phantom", method="Mine", backbone="unet", selection="none", training_data=["phantom-train"]
    )
    for seed in (0, 1, 2):
        for case in CASES:
            predictions.add(seed=seed, split=SPLIT, case=case, landmarks=np.full((6, 3), float(seed)))
    return json.loads(predictions.to_json())


def put(*path_and_value):
    """Return a change that sets what lies at a path of keys."""
    *path, last, value = path_and_value

    def change(data):
        for key in path:
            data = data[key]
        data[last] = value

    return change


def drop(*path):
    """Return a change that takes away what lies at a path of keys."""
    *path, last = path

    def change(data):
        for key in path:
            data = data[key]
        del data[last]

    return change


def own(data):
    for run in data["runs"]:
        run["predictions"]["own/x"] = {}


def repeat(data):
    data["runs"][1]["predictions"] = data["runs"][0]["predictions"]


def invent(data):
    cases = data["runs"][0]["predictions"][SPLIT]
    cases["../../etc/passwd"] = cases["7"]


RUN = ("runs", 0, "predictions", SPLIT)
POINT = (*RUN, "7", "HDV2")
CHANGES = {
    "no format": (drop("format"), "no key 'format'"),
    "other format": (put("format", "matbench"), "format"),
    "version 2": (put("version", 2), "version"),
    "version true": (put("version", True), "version"),
    "no track": (drop("track"), "no key 'track'"),
    "unknown track": (put("track", "mars"), "unknown track 'mars'"),
    "track is a list": (put("track", ["phantom"]), "track"),
    "no method": (drop("method"), "no key 'method'"),
    "empty method": (put("method", ""), "method"),
    "method of 10 kB": (put("method", "A" * 10_000), "method"),
    "method with a line break": (put("method", "Mine\nrow"), "U+000A"),
    "method turned around": (put("method", "Mi\u202ene"), "U+202E"),
    "method with a lone surrogate": (put("method", "Mine\ud800"), "method"),
    "method that names no file": (put("method", "///"), "cannot be a file name"),
    "method of someone else": (put("method", "BaPDG"), "expected bapdg-unet.json"),
    "space of a film": (put("space", "px"), "space 'px' does not fit"),
    "unknown space": (put("space", "miles"), "space"),
    "unknown key": (put("scores", {"mre": 0.0}), "'scores': unknown key"),
    "markup for a key": (put("<img src=x onerror=alert(1)>", 1), "unknown key"),
    "unknown key in a run": (put("runs", 0, "score", 0.0), "run 0 (seed 0), 'score': unknown key"),
    "no selection": (drop("selection"), "'selection' is missing"),
    "selection on the test": (put("selection", "test"), "selection"),
    "no training data": (drop("training_data"), "'training_data' is missing"),
    "training data is a word": (put("training_data", "phantom-train"), "training_data"),
    "javascript for a link": (put("paper", "javascript:alert(1)"), "paper"),
    "description of 3 kB": (put("description", "x" * 3000), "description"),
    "no runs": (put("runs", []), "there is no run"),
    "runs are an object": (put("runs", {}), "runs"),
    "seed twice": (put("runs", 1, "seed", 0), "seed 0 appears twice"),
    "seed is text": (put("runs", 1, "seed", "1"), "seed"),
    "seed below 0": (put("runs", 1, "seed", -1), "seed"),
    "a run without the split": (drop("runs", 2, "predictions", SPLIT), "seed 2, split 'phantom-source': missing"),
    "split of another track": (put("runs", 0, "predictions", "feta", {}), "split 'feta' is not of track 'phantom'"),
    "split of one's own": (own, "split 'own/x' is of your own data"),
    "case left out": (drop(*RUN, "7"), "seed 0, split 'phantom-source': 1 of 40 cases are missing: '7'"),
    "case invented": (invent, "1 case id is not of this split: '../../etc/passwd'"),
    "landmark left out": (drop(*POINT), "seed 0, split 'phantom-source', case '7': missing landmarks 'HDV2'"),
    "landmark invented": (put(*RUN, "7", "HDV3", [0.0, 0.0, 0.0]), "case '7': unknown landmark 'HDV3'"),
    "one run twice": (repeat, "seeds 0 and 1 are the same run"),
    "two numbers in 3D": (put(*POINT, [0.0, 0.0]), "case '7', landmark 'HDV2': expected 3 numbers, got 2"),
    "four numbers": (put(*POINT, [0.0] * 4), "case '7', landmark 'HDV2'"),
    "text for a number": (put(*POINT, ["0", 0.0, 0.0]), "case '7', landmark 'HDV2', coordinate '0'"),
    "null": (put(*POINT, None), "case '7', landmark 'HDV2'"),
    "true for a number": (put(*POINT, [True, 0.0, 0.0]), "landmark 'HDV2', coordinate '0'"),
    "a kilometre away": (put(*POINT, [1e6, 0.0, 0.0]), "landmark 'HDV2': [1000000.0, 0.0, 0.0] is beyond ±1000"),
}
TEXTS = {
    "not a number": (lambda text: text.replace("[0.0,", "[NaN,", 1), "NaN is not a JSON number"),
    "infinite": (lambda text: text.replace("[0.0,", "[1e999,", 1), "case '1', landmark 'TCD1', coordinate '0'"),
    "case twice": (lambda text: text.replace('"2": {', '"1": {', 1), "key '1' appears twice"),
    "2 MB": (lambda text: text + " " * 2_000_000, "at most 2,000,000 are read"),
    "cut off": (lambda text: text[:-40], "not valid JSON"),
    "nested a million times": (lambda _: "[" * 1_000_000, "nested too deeply"),
    "a list": (lambda _: "[1, 2]", "expected a JSON object, got an array"),
    "empty": (lambda _: "", "not valid JSON"),
    "other encoding": (lambda text: b"\xff\xfe" + text.encode("utf-16-le"), "not UTF-8 text"),
}


def validate(path):
    result = CliRunner().invoke(build_app(), ["validate", str(path)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def refused(path, reason):
    code, output = validate(path)
    faults = [line for line in output.splitlines() if ": to submit it: " not in line]
    assert code == 1 and output.endswith("\n") and len(faults) == 1, output
    assert output.startswith(f"{path}: ") and reason in output, output
    assert faults[0].isprintable() and len(faults[0]) < 600


@pytest.fixture(scope="module")
def text():
    return json.dumps(good())


@pytest.fixture
def place(tmp_path):
    folder = tmp_path / "submissions/phantom"
    folder.mkdir(parents=True)
    (tmp_path / "leaderboard").mkdir()
    (tmp_path / "leaderboard/reported.csv").touch()
    return folder / "mine-unet.json"


def test_there_are_fifty():
    assert len(CHANGES) + len(TEXTS) >= 50


def test_the_good_one_gets_in(place, text):
    place.write_text(text)
    code, output = validate(place)
    assert code == 0 and "valid (3 of 3 seeds, splits phantom-source)" in output


@pytest.mark.parametrize("name", CHANGES)
def test_changed(place, text, name):
    change, reason = CHANGES[name]
    data = copy.deepcopy(json.loads(text))
    change(data)
    place.write_text(json.dumps(data))
    refused(place, reason)


@pytest.mark.parametrize("name", TEXTS)
def test_rewritten(place, text, name):
    change, reason = TEXTS[name]
    changed = change(text)
    place.write_bytes(changed if isinstance(changed, bytes) else changed.encode())
    refused(place, reason)


def test_places(place, text):
    elsewhere = place.parents[1] / "open/mine-unet.json"
    elsewhere.parent.mkdir()
    elsewhere.write_text(text)
    refused(elsewhere, "lies in open/, but says its track is 'phantom'")
    other = place.with_name("other-unet.json")
    other.write_text(text)
    refused(other, "expected mine-unet.json or mine-unet-TAG.json")
    link = place.with_name("mine-unet-link.json")
    link.symlink_to(other)
    refused(link, "not a plain file")
    refused(place, "not a plain file")  # there is none
    fifo = place.with_name("mine-unet-pipe.json")
    os.mkfifo(fifo)
    refused(fifo, "not a plain file")


def test_outside_submissions_the_format_is_checked_and_what_is_missing_to_submit_is_said(tmp_path, text):
    data = json.loads(text)
    del data["selection"], data["training_data"]
    path = tmp_path / "any name.json"
    path.write_text(json.dumps(data))
    code, output = validate(path)
    assert code == 0 and "to submit it: 'selection' is missing" in output and "'training_data' is missing" in output


def test_ids_that_are_not_known_here_must_be_those_of_the_first_run(tmp_path):
    predictions = Predictions(track="dgmld", method="m", backbone="b")
    for seed in (0, 1):
        for case in range(55):
            predictions.add(seed=seed, split="feta", case=f"sub-{case + 54 * seed}", landmarks=np.zeros((6, 3)))
    predictions.save(tmp_path / "p.json")
    refused(tmp_path / "p.json", "seed 1, split 'feta': 54 case ids are not those of the first run: 'sub-55', ")


def test_hundreds_of_problems_are_counted(tmp_path, text):
    data = json.loads(text)
    for run in data["runs"]:
        for case in run["predictions"][SPLIT].values():
            del case["ADV1"]
    path = tmp_path / "many.json"
    path.write_text(json.dumps(data))
    code, output = validate(path)
    assert code == 1 and output.count("\n") == 21 and "and 100 more (--json lists them)" in output
