"""A U-Net (Ronneberger et al. 2015) with residual blocks (He et al. 2016): "UNet" in the paper."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from baselines.common.networks.blocks import BasicBlock, DoubleConvolution, Head, Upsample, check_grid

#: The stem is level one; each further level halves the grid and doubles the channels.
LEVELS = 4
BLOCKS_PER_LEVEL = 3


class ResUNet(nn.Module):
    """Residual U-Net with 15,181,316 parameters in 3D at width 32 with six landmarks.

    Levels of 32, 64, 128 and 256 channels at 1/2, 1/4, 1/8 and 1/16 of the grid; back up with skip connections to
    1/2, where heatmaps of stride 2 are read off, or one upsampling further to the full grid.

    Parameters
    ----------
    grid_shape : 2 or 3 ints, multiples of 16
    out_channels : int
    width : int
    output_stride : {1, 2}
    """

    def __init__(
        self, grid_shape: Sequence[int], out_channels: int, *, width: int = 32, output_stride: int = 1
    ) -> None:
        super().__init__()
        check_grid(grid_shape, 2**LEVELS, "the unet")
        d = len(grid_shape)
        self.output_stride = output_stride
        channels = [width * 2**level for level in range(LEVELS)]
        self.stem = DoubleConvolution(d, 1, width, stride=2)
        self.down = nn.ModuleList(
            nn.Sequential(
                BasicBlock(d, fine, coarse, stride=2),
                *(BasicBlock(d, coarse, coarse) for _ in range(BLOCKS_PER_LEVEL - 1)),
            )
            for fine, coarse in itertools.pairwise(channels)
        )
        self.upsample = Upsample(d)
        self.up = nn.ModuleList(
            DoubleConvolution(d, coarse + fine, fine) for fine, coarse in reversed(list(itertools.pairwise(channels)))
        )
        self.last_upsample = {1: self.upsample, 2: nn.Identity()}[output_stride]
        self.head = Head(d, width, out_channels)

    def forward(self, image: Tensor) -> Tensor:
        """Map ``(batch, 1, *grid)`` to ``(batch, landmark, *grid / output_stride)``."""
        levels = [self.stem(image)]
        for down in self.down:
            levels.append(down(levels[-1]))
        x = levels.pop()
        for up in self.up:
            x = up(torch.cat([self.upsample(x), levels.pop()], dim=1))
        return self.head(self.last_upsample(x))
