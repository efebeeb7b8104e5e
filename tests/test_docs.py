"""The pages under docs/ that teach by code: every block runs, in order, as a reader would type it."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


def blocks(page: Path) -> list[tuple[str, str]]:
    return re.findall(r"```(sh|python)\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder for all pages: each begins by generating the phantom, which is most of its time the first time."""
    return tmp_path_factory.mktemp("data")


@pytest.mark.timeout(900)  # a page trains a network, and starts the command a dozen times
@pytest.mark.parametrize("name", ["index", "your-model", "my-hospital", "extending"])
def test_the_blocks_of_a_page_run_in_order(data, tmp_path, monkeypatch, name):
    monkeypatch.setenv("DGMLD_BENCH_DATA", str(data))
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    checkout = tmp_path / "checkout"  # there readers are, and there some things are refused
    (checkout / ".git").mkdir(parents=True)
    monkeypatch.chdir(checkout)
    for folder in ("docs", "submissions", "baselines", "dgmld_bench"):
        (checkout / folder).symlink_to(ROOT / folder)
    namespace = {"__name__": name}
    for language, block in blocks(DOCS / f"{name}.md"):
        if language == "python":
            exec(compile(block, f"{name}.md", "exec"), namespace)
            continue
        for line in block.splitlines():
            command = [
                str(Path(word).expanduser()) if word.startswith("~") else word
                for word in shlex.split(line, comments=True)
            ]
            if command[:2] == ["pip", "install"]:  # it is installed
                continue
            assert command[0] == "dgmld-bench"
            result = subprocess.run(
                [sys.executable, "-m", "dgmld_bench", *command[1:]], capture_output=True, text=True, check=False
            )
            assert result.returncode == (1 if command[1] == "validate" else 0), result.stderr + result.stdout


def test_every_page_is_reached_from_the_index():
    index = (DOCS / "index.md").read_text("utf-8")
    named = re.findall(r"^([\w-]+)$", "\n".join(re.findall(r"```{toctree}(.*?)```", index, re.DOTALL)), re.MULTILINE)
    assert sorted(named) == sorted(p.stem for p in DOCS.glob("*.md") if p.stem != "index")


@pytest.mark.skipif(shutil.which("sphinx-build") is None, reason="Sphinx is not installed (extra 'docs')")
def test_the_site_builds_without_a_warning(tmp_path):
    result = subprocess.run(
        ["sphinx-build", "-W", "-q", "-b", "html", DOCS, tmp_path], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert "../index.html" in (tmp_path / "index.html").read_text("utf-8")
    api = (tmp_path / "api.html").read_text("utf-8")
    assert "spacing_mm" in api
    assert ">Type<" not in api  # a colon in the first sentence of a property cuts it there
