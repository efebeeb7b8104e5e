"""A pull request that submits: its files are read out of git as data, and judged by the code that runs here.

Nothing of the pull request is checked out, imported or executed: the list of changes comes from ``git diff-tree``, the
submission from ``git cat-file``, size first. What strangers wrote reaches the report as escaped, shortened text.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dgmld_bench.errors import DataError
from dgmld_bench.leaderboard.build import build_board
from dgmld_bench.leaderboard.layouts import PAPER_METHODS
from dgmld_bench.leaderboard.model import FLAGS, Row, TrackBoard
from dgmld_bench.leaderboard.project import keepers
from dgmld_bench.leaderboard.records import ERRORS
from dgmld_bench.leaderboard.reported import FILE as REPORTED
from dgmld_bench.leaderboard.revisions import Change, find_commit, list_changes, merge_base, read_blob
from dgmld_bench.leaderboard.site import render
from dgmld_bench.leaderboard.submissions import (
    FOLDER,
    MAX_BYTES,
    MAX_SIDECAR_BYTES,
    SIDECAR,
    find_faults,
    list_submissions,
    place_of,
)
from dgmld_bench.leaderboard.tables import interval_text
from dgmld_bench.scoring.metrics import SDR_THRESHOLDS_MM
from dgmld_bench.splits import get_split, get_track
from dgmld_bench.text import clean, code_span, markdown, mean_std, table_head, table_row

_PLAIN = "100644"
_MODES = {"120000": "a symbolic link", "160000": "a submodule", "100755": "an executable file", "040000": "a folder"}
_CHANGES = {"M": "changes", "D": "deletes", "T": "changes the type of"}
_MAX_LISTED = 20
_MAX_READ = 4  # files that are looked into: two submissions with their sidecars, if there are two


@dataclass(frozen=True)
class Review:
    """What is wrong with a pull request; where nothing is, the track's board without it and with it.

    Attributes
    ----------
    faults : tuple of str
        One line each; empty when the pull request is a submission.
    track, id : str
        Of the submission; empty where there are faults.
    before, after : TrackBoard or None
    keepers : tuple of str
        The authors of the benchmark.
    """

    faults: tuple[str, ...]
    track: str = ""
    id: str = ""
    before: TrackBoard | None = None
    after: TrackBoard | None = None
    keepers: tuple[str, ...] = ()

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources whose references score the submission."""
        tests = get_track(self.track).tests if self.track else ()
        return tuple(dict.fromkeys(get_split(name).source for name in tests))


def review(root: Path, base: str, head: str, data_dir: Path | None = None, *, score: bool = True) -> Review:
    """Judge what ``head`` adds to ``base``: exactly one valid submission, and nothing else.

    Parameters
    ----------
    root : Path
        A checkout of ``base``, whose object store holds ``head`` too.
    base, head : str
        Commits; changes are counted from their merge base.
    data_dir : Path, optional
        Where references are; a split without one is awaiting verification.
    score : bool
        False: only validate.

    Raises
    ------
    UsageError
        When ``root`` is no repository, or a commit is not in it.
    """
    base, head = (find_commit(root, name) for name in (base, head))
    changes = list_changes(root, merge_base(root, base, head), head)
    faults, added = _faults_of(changes)
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name)
        for change in added[:_MAX_READ]:
            limit = MAX_SIDECAR_BYTES if change.path.endswith(SIDECAR) else MAX_BYTES
            place = copy / change.path  # place_of has matched it: two plain names below submissions/
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                place.write_bytes(read_blob(root, change, limit))
            except DataError as error:
                faults.append(str(error))
        found = list_submissions(copy)
        faults += [f"{path.relative_to(copy)}: {fault}" for path in found for fault in find_faults(path, copy)]
        if faults:
            return Review(tuple(faults))
        (path,) = found
        track, submission = path.parent.name, path.stem
        if not score:
            return Review((), track, submission)
        boards = []
        for with_it in (False, True):
            one = copy / f"board-{with_it}"
            _copy_track(root, one, track, without=submission)
            if with_it:
                shutil.copytree(copy / FOLDER, one / FOLDER, dirs_exist_ok=True)
            board = build_board(one, data_dir)
            if faults := [f for f in board.faults if f.startswith(f"{path.relative_to(copy)}: ")]:
                return Review(tuple(faults))
            boards.append(next(t for t in board.tracks if t.track.name == track))
        for _ in render(board):  # what cannot be shown is found here, not after the merge
            pass
    before, after = boards
    return Review((), track, submission, before, after, keepers(root))


def _faults_of(changes: Sequence[Change]) -> tuple[list[str], list[Change]]:
    """Return what is wrong with the paths, and the changes that add a file where a submission has its files."""
    faults, added = [], []
    for change in changes:
        where = _shown(change.path)
        if change.status != "A":
            verb = _CHANGES.get(change.status, "changes")
            faults.append(f"{where}: {verb} a file that is there; a submission adds its own (choose another --tag)")
        elif not change.path.startswith(f"{FOLDER}/"):
            faults.append(f"{where}: outside {FOLDER}/; a submission adds its file and nothing else")
        elif change.mode != _PLAIN:
            faults.append(f"{where}: {_MODES.get(change.mode, f'mode {change.mode}')}, not a plain file")
        elif place_of(change.path) is None:
            faults.append(f"{where}: not {FOLDER}/TRACK/METHOD-BACKBONE[-TAG].json, lower case, of a known track")
        else:
            added.append(change)
    if len(faults) > _MAX_LISTED:
        faults[_MAX_LISTED:] = [f"and {len(faults) - _MAX_LISTED} more files at fault"]
    paths = [change.path for change in added]
    submissions = [path for path in paths if not path.endswith(SIDECAR)]
    if len(submissions) > 1 or not (faults or submissions):
        faults.append(f"{len(submissions)} submissions are added; a pull request adds exactly one")
    for path in paths:
        if path.endswith(SIDECAR) and path.removesuffix(SIDECAR) + ".json" not in submissions:
            faults.append(f"{_shown(path)}: belongs to no submission of this pull request")
    return faults, added


