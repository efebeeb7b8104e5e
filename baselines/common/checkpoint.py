"""Weights and training states on disk: safetensors and JSON, nothing that runs code when it is read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import nn

from dgmld_bench.errors import DataError
from dgmld_bench.files import atomic_write, read_json, write_json

WEIGHTS, CARD = "checkpoint.safetensors", "checkpoint.json"
FORMAT, VERSION = "dgmld-bench/checkpoint", 1
_STATE = {"network", "optimiser", "scheduler", "generator", "global_generator", "history", "best"}


class _Card(BaseModel):
    """What a card must hold; it may hold more."""

    model_config = ConfigDict(strict=True, extra="allow")

    format: Literal["dgmld-bench/checkpoint"]
    version: Literal[1]
    method: Annotated[str, Field(max_length=64)]
    track: str
    backbone: str
    preset: dict[str, Any]
    seed: Annotated[int, Field(ge=0, lt=2**31)]
    precision: Literal["fp32", "bf16"]
    selection: str
    training_data: list[str]


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
    try:
        _Card.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part)[:40] for part in first["loc"]) or "the card"
        raise DataError(f"{folder / CARD}: not a checkpoint of this version ({where}: {first['msg']})") from None
    return dict(value)


def check_shapes(folder: Path, network: nn.Module) -> None:
    """Compare the weights' names and shapes, as the file's header states them, with a network's.

    The network may be on the ``meta`` device: nothing is allocated for a file that does not fit.

    Raises
    ------
    DataError
        When the file cannot be read, or its tensors are not those of the network.
    """
    from safetensors import SafetensorError, safe_open

    file = folder / WEIGHTS
    if not file.is_file():
        raise DataError(f"{file}: no such file")
    try:
        with safe_open(file, framework="pt") as weights:
            found = {name: tuple(weights.get_slice(name).get_shape()) for name in weights.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise DataError(f"{file}: not a safetensors file ({error})") from None
    expected = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    for name in sorted(expected.keys() | found.keys()):
        if found.get(name) != expected.get(name):
            raise DataError(
                f"{file}: tensor '{name[:80]}' does not fit the network that {CARD} describes "
                f"(expected shape {expected.get(name, 'none')}, got {found.get(name, 'none')})"
            )


def load_weights(folder: Path, network: nn.Module) -> None:
    """Load a checkpoint's weights into the network that its card describes.

    Raises
    ------
    DataError
        When the file cannot be read, its tensors are not those of the network, or are not finite.
    """
    from safetensors.torch import load_file

    check_shapes(folder, network)
    weights = load_file(folder / WEIGHTS)
    for name, tensor in weights.items():
        if not torch.isfinite(tensor).all():
            raise DataError(f"{folder / WEIGHTS}: tensor '{name}' holds values that are not finite; get it again")
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
