"""The scripts of ``baselines/`` from a checkout: with the packages they need, but without this one installed."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from baselines import demo
from dgmld_bench.files import read_json

ROOT = Path(__file__).parents[1]
SCRIPTS = [ROOT / "baselines" / name for name in ("bapdg/run.py", "edgedg/run.py", "predict.py", "sweep.py")]


@pytest.fixture(scope="module")
def without(tmp_path_factory):
    """Run a script in a Python that has every package but this one and those named."""

    def run(script: Path, *arguments: object, absent: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        place = tmp_path_factory.mktemp("packages")
        for folder in [Path(p) for p in sys.path if p.endswith("-packages")]:
            for entry in folder.iterdir():
                if not entry.name.startswith(("dgmld", "_dgmld", "__editable__", *absent)):
                    (place / entry.name).symlink_to(entry)
        environment = {**os.environ, "PYTHONPATH": str(place), "COLUMNS": "400"}
        return subprocess.run(  # -S: no site-packages of its own
            [sys.executable, "-S", str(script), *map(str, arguments)],
            capture_output=True,
            text=True,
            env=environment,
            cwd=place,
            check=False,
        )

    return run


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_help_needs_no_pytorch(without, script):
    result = without(script, "--help", absent=("torch",))
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("method", ["baseline", "bapdg"])
def test_without_pytorch_one_sentence_says_what_to_install(without, tmp_path, method):
    result = without(
        ROOT / f"baselines/{method}/run.py", "--track", "phantom", "--data-dir", tmp_path, absent=("torch",)
    )
    assert result.returncode == 2
    assert result.stderr.startswith("error: training needs torch, not installed") and "[baselines]" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())  # nothing was generated first


@pytest.mark.parametrize("method, names_it", [("edgedg", True), ("baseline", False), ("bapdg", False)])
def test_only_a_method_that_uses_a_package_asks_for_it(without, brains, tmp_path, method, names_it):
    result = without(
        ROOT / f"baselines/{method}/run.py",
        *("--track", "dgmld", "--data-dir", brains, "--preset", "smoke", "--seeds", "0", "--out", tmp_path / "run"),
        absent=("SimpleITK",),
    )
    assert ("needs SimpleITK, not installed" in result.stderr) is names_it
    assert result.returncode == (2 if names_it else 0)


def test_the_source_distribution_holds_whatever_the_repository_holds():
    tracked = subprocess.run(["git", "-C", ROOT, "ls-files"], capture_output=True, text=True, check=False)
    if tracked.returncode:
        pytest.skip("not a checkout")
    build = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]
    included = set(build["targets"]["sdist"]["include"])
    by_itself = {"pyproject.toml", ".gitignore"}  # the build puts them in
    of_this_ci = {".ci"}
    assert {name.partition("/")[0] for name in tracked.stdout.splitlines()} == included | by_itself | of_this_ci


def test_the_demo_ends_with_commands_that_fit_a_terminal_and_can_be_pasted(tmp_path):
    text = demo.next_steps("phantom-feta", Path("demo"), tmp_path / "a folder", 80)
    assert max(map(len, text.splitlines())) <= max(80, len(str(tmp_path)) + 20)
    text = demo.next_steps("phantom-feta", Path("demo"), Path("demo/data"), 80)
    assert max(map(len, text.splitlines())) <= 80
    commands = [line for line in text.replace("\\\n", "").splitlines()[1:] if not line.startswith("#")]
    show, compare, score, serve = (shlex.split(command)[1:] for command in commands)
    at = ["--split", "phantom-feta", "--data-dir", "demo/data"]
    assert show == ["show", "7", "--predictions", "demo/baseline/predictions.json", *at]
    assert compare == ["compare", "demo/baseline/predictions.json", "demo/bapdg/predictions.json", *at]
    assert score == ["score", "YOUR.json", *at] and serve == ["leaderboard", "serve"]


def test_every_script_finds_the_checkout():
    for script in [*ROOT.glob("baselines/*/run.py"), *(p for p in ROOT.glob("baselines/*.py") if p.stem != "__init__")]:
        depth = len(script.relative_to(ROOT).parts) - 1
        assert f"sys.path.insert(0, str(Path(__file__).parents[{depth}]))" in script.read_text("utf-8"), script


@pytest.mark.heavy
def test_a_run_without_the_package_installed_writes_everything(without, tmp_path):
    result = without(
        ROOT / "baselines/baseline/run.py",
        *("--track", "phantom", "--preset", "smoke", "--seeds", "0", "--device", "cpu"),
        *("--data-dir", tmp_path / "data", "--out", tmp_path / "out"),
    )
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "out/predictions.json").is_file()
    assert read_json(tmp_path / "out/run.json")["versions"]["dgmld-bench"]
