"""Presets: everything of a training that is a number, in one place.

``paper`` is the paper's recipe (AAAI 2025, implementation details). ``small`` is ours, for minutes on a CPU: what it
changes beside sizes was chosen with Baseline on validation data (docs/results.md). ``smoke`` is ``small`` in seconds,
and learns little: it is for tests.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from dgmld_bench.errors import unknown_name

Precision = Literal["fp32", "bf16"]


@dataclass(frozen=True)
class Preset:
    """The size and the recipe of a training.

    Attributes
    ----------
    name : str
    grid_shape : tuple of int
        What the network sees, canonical axis order: 3D (x, y, z), 2D (row, column).
    width : int
        Channels of the network's first level.
    pretrain_epochs, epochs : int
        Length of the two stages. Methods without pre-training skip the first.
    endless_steps : int
        Steps of the second stage, at least, of a method whose examples never come twice.
    sigma_vox : float
        Width of the Gaussian heatmaps, in voxels or pixels of the *heatmap's* grid.
    heatmap_stride : int
        The heatmap's grid is the network's grid divided by this.
    refine : bool
        Decode below the voxel; without it, landmarks lie on voxel centres (plain argmax, as published).
    schedule : {"constant", "cosine"}
        Course of the learning rate over a stage.
    precision : {"fp32", "bf16"}
        On a processor, unless ``--precision`` says otherwise; a GPU takes ``bf16`` where it has it. ``fp32`` where the
        device does not compute in it.
    batch_size : int
    learning_rate : float
    scale_rate : float
        Learning rate of the scale of the heatmaps, relative to the other one: in 3D there are only hundreds of steps,
        in 2D there are thousands, and a slow scale loses no landmark.
    validate_every : int
        Epochs from one validation to the next.
    zoom, shift, contrast : float
        How far training images are changed beyond the method's rotation, the same for every method, see
        :func:`~baselines.common.augment.random_poses` and :func:`~baselines.common.augment.vary_greys`. 3D has none of
        it, as in the paper.
    reach : float
        How far BaPDG's distance map reaches, in widths (sigma) of the heatmaps' Gaussian, which the paper took its N
        from.
    """

    name: str
    grid_shape: tuple[int, ...]
    width: int
    pretrain_epochs: int
    epochs: int
    sigma_vox: float
    heatmap_stride: int = 1
    refine: bool = False
    schedule: Literal["constant", "cosine"] = "constant"
    precision: Precision = "fp32"
    batch_size: int = 4
    learning_rate: float = 1e-3
    scale_rate: float = 1.0
    validate_every: int = 1
    zoom: float = 0.0
    shift: float = 0.0
    contrast: float = 0.0
    reach: float = 1.0
    endless_steps: int = 2000

    @property
    def dimension(self) -> int:
        """2 or 3."""
        return len(self.grid_shape)

    @property
    def heatmap_shape(self) -> tuple[int, ...]:
        """Shape of the grid of the heatmaps."""
        return tuple(n // self.heatmap_stride for n in self.grid_shape)

    @property
    def range_vox(self) -> float:
        """Reach N of BaPDG's distance map in voxels of the heatmap's grid.

        It follows the grid, 5 voxels at 128³ and 2.5 at 64³, and stays the same in millimetres.

        >>> [PRESETS[3][name].range_vox for name in ("paper", "small", "smoke")]
        [5.0, 2.5, 1.25]
        """
        return self.reach * self.sigma_vox


#: The paper says nothing of its training on films: this is ours, chosen on ``isbi-val``.
_FILMS: dict[str, Any] = {
    "refine": True,
    "schedule": "cosine",
    "zoom": 0.15,
    "shift": 0.06,
    "contrast": 0.5,
    "endless_steps": 4500,
}

#: A learning rate that falls to zero, and decoding below the voxel: argmax rounds by half a voxel along each axis.
_VOLUMES: dict[str, Any] = {"refine": True, "schedule": "cosine", "scale_rate": 30.0}

#: dimension -> name -> preset. The paper gives no grid for 2D: that of 2D ``paper`` is ours.
PRESETS: dict[int, dict[str, Preset]] = {
    3: {
        "paper": Preset("paper", (128, 128, 128), 32, 50, 50, sigma_vox=5.0, scale_rate=30.0),
        "small": Preset("small", (64, 64, 64), 16, 50, 50, sigma_vox=2.5, precision="bf16", **_VOLUMES),
        "smoke": Preset("smoke", (32, 32, 32), 8, 2, 2, sigma_vox=1.25, endless_steps=16, **_VOLUMES),
    },
    2: {
        "paper": Preset("paper", (512, 416), 32, 50, 50, 2.7, 2, **_FILMS),
        "small": Preset(
            "small", (384, 320), 24, 10, 30, 2.0, 2, precision="bf16", batch_size=2, validate_every=5, **_FILMS
        ),
        "smoke": Preset("smoke", (96, 80), 8, 2, 2, 1.0, 2, **_FILMS | {"endless_steps": 16}),
    },
}


def get_preset(name: str, dimension: int) -> Preset:
    """Return a preset by name for 2D or 3D; UsageError with the known names when there is none."""
    try:
        return PRESETS[dimension][name]
    except KeyError:
        raise unknown_name("preset", name, tuple(PRESETS[dimension])) from None
