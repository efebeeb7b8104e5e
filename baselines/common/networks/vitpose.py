"""ViTPose (Xu et al. 2022): a plain vision transformer and a decoder of three upsamplings, here for volumes too."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from baselines.common.networks.blocks import CONV, DoubleConvolution, Head, Upsample, check_grid

PATCH = 8
DEPTH = 6
HEADS = 6
MLP_RATIO = 4
MAX_DROP = 0.3


class StochasticDepth(nn.Module):
    """In training, leave a residual branch out of each sample with this probability, and scale up what is kept."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, branch: Tensor) -> Tensor:
        """Map ``(batch, token, channel)`` to the same shape."""
        if not self.training or self.probability == 0:
            return branch
        keep = 1 - self.probability
        return branch * branch.new_empty(len(branch), 1, 1).bernoulli_(keep).div_(keep)


class Attention(nn.Module):
    """Self-attention with heads of dimension ``width // HEADS`` (5 at width 32), whatever remains is left out."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.head_dimension = max(1, width // HEADS)
        inner = HEADS * self.head_dimension
        self.query_key_value = nn.Linear(width, 3 * inner, bias=False)
        self.project = nn.Linear(inner, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(batch, token, channel)`` to the same shape."""
        batch, tokens, _ = x.shape
        qkv = self.query_key_value(x).reshape(batch, tokens, 3, HEADS, self.head_dimension)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)  # each (batch, head, token, head dimension)
        attended = nn.functional.scaled_dot_product_attention(query, key, value)
        return self.project(attended.transpose(1, 2).reshape(batch, tokens, -1))


class TransformerBlock(nn.Module):
    """Attention and a two-layer perceptron, each after a layer norm and inside a residual branch."""

    def __init__(self, width: int, drop: float) -> None:
        super().__init__()
        self.attend = nn.Sequential(nn.LayerNorm(width), Attention(width), StochasticDepth(drop))
        self.think = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, MLP_RATIO * width),
            nn.GELU(),
            nn.Linear(MLP_RATIO * width, width),
            StochasticDepth(drop),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(batch, token, channel)`` to the same shape."""
        x = x + self.attend(x)
        return x + self.think(x)


class ViTPose(nn.Module):
    """Vision transformer with 338,852 parameters on a 128³ grid at width 32 with six landmarks.

    Patches of 8 voxels along each axis become tokens; learned positions are added, and so is one more position that
    all tokens share (that of the class token, which pose estimation has no use for). The number of tokens, and with
    it the number of learned positions, follows the grid.

    Parameters
    ----------
    grid_shape : 2 or 3 ints, multiples of 8
    out_channels : int
    width : int
    output_stride : {1, 2}
    """

    def __init__(
        self, grid_shape: Sequence[int], out_channels: int, *, width: int = 32, output_stride: int = 1
    ) -> None:
        super().__init__()
        check_grid(grid_shape, PATCH, "vitpose")
        d = len(grid_shape)
        self.output_stride = output_stride
        self.patch_grid = tuple(n // PATCH for n in grid_shape)
        self.embed = CONV[d](1, width, PATCH, stride=PATCH)
        self.position = nn.Parameter(
            nn.init.trunc_normal_(torch.empty(1, 1 + math.prod(self.patch_grid), width), std=0.02)
        )
        drops = [MAX_DROP * i / (DEPTH - 1) for i in range(DEPTH)]
        self.blocks = nn.Sequential(*(TransformerBlock(width, drop) for drop in drops))
        self.norm = nn.LayerNorm(width)
        self.decoder = nn.Sequential(
            Upsample(d),
            DoubleConvolution(d, width, width),
            Upsample(d),
            DoubleConvolution(d, width, width),
            {1: Upsample(d), 2: nn.Identity()}[output_stride],
            Head(d, width, out_channels),
        )

    def forward(self, image: Tensor) -> Tensor:
        """Map ``(batch, 1, *grid)`` to ``(batch, landmark, *grid / output_stride)``."""
        patches = self.embed(image)  # (batch, width, *patch grid)
        tokens = patches.flatten(2).transpose(1, 2)  # (batch, token, width)
        tokens = tokens + self.position[:, 1:] + self.position[:, :1]
        tokens = self.norm(self.blocks(tokens))
        return self.decoder(tokens.transpose(1, 2).reshape(patches.shape))
