"""The predictions format: what it accepts, what it refuses, and in which words."""

import gc
import json
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dgmld_bench.errors import DataError, UsageError
from dgmld_bench.landmarks import CEPHALOMETRIC, CEREBELLUM
from dgmld_bench.scoring.predictions import Predictions, find_missing, json_schema
from dgmld_bench.scoring.predictions_files import read_predictions
from dgmld_bench.splits import get_split

EXAMPLE = {
    "format": "dgmld-bench/predictions",
    "version": 1,
    "track": "dgmld",
    "method": "BaPDG",
    "backbone": "unet",
    "space": "ras_mm",
    "selection": "target-val",
    "training_data": ["atlas"],
    "runs": [
        {
            "seed": 0,
            "predictions": {
                "lfc": {
                    "1": {
                        "TCD1": [12.1, -30.4, -8.0],
                        "TCD2": [-11.9, -30.2, -8.3],
                        "HDV1": [0.2, -28.0, 1.0],
                        "HDV2": [0.1, -31.0, -10.2],
                        "ADV1": [0.0, -25.1, -4.0],
                        "ADV2": [0.3, -36.0, -5.1],
                    }
                },
                "feta": {},
            },
        }
    ],
    "authors": "Gong et al.",
    "paper": "https://example.org/paper",
    "code": "https://example.org/code",
    "description": "…",
}


