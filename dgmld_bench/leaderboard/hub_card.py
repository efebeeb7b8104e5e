"""The card of the board as a data set: what it holds, where it comes from, and what it must not be taken for."""

from __future__ import annotations

from typing import Any

from dgmld_bench.leaderboard.model import Board, Row, SplitBoard
from dgmld_bench.leaderboard.project import BIBTEX
from dgmld_bench.text import markdown, mean_std, table_head, table_row, yaml_lines


def errors_file(split: SplitBoard) -> str:
    """Return the file of the errors on a split."""
    return f"errors/{split.split.name}.csv"


def measured_rows(split: SplitBoard) -> list[Row]:
    """Return the rows whose errors are in the data set."""
    return [r for r in split.rows if r.kind in {"measured", "mean-shape"} and r.errors_mm is not None]


def card(board: Board) -> str:
    """Return the card: metadata that the hub reads, then what a person reads."""
    shown = [(t, s) for t in board.tracks for s in t.splits if measured_rows(s)]
    configs: list[dict[str, Any]] = [{"config_name": "results", "default": True, "data_files": "results.csv"}]
    for track in dict.fromkeys(t.track.name for t, _ in shown):
        of_track = [s for t, s in shown if t.track.name == track]
        configs.append(
            {
                "config_name": track,
                "data_files": [{"split": s.split.name.replace("-", "_"), "path": errors_file(s)} for s in of_track],
            }
        )
    head = {
        "pretty_name": "dgmld-bench leaderboard",
        "license": "apache-2.0",
        "tags": ["benchmark", "leaderboard", "medical", "landmark-detection", "domain-generalization"],
        "configs": configs,
    }
    where = f"The benchmark: {board.repository}." if board.repository else "The benchmark: `dgmld-bench`."
    lines = [
        "---",
        *yaml_lines(head),
        "---",
        "# dgmld-bench leaderboard",
        "",
        "Which methods find medical landmarks where they were not trained? Results of dgmld-bench, the benchmark for",
        f"domain-generalised medical landmark detection, scoring protocol {board.protocol}. {where}",
        "",
        "- `results.csv`: a line per method and split; empty where there is no number. `kind` tells what was",
        "  *measured* here from what a paper *reported*; only measured rows have a rank, within their selection.",
        "- `errors/SPLIT.csv`: the radial error in millimetres of each submission, seed, case and landmark.",
        "- `submissions/`: the predictions as they were handed in.",
        "- `eval.yaml`: a task per test split. `models/TRACK/SUBMISSION/.eval_results/` is what belongs into the",
        "  repository of that model, if it has one on the hub.",
        "- `croissant-TRACK.json`: Croissant metadata with its responsible-AI fields.",
        "",
        "No image and no reference point is in here: `dgmld-bench datasets` says where the data is to be had, and on",
        "which terms.",
        "",
        "## Lowest Averages",
        "",
        "Mean radial error in millimetres, over cases, landmarks and trainings. Ranks within a tie group are not told",
        "apart by the data: cite no order.",
        "",
        *table_head(["split", "domain", "selection", "method", "backbone", "Average"]),
    ]
    for _, split in shown:
        for row in split.rows:
            if row.rank and row.rank.rank == 1 and row.average:
                named = (markdown(row.name), markdown(row.backbone), mean_std(row.average.mean, row.average.std))
                lines.append(table_row([f"`{split.split.name}`", split.split.domain, f"`{row.selection}`", *named]))
    return "\n".join([*lines, "", "## Citation", "", "```bibtex", BIBTEX, "```"]) + "\n"
