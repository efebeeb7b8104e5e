"""The plan of the house: imports go one way, a data source is one file, a method is one folder."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parent.parent
SECTION = re.compile(r"^(\w[\w ]*)\n-{3,}$", re.MULTILINE)


def modules(root: Path) -> dict[str, Path]:
    """Return the file of every module of the benchmark and the baselines, by its dotted name."""
    files = [path for package in ("dgmld_bench", "baselines") for path in (root / package).rglob("*.py")]
    return {".".join(p.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): p for p in files}


def imported(tree: ast.AST, known: set[str]) -> Iterator[str]:
    """Yield the known modules that a module names in an import, in functions and for type checks too.

    ``import_module(f"a.{name}.b")`` may import every module whose name fits.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from known.intersection(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level and node.module, "imports here are absolute"
            parts = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (part if part in known else node.module for part in parts if {part, node.module} & known)
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "import_module":
            parts = [re.escape(v.value) if isinstance(v, ast.Constant) else "[^.]+" for v in node.args[0].values]
            yield from filter(re.compile("".join(parts)).fullmatch, known)


@cache
def imports(root: Path) -> dict[str, set[str]]:
    """Return which modules each module imports."""
    files = modules(root)
    trees = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in files.items()}
    return {name: set(imported(tree, set(files))) - {name} for name, tree in trees.items()}


def test_no_module_imports_one_that_imports_it_at_any_depth() -> None:
    try:
        list(TopologicalSorter(imports(ROOT)).static_order())
    except CycleError as error:
        raise AssertionError(f"imports go in a circle: {' <- '.join(error.args[1])}") from None


def test_imports_follow_the_list_in_contributing() -> None:
    text = (ROOT / ".github" / "CONTRIBUTING.md").read_text(encoding="utf-8")
    listed = text[text.index("`errors`") : text.index("; then `baselines/`")]
    level = {name: n for n, layer in enumerate(listed.split("·")) for name in re.findall(r"`(\w+)/?`", layer)}
    files = modules(ROOT)
    parts = {name: name.split(".")[1] for name in files if re.match(r"dgmld_bench\.(?!version|__main__)", name)}
    assert set(level) == set(parts.values())
    targets = imports(ROOT)
    back = [(m, t) for m in parts for t in targets[m] & set(parts) if level[parts[t]] > level[parts[m]]]
    assert not back
    assert not [m for m in parts if any(target.startswith("baselines") for target in targets[m])]


def test_each_folder_says_what_lives_in_it_and_what_it_imports() -> None:
    for place in sorted((ROOT / "dgmld_bench").glob("*/__init__.py")):
        said = ast.get_docstring(ast.parse(place.read_text(encoding="utf-8")))
        assert said and len(said.splitlines()) >= 3 and re.search(r"\bimports?\b", said), place


SOURCE_FILE = '''
"""Three films of a tiny hospital."""
from pathlib import Path
from typing import Any

import numpy as np

from dgmld_bench.cases import Case
from dgmld_bench.landmarks import LandmarkSet
from dgmld_bench.sources.base import Scan, Source
from dgmld_bench.sources.reading import film_case
from dgmld_bench.storage.register import CaseFiles, Register
from dgmld_bench.tracks import Split


class Tiny(Source):
    name, title, licence, url, how_to_get = "tiny", "Tiny hospital", "CC0", "https://example.org", "Draw them."
    gives = (Split("tiny", "ceph", "tiny", "test", "Tiny", 3, True, ("1", "2", "3")),)

    def scan(self, path: Path, **options: Any) -> Scan:
        return Scan([CaseFiles(p.stem, "tiny", str(p)) for p in sorted(path.glob("*.png"))])

    def read(self, files: CaseFiles, landmark_set: LandmarkSet, register: Register, *, withheld: bool) -> Case:
        points = np.full((len(landmark_set), 2), 5.0)
        return film_case(
            files, landmark_set, register, annotations=lambda: {"a": points}, pixel_spacing_mm=0.5, withheld=withheld
        )


SOURCE = Tiny()
'''

METHOD_FILE = '''
"""Tiny: the baseline under another name."""
from baselines.baseline.run import METHOD as BASELINE
from baselines.common.command import main
from dataclasses import replace

METHOD = replace(BASELINE, name="Tiny")

if __name__ == "__main__":
    main(METHOD)
'''


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A checkout of one's own, to which files are added and in which none is changed."""
    for package in ("dgmld_bench", "baselines"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def python(place: Path, *arguments: str) -> str:
    """Run Python in a copy and return what it prints."""
    environment = os.environ | {"PYTHONPATH": str(place), "DGMLD_BENCH_DATA": str(place / "data"), "COLUMNS": "200"}
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_data_source_is_one_file(copy: Path) -> None:
    (copy / "dgmld_bench" / "sources" / "tiny.py").write_text(SOURCE_FILE)
    (copy / "films").mkdir()
    for name in ("1", "2", "3"):
        Image.new("L", (20, 20)).save(copy / "films" / f"{name}.png")
    program = ("-m", "dgmld_bench")
    assert "hamedan, tiny, phantom or own" in " ".join(python(copy, *program, "import", "--help").split())
    assert "Registered 3 complete cases of tiny" in python(copy, *program, "import", "tiny", "films")
    assert "Tiny hospital" in python(copy, *program, "datasets")
    points = {n: [[5, 7]] * 19 for n in ("1", "2", "3")}  # two pixels of half a millimetre away
    (copy / "mine.json").write_text(json.dumps(points))
    scored = json.loads(python(copy, *program, "score", "mine.json", "--split", "tiny", "--json", "-"))
    assert scored["mre_mm"]["mean"] == 1.0 and scored["complete"]
    tests = python(copy, "-c", "import dgmld_bench as db; print(db.get_track('ceph').tests[-1])")
    assert tests.strip() == "tiny"


def test_a_method_is_one_folder(copy: Path) -> None:
    place = copy / "baselines" / "tiny"
    place.mkdir()
    (place / "__init__.py").touch()
    (place / "run.py").write_text(METHOD_FILE)
    names = python(copy, "-c", "from baselines.common.registry import methods; print(*methods())").split()
    assert names[:5] == ["baseline", "augdg", "edgedg", "segdg", "bapdg"] and "tiny" in names[5:]
    cells = python(copy, "baselines/sweep.py", "--dry-run", "--track", "phantom", "--preset", "smoke", "--seeds", "0")
    assert "baselines/tiny/run.py" in cells
    assert "Tiny" in python(copy, "baselines/tiny/run.py", "--help")


def test_examples_stand_under_their_heading():
    """Under another heading, such as Raises, the documentation shows them as part of it."""
    wrong = []
    for name, path in modules(ROOT).items():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and ">>>" in (text := ast.get_docstring(node) or ""):
                headings = SECTION.findall(text[: text.index(">>>")])
                if headings and headings[-1] != "Examples":
                    wrong.append(f"{name}: {node.name}")
    assert not wrong
