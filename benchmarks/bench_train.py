"""A training step by its parts, beside what the device can do at most; and from that, how long a run takes.

On a GPU at the paper's size, on a processor at the size of ``small`` (64³ in 3D). Images are noise: their values cost
no time. Steps of the whole follow each other as in a training, without waiting; parts are waited for one by one, so
that on a GPU their sum is above the whole.

The matrix ceiling is the best of square matrix products in the precision of the training, the copy ceiling a large
copy, read and written. Bytes are what the operations of a step would move if each read its inputs and wrote its outputs
once; those that a cache keeps are counted too, and the share may pass 100 %.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from baselines.baseline.run import METHOD as BASELINE
from baselines.common.augment import random_poses, vary_greys
from baselines.common.config import get_preset
from baselines.common.data import TrainingSet
from baselines.common.heatmaps import gaussian_heatmaps
from baselines.common.meter import forget_peak, peak_mib, seconds
from baselines.common.networks import BACKBONES
from baselines.common.networks.blocks import parameter_groups
from baselines.common.predicting import predict_points
from baselines.common.prepare import PreparedCase
from baselines.common.recipe import Settings, landmark_loss
from baselines.common.runtime import choose_device, training_precision
from baselines.common.stack import Stack
from dgmld_bench.geometry import NetworkGrid
from dgmld_bench.splits import get_split, get_track

TRACKS = {"3D": "phantom", "2D": "ceph"}


class Traffic(TorchDispatchMode):
    """Counts the bytes of tensors that operations take and give; views move nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, function: Any, types: Any, arguments: Any = (), options: Any = None) -> Any:
        """Run the operation and count."""
        result = function(*arguments, **(options or {}))
        if not function.is_view:
            for value in tree_leaves((arguments, options or {}, result)):
                self.bytes += value.numel() * value.element_size() if isinstance(value, torch.Tensor) else 0
        return result


def ceilings(device: torch.device, precision: str) -> tuple[float, float]:
    """Return floating-point operations and bytes per second that the device reaches at best."""
    big = device.type != "cpu"
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    size, length = (8192, 2**30) if big else (512, 2**27)
    a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    source, target = (torch.empty(length, dtype=torch.uint8, device=device) for _ in range(2))
    product = _shortest(lambda: torch.mm(a, b), device)
    copy = _shortest(lambda: target.copy_(source), device)
    return 2 * size**3 / product, 2 * length / copy


def _shortest(work: Callable[[], object], device: torch.device) -> float:
    """Return the seconds of the quickest of many tries: on a busy machine most are interrupted."""
    tries: list[float] = []
    while len(tries) < 8 or sum(tries) < 1:
        tries.append(seconds(work, device))
    return min(tries)


def noise(settings: Settings, count: int) -> TrainingSet:
    """Return cases of the preset's grid with noise for images."""
    shape, rng = settings.preset.grid_shape, np.random.default_rng(0)
    grid = NetworkGrid(np.eye(len(shape) + 1), shape, shape)
    images = rng.integers(0, 65536, (count, *shape), dtype=np.uint16)
    landmarks = len(get_track(settings.track).landmarks)
    points = rng.uniform(0.2, 0.8, (count, landmarks, len(shape))) * settings.preset.heatmap_shape
    return TrainingSet(
        [PreparedCase(str(n), "", i, grid) for n, i in enumerate(images)], points, points, np.ones(count)
    )


