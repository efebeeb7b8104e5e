"""The contract between a method and the trainer: what a ``run.py`` says, and nothing it does not say.

Every method trains a network to regress one Gaussian heatmap per landmark. Methods differ in how the training images
are changed (how far they are rotated, or by an :class:`Augmentation` of their own), and in what the network regresses
before: its pre-training. A ``run.py`` defines a :class:`Method` and hands it to ``main``; one with options defines a
function that returns a method, whose ``Literal`` parameters become options of the command line.

In pre-training every output channel regresses the same map, and the weights of the last epoch carry over, but for those
of the head.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from dgmld_bench.errors import UsageError

if TYPE_CHECKING:
    from torch import Generator, Tensor

Array = NDArray[np.float32]

#: The highest value of every target: landmark heatmaps, masks, edges, distance maps.
PEAK = 255.0


@dataclass(frozen=True)
class Subject:
    """What a pre-training may see of one training case.

    Attributes
    ----------
    image : float32, shape (*grid), in [0, 1]
        On the grid that the network sees.
    mask : bool, shape (*heatmap grid), optional
        The cerebellum. There are masks in 3D only.
    boundary : float32, shape (*heatmap grid), in [0, 1], optional
        How surely a boundary runs here, from an edge-map provider (:mod:`baselines.common.edges`). 2D only.
    range_vox : float
        How far a distance map reaches, in voxels of the heatmap's grid: the paper's 5 at 128³ and in proportion
        on other grids, so that it stays the same in millimetres.
    heatmap_stride : int
        Grid length over heatmap grid length, the same along each axis.
    """

    image: Array
    mask: NDArray[np.bool_] | None = None
    boundary: Array | None = None
    range_vox: float = 5.0
    heatmap_stride: int = 1

    @property
    def image_on_heatmap_grid(self) -> Array:
        """The image on the heatmap's grid: means over blocks of ``heatmap_stride`` voxels along each axis."""
        s = self.heatmap_stride
        blocks = self.image.reshape([n for length in self.image.shape for n in (length // s, s)])
        return np.asarray(blocks.mean(axis=tuple(range(1, blocks.ndim, 2))), dtype=np.float32)


def mse(prediction: Tensor, target: Tensor, epoch: int = 0, epochs: int = 1) -> Tensor:
    """Return the mean squared error over voxels and channels, in float32; the epoch plays no part."""
    return (prediction.float() - target).square().mean()


def _image(subject: Subject) -> Array:
    return subject.image


@dataclass(frozen=True)
class Pretraining:
    """What the network regresses before it learns landmarks.

    Attributes
    ----------
    needs : {"image", "mask", "boundary"}
        What, beside the image, the trainer must put into each :class:`Subject`.
    target : callable
        Returns the map to regress: float32 of the heatmap grid's shape, highest value :data:`PEAK`.
    input : callable
        Returns what the network sees: float32 of the image's shape. The image itself unless said otherwise.
    loss : callable
        ``loss(prediction, target, e, E)`` in epoch e = 0, 1, … E - 1 of E; prediction ``(batch, channel, *heatmap
        grid)``, target the same or with one channel. Returns a scalar.
    rotation_deg : float
        Input and target are rotated by up to this, per axis.
    remark : str
        What to know of the loss while it is trained, one clause; said once.
    packages : tuple of str
        What must be installed for its input or target beside what every training needs.
    """

    needs: Literal["image", "mask", "boundary"]
    target: Callable[[Subject], Array]
    input: Callable[[Subject], Array] = _image
    loss: Callable[[Tensor, Tensor, int, int], Tensor] = mse
    rotation_deg: float = 15.0
    remark: str = ""
    packages: tuple[str, ...] = ()


@dataclass(frozen=True)
class Augmentation:
    """A method's own change of training examples, in place of the rotation and the greys that all methods share.

    Attributes
    ----------
    change : callable
        ``change(images, points, labels, generator)`` returns changed images and points. ``images`` is float32
        ``(batch, 1, *grid)`` in [0, 1]; ``points`` is float64 ``(batch, landmark, d)`` in indices of the images' grid,
        on the CPU, NaN where a landmark is not annotated; ``labels`` is uint8 ``(batch, *grid)`` or None, on the
        device of the images. All that is drawn comes from the generator, which is on the CPU.
    needs_labels : bool
        Whether the trainer must load the tissue labels of training cases, in FeTA's numbering (0 is background). There
        are labels in 3D only.
    endless : bool
        Whether no example comes twice. More of them still teach something where the same few images would be learnt by
        heart, so that landmarks are learnt for the preset's ``endless_steps`` where that is longer than its epochs.
    """

    change: Callable[[Tensor, Tensor, Tensor | None, Generator], tuple[Tensor, Tensor]]
    needs_labels: bool = False
    endless: bool = False


@dataclass(frozen=True)
class Method:
    """A method of the benchmark.

    Attributes
    ----------
    name : str
        As tables and predictions show it; its folder is the name in lower case.
    title, authors, venue : str
        The publication it comes from.
    paper : str or None
        Its URL; None where it is not published.
    fine_tune_rotation_deg : float
        While landmarks are learnt, images are rotated by up to this, per axis.
    pretraining : mapping of dimension (2 or 3) to Pretraining
        Empty for a method that does not pre-train.
    augmentation : mapping of dimension (2 or 3) to Augmentation
        How examples are changed while landmarks are learnt. Empty for a method that changes them as the preset and
        ``fine_tune_rotation_deg`` say.
    """

    name: str
    title: str
    authors: str
    venue: str
    paper: str | None
    fine_tune_rotation_deg: float = 5.0
    pretraining: Mapping[int, Pretraining] = field(default_factory=dict)
    augmentation: Mapping[int, Augmentation] = field(default_factory=dict)

    @property
    def dimensions(self) -> tuple[int, ...]:
        """What it can be trained on: 2, images; 3, volumes."""
        return tuple(d for d in (2, 3) if all(not part or d in part for part in (self.pretraining, self.augmentation)))

    def pretraining_for(self, dimension: int) -> Pretraining | None:
        """Return the pre-training in 2D or 3D, or None for a method without one.

        Raises
        ------
        UsageError
            When the method pre-trains, but cannot on images of this dimension.
        """
        if not self.pretraining:
            return None
        if dimension not in self.pretraining:
            needs = " and ".join(sorted({f"a {p.needs}" for p in self.pretraining.values()}))
            raise UsageError(
                f"{self.name} cannot be trained in {dimension}D: its pre-training needs {needs} for every training "
                f"case, and there is none for {dimension}D images; choose another method"
            )
        return self.pretraining[dimension]

    def augmentation_for(self, dimension: int) -> Augmentation | None:
        """Return the method's own change of examples in 2D or 3D, or None for a method without one.

        Raises
        ------
        UsageError
            When the method has one, but not for this dimension.
        """
        if self.augmentation and dimension not in self.augmentation:
            known = " and ".join(f"{d}D" for d in sorted(self.augmentation))
            raise UsageError(f"{self.name} changes examples in {known} only, and this track is {dimension}D")
        return self.augmentation.get(dimension)