@pytest.mark.parametrize(
    "runs",
    [
        '[{"seed": 0, "predictions": {"lfc": {"1": {%s}}}}]',
        '[{"seed": 0, "predictions": {"lfc": {%s}}}]',
        '[{"seed": 0, "predictions": {%s}}]',
        '[{"seed": 0, "predictions": {}, %s}]',
        '[{"seed": 0, "predictions": {}}], %s',
    ],
)
@pytest.mark.parametrize("number", [2_000_000, 6_000_000])
def test_rubbish_is_refused_in_seconds_and_without_much_memory(tmp_path, runs, number):
    """Faults are counted up to a limit: described, each of millions would take a kilobyte."""
    path = tmp_path / "rubbish.json"
    start, end = json.dumps(changed(runs="?")).replace('"?"', runs).split("%s")
    with path.open("w") as stream:
        stream.write(start)
        stream.write(",".join(f'"{n}":0' for n in range(number // 3)))
        stream.write(end)
    program = (
        "import sys, time; from dgmld_bench.scoring.predictions import Predictions\n"
        "try: Predictions.load(sys.argv[1])\n"
        "except ValueError as error: print(error, time.process_time(), sep='\\n')\n"
        "for line in open('/proc/self/status'):\n"
        "    if line.startswith('VmHWM'): print(line.split()[1])"
    )
    done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, check=True)
    message, seconds, kilobytes = done.stdout.splitlines()
    assert str(path) in message and float(seconds) < 10 and int(kilobytes) < 1 << 20


def test_faults_beyond_the_limit_are_not_counted(tmp_path):
    many = {str(n): [0] for n in range(5000)}
    value = changed(runs=[{"seed": 0, "predictions": {"lfc": {"1": many}}}])
    with pytest.raises(DataError, match=r"case '1', landmark '0'.*\(and at least 99\d more faults\)"):
        Predictions.from_json(value, "p.json")
    value = changed(runs=[{"seed": 0, "predictions": {"lfc": {"1": {"TCD1": [0]}}}}, {"seed": "x"}])
    with pytest.raises(DataError, match=r"\(and 2 more faults\)"):
        Predictions.from_json(value, "p.json")


def changed(**changes):
    value = json.loads(json.dumps(EXAMPLE))
    value.update(changes)
    return value


def load(tmp_path, value):
    path = tmp_path / "preds.json"
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return Predictions.load(path)


def with_point(point, name="TCD1"):
    value = changed()
    value["runs"][0]["predictions"]["lfc"]["1"][name] = point
    return value


def test_the_documented_example_loads_and_keeps_every_value(tmp_path):
    predictions = load(tmp_path, EXAMPLE)
    assert json.loads(predictions.to_json()) == EXAMPLE
    assert predictions.array(0, "lfc", ["1"])[0, 5].tolist() == [0.3, -36.0, -5.1]


def test_saving_is_canonical_and_atomic(tmp_path):
    predictions = load(tmp_path, EXAMPLE)
    predictions.save(tmp_path / "a.json")
    Predictions.load(tmp_path / "a.json").save(tmp_path / "b.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.json", "b.json", "preds.json"]


@given(st.lists(st.floats(-1000, 1000), min_size=18, max_size=18))
@settings(max_examples=30)
def test_numbers_survive_the_file_to_the_last_bit(numbers):
    points = np.array(numbers).reshape(6, 3)
    predictions = Predictions(track="phantom", method="m", backbone="b")
    predictions.add(seed=3, split="phantom-lfc", case="10", landmarks=points)
    again = Predictions(**json.loads(predictions.to_json()))
    np.testing.assert_array_equal(again.array(3, "phantom-lfc", ["10"])[0], points)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (changed(extra=1), ["'extra'", "unknown key"]),
        (changed(version=2), ["version", "1"]),
        (changed(version=True), ["version", "integer", "bool"]),
        (changed(version=1.0), ["version", "integer", "float"]),
        (changed(track="\u202e" * 10_000), ["track"]),
        (changed(format="other"), ["format"]),
        (changed(track="dgmldd"), ["unknown track", "did you mean 'dgmld'"]),
        (changed(space="px"), ["space 'px'", "3D"]),
        (changed(space=None), ["space"]),
        (changed(track="ceph", space="voxel"), ["space 'voxel'", "2D"]),
        (changed(selection="test"), ["selection"]),
        (changed(method=""), ["method"]),
        (changed(method="x" * 10_000), ["method", "64"]),
        (changed(method="ab\u202ecd"), ["method", "U+202E"]),
        (changed(method="BaPDG "), ["method", "space"]),
        (changed(description="two\nlines"), ["description", "U+000A"]),
        (changed(method=3), ["method", "string"]),
        (changed(paper="javascript:alert(1)"), ["paper", "https://"]),
        (changed(training_data="atlas"), ["training_data", "list"]),
        (changed(runs={}), ["runs", "list"]),
        (changed(runs=EXAMPLE["runs"] * 2), ["seed 0 appears twice"]),
        (changed(runs=[{"seed": True, "predictions": {}}]), ["run 0", "seed", "integer"]),
        (changed(runs=[{"seed": -1, "predictions": {}}]), ["seed"]),
        (changed(runs=[{"seed": 10**30, "predictions": {}}]), ["seed"]),
        (changed(runs=[{"seed": 0, "predictions": {"isbi": {}}}]), ["split 'isbi'", "lfc-val"]),
        (changed(runs=[{"seed": 0}]), ["run 0 (seed 0)", "predictions"]),
        (changed(runs=[{"seed": 0, "predictions": {}, "host": "x"}]), ["run 0 (seed 0)", "host", "unknown key"]),
        (with_point([1, 2]), ["seed 0", "split 'lfc'", "case '1'", "landmark 'TCD1'", "3 numbers", "got 2"]),
        (with_point([1, 2, "3"]), ["split 'lfc'", "case '1'", "landmark 'TCD1'", "number"]),
        (with_point([1, 2, True]), ["landmark 'TCD1'", "number"]),
        (with_point([1, 2, None]), ["landmark 'TCD1'", "number"]),
        (with_point([1, 2, 1e9]), ["landmark 'TCD1'", "beyond"]),
        (with_point([1, 2, 3], "x" * 10_000), ["case '1'", "xxx", "64"]),
        (with_point([1, 2, 3], "a\x1b[2J"), ["case '1'", "U+001B"]),
        (with_point([1, 2, 3], "TCD3"), ["unknown landmark 'TCD3'", "TCD1"]),
    ],
)
def test_faults_are_refused_in_words_that_name_the_place(tmp_path, value, words):
    with pytest.raises(DataError) as caught:
        load(tmp_path, value)
    message = str(caught.value)
    assert message.isprintable() and len(message) < 1000
    for word in ["preds.json", *words]:
        assert word in message, message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not valid JSON"),
        ("[]", "expected a JSON object"),
        ("{}", "no key 'format'"),
        ('{"a": 1, "a": 2}', "twice"),
        ('{{"{0}": 1, "{0}": 2}}'.format("k" * 10_000), "'k{80}' appears twice"),
        ('{"format": NaN}', "NaN"),
        ('{"format": 1e999}', "format"),
        ("[" * 200_000, "nested too deeply|not valid JSON"),
        ('{"format": ' + "9" * 10_000 + "}", "JSON"),
        ("\ufeff{}", "JSON"),
    ],
)
def test_hostile_text_is_refused(tmp_path, text, words):
    with pytest.raises(DataError, match=words):
        load(tmp_path, text)


@pytest.mark.parametrize("key", ["format", "version", "track", "method", "backbone", "space", "runs"])
def test_every_key_that_is_not_optional_is_required_of_a_file(tmp_path, key):
    value = changed()
    del value[key]
    with pytest.raises(DataError, match=f"no key '{key}'"):
        load(tmp_path, value)


