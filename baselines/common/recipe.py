"""The two-stage recipe: pre-train if the method does, learn landmarks, select on validation data, predict once."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from baselines.common.augment import Poses, random_poses, vary_greys
from baselines.common.checkpoint import save_checkpoint
from baselines.common.config import Precision, Preset
from baselines.common.data import TrainingSet
from baselines.common.heatmaps import from_heatmap_grid, gaussian_heatmaps, known_landmarks, to_heatmap_grid
from baselines.common.method import Augmentation, Method, Pretraining, Subject
from baselines.common.networks import network_for
from baselines.common.networks.blocks import parameter_groups, restart_heads
from baselines.common.predicting import predict_points
from baselines.common.prepare import FULL_SCALE, PreparedCase
from baselines.common.runtime import Runtime
from baselines.common.stack import Stack, compact
from baselines.common.trainer import Epoch, Stage, train
from baselines.common.versions import versions
from dgmld_bench.errors import DataError, UsageError
from dgmld_bench.files import json_type, read_json, write_json
from dgmld_bench.scoring.metrics import mean_radial_error, radial_errors
from dgmld_bench.splits import get_track

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float32]

Boundaries = Callable[[PreparedCase], "Array"]


@dataclass(frozen=True)
class Settings:
    """Everything that decides the result of a training, beside the data.

    Attributes
    ----------
    method : Method
    track, backbone, selection : str
    preset : Preset
    device : str
        As PyTorch names it.
    precision : {"fp32", "bf16"}
    edges : str or None
        2D: the folder of edge maps, None for the built-in detector.
    trained_on : tuple of str
        The splits trained on, where they are not the track's training split.
    """

    method: Method
    track: str
    backbone: str
    preset: Preset
    selection: str
    device: str = "cpu"
    precision: Precision = "fp32"
    edges: str | None = None
    trained_on: tuple[str, ...] = ()

    def card(self) -> dict[str, Any]:
        """Return the settings as JSON holds them."""
        preset = asdict(self.preset) | {"grid_shape": list(self.preset.grid_shape)}
        return {
            "method": self.method.name,
            "track": self.track,
            "backbone": self.backbone,
            "preset": preset,
            "selection": self.selection,
            "device": torch.device(self.device).type,
            "precision": self.precision,
            "edges": self.edges,
        }

    def new_network(self) -> nn.Module:
        """Return a network that has learnt nothing; its weights are drawn from PyTorch's global generator."""
        return network_for(self.backbone, self.preset, len(get_track(self.track).landmarks))

    def checkpoint_card(self, seed: int, record: dict[str, Any]) -> dict[str, Any]:
        """Return what stands beside the weights of one seed."""
        made = {"seed": seed, "training_data": self.training_data, "record": record, "versions": versions()}
        return self.card() | made

    @property
    def needs(self) -> str:
        """What pre-training needs beside landmarks: "image", "mask" or "boundary"; empty without pre-training."""
        pretraining = self.method.pretraining_for(self.preset.dimension)
        return pretraining.needs if pretraining else ""

    @property
    def masks(self) -> bool:
        """Whether training cases need their masks."""
        return self.needs == "mask"

    @property
    def augmentation(self) -> Augmentation | None:
        """The method's own change of examples, None where there is none."""
        return self.method.augmentation_for(self.preset.dimension)

    @property
    def labels(self) -> bool:
        """Whether training cases need their tissue labels."""
        return self.augmentation is not None and self.augmentation.needs_labels

    def epochs(self, cases: int) -> int:
        """Return how many epochs landmarks are learnt from these many training cases."""
        if not (self.augmentation and self.augmentation.endless):
            return self.preset.epochs
        steps = -(-cases // self.preset.batch_size)
        return max(self.preset.epochs, -(-self.preset.endless_steps // steps))

    @property
    def training_data(self) -> list[str]:
        """Names of everything trained on, as predictions declare it."""
        return list(self.trained_on or [get_track(self.track).train])

    @property
    def runtime(self) -> Runtime:
        """Where and how precisely the network computes."""
        return Runtime(torch.device(self.device), self.precision)


def claim(folder: Path, identity: dict[str, Any], *, but: tuple[str, ...] = ()) -> dict[str, Any]:
    """Write down what a folder's results belong to, or return what is written there already.

    Parameters
    ----------
    folder : Path
    identity : dict
        Settings and data.
    but : tuple of str
        Keys that may differ.

    Raises
    ------
    UsageError
        When the folder holds results of other settings or data.
    """
    file = folder / "settings.json"
    if not file.is_file():
        write_json(file, identity)
        return identity
    found = read_json(file)
    if not isinstance(found, dict):
        raise DataError(f"{file}: expected a JSON object, got {json_type(found)}; delete {folder} to train anew")
    changed = [name for name, value in identity.items() if name not in but and found.get(name) != value]
    if changed:
        raise UsageError(
            f"{folder} holds results of other settings ({', '.join(changed)} differ); choose another --out or delete it"
        )
    return found


def train_seed(
    settings: Settings,
    seed: int,
    training: TrainingSet,
    validation: TrainingSet,
    folder: Path,
    *,
    boundary: Boundaries | None = None,
    on_epoch: Callable[[str, Epoch], None] | None = None,
    on_step: Callable[[str, int, int, int], None] | None = None,
) -> tuple[nn.Module, dict[str, Any]]:
    """Train one network and leave its checkpoint in the folder; resumes what was interrupted.

    ``on_epoch`` and ``on_step`` are told the stage's name and what :func:`~baselines.common.trainer.train` says.

    Returns
    -------
    network : nn.Module
        With the weights that validation selected.
    record : dict
        Device, parameters, seconds and history by stage, and the selected epoch.
    """
    preset, runtime = settings.preset, settings.runtime
    torch.manual_seed(seed)
    network = runtime.place(settings.new_network())
    parameters = sum(p.numel() for p in network.parameters())
    record: dict[str, Any] = {"device": runtime.describe(), "parameters": parameters, "stages": {}}

    def run(stage: Stage, parameters: Any, loss: Any, validate: Any, stream: int) -> list[Epoch]:
        start = time.monotonic()
        history = train(
            network,
            parameters,
            stage,
            len(training),
            loss,
            seed=seed * 2 + stream,
            state_file=folder / f"{stage.name}.state",
            validate=validate,
            on_epoch=partial(on_epoch, stage.name) if on_epoch else None,
            on_step=partial(on_step, stage.name) if on_step else None,
        )
        record["stages"][stage.name] = {
            "seconds": sum(e.seconds for e in history),
            "seconds_this_time": time.monotonic() - start,
            "history": [asdict(e) for e in history],
        }
        return history

    pretraining = settings.method.pretraining_for(preset.dimension)
    if pretraining:
        stage = Stage("pretrain", preset.pretrain_epochs, preset.batch_size, preset.learning_rate, preset.schedule)
        subjects = [_subject(case, pretraining, preset, boundary) for case in training.cases]
        seen, targets = (Stack(arrays, runtime.device) for arrays in zip(*subjects, strict=True))
        run(stage, network.parameters(), pretraining_loss(network, seen, targets, pretraining, settings), None, 0)
        del subjects, seen, targets
        restart_heads(network)  # all channels regressed one map: from there, landmarks hardly come apart again
    stage = Stage(
        "finetune",
        settings.epochs(len(training)),
        preset.batch_size,
        preset.learning_rate,
        preset.schedule,
        preset.validate_every,
    )
    images = Stack([case.image for case in validation.cases], runtime.device)
    history = run(
        stage,
        parameter_groups(network, preset.learning_rate, preset.scale_rate),
        landmark_loss(network, training, settings),
        lambda: validation_mre(network, validation, settings, images),
        1,
    )
    value, number = min((e.validation_mm, e.number) for e in history if e.validation_mm is not None)
    record |= {"selected_epoch": number + 1, "validation_mre_mm": value}
    save_checkpoint(folder, network, settings.checkpoint_card(seed, record))
    return network, record


def validation_mre(
    network: nn.Module, validation: TrainingSet, settings: Settings, images: Stack | None = None
) -> float:
    """Return the Average MRE in millimetres on validation cases, through each case's exact geometry."""
    predicted = np.stack(list(predict_points(network, validation.cases, settings.preset, settings.runtime, images)))
    return float(mean_radial_error(radial_errors(predicted, validation.world) * validation.mm_per_unit[:, None]))


def landmark_loss(
    network: nn.Module, data: TrainingSet, settings: Settings
) -> Callable[[list[int], int, torch.Generator], Tensor]:
    """MSE between heatmaps (Eq. 33); the points are moved, the heatmaps built from them."""
    preset, runtime = settings.preset, settings.runtime
    points = torch.from_numpy(data.heatmap_points)
    examples = _examples(data, settings)
    buffer: Tensor | None = None

    def loss(items: list[int], epoch: int, generator: torch.Generator) -> Tensor:
        nonlocal buffer
        images, moved = examples(items, generator)
        if buffer is None or len(buffer) != len(items):
            shape = (len(items), points.shape[1], *preset.heatmap_shape)
            buffer = torch.empty(shape, device=runtime.device)
        points_there = moved.float().to(runtime.device, non_blocking=True)
        target = gaussian_heatmaps(points_there, preset.heatmap_shape, preset.sigma_vox, out=buffer)
        error = (runtime.forward(network, images) - target).square()
        known = known_landmarks(moved).flatten()
        if not known.all():  # by place, not by truth: a device would have to be waited for to know how many are true
            places = known.nonzero().squeeze(1).to(runtime.device, non_blocking=True)
            error = error.flatten(2).mean(-1).flatten()[places]
        return error.mean()

    return loss


def _examples(data: TrainingSet, settings: Settings) -> Callable[[list[int], torch.Generator], tuple[Tensor, Tensor]]:
    """Return what draws the examples of a batch: changed images, and their points on the heatmap's grid."""
    preset, device = settings.preset, settings.runtime.device
    augmentation, points = settings.augmentation, torch.from_numpy(data.heatmap_points)
    stack = Stack([case.image for case in data.cases], device)
    maps = [case.labels for case in data.cases if case.labels is not None]
    tissues = Stack(maps, device) if settings.labels else None

    def posed(items: list[int], generator: torch.Generator) -> tuple[Tensor, Tensor]:
        poses = _poses(len(items), preset, settings.method.fine_tune_rotation_deg, generator)
        images = poses.move_images(stack.images(items))
        return vary_greys(images, preset.contrast, generator), poses.move_points(points[items], preset.heatmap_shape)

    def changed(items: list[int], generator: torch.Generator) -> tuple[Tensor, Tensor]:
        assert augmentation is not None
        labels = tissues.take(items) if tissues else None
        on_grid = from_heatmap_grid(points[items], preset.heatmap_stride)
        images, moved = augmentation.change(stack.images(items), on_grid, labels, generator)
        return images, to_heatmap_grid(moved, preset.heatmap_stride)

    return changed if augmentation else posed


def pretraining_loss(
    network: nn.Module, seen: Stack, targets: Stack, pretraining: Pretraining, settings: Settings
) -> Callable[[list[int], int, torch.Generator], Tensor]:
    """All output channels regress the same map, moved with the input."""
    preset, runtime = settings.preset, settings.runtime

    def loss(items: list[int], epoch: int, generator: torch.Generator) -> Tensor:
        poses = _poses(len(items), preset, pretraining.rotation_deg, generator)
        images = poses.move_images(seen.images(items))
        images = vary_greys(images, preset.contrast, generator)
        target = poses.move_images(targets.images(items))
        return pretraining.loss(runtime.forward(network, images), target, epoch, preset.pretrain_epochs)

    return loss


def _poses(count: int, preset: Preset, max_deg: float, generator: torch.Generator) -> Poses:
    return random_poses(count, preset.dimension, max_deg, generator, zoom=preset.zoom, shift=preset.shift)


def _subject(
    case: PreparedCase, pretraining: Pretraining, preset: Preset, boundary: Boundaries | None
) -> tuple[NDArray, NDArray]:
    """Return what the network sees and what it regresses in pre-training, as a :class:`Stack` takes them."""
    image = np.asarray(case.image, dtype=np.float32) / FULL_SCALE
    subject = Subject(
        image=image,
        mask=None if case.mask is None else np.asarray(case.mask, dtype=bool),
        boundary=boundary(case) if boundary and pretraining.needs == "boundary" else None,
        range_vox=preset.range_vox,
        heatmap_stride=preset.heatmap_stride,
    )
    seen = pretraining.input(subject)
    return case.image if seen is image else compact(seen), compact(pretraining.target(subject))
