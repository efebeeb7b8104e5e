"""The plan of the house: imports go one way."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parent.parent


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
