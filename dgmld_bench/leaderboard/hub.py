"""The board as a data set for the Hugging Face hub, so that its results outlive the host: plain files, nothing sent.

The folder holds the table of results, every verified radial error, the submissions as they were handed in, a card,
``eval.yaml`` (the data set as a benchmark, a task per test split), Croissant metadata per track, and for each
submission the ``.eval_results`` that belongs into its model's repository. No image, no reference point.
"""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from dgmld_bench.errors import UsageError
from dgmld_bench.files import write_text
from dgmld_bench.leaderboard.build import build_board
from dgmld_bench.leaderboard.hub_card import card, errors_file, measured_rows
from dgmld_bench.leaderboard.hub_croissant import track_croissant
from dgmld_bench.leaderboard.model import Board, Row, SplitBoard, TrackBoard
from dgmld_bench.leaderboard.project import copy_what_builds_the_board
from dgmld_bench.leaderboard.records import DIGITS
from dgmld_bench.leaderboard.submissions import FOLDER
from dgmld_bench.leaderboard.tables import results_csv, text_cell
from dgmld_bench.temporary import temporary_folder
from dgmld_bench.text import mean_std, yaml_lines

FRAMEWORK = "dgmld-bench"
RESULTS = "results.csv"
ERROR_COLUMNS = ("submission", "method", "backbone", "selection", "seed", "case", "landmark", "error_mm")
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def export_board(root: Path, out: Path, hub_id: str) -> Board:
    """Write the board of a repository as a data set: the verified errors as they are kept, no reference is needed.

    Parameters
    ----------
    root : Path
        The repository.
    out : Path
        A folder that does not exist or is empty.
    hub_id : str
        ``OWNER/NAME`` that the data set has on the hub; model repositories name it.

    Raises
    ------
    UsageError
        For an output that is not empty, or a name that is none of the hub's.
    DataError
        When a submission is at fault.
    """
    if not _HUB_ID.fullmatch(hub_id):
        raise UsageError(f"--hub-id '{hub_id}' is no name on the hub; expected OWNER/NAME")
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise UsageError(f"{out} is there and no empty folder; nothing was written. Name another folder")
    board = _read(root)
    out.parent.mkdir(parents=True, exist_ok=True)
    with temporary_folder(out.parent, out.name) as staging:
        whole = staging / "board"
        for path, text in files(board, hub_id):
            write_text(whole / path, text)
        for track in board.tracks:
            if (root / FOLDER / track.track.name).is_dir():
                shutil.copytree(root / FOLDER / track.track.name, whole / FOLDER / track.track.name)
        if out.is_dir():
            out.rmdir()
        whole.replace(out)
    return board


def _read(root: Path) -> Board:
    """Build the board of a copy: what is exported is what is verified, and the repository stays as it is."""
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name)
        copy_what_builds_the_board(root, copy)
        return build_board(copy, copy / "no data")


def files(board: Board, hub_id: str) -> Iterator[tuple[str, str]]:
    """Yield the generated files as path and text, in a fixed order."""
    texts = {RESULTS: results_csv(board)}
    for track in board.tracks:
        for split in track.splits:
            if rows := measured_rows(split):
                texts[errors_file(split)] = _errors_csv(track, rows)
    yield from texts.items()
    for track in board.tracks:
        value = track_croissant(board, track, hub_id, {k: v for k, v in texts.items() if _is_of(k, track)})
        yield f"croissant-{track.track.name}.json", json.dumps(value, indent=1, ensure_ascii=False) + "\n"
    shown = [split for track in board.tracks for split in track.splits if measured_rows(split)]
    yield "eval.yaml", "\n".join(yaml_lines(_benchmark(shown))) + "\n"
    for track in board.tracks:
        for id, entries in sorted(_eval_results(board, track, hub_id).items()):
            yield (
                f"models/{track.track.name}/{id}/.eval_results/{FRAMEWORK}.yaml",
                "\n".join(yaml_lines(entries)) + "\n",
            )
    yield "README.md", card(board)


def _is_of(path: str, track: TrackBoard) -> bool:
    return path == RESULTS or path in {errors_file(split) for split in track.splits}


def _errors_csv(track: TrackBoard, rows: list[Row]) -> str:
    """Return a line per submission, seed, case and landmark; no line where there is no error."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(ERROR_COLUMNS)
    for row in rows:
        named = (row.id, text_cell(row.method), text_cell(row.backbone), row.selection)
        errors = np.asarray(row.errors_mm)
        for (s, c, k), error in np.ndenumerate(errors):
            if not np.isnan(error):
                landmark = track.track.landmarks.names[k]
                writer.writerow((*named, row.seeds[s], row.cases[c], landmark, repr(round(float(error), DIGITS))))
    return out.getvalue()


def _benchmark(splits: list[SplitBoard]) -> dict[str, Any]:
    """Return what registers the data set as a benchmark: a task per test split."""
    return {
        "name": "dgmld-bench",
        "description": (
            "Medical landmark detection where it was not trained: the mean radial error in millimetres on each test "
            "split, computed from submitted predictions. Lower is better."
        ),
        "evaluation_framework": FRAMEWORK,
        "tasks": [
            {"id": s.split.name, "config": s.split.track, "split": s.split.name.replace("-", "_")} for s in splits
        ],
    }


def _eval_results(board: Board, track: TrackBoard, hub_id: str) -> dict[str, list[dict[str, Any]]]:
    """Return, by submission, what its model's repository may say of it: one result per split, as the hub takes it."""
    found: dict[str, list[dict[str, Any]]] = {}
    for split in track.splits:
        for row in measured_rows(split):
            if row.average is None or row.kind != "measured":
                continue
            average = mean_std(row.average.mean, row.average.std)
            note = f"mean radial error {average} mm, lower is better; {len(row.seeds)} trainings"
            found.setdefault(row.id, []).append(
                {
                    "dataset": {"id": hub_id, "task_id": split.split.name},
                    "value": round(row.average.mean, DIGITS),
                    "source": {
                        "url": board.repository or f"https://huggingface.co/datasets/{hub_id}",
                        "name": FRAMEWORK,
                    },
                    "evaluation_framework": FRAMEWORK,
                    "notes": f"{note}; selected by {row.selection}; scoring protocol {board.protocol}",
                }
            )
    return found
