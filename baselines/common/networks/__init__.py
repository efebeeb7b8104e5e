"""The two backbones, in 2D and 3D from the same code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dgmld_bench.errors import UsageError, unknown_name

if TYPE_CHECKING:
    from torch import nn

    from baselines.common.config import Preset

BACKBONES = ("unet", "vitpose")


def build_network(
    backbone: str, grid_shape: Sequence[int], out_channels: int, *, width: int = 32, output_stride: int = 1
) -> nn.Module:
    """Return a network that maps an image to one heatmap per landmark.

    Input ``(batch, 1, *grid)``; output ``(batch, out_channels, *(n // output_stride for n in grid))``, from a linear
    head: values are on the scale of the targets, of either sign.

    Weights are drawn from PyTorch's global generator: the same ``torch.manual_seed`` gives the same network.

    Parameters
    ----------
    backbone : {"unet", "vitpose"}
    grid_shape : 2 or 3 ints
        Its length is the dimension of all convolutions. The grid must be divisible by 16 (unet) or 8 (vitpose).
    out_channels : int
        Number of landmarks.
    width : int
        Channels of the first level, a multiple of 8; the paper's is 32. Convolutions over fewer channels than a
        processor's vector holds are not safe everywhere: with 4, PyTorch 2.13 was seen to write past the end of its
        memory in the strided 1-convolution (channels last, AVX2).
    output_stride : {1, 2}
        2 leaves out the last upsampling: heatmaps at half the resolution.

    Raises
    ------
    UsageError
        For an unknown backbone, a width that is no multiple of 8, another stride, or a grid that does not fit the
        backbone.
    """
    from baselines.common.networks.resunet import ResUNet
    from baselines.common.networks.vitpose import ViTPose

    classes: dict[str, type[ResUNet] | type[ViTPose]] = {"unet": ResUNet, "vitpose": ViTPose}
    if backbone not in classes:
        raise unknown_name("backbone", backbone, BACKBONES)
    if width < 8 or width % 8:
        raise UsageError(f"a network's width must be a multiple of 8; got {width}")
    if output_stride not in (1, 2):
        raise UsageError(f"a network's output stride is 1 or 2; got {output_stride}")
    return classes[backbone](grid_shape, out_channels, width=width, output_stride=output_stride)


def network_for(backbone: str, preset: Preset, landmarks: int) -> nn.Module:
    """Return the network of a preset; raises as :func:`build_network` does."""
    size = {"width": preset.width, "output_stride": preset.heatmap_stride}
    return build_network(backbone, preset.grid_shape, landmarks, **size)
