from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from PIL import Image
from typer.testing import CliRunner, Result

from dgmld_bench.cli import data as commands
from dgmld_bench.sources import get_source, source_names
from tests.trees import isbi


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    monkeypatch.setenv("DGMLD_BENCH_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "200")
    app = typer.Typer()
    commands.register(app)

    def invoke(*arguments: object) -> Result:
        return CliRunner().invoke(app, [str(a) for a in arguments])

    return invoke


def test_import_lists_what_is_there_and_what_is_not(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    isbi(tmp_path / "films", [1, 151, 152])
    (tmp_path / "films/AnnotationsByMD/400_senior/152.txt").unlink()
    result = run("import", "isbi", tmp_path / "films")
    assert result.exit_code == 0
    assert "Registered 2 complete cases of isbi" in result.output
    assert "1/150" in result.output and "0/100" in result.output
    assert "isbi/152" in result.output and "152.txt: no such file" in result.output


def test_import_json_is_clean_on_standard_output(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    isbi(tmp_path / "films", [151])
    value = json.loads(run("import", "isbi", tmp_path / "films", "--copy", "--json", "-").stdout)
    counts = {s["name"]: (s["cases"], s["cases_expected"]) for s in value["splits"]}
    assert counts == {"isbi-train": (0, 150), "isbi-val": (0, 100), "isbi": (1, 150)}
    assert value["copied"] is True and value["problems"][0]["where"] == "TrainingData"


def test_exit_codes_and_no_traceback(tmp_path: Path) -> None:
    def program(*arguments: str) -> subprocess.CompletedProcess[str]:
        code = (
            "import dgmld_bench.cli.app as a; a._COMMAND_MODULES = ('data',); from dgmld_bench.cli import main; main()"
        )
        data = ["--data-dir", str(tmp_path / "data")]
        return subprocess.run(
            [sys.executable, "-c", code, *arguments, *data], capture_output=True, text=True, check=False
        )

    (tmp_path / "empty").mkdir()
    nothing = program("import", "isbi", str(tmp_path / "empty"), "--json", str(tmp_path / "out.json"))
    assert nothing.returncode == 1 and nothing.stderr.startswith("error: no case of 'isbi' below")
    assert json.loads((tmp_path / "out.json").read_text())["splits"] == []
    wrong = program("import", "isbu", str(tmp_path / "empty"))
    assert wrong.returncode == 2 and "did you mean 'isbi'" in wrong.stderr
    pku = program("import", "pku", str(tmp_path / "empty"))
    assert pku.returncode == 2 and "never assumed" in pku.stderr
    assert "Traceback" not in nothing.stderr + wrong.stderr + pku.stderr


def test_datasets_shows_every_source_and_split(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    isbi(tmp_path / "films", [151])
    run("import", "isbi", tmp_path / "films")
    result = run("datasets")
    assert result.exit_code == 0
    for name in source_names():
        assert name in result.output and get_source(name).licence in " ".join(result.output.split())
    assert "1/150" in result.output and "0/120" in result.output and "out of domain" in result.output
    value = json.loads(run("datasets", "--json", "-").stdout)
    sources = {s["name"]: s for s in value["sources"]}
    assert list(sources) == list(source_names())
    assert sources["isbi"]["on_disk"] and not sources["pku"]["on_disk"]
    assert [s["cases"] for s in sources["isbi"]["splits"]] == [0, 0, 1]


def test_datasets_notices_files_that_moved_away(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    isbi(tmp_path / "films", [151, 152])
    run("import", "isbi", tmp_path / "films")
    (tmp_path / "films/RawImage/Test1Data/151.bmp").unlink()
    assert "1 registered case has moved away" in run("datasets").output
    sources = {s["name"]: s for s in json.loads(run("datasets", "--json", "-").stdout)["sources"]}
    test_split = sources["isbi"]["splits"][2]
    assert (test_split["cases"], test_split["cases_moved"]) == (1, 1)


def test_a_register_that_cannot_be_read_hides_no_other_source(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    isbi(tmp_path / "films", [151])
    run("import", "isbi", tmp_path / "films")
    for name in ("phantom", "own/clinic"):
        (tmp_path / "data" / name).mkdir(parents=True)
        (tmp_path / "data" / name / "register.json").write_text('{"format": "of another version"}')
    output = " ".join(run("datasets").output.split())
    assert "1/150" in output and "register.json: not a register of this version" in output
    sources = {s["name"]: s for s in json.loads(run("datasets", "--json", "-").stdout)["sources"]}
    assert "import or download the source again" in sources["phantom"]["fault"] and not sources["phantom"]["on_disk"]
    assert sources["isbi"]["fault"] is None and sources["own/clinic"]["splits"] == []


def test_an_unknown_source_is_answered_with_what_import_takes(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    assert str(run("import", "nowhere", tmp_path).exception).endswith("hamedan, phantom, own")
    assert "`import own PATH --name clinic`" in str(run("import", "own/clinic", tmp_path).exception)


def test_the_next_command_can_be_pasted(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "in/images").mkdir(parents=True)
    Image.linear_gradient("L").save(tmp_path / "in/images/p [red]1.png")
    (tmp_path / "in/landmarks.csv").write_text("case,landmark,x,y\np [red]1,sella,10,20\n")
    arguments = ("--name", "clinic", "--landmarks", "cephalometric", "--spacing-mm", 0.1)
    output = run("import", "own", tmp_path / "in", *arguments).output
    assert "Next: dgmld-bench show 'p [red]1' --split own/clinic" in output


def test_a_file_in_place_of_the_data_folder_is_named(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "data").write_text("")
    assert "is a file, expected the data folder" in str(run("datasets").exception)


def test_names_are_whole_on_a_narrow_terminal(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("COLUMNS", "40")
    output = run("datasets").output
    for name in source_names():
        for split in get_source(name).splits:
            assert split in output
