"""The examples of the README and of docs/own-data.md run as they stand."""

import os
import re
import shutil
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
    example, scoring = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    exec(example, {})
    (command, shown) = re.findall(r"\$ dgmld-bench (import own .*?)\n(.*?)\n…", text, re.DOTALL)[0]
    result = subprocess.run(
        [sys.executable, "-m", "dgmld_bench", *command.split()], capture_output=True, text=True, check=True
    )
    assert [line.rstrip() for line in shown.splitlines()] == [
        line.rstrip() for line in result.stdout.splitlines()[: len(shown.splitlines())]
    ]
    exec(scoring, {})


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
        name, _, heading = target.partition("#")
        assert (README.parent / name).exists(), target
        lines = (README.parent / name).read_text("utf-8").splitlines() if heading else ()
        slugs = {re.sub(r"[^\w\- ]", "", x.lstrip("# ").lower()).replace(" ", "-") for x in lines if x.startswith("#")}
        assert not heading or heading in slugs, target


def fresh_environment(folder):
    """Make a virtual environment that finds the packages of this one, but nothing of this repository."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    linked = folder / "packages"
    linked.mkdir()
    for place in [Path(p) for p in sys.path if p.endswith("-packages")]:
        for entry in place.iterdir():
            if (
                not entry.name.startswith(("pip-", "dgmld", "_dgmld", "__editable__"))
                and not (linked / entry.name).exists()
            ):
                (linked / entry.name).symlink_to(entry)
    (site / "packages.pth").write_text(f"{linked}\n")


@pytest.mark.heavy
@pytest.mark.timeout(1800)
def test_every_block_of_the_readme_runs_in_order_in_a_fresh_environment(tmp_path):
    checkout, environment = tmp_path / "checkout", tmp_path / "environment"
    subprocess.run(["git", "clone", "--quiet", "--shared", README.parent, checkout], check=True)
    shutil.copy(README, checkout)
    fresh_environment(environment)
    variables = {
        **os.environ,
        "PATH": f"{environment / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "DGMLD_BENCH_DATA": str(tmp_path / "data"),
        "VIRTUAL_ENV": str(environment),
    }
    blocks = re.findall(r"```(sh|python)\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert {language for language, _ in blocks} == {"sh", "python"}
    for language, block in blocks:
        # `make` makes an environment of its own and is tested by being the way that all tests are run.
        block = "\n".join(line for line in block.splitlines() if not line.startswith("make "))
        command = ["sh", "-e", "-c", block]
        if language == "python":
            command = [environment / "bin/python", "-c", block]
        result = subprocess.run(command, cwd=checkout, env=variables, capture_output=True, text=True, check=False)
        assert result.returncode == 0, f"{block}\n{result.stdout}{result.stderr}"
