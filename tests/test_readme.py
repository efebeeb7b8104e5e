"""The examples of the README and of docs/own-data.md run as they stand."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from dgmld_bench.sources import get_source

README = Path(__file__).parents[1] / "README.md"
OWN_DATA = README.parent / "docs" / "own-data.md"


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    folder = tmp_path_factory.mktemp("phantom")
    get_source("phantom").generate(folder, size="small")
    return folder


def test_a_centre_of_ones_own_prints_what_its_page_says(phantom, tmp_path, monkeypatch):
    monkeypatch.setenv("DGMLD_BENCH_DATA", str(phantom))
    monkeypatch.chdir(tmp_path)
    text = OWN_DATA.read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    exec(example, {})
    (command, shown) = re.findall(r"\$ dgmld-bench (import own .*?)\n(.*?)\n…", text, re.DOTALL)[0]
    result = subprocess.run(
        [sys.executable, "-m", "dgmld_bench", *command.split()], capture_output=True, text=True, check=True
    )
    assert [line.rstrip() for line in shown.splitlines()] == [
        line.rstrip() for line in result.stdout.splitlines()[: len(shown.splitlines())]
    ]


def test_the_example_scores_a_model(phantom, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("DGMLD_BENCH_DATA", str(phantom))
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert len(example.splitlines()) <= 16
    exec(example, {})
    assert 5 < float(capsys.readouterr().out) < 200
    assert (tmp_path / "preds.json").is_file()


def test_every_file_that_the_readme_names_is_there():
    text = README.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)]+)\)", text) + re.findall(r"python (baselines/\S+\.py)", text):
        assert (README.parent / target).exists(), target
