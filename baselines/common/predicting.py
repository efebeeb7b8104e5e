"""From a network and prepared images to landmarks in world coordinates."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError
from torch import Tensor, nn

from baselines.common.checkpoint import check_shapes, load_weights, read_card
from baselines.common.config import Precision, Preset
from baselines.common.data import image_batch, world_points
from baselines.common.decoding import decode
from baselines.common.networks import build_network
from baselines.common.prepare import PreparedCase
from dgmld_bench.errors import DataError, UsageError
from dgmld_bench.splits import get_track

Array = NDArray[np.float64]

BATCH = 4
#: Longest side of a grid and widest first level that a checkpoint may ask for.
MAX_SIZE = 1024


@dataclass(frozen=True)
class Runtime:
    """Where the network computes, and how precisely."""

    device: torch.device
    precision: Precision

    def place(self, network: nn.Module) -> nn.Module:
        """Move a network to the device, its channels last in memory: convolutions are faster so."""
        dimension = 3 if any(isinstance(m, nn.Conv3d) for m in network.modules()) else 2
        return network.to(self.device, memory_format=_CHANNELS_LAST[dimension])  # type: ignore[call-overload]

    def forward(self, network: nn.Module, images: Tensor) -> Tensor:
        """Return the network's output in float32, whatever it computed in."""
        images = images.contiguous(memory_format=_CHANNELS_LAST[images.ndim - 2])
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            return network(images).float()


_DEVICES = ("cpu", "cuda", "mps")
_CHANNELS_LAST = {2: torch.channels_last, 3: torch.channels_last_3d}


def choose_device(name: str | None) -> str:
    """Return the device to use: the one named, else a GPU where there is one.

    Raises
    ------
    UsageError
        When PyTorch does not have that device.
    """
    if name is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        if torch.device(name).type not in _DEVICES:
            raise RuntimeError(f"expected {', '.join(_DEVICES)}")
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"--device {name} cannot be used here: {str(error).splitlines()[0]}") from None
    return name


def choose_precision(preferred: Precision, device: str) -> Precision:
    """Return ``preferred``, but not ``bf16`` on a processor that has no instructions for it.

    Processors without them (x86 before AVX-512 BF16 or AMX) emulate every operation: a training step was 30 times
    slower than in float32 where this was measured (two AVX2 cores, ``small`` preset in 2D).
    """
    kind = torch.device(device).type
    if preferred == "bf16" and kind == "cpu" and not any(getattr(torch.cpu, name, bool)() for name in _BF16_CPUS):
        return "fp32"
    if preferred == "bf16" and kind == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        return "fp32"
    return preferred


_BF16_CPUS = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")


@torch.no_grad()
def predict_points(
    network: nn.Module,
    cases: Sequence[PreparedCase],
    preset: Preset,
    runtime: Runtime,
    on_case: Callable[[int, int], None] | None = None,
) -> Iterator[Array]:
    """Yield each case's landmarks ``(landmark, axis)`` in world coordinates."""
    network.eval()
    for start in range(0, len(cases), BATCH):
        batch = cases[start : start + BATCH]
        heatmaps = runtime.forward(network, image_batch([c.image for c in batch], runtime.device))
        for points, case in zip(decode(heatmaps, refine=preset.refine), batch, strict=True):
            yield world_points(points, case, preset)
        if on_case:
            on_case(start + len(batch), len(cases))


def load_network(folder: Path, runtime: Runtime) -> tuple[nn.Module, dict, Preset]:
    """Return a checkpoint's network, its card and its preset.

    Raises
    ------
    DataError
        When the checkpoint cannot be read or is not consistent.
    """
    card = read_card(folder)
    try:
        preset = TypeAdapter(Preset).validate_python(card["preset"])
        landmarks = get_track(card["track"]).landmarks
        if not (2 <= len(preset.grid_shape) <= 3 and preset.dimension == landmarks.dimension):
            raise ValueError(f"the grid {preset.grid_shape} does not fit track '{card['track']}'")
        if max(preset.grid_shape) > MAX_SIZE or preset.width > MAX_SIZE or min(preset.grid_shape) < 1:
            raise ValueError("the network is impossibly large")

        def build() -> nn.Module:
            size = {"width": preset.width, "output_stride": preset.heatmap_stride}
            return build_network(card["backbone"], preset.grid_shape, len(landmarks), **size)

        with torch.device("meta"):
            check_shapes(folder, build())
        network = build()
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in ("preset", *first["loc"]))
        raise DataError(
            f"{folder}: the checkpoint's card does not describe a network ({where}: {first['msg']})"
        ) from None
    except DataError:
        raise
    except (TypeError, ValueError, RuntimeError) as error:
        raise DataError(f"{folder}: the checkpoint's card does not describe a network ({error})") from None
    load_weights(folder, network)
    return runtime.place(network), card, preset
