"""Is the committed board what the submissions give? For CI: nothing stale, nothing vanished, nothing moved."""

from __future__ import annotations

import csv
import io
import shutil
import tempfile
from pathlib import Path

from dgmld_bench.leaderboard.publish import OUTPUTS, SITE, publish

TOLERANCE = 1e-6


def find_differences(root: Path, data_dir: Path | None = None) -> list[str]:
    """Build the board anew in a temporary folder and return what is wrong with the committed one.

    The board is stale when a file differs; worse, and said first, is a row that vanished or a score that moved by more
    than 1e-6 although its submission did not change.
    """
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name)
        for folder in ("submissions", "leaderboard"):
            if (root / folder).is_dir():
                shutil.copytree(root / folder, copy / folder, ignore=shutil.ignore_patterns("site"))
        publish(copy, data_dir)
        before, after = (_rows(r / "leaderboard" / "results.csv") for r in (root, copy))
        problems = []
        for key, row in before.items():
            new = after.get(key)
            if new is None:
                problems.append(f"row vanished: {' / '.join(key)}")
            elif row["submission_sha256"] == new["submission_sha256"]:
                problems += _moved(key, row, new)
        for output in OUTPUTS:
            problems += _stale(root / output, copy / output, output)
        site = sorted(p.relative_to(copy) for p in (copy / SITE).rglob("*") if p.is_file())
        for file in site:
            problems += _stale(root / file, copy / file, str(file))
        return problems


def _stale(committed: Path, built: Path, name: str) -> list[str]:
    same = committed.is_file() and committed.read_bytes() == built.read_bytes()
    return [] if same else [f"stale: {name}; run `dgmld-bench leaderboard build` and commit what it writes"]


def _rows(path: Path) -> dict[tuple[str, ...], dict[str, str]]:
    if not path.is_file():
        return {}
    lines = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")))
    return {(r["track"], r["split"], r["id"]): r for r in lines}


def _moved(key: tuple[str, ...], before: dict[str, str], after: dict[str, str]) -> list[str]:
    moved = []
    for name in before:
        if not name.endswith(("_mm", "_std", "_percent")) or name == "values_mm":
            continue
        a, b = before[name], after.get(name, "")
        if a != b and (not a or not b or abs(float(a) - float(b)) > TOLERANCE):
            moved.append(f"score moved: {' / '.join(key)}: {name} was {a or 'empty'}, is {b or 'empty'}")
    return moved
