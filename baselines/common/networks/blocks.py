"""What both backbones are made of. ``dimension`` is 2 or 3 everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from dgmld_bench.errors import UsageError

CONV: dict[int, type[nn.Conv2d] | type[nn.Conv3d]] = {2: nn.Conv2d, 3: nn.Conv3d}
BATCH_NORM: dict[int, type[nn.BatchNorm2d] | type[nn.BatchNorm3d]] = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}


def check_grid(grid_shape: Sequence[int], divisor: int, network: str) -> None:
    """Raise UsageError unless the grid has 2 or 3 axes, each a multiple of the divisor."""
    if len(grid_shape) not in CONV or any(n < divisor or n % divisor for n in grid_shape):
        raise UsageError(
            f"{network} needs a grid of 2 or 3 axes, each a multiple of {divisor}; got {tuple(grid_shape)}"
        )


def convolution(
    dimension: int, in_channels: int, out_channels: int, kernel: int = 3, stride: int = 1, bias: bool = True
) -> nn.Module:
    """Return a convolution that keeps the size (odd kernels, stride 1) or divides it by the stride."""
    return CONV[dimension](in_channels, out_channels, kernel, stride, padding=(kernel - 1) // 2, bias=bias)


class DoubleConvolution(nn.Sequential):
    """Twice convolution (kernel 3, with bias), batch norm, ReLU."""

    def __init__(self, dimension: int, in_channels: int, out_channels: int, *, stride: int = 1) -> None:
        norm = BATCH_NORM[dimension]
        super().__init__(
            convolution(dimension, in_channels, out_channels, stride=stride),
            norm(out_channels),
            nn.ReLU(inplace=True),
            convolution(dimension, out_channels, out_channels),
            norm(out_channels),
            nn.ReLU(inplace=True),
        )


class Head(nn.Sequential):
    """A double convolution without its ReLUs and its second batch norm, so that a heatmap may take any value.

    There are as many channels between its convolutions as landmarks. Each landmark starts with a channel of its own
    (the last convolution passes its channels on). While landmarks are learnt, the last convolution, which alone mixes
    channels, learns at a hundredth of the rate of the rest (:func:`parameter_groups`).

    No ReLU stands between them: batch norm gives every channel the same variance, and the cheapest way to be rid of it
    is a deep negative spike that a ReLU cuts off, at which nothing is ever learnt again. Landmarks were lost that way.
    """

    def __init__(self, dimension: int, in_channels: int, landmarks: int) -> None:
        super().__init__(
            convolution(dimension, in_channels, landmarks),
            BATCH_NORM[dimension](landmarks),
            convolution(dimension, landmarks, landmarks),
        )
        self._open()

    def restart(self) -> None:
        """Start anew; the first convolution is drawn from PyTorch's global generator."""
        self[0].reset_parameters()
        self._open()

    def _open(self) -> None:
        _, norm, last = self
        norm.reset_parameters()
        nn.init.dirac_(last.weight)
        nn.init.zeros_(last.bias)


#: Learning rate of what mixes a head's channels, relative to that of all other parameters.
MIXING_RATE = 0.01


def parameter_groups(network: nn.Module, learning_rate: float, scale_rate: float = 1.0) -> list[dict[str, Any]]:
    """Return an optimiser's parameter groups: a :class:`Head` mixes its channels slowly.

    Parameters
    ----------
    network : nn.Module
    learning_rate : float
    scale_rate : float
        Rate of what scales the channels of a head, relative to ``learning_rate``. A heatmap's peak is some five times
        what a channel starts with: at one rate the scale takes thousands of steps to get there.
    """
    heads = [m for m in network.modules() if isinstance(m, Head)]
    mixing = [p for head in heads for p in head[-1].parameters()]
    scale = [head[1].weight for head in heads]
    special = {id(p) for p in (*mixing, *scale)}
    return [
        {"params": [p for p in network.parameters() if id(p) not in special], "lr": learning_rate},
        {"params": mixing, "lr": MIXING_RATE * learning_rate},
        {"params": scale, "lr": scale_rate * learning_rate},
    ]


def restart_heads(network: nn.Module) -> None:
    """Start a network's :class:`Head` anew; all that lies before it stays."""
    for module in network.modules():
        if isinstance(module, Head):
            module.restart()


class Upsample(nn.Module):
    """Twice the size, linearly along each axis; half-voxel centres, as on every grid here."""

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.mode = {2: "bilinear", 3: "trilinear"}[dimension]

    def forward(self, x: Tensor) -> Tensor:
        """Upsample ``(batch, channel, *grid)``."""
        return nn.functional.interpolate(x, scale_factor=2, mode=self.mode, align_corners=False)


class BasicBlock(nn.Module):
    """The residual block of ResNet-18 and -34: two convolutions without bias, and a shortcut.

    Where stride or channels change, the shortcut is a convolution of kernel 1 with batch norm.
    """

    def __init__(self, dimension: int, in_channels: int, out_channels: int, *, stride: int = 1) -> None:
        super().__init__()
        norm = BATCH_NORM[dimension]
        self.body = nn.Sequential(
            convolution(dimension, in_channels, out_channels, stride=stride, bias=False),
            norm(out_channels),
            nn.ReLU(inplace=True),
            convolution(dimension, out_channels, out_channels, bias=False),
            norm(out_channels),
        )
        self.shortcut = (
            nn.Identity()
            if stride == 1 and in_channels == out_channels
            else nn.Sequential(
                convolution(dimension, in_channels, out_channels, kernel=1, stride=stride, bias=False),
                norm(out_channels),
            )
        )
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(batch, in_channels, *grid)`` to ``(batch, out_channels, *grid / stride)``."""
        return self.activation(self.body(x) + self.shortcut(x))
