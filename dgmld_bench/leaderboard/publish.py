"""Build the board and write everything that shows it."""

from __future__ import annotations

from pathlib import Path

from dgmld_bench.files import write_text
from dgmld_bench.leaderboard.build import Progress, build_board
from dgmld_bench.leaderboard.model import Board
from dgmld_bench.leaderboard.placing import finish_interrupted
from dgmld_bench.leaderboard.site import build_site
from dgmld_bench.leaderboard.tables import readme, results_csv
from dgmld_bench.temporary import sweep

RESULTS = "leaderboard/results.csv"
OUTPUTS = (RESULTS, "leaderboard/README.md")
SITE = "leaderboard/site"


def publish(root: Path, data_dir: Path | None = None, progress: Progress | None = None) -> Board:
    """Build a repository's board and write table, README and site; the same inputs give the same bytes."""
    finish_interrupted(root)
    sweep(root / "leaderboard", below=True)
    board = build_board(root, data_dir, progress)
    texts = results_csv(board), readme(board)
    build_site(board, root / SITE)
    for name, text in zip(OUTPUTS, texts, strict=True):
        write_text(root / name, text)
    return board
