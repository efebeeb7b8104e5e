"""Checkpoints come from strangers: whatever is in a card or in the weights ends in one message."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from baselines.common.checkpoint import CARD, WEIGHTS, save_checkpoint
from baselines.common.config import get_preset
from baselines.common.networks import build_network
from baselines.common.predicting import load_network
from baselines.common.runtime import Runtime
from dgmld_bench.errors import DataError

PRESET = get_preset("smoke", 3)
RUNTIME = Runtime(torch.device("cpu"), "fp32")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kept")
    card = {
        "method": "m",
        "track": "open",
        "backbone": "unet",
        "preset": asdict(PRESET),
        "seed": 0,
        "precision": "fp32",
        "selection": "none",
        "training_data": ["open-train"],
    }
    save_checkpoint(folder, build_network("unet", PRESET.grid_shape, 6, width=PRESET.width), card)
    return folder


@pytest.fixture
def folder(kept: Path, tmp_path: Path) -> Path:
    for name in (CARD, WEIGHTS):
        (tmp_path / name).write_bytes((kept / name).read_bytes())
    return tmp_path


def change(folder: Path, changes: dict[str, Any]) -> None:
    card = json.loads((folder / CARD).read_text())
    for name, value in changes.items():
        *above, last = name.split(".")
        place = card
        for key in above:
            place = place[key]
        if value is KeyError:
            del place[last]
        else:
            place[last] = value
    (folder / CARD).write_text(json.dumps(card))


def test_what_was_saved_is_loaded(folder: Path) -> None:
    network, card, preset = load_network(folder, RUNTIME)
    assert preset == PRESET and card["seed"] == 0
    saved = load_file(folder / WEIGHTS)
    assert all(torch.equal(value, saved[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize(
    "changes",
    [
        {"precision": KeyError},
        {"precision": "fp8"},
        {"seed": "0"},
        {"seed": -1},
        {"training_data": "open-train"},
        {"training_data": KeyError},
        {"preset": []},
        {"preset.width": KeyError},
        {"preset.width": "wide"},
        {"preset.width": 12},
        {"preset.width": -8},
        {"preset.width": 10**9},
        {"preset.grid_shape": [32, 32]},
        {"preset.grid_shape": [33, 32, 32]},
        {"preset.grid_shape": [0, 32, 32]},
        {"preset.grid_shape": [32] * 9},
        {"preset.grid_shape": None},
        {"preset.heatmap_stride": 0},
        {"backbone": "hourglass"},
        {"backbone": ["unet"]},
        {"track": "nowhere"},
        {"track": "ceph"},
        {"version": 2},
    ],
    ids=str,
)
def test_a_card_that_describes_no_network_is_refused(folder: Path, changes: dict[str, Any]) -> None:
    change(folder, changes)
    with pytest.raises(DataError, match=str(folder)):
        load_network(folder, RUNTIME)


def test_weights_of_another_network_are_refused_before_the_network_is_made(folder: Path) -> None:
    change(folder, {"preset.width": 1024})  # some 60 GB of weights
    with pytest.raises(DataError, match=r"does not fit the network .*expected shape \(2048"):
        load_network(folder, RUNTIME)


def test_weights_that_are_not_finite_are_refused(folder: Path) -> None:
    weights = load_file(folder / WEIGHTS)
    name = sorted(weights)[0]
    weights[name].view(-1)[0] = torch.nan
    save_file(weights, folder / WEIGHTS)
    with pytest.raises(DataError, match="not finite"):
        load_network(folder, RUNTIME)
