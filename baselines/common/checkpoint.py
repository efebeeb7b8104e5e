"""Weights and training states on disk: safetensors and JSON, nothing that runs code when it is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from dgmld_bench.errors import DataError
from dgmld_bench.files import atomic_write, read_json, write_json

WEIGHTS, CARD = "checkpoint.safetensors", "checkpoint.json"
FORMAT, VERSION = "dgmld-bench/checkpoint", 1
_KEYS = {"format", "version", "method", "track", "backbone", "preset", "seed", "selection", "training_data"}
_STATE = {"network", "optimiser", "scheduler", "generator", "global_generator", "history", "best"}


def save_checkpoint(folder: Path, network: nn.Module, card: dict[str, Any]) -> None:
    """Write weights and their card; the card goes last and marks completeness."""
    from safetensors.torch import save

    weights = {k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()}
    with atomic_write(folder / WEIGHTS) as stream:
        stream.write(save(weights))
    write_json(folder / CARD, {"format": FORMAT, "version": VERSION, **card})


def read_card(folder: Path) -> dict[str, Any]:
    """Read the card of a checkpoint.

    Raises
    ------
    DataError
        When the folder holds no checkpoint of this version.
    """
    value = read_json(folder / CARD)
    if not isinstance(value, dict) or not set(value) >= _KEYS:
        raise DataError(f"{folder / CARD}: not a checkpoint; expected the keys {', '.join(sorted(_KEYS))}")
    if (value["format"], value["version"]) != (FORMAT, VERSION):
        raise DataError(
            f"{folder / CARD}: format {value['format']!r} version {value['version']!r}; "
            f"expected {FORMAT!r} version {VERSION}"
        )
    return value


def load_weights(folder: Path, network: nn.Module) -> None:
    """Load a checkpoint's weights into the network that its card describes.

    Raises
    ------
    DataError
        When the file cannot be read, or its tensors are not those of the network.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    file = folder / WEIGHTS
    try:
        weights = load_file(file)
    except FileNotFoundError:
        raise DataError(f"{file}: no such file") from None
    except (SafetensorError, OSError) as error:
        raise DataError(f"{file}: not a safetensors file ({error})") from None
    expected = network.state_dict()
    for name in expected.keys() | weights.keys():
        if name not in weights or name not in expected or weights[name].shape != expected[name].shape:
            raise DataError(f"{file}: tensor '{name}' does not fit the network that {CARD} describes")
    network.load_state_dict(weights)


def save_state(file: Path, state: dict[str, Any]) -> None:
    """Write a training state atomically."""
    with atomic_write(file) as stream:
        torch.save(state, stream)


def load_state(file: Path) -> dict[str, Any] | None:
    """Read a training state; None when there is none.

    Raises
    ------
    DataError
        When the file cannot be read. Only tensors and plain values are read from it.
    """
    if not file.is_file():
        return None
    try:
        state: dict[str, Any] = torch.load(file, weights_only=True, map_location="cpu")
        if not isinstance(state, dict) or not state.keys() >= _STATE:
            raise ValueError(f"expected the keys {', '.join(sorted(_STATE))}")
    except Exception as error:  # random bytes end in any of them
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{file}: not a training state ({first}); delete it to train from the start") from None
    return state
