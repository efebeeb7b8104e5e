"""Is the committed board what the submissions give? For CI: nothing stale, nothing vanished, nothing moved."""

from __future__ import annotations

import csv
import io
import tempfile
from pathlib import Path

from dgmld_bench.leaderboard.build import Progress
from dgmld_bench.leaderboard.project import copy_what_builds_the_board
from dgmld_bench.leaderboard.publish import OUTPUTS, RESULTS, SITE, publish
from dgmld_bench.leaderboard.records import ERRORS
from dgmld_bench.leaderboard.revisions import read_file
from dgmld_bench.leaderboard.submissions import FOLDER

TOLERANCE = 1e-6

Rows = dict[tuple[str, ...], dict[str, str]]


def find_differences(
    root: Path, data_dir: Path | None = None, base: str | None = None, progress: Progress | None = None
) -> list[str]:
    """Build the board anew in a temporary folder and return what is wrong with the committed one.

    The board is stale when a file differs; worse, and said first, is a row that vanished though its submission is
    there, a row that lost its score, or a score that moved by more than 1e-6 although its submission did not change.

    Parameters
    ----------
    root : Path
        The repository.
    data_dir : Path, optional
    base : str, optional
        A commit whose board must not lose a row or move a score either: a pull request's base. Without it, only the
        board as it is committed now is compared.
    progress : callable, optional
        Called with how many submissions are done and how many there are.

    Raises
    ------
    UsageError
        When ``base`` is no commit of the repository.
    """
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name)
        copy_what_builds_the_board(root, copy)
        publish(copy, data_dir, progress)
        results = root / RESULTS
        texts = [results.read_text("utf-8", "replace") if results.is_file() else ""]
        if base is not None:
            texts.append(read_file(root, base, RESULTS).decode("utf-8", "replace"))
        after = _rows((copy / RESULTS).read_text("utf-8"))
        before = [{k: row for k, row in _rows(text).items() if not _withdrawn(root, k, row)} for text in texts]
        problems = list(dict.fromkeys(p for rows in before for p in _lost_or_moved(rows, after)))
        for output in OUTPUTS:
            problems += _stale(root / output, copy / output, output)
        built, committed = (_files(r) for r in (copy, root))
        for file in built:
            problems += _stale(root / file, copy / file, file)
        problems += [f"stale: {file} is of an earlier board" for file in committed if file not in built]
        return problems


def _files(root: Path) -> list[str]:
    found = (p for folder in (SITE, ERRORS) for p in (root / folder).rglob("*") if p.is_file())
    return sorted(p.relative_to(root).as_posix() for p in found)


def _stale(committed: Path, built: Path, name: str) -> list[str]:
    same = committed.is_file() and committed.read_bytes() == built.read_bytes()
    return [] if same else [f"stale: {name}; run `dgmld-bench leaderboard build` and commit what it writes"]


def _rows(text: str) -> Rows:
    """Return the rows that can be read: a table with marks of a merge is stale, which is said besides."""
    lines = csv.DictReader(io.StringIO(text.replace("\0", ""), newline=""))
    try:
        return {key: row for row in lines if all(key := tuple(row.get(k) or "" for k in ("track", "split", "id")))}
    except csv.Error:
        return {}


def _withdrawn(root: Path, key: tuple[str, ...], row: dict[str, str]) -> bool:
    """Return whether a row is of a submission whose file was removed."""
    track, _, name = key
    return bool(row.get("submission_sha256")) and not (root / FOLDER / track / f"{name}.json").is_file()


def _lost_or_moved(before: Rows, after: Rows) -> list[str]:
    problems = []
    for key, row in before.items():
        new = after.get(key)
        if new is None:
            problems.append(f"row vanished: {' / '.join(key)}")
        elif row.get("mre_mm") and not new["mre_mm"]:
            problems.append(
                f"score lost: {' / '.join(key)}: its submission changed; build where the reference is on disk"
            )
        elif row.get("submission_sha256") == new["submission_sha256"]:
            problems += _moved(key, row, new)
    return problems


def _moved(key: tuple[str, ...], before: dict[str, str], after: dict[str, str]) -> list[str]:
    moved = []
    for name in after:
        if not name.endswith(("_mm", "_std", "_percent")) or name not in before:
            continue
        a, b = before[name], after[name]
        if a and a != b and not _near(a, b):  # what was empty has been scored since
            moved.append(f"score moved: {' / '.join(key)}: {name} was {a}, is {b or 'empty'}")
    return moved


def _near(a: str, b: str) -> bool:
    try:
        return abs(float(a) - float(b)) <= TOLERANCE
    except ValueError:
        return False
