"""Trainings for analysis: no submission, only a network and how far off it is. What was trained before is kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torch import nn

from baselines.common.checkpoint import CARD
from baselines.common.config import Preset
from baselines.common.data import TrainingSet
from baselines.common.method import Method
from baselines.common.predicting import load_network
from baselines.common.progress import TrainingProgress, make_progress
from baselines.common.recipe import Settings, claim, train_seed
from baselines.common.runtime import choose_device, training_precision
from dgmld_bench.text import mean_std


def trial_settings(method: Method, track: str, preset: Preset, selection: str, *, backbone: str = "unet") -> Settings:
    """Return settings for a training on the device and in the precision that this machine has."""
    device = choose_device(None)
    return Settings(
        method=method,
        track=track,
        backbone=backbone,
        preset=preset,
        selection=selection,
        device=device,
        precision=training_precision(preset, device),
    )


def over_seeds(values: Sequence[float]) -> str:
    """Return the mean over seeds as tables show it, with the standard deviation where there are several.

    >>> over_seeds([1.0]), over_seeds([1.0, 2.0])
    ('1.00', '1.50 ± 0.50')
    """
    return mean_std(float(np.mean(values)), float(np.std(values)) if len(values) > 1 else None)


def trained(
    settings: Settings, seed: int, training: TrainingSet, withheld: TrainingSet, folder: Path, title: str
) -> nn.Module:
    """Return the network of this folder in evaluation mode; it is trained, or trained on, when it is not there yet.

    Raises
    ------
    UsageError
        When the folder holds a network of other settings or data.
    """
    cases = {"training": [c.id for c in training.cases], "withheld": [c.id for c in withheld.cases]}
    claim(folder, {**settings.card(), "training_data": settings.training_data, "cases": cases})
    if (folder / CARD).is_file():
        return load_network(folder, settings.runtime)[0].eval()

    with make_progress() as progress:
        shown = TrainingProgress(progress, settings, f"{title} · seed {seed}", len(training))
        network, _ = train_seed(
            settings, seed, training, withheld, folder, on_epoch=shown.on_epoch, on_step=shown.on_step
        )
    for state in folder.glob("*.state"):
        state.unlink()
    return network.eval()
