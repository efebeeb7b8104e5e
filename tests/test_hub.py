"""The board as a data set for the hub: whole, readable by the libraries that will read it, and without a reference."""

import csv
import json
import subprocess
import sys

import numpy as np
import pytest

from dgmld_bench.errors import UsageError
from dgmld_bench.files import read_json
from dgmld_bench.leaderboard.hub import export_board
from dgmld_bench.leaderboard.publish import publish
from dgmld_bench.leaderboard.records import read_record
from dgmld_bench.text import yaml_lines
from tests.submissions import make_repository

RAI = ("AnnotationProtocol", "Biases", "Collection", "CollectionType", "Limitations", "PreprocessingProtocol")
RAI += ("ReleaseMaintenancePlan", "UseCases")


@pytest.fixture(scope="module")
def repository(tmp_path_factory, isbi_films):
    root = make_repository(tmp_path_factory.mktemp("hub") / "repository", isbi_films)
    publish(root, isbi_films)
    return root


@pytest.fixture(scope="module")
def exported(repository, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "board"
    export_board(repository, out, "me/board")
    return out


def lines(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_every_verified_error_is_there_and_the_table_is_the_boards(exported, repository):
    record = read_record(repository / "leaderboard/errors/ceph/good-unet/isbi.json")
    rows = [r for r in lines(exported / "errors/isbi.csv") if r["submission"] == "good-unet"]
    np.testing.assert_array_equal([float(r["error_mm"]) for r in rows], record.errors.errors_mm.ravel())
    assert (rows[0]["case"], rows[0]["seed"], rows[0]["landmark"]) == ("151", "0", "sella")
    assert (exported / "results.csv").read_bytes() == (repository / "leaderboard/results.csv").read_bytes()
    for path in (repository / "submissions").rglob("*.json"):
        assert (exported / path.relative_to(repository)).read_bytes() == path.read_bytes()


def test_the_evaluation_results_are_as_the_hub_documents_them(exported):
    yaml = pytest.importorskip("yaml")
    benchmark = yaml.safe_load((exported / "eval.yaml").read_text("utf-8"))
    assert benchmark["tasks"] == [{"id": "isbi", "config": "ceph", "split": "isbi"}]
    assert {"name", "description", "evaluation_framework"} < benchmark.keys()
    (result,) = yaml.safe_load((exported / "models/ceph/good-unet/.eval_results/dgmld-bench.yaml").read_text("utf-8"))
    assert result["dataset"] == {"id": "me/board", "task_id": "isbi"} and result["value"] == pytest.approx(0.7)
    assert result["source"]["url"].startswith("https://") and result["evaluation_framework"] == "dgmld-bench"
    assert "lower is better" in result["notes"] and "target-val" in result["notes"]
    assert result.keys() <= {"dataset", "value", "date", "source", "evaluation_framework", "notes"}
    head = yaml.safe_load((exported / "README.md").read_text("utf-8").split("---\n")[1])
    assert [c["config_name"] for c in head["configs"]] == ["results", "ceph"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # older pandas leave the table open
def test_datasets_loads_the_folder(exported, tmp_path):
    datasets = pytest.importorskip("datasets")
    loaded = datasets.load_dataset(str(exported), "ceph", split="isbi", cache_dir=str(tmp_path))
    assert loaded.num_rows == len(lines(exported / "errors/isbi.csv"))


@pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning")  # mlcroissant's use of rdflib
@pytest.mark.parametrize("track", ["dgmld", "open", "ceph", "phantom"])
def test_mlcroissant_accepts_every_track(exported, track):
    mlc = pytest.importorskip("mlcroissant", reason="mlcroissant is not installed (extra 'dev')")
    path = exported / f"croissant-{track}.json"
    dataset = mlc.Dataset(jsonld=str(path))
    assert not dataset.metadata.ctx.issues.errors and not dataset.metadata.ctx.issues.warnings
    value = read_json(path)
    assert value["conformsTo"][0].endswith("/1.1") and {f"rai:data{name}" for name in RAI} <= value.keys()
    assert value["rai:personalSensitiveInformation"]
    if track == "ceph":
        row = next(iter(dataset.records("errors-isbi")))
        assert (row["errors-isbi/submission"], row["errors-isbi/landmark"]) == (b"strict-unet", b"sella")
        assert row["errors-isbi/error_mm"] == pytest.approx(0.1 * (9 + 4 + 151 % 3))
        kinds = {row["results/kind"] for row in dataset.records("results")}
        assert kinds == {b"measured", b"reported", b"annotator"}


def test_no_reference_and_nothing_of_this_machine_is_in_it(exported):
    for path in exported.rglob("*"):
        if path.is_file() and "submissions" not in path.parts:
            text = path.read_text("utf-8")
            assert str(exported.parent) not in text and '"points"' not in text


def test_what_is_there_stays_and_a_wrong_name_is_said(repository, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="nothing was written"):
        export_board(repository, tmp_path, "me/board")
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]
    with pytest.raises(UsageError, match="expected OWNER/NAME"):
        export_board(repository, tmp_path / "out", "../board")


def test_the_command(repository, tmp_path):
    command = [sys.executable, "-m", "dgmld_bench", "leaderboard", "export", tmp_path / "out", "--root", repository]
    done = subprocess.run([*map(str, command), "--hub-id", "me/board"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"hf upload me/board {tmp_path / 'out'} --repo-type dataset" in done.stdout
    assert (tmp_path / "out/README.md").is_file()


def test_yaml_of_hostile_text():
    yaml = pytest.importorskip("yaml")
    value = {"a": ["x: y", "- z", "#", "\u2028", "'\"", "\x00"], "b": {"c": [{"d": None, "e": 1.5}], "f": {}}}
    assert yaml.safe_load("\n".join(yaml_lines(json.loads(json.dumps(value))))) == value
