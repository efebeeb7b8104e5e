"""From a network and prepared images to landmarks in world coordinates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError
from torch import nn

from baselines.common.checkpoint import check_shapes, load_weights, read_card
from baselines.common.config import Preset
from baselines.common.data import world_points
from baselines.common.decoding import decode
from baselines.common.meter import forget_peak, peak_mib, seconds
from baselines.common.networks import network_for
from baselines.common.prepare import PreparedCase
from baselines.common.runtime import Runtime
from baselines.common.stack import Stack
from dgmld_bench.errors import DataError
from dgmld_bench.splits import get_track

Array = NDArray[np.float64]

#: Longest side of a grid and widest first level that a checkpoint may ask for.
MAX_SIZE = 1024


@torch.no_grad()
def predict_points(
    network: nn.Module,
    cases: Sequence[PreparedCase],
    preset: Preset,
    runtime: Runtime,
    images: Stack | None = None,
) -> Iterator[Array]:
    """Yield each case's landmarks ``(landmark, axis)`` in world coordinates; ``images`` are theirs, already at hand."""
    network.eval()
    images = images or Stack([case.image for case in cases], runtime.device, resident=False)
    for items in torch.arange(len(cases)).split(runtime.images_at_once):
        heatmaps = runtime.forward(network, images.images(items.tolist()))
        for points, item in zip(decode(heatmaps, refine=preset.refine), items.tolist(), strict=True):
            yield world_points(points, cases[item], preset)


def time_cases(
    network: nn.Module, cases: Sequence[PreparedCase], preset: Preset, runtime: Runtime
) -> dict[str, float | str]:
    """Return how long a case takes alone, from a prepared image to points, and the peak of memory meanwhile.

    The median over cases, in milliseconds; the first case goes first twice more, for a device that settles down.
    """

    def one(case: PreparedCase) -> float:
        return seconds(lambda: list(predict_points(network, [case], preset, runtime)), runtime.device)

    for case in (cases[0], cases[0]):
        one(case)
    forget_peak(runtime.device)
    found: dict[str, float | str] = {"ms_per_case": round(1e3 * median(one(case) for case in cases), 3)}
    if (peak := peak_mib(runtime.device)) is not None:
        found["peak_mib"] = round(peak, 1)
    return found | {"device": runtime.describe()}


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
        build = partial(network_for, card["backbone"], preset, len(landmarks))
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
