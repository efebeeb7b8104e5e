"""Before the first step of a training: all that could fail at its end is done once, in small, in the same folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from baselines.common.checkpoint import load_weights, read_card, save_checkpoint
from baselines.common.data import prepare
from baselines.common.plots import draw_training
from baselines.common.trainer import Epoch
from dgmld_bench.errors import DataError
from dgmld_bench.files import free_bytes
from dgmld_bench.scoring.predictions import Predictions
from dgmld_bench.splits import CaseList, get_track
from dgmld_bench.temporary import temporary_folder

if TYPE_CHECKING:
    from baselines.common.recipe import Settings

#: What a training has on disk at most, in copies of its weights: the states of both stages (weights, two moments of
#: Adam, best weights), the next state while it is written, and the checkpoint. What stays of it is the checkpoint.
COPIES, COPIES_KEPT = 13, 1
#: For everything else that a run writes: predictions, curves, logs.
REST_BYTES = 32 << 20


def rehearse(
    settings: Settings,
    seeds: Sequence[int],
    splits: Sequence[CaseList],
    folder: Path,
    header: Predictions,
    on_case: Callable[[str, int, int], None] | None = None,
) -> None:
    """Write and read back, in small, what a run ends with, and prepare every image that it predicts.

    Parameters
    ----------
    settings : Settings
    seeds : sequence of int
        Those that are still to be trained.
    splits : sequence of CaseList
        What is predicted.
    folder : Path
        Where results go.
    header : Predictions
        What the run's predictions say beside points.
    on_case : callable, optional
        Told ``(split, done, total)`` while images are prepared.

    Raises
    ------
    DataError
        When there is too little room on the disk, an image cannot be prepared, or predictions of the cases that are
        on disk would not be valid.
    OSError
        When the folder cannot be written to.
    """
    check_room(settings, len(seeds), folder)
    stage = {"seconds": 0.0, "history": [asdict(Epoch(0, 1.0, 1.0, 0.0))]}
    made = {"stages": {"finetune": stage}, "selected_epoch": 1, "validation_mre_mm": 1.0}
    with temporary_folder(folder, "rehearsal") as place:
        network = nn.Linear(1, 1)
        save_checkpoint(place, network, settings.checkpoint_card(seeds[0], made))
        read_card(place)
        load_weights(place, network)
        draw_training(made, place / "curve.png", title=settings.method.name)
        one = header.model_copy(deep=True)
        points = np.zeros((len(get_track(settings.track).landmarks), settings.preset.dimension))
        for opened in splits:
            for case in prepare(opened, settings.preset, progress=on_case):
                one.add(seed=seeds[0], split=case.split, case=case.id, landmarks=points)
        one.save(place / "predictions.json")
        Predictions.load(place / "predictions.json")


def check_room(settings: Settings, seeds: int, folder: Path) -> None:
    """Raise DataError when a training of these many seeds could fill the disk of the folder."""
    with torch.device("meta"):  # sizes without memory
        weights = settings.new_network().state_dict().values()
    size = sum(t.numel() * t.element_size() for t in weights)
    there = sum(state.stat().st_size for state in folder.glob("seed-*/*.state"))  # of an interrupted training
    needed = max(size * (COPIES + COPIES_KEPT * (seeds - 1)) - there, size) + REST_BYTES
    if (free := free_bytes(folder)) < needed:
        raise DataError(
            f"{folder}: {free >> 20:,} MiB free on its disk, and training here takes up to {needed >> 20:,} MiB; "
            "free some, or choose another --out"
        )
