"""What both backbones are made of. ``dimension`` is 2 or 3 everywhere."""

from __future__ import annotations

from collections.abc import Sequence

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
    """Twice convolution (kernel 3, with bias), batch norm, ReLU.

    With ``linear`` it ends after the second convolution: the head of a network. It starts by passing each of its
    channels on (and a bias of zero, the background of every target), so that each landmark begins with a channel of
    its own. Started at random, two landmarks can settle on one channel, and a third is never learnt.
    """

    def __init__(
        self, dimension: int, in_channels: int, out_channels: int, *, stride: int = 1, linear: bool = False
    ) -> None:
        norm = BATCH_NORM[dimension]
        last = convolution(dimension, out_channels, out_channels)
        layers = [
            convolution(dimension, in_channels, out_channels, stride=stride),
            norm(out_channels),
            nn.ReLU(inplace=True),
            last,
        ]
        if not linear:
            layers += [norm(out_channels), nn.ReLU(inplace=True)]
        super().__init__(*layers)
        if linear:
            self.restart()

    def restart(self) -> None:
        """Put the last convolution of a linear head back to its start."""
        nn.init.dirac_(self[-1].weight)
        nn.init.zeros_(self[-1].bias)


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