def test_a_file_of_two_megabytes_loads_in_half_a_second(tmp_path):
    predictions = Predictions(track="ceph", method="m", backbone="b")
    rng = np.random.default_rng(0)
    for seed in range(13):
        for case in range(151, 301):
            predictions.add(seed=seed, split="isbi", case=str(case), landmarks=rng.uniform(0, 1900, (19, 2)))
    path = tmp_path / "large.json"
    predictions.save(path)
    assert path.stat().st_size > 2_000_000
    seconds = []
    gc.freeze()  # what other tests left in memory is not this one's to walk through
    for _ in range(3):
        start = time.process_time()
        Predictions.load(path)
        seconds.append(time.process_time() - start)
    gc.unfreeze()
    assert min(seconds) < 0.5


def test_bytes_that_are_not_text_and_files_too_large_are_refused(tmp_path):
    path = tmp_path / "preds.json"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="UTF-8"):
        Predictions.load(path)
    path.write_text(json.dumps(EXAMPLE))
    with pytest.raises(DataError, match="at most 10 "):
        Predictions.load(path, max_bytes=10)
    with pytest.raises(DataError, match="no such file"):
        Predictions.load(tmp_path / "none.json")
    with pytest.raises(DataError, match="is a folder, expected a file"):
        Predictions.load(tmp_path)


def test_infinite_numbers_are_refused(tmp_path):
    text = json.dumps(EXAMPLE).replace("12.1", "1e400")
    with pytest.raises(DataError, match="landmark 'TCD1'"):
        load(tmp_path, text)


def test_add_takes_arrays_and_names_and_refuses_what_does_not_fit():
    predictions = Predictions(track="ceph", method="m", backbone="b")
    assert predictions.space == "px"
    points = np.arange(38.0).reshape(19, 2)
    predictions.add(seed=0, split="isbi", case="151", landmarks=points)
    predictions.add(seed=0, split="isbi", case="152", landmarks=dict(zip(CEPHALOMETRIC.names, points, strict=True)))
    np.testing.assert_array_equal(*predictions.array(0, "isbi", ["151", "152"]))
    with pytest.raises(DataError, match=r"\(19, 2\), got \(2, 19\)"):
        predictions.add(seed=0, split="isbi", case="153", landmarks=points.T)
    with pytest.raises(DataError, match="split 'isbi' has no case '150'; its 150 cases are 151 … 300"):
        predictions.add(seed=0, split="isbi", case="150", landmarks=points)
    assert predictions.splits == ["isbi"] and len(predictions.runs[0].predictions["isbi"]) == 2
    Predictions(track="dgmld", method="m", backbone="b").add(  # the release fixes these ids, and they are not known
        seed=0, split="feta", case="sub-031", landmarks=np.zeros((6, 3))
    )
    with pytest.raises(DataError, match="case '153', landmark 'sella'"):
        predictions.add(seed=0, split="isbi", case="153", landmarks=points * np.nan)
    for seed in (True, -1):
        with pytest.raises(DataError, match="seed"):
            predictions.add(seed=seed, split="isbi", case="153", landmarks=points)
    predictions.add(seed=np.int64(0), split="isbi", case=152, landmarks=points + 1)  # replaces the case
    for track in ("\u202e" * 10_000, "cephh", 3, ["ceph"]):
        with pytest.raises(DataError, match="'track': ") as caught:
            Predictions(track=track, method="m", backbone="b")
        assert len(str(caught.value)) < 200
    assert list(predictions.run(0).predictions["isbi"]) == ["151", "152"]
    assert predictions.array(0, "isbi", ["152"])[0, 0].tolist() == [1, 2]


def test_confidence_is_optional_and_checked(tmp_path):
    sure = changed()
    sure["runs"][0]["confidence"] = {"lfc": {"1": {"TCD1": 1, "HDV2": 0.25}}}
    predictions = load(tmp_path, sure)
    assert load(tmp_path, predictions.to_json()).runs == predictions.runs
    found = predictions.confidence(0, "lfc", ["1", "2"])
    assert found.shape == (2, 6) and found[0, [0, 3]].tolist() == [1, 0.25] and np.isnan(found).sum() == 10
    renamed, _ = predictions.with_ids("lfc", ["001"])
    assert renamed.confidence(0, "lfc", ["001"])[0, 0] == 1
    assert np.isnan(load(tmp_path, EXAMPLE).confidence(0, "lfc", ["1"])).all()
    assert "confidence" not in load(tmp_path, EXAMPLE).to_json()
    for values, words in (
        ({"lfc": {"1": {"TCD1": 1.5}}}, "confidence, split 'lfc', case '1', landmark 'TCD1'"),
        ({"lfc": {"1": {"TCD1": "high"}}}, "landmark 'TCD1'"),
        ({"lfc": {"1": {"TCD1": True}}}, "landmark 'TCD1'"),
        ({"lfc": {"1": {"TCD1": float("nan")}}}, "NaN"),
        ({"lfc": {"2": {"TCD1": 0.5}}}, "case '2', landmark 'TCD1', of which no point is predicted"),
        ({"feta": {"1": {"TCD1": 0.5}}}, "split 'feta', case '1'"),
        (0.5, "'confidence'"),
    ):
        sure["runs"][0]["confidence"] = values
        with pytest.raises(DataError, match=re.escape(words)):
            load(tmp_path, sure)