def steps(settings: Settings, data: TrainingSet, repeats: int) -> dict[str, Any]:
    """Return milliseconds of the whole step and of its parts, its operations and bytes, and the peak of memory."""
    preset, runtime = settings.preset, settings.runtime
    device, count = runtime.device, preset.batch_size
    items, generator = list(range(count)), torch.Generator().manual_seed(0)
    stack = Stack([case.image for case in data.cases], device)
    network = runtime.place(settings.new_network()).train()
    optimiser = torch.optim.Adam(parameter_groups(network, preset.learning_rate, preset.scale_rate))
    loss = landmark_loss(network, data, settings)
    points = torch.from_numpy(data.heatmap_points)[items].float()

    def whole() -> None:
        value = loss(items, 0, generator)
        optimiser.zero_grad(set_to_none=True)
        value.backward()
        optimiser.step()

    whole()  # the device chooses its kernels
    with Traffic() as traffic, FlopCounterMode(display=False) as operations:
        whole()
    forget_peak(device)
    before = time.process_time()
    found: dict[str, Any] = {"step": seconds(lambda: [whole() for _ in range(repeats)], device) / repeats * 1e3}
    found["processor"] = (time.process_time() - before) / repeats * 1e3  # what a busy machine changes least
    found |= {"memory": peak_mib(device), "flops": operations.get_total_flops(), "bytes": traffic.bytes}

    images = stack.images(items)
    buffer = torch.empty((count, points.shape[1], *preset.heatmap_shape), device=device)

    def augment() -> None:
        poses = random_poses(count, preset.dimension, 5.0, generator, zoom=preset.zoom, shift=preset.shift)
        vary_greys(poses.move_images(images), preset.contrast, generator)

    def learn() -> None:
        optimiser.zero_grad(set_to_none=True)
        (runtime.forward(network, images) - buffer).square().mean().backward()

    parts: dict[str, Callable[[], object]] = {
        "data": lambda: stack.images(items),
        "augmentation": augment,
        "targets": lambda: gaussian_heatmaps(
            points.to(device, non_blocking=True), preset.heatmap_shape, preset.sigma_vox, out=buffer
        ),
        "forward+backward": learn,
        "optimiser": optimiser.step,
    }
    for name, part in parts.items():
        found[name] = median(seconds(part, device) for _ in range(repeats)) * 1e3
    predicted = data.cases[: runtime.images_at_once]
    held = Stack([case.image for case in predicted], device)

    def predict() -> None:
        for _ in predict_points(network, predicted, preset, runtime, held):
            pass

    predict()
    found["predict"] = min(seconds(predict, device) for _ in range(2)) / len(predicted) * 1e3
    return found


def run_seconds(settings: Settings, found: dict[str, Any], *, pretrained: bool) -> float:
    """Return how long a run of one seed takes by these figures: its stages, validations, and predicting all splits."""
    track, preset = get_track(settings.track), settings.preset
    training, validation = (get_split(name).n_cases for name in (track.train, track.validation))
    epochs = preset.epochs + preset.pretrain_epochs * pretrained
    tests = sum(get_split(name).n_cases for name in track.tests)
    predicted = validation * (-(-preset.epochs // preset.validate_every) + 1) + tests
    return (epochs * -(-training // preset.batch_size) * found["step"] + predicted * found["predict"]) / 1e3


def main() -> None:
    """Print one table per number of dimensions."""
    from rich.console import Console
    from rich.table import Table

    name = choose_device(None)
    size, repeats = ("small", 3) if name == "cpu" else ("paper", 20)
    console = Console(soft_wrap=True, highlight=False, width=120)
    for dimension, track in TRACKS.items():
        preset = get_preset(size, int(dimension[0]))
        settings = {
            b: Settings(BASELINE, track, b, preset, "none", name, training_precision(preset, name)) for b in BACKBONES
        }
        runtime = settings["unet"].runtime
        flops, copied = ceilings(runtime.device, runtime.precision)
        grid = "x".join(map(str, preset.grid_shape))
        console.print(
            f"{dimension}, {grid}, width {preset.width}, batch {preset.batch_size}: {runtime.describe()}; "
            f"at best {flops / 1e12:.3g} TFLOP/s in matrix products, {copied / 1e9:.3g} GB/s copied"
        )
        table = Table("", box=None, pad_edge=False, padding=(0, 2))
        rows: dict[str, list[str]] = {}
        for backbone, one in settings.items():
            table.add_column(backbone, justify="right")
            found = steps(one, noise(one, max(preset.batch_size, runtime.images_at_once)), repeats)
            ms = found["step"]
            for text, value in {
                "step, ms": f"{ms:.1f}",
                "  of processors' time": f"{found['processor']:.1f}",
                **{f"  {part}": f"{found[part]:.2f}" for part in PARTS},
                "  of the matrix ceiling": f"{found['flops'] / ms * 1e3 / flops:.0%}",
                "  of the copy ceiling": f"{found['bytes'] / ms * 1e3 / copied:.0%}",
                "memory at most, MiB": "unknown" if found["memory"] is None else f"{found['memory']:,.0f}",
                "predict a case, ms": f"{found['predict']:.1f}",
                f"Baseline on {track}, one seed, s": f"{run_seconds(one, found, pretrained=False):,.0f}",
                f"BaPDG on {track}, one seed, s": f"{run_seconds(one, found, pretrained=True):,.0f}",
            }.items():
                rows.setdefault(text, []).append(value)
        for text, values in rows.items():
            table.add_row(text, *values)
        console.print(table)


PARTS = ("data", "augmentation", "targets", "forward+backward", "optimiser")

if __name__ == "__main__":
    main()
