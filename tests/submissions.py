"""A small repository with submissions, for tests of the board and of pull requests."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dgmld_bench.scoring.predictions import Predictions
from dgmld_bench.splits import load_split

ROOT = Path(__file__).parents[1]


def submission(
    data: Path, method: str, shift_px: float, *, seeds: Sequence[int] = (0, 1, 2), **changes: Any
) -> Predictions:
    """Return predictions of split ``isbi``, off to the right by shift, seed, and 0 to 2 px from case to case."""
    values = {"selection": "target-val", "training_data": ["isbi-train"], **changes}
    predictions = Predictions(track="ceph", method=method, **{"backbone": "unet", **values})
    for case in load_split("isbi", references=True, data_dir=data):
        for seed in seeds:
            moved = case.landmarks + np.array([shift_px + seed + int(case.id) % 3, 0])
            predictions.add(seed=seed, split="isbi", case=case.id, landmarks=moved)
    return predictions


def make_repository(root: Path, data: Path) -> Path:
    """Write the reported numbers and three submissions to track ``ceph``; return the folder."""
    (root / "leaderboard").mkdir(parents=True)
    shutil.copy(ROOT / "leaderboard" / "reported.csv", root / "leaderboard")
    submission(data, "Good", 5).save(root / "submissions/ceph/good-unet.json")
    submission(data, "Bad", 25).save(root / "submissions/ceph/bad-unet.json")
    submission(data, "Strict", 9, selection="source-val", seeds=(4,)).save(root / "submissions/ceph/strict-unet.json")
    return root