def test_confidence_is_added_and_replaced_with_its_points():
    predictions = Predictions(track="phantom", method="m", backbone="b")
    for case, confidence in (("1", np.full(6, 0.5)), ("2", None), ("3", np.linspace(0, 1, 6))):
        predictions.add(seed=0, split="phantom-feta", case=case, landmarks=np.zeros((6, 3)), confidence=confidence)
    found = predictions.confidence(0, "phantom-feta", ["1", "2", "3"])
    assert found[0].tolist() == [0.5] * 6 and np.isnan(found[1]).all() and found[2, -1] == 1
    predictions.add(seed=0, split="phantom-feta", case="1", landmarks=np.ones((6, 3)))
    assert np.isnan(predictions.confidence(0, "phantom-feta", ["1"])).all()
    for wrong in (np.zeros(5), np.full(6, 2.0), np.full(6, np.nan)):
        with pytest.raises(DataError, match="confidence"):
            predictions.add(seed=0, split="phantom-feta", case="1", landmarks=np.ones((6, 3)), confidence=wrong)


def test_missing_points_are_named(tmp_path):
    value = changed()
    del value["runs"][0]["predictions"]["lfc"]["1"]["HDV2"]
    assert find_missing(load(tmp_path, value), "lfc", ["1", "2"]) == [
        "seed 0, case '1', landmark 'HDV2'",
        "seed 0, case '2'",
    ]


@pytest.mark.parametrize("named", [True, False])
def test_bare_files_in_both_layouts(tmp_path, named):
    points = np.arange(38.0).reshape(19, 2)
    value = dict(zip(CEPHALOMETRIC.names, points.tolist(), strict=True)) if named else points.tolist()
    path = tmp_path / "bare.json"
    path.write_text(json.dumps({"151": value}))
    predictions = read_predictions(path, get_split("isbi"), CEPHALOMETRIC)
    assert predictions.space == "px"
    np.testing.assert_array_equal(predictions.array(0, "isbi", ["151"])[0], points)


def test_bare_files_at_fault(tmp_path):
    path = tmp_path / "bare.json"
    for text, words in [
        ("[]", "got an array"),
        ("{}", "empty"),
        ('{"1": [[0, 0, 0]]}', "expected 6 points, got 1"),
        ('{"lfc": {"1": []}}', "'lfc' is a split, and a bare file holds cases"),
    ]:
        path.write_text(text)
        with pytest.raises(DataError, match=words):
            read_predictions(path, get_split("lfc"), CEREBELLUM)
    for space, words in [("ras", "did you mean 'ras_mm'"), ("px", "does not fit split 'lfc'")]:
        with pytest.raises(UsageError, match=words):
            read_predictions(path, get_split("lfc"), CEREBELLUM, space)
    path.write_text(json.dumps(EXAMPLE))
    with pytest.raises(UsageError, match="contradicts"):
        read_predictions(path, get_split("lfc"), CEREBELLUM, "lps_mm")


def test_the_schema_describes_the_example():
    schema = json_schema()
    assert set(schema["properties"]) == set(EXAMPLE)
    assert schema["additionalProperties"] is False


def test_a_table_is_told_where_it_can_be_read(tmp_path):
    (tmp_path / "points.csv").write_text("case,landmark,x,y,z\n7,TCD1,1,2,3\n")
    with pytest.raises(DataError, match=r"a table, .* with --split; a submission is made of them with .*Predictions"):
        Predictions.load(tmp_path / "points.csv")


def test_the_published_schema_is_current():
    published = Path(__file__).parent.parent / "docs" / "predictions.schema.json"
    assert json.loads(published.read_text()) == json_schema(), (
        "run `dgmld-bench schema --json docs/predictions.schema.json`"
    )