def _copy_track(root: Path, copy: Path, track: str, without: str) -> None:
    """Copy what the board of one track is built from; a checkout of the pull request holds its submission already."""
    folders = [f"{FOLDER}/{track}", f"{ERRORS}/{track}"]

    def leave_out(folder: str, names: list[str]) -> set[str]:  # deeper down, a split may be called the same
        own = {without, f"{without}.json", f"{without}{SIDECAR}"}
        return own & set(names) if folder in {str(root / one) for one in folders} else set()

    for folder in folders:
        if (root / folder).is_dir():
            shutil.copytree(root / folder, copy / folder, ignore=leave_out)
    (copy / REPORTED).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(root / REPORTED, copy / REPORTED)


def _shown(path: str) -> str:
    return clean(path, 120)


# --- the report ----------------------------------------------------------------------------------------------------


def report(found: Review) -> str:
    """Return the review as Markdown for a job summary, in which no stranger's text is more than text."""
    if found.faults:
        faults = [f"- {code_span(fault, 400)}" for fault in found.faults[:_MAX_LISTED]]
        if len(found.faults) > _MAX_LISTED:
            faults.append(f"- and {len(found.faults) - _MAX_LISTED} more faults")
        lines = ["## Not a submission yet", "", *faults, "", "How to submit: `submissions/README.md`."]
        return "\n".join(lines) + "\n"
    lines = [f"## Valid: `{FOLDER}/{found.track}/{found.id}.json`", ""]
    if found.after is None or found.before is None:
        return "\n".join(lines)
    rows = [(s.split.name, r) for s in found.after.splits for r in s.rows if r.id == found.id]
    one = next(row.submission for _, row in rows if row.submission)
    lines += [
        f"Method {markdown(one.method)} · {markdown(one.backbone)}, seeds {', '.join(map(str, one.seeds))}, selection "
        f"`{one.selection}`, trained on {', '.join(markdown(d) for d in one.training_data)}.",
        "",
    ]
    if flags := {f: None for _, row in rows for f in row.flags if f != "awaiting"}:
        lines += [f"- **{FLAGS[f][0]}**: {FLAGS[f][1]}" for f in flags]
    if not one.tag and one.method.lower() in map(str.lower, PAPER_METHODS):
        lines.append("- Without a tag it stands for the paper's method in the tables of README.md and docs/results.md.")
    if one.authors in found.keepers:
        lines.append("- It names the authors of this benchmark as its own: the front page will call its method theirs.")
    lines += [f"- The errors of a run on `{split}` are those of a run of `{twin}`." for split, twin in _twins(found)]
    lines += _scores(rows)
    lines += _changes_of_ranks(found.before, found.after, found.id)
    return "\n".join(lines)


def _twins(found: Review) -> Iterator[tuple[str, str]]:
    """Yield split and name of submissions of which a run errs exactly as one here: most likely the same predictions."""
    assert found.after is not None
    for split in found.after.splits:
        errors = {row.id: row.errors_mm for row in split.rows if row.errors_mm is not None}
        new = errors.pop(found.id, None)
        if new is not None:
            for name, old in errors.items():
                if any(np.array_equal(a, b) for a in new for b in old):
                    yield split.split.name, name


def _scores(rows: Sequence[tuple[str, Row]]) -> list[str]:
    scored = [(split, row) for split, row in rows if row.average is not None]
    lines = []
    if scored:
        head = [
            "split",
            "Average, mm",
            "95 % interval",
            *(f"SDR {t:g} mm" for t in SDR_THRESHOLDS_MM),
            "P95, mm",
            "rank",
        ]
        lines += ["", "### Scores", "", *table_head(head)]
        for split, row in scored:
            assert row.average is not None
            cells = [f"`{split}`", mean_std(row.average.mean, row.average.std), interval_text(row)]
            cells += ["–" if v is None else f"{v.mean:.1f} %" for v in row.sdr]
            cells += ["–" if row.p95 is None else f"{row.p95.mean:.2f}", _rank(row)]
            lines.append(table_row(cells))
    waiting = [f"`{split}`" for split, row in rows if row.average is None]
    if waiting:
        lines += ["", f"Awaiting verification on {', '.join(waiting)}: the references cannot be fetched here."]
    return lines


def _changes_of_ranks(before: TrackBoard, after: TrackBoard, new: str) -> list[str]:
    lines = []
    for old, now in zip(before.splits, after.splits, strict=True):
        ranks = {row.id: _rank(row) for row in old.rows}
        for row in now.rows:
            was, is_now = ranks.get(row.id, "–"), _rank(row)
            if was != is_now and row.kind != "reported":
                name = f"{markdown(row.name)} · {markdown(row.backbone)}"
                shown = f"**{name}**" if row.id == new else name
                lines.append(table_row([f"`{now.split.name}`", f"`{row.selection}`", shown, was, is_now]))
    if not lines:
        return ["", "### The board", "", "No rank changes.", ""]
    head = table_head(["split", "selection", "row", "rank before", "rank with it"])
    return ["", "### The board", "", *head, *lines, "", "A rank, the 95 % interval of it, and the tie group.", ""]


def _rank(row: Row) -> str:
    return f"{row.rank.rank} ({row.rank.low}–{row.rank.high}), group {row.rank.group or '–'}" if row.rank else "–"
