"""Checkpoints of strangers: cards with rubbish anywhere, weights that are damaged, of other shapes, not finite."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from tests.robustness.attempt import Clock, Expected, attempt, rounds
from tests.robustness.inputs import changed_bytes, changed_json
from tests.robustness.tally import Tally


def checkpoints(scratch: Path, number: int, clock: Clock, rng: np.random.Generator) -> Tally:
    """Load what strangers call a checkpoint."""
    import torch
    from safetensors.torch import load_file, save_file

    from baselines.common.checkpoint import CARD, WEIGHTS, save_checkpoint
    from baselines.common.config import get_preset
    from baselines.common.networks import build_network
    from baselines.common.predicting import Runtime, load_network

    tally = Tally("checkpoints")
    preset = get_preset("smoke", 3)
    card = {
        "method": "m",
        "track": "open",
        "backbone": "unet",
        "preset": asdict(preset),
        "seed": 0,
        "precision": "fp32",
    }
    card |= {"selection": "none", "training_data": ["open-train"]}
    save_checkpoint(scratch, build_network("unet", preset.grid_shape, 6, width=preset.width), card)
    about, weights = (scratch / CARD).read_bytes(), (scratch / WEIGHTS).read_bytes()
    runtime = Runtime(torch.device("cpu"), "fp32")
    tensors = load_file(scratch / WEIGHTS)
    for n in rounds(tally, number, clock):
        expected: Expected = "either"
        (scratch / CARD).write_bytes(about)
        (scratch / WEIGHTS).write_bytes(weights)
        if n % 5 == 0:
            name = list(tensors)[int(rng.integers(len(tensors)))]
            if not tensors[name].is_floating_point():
                continue
            spoiled = tensors[name].clone().reshape(-1)
            spoiled[int(rng.integers(len(spoiled)))] = (float("nan"), float("inf"))[n % 2]
            save_file(tensors | {name: spoiled.reshape(tensors[name].shape)}, scratch / WEIGHTS)
            expected = "refuse"
        elif n % 5 == 1:
            (scratch / WEIGHTS).write_bytes(changed_bytes(rng, weights))
        else:
            (scratch / CARD).write_bytes(changed_json(rng, json.loads(about)))
        attempt(
            tally,
            f"number {n}: {(scratch / CARD).read_bytes()[:200]!r}",
            expected,
            lambda: [load_network(scratch, runtime)],
        )
    return tally
