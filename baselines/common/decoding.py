"""From heatmaps to landmarks, in indices of the heatmap's grid."""

from __future__ import annotations

import torch
from torch import Tensor

#: Half the distance, in voxels, over which a peak's logarithm is taken to be a parabola.
REACH = 2


def decode(heatmaps: Tensor, *, refine: bool = False) -> Tensor:
    """Return where each heatmap is highest.

    Parameters
    ----------
    heatmaps : float32 tensor, shape (batch, landmark, *grid)
        Lower precision moves peaks: decode in float32.
    refine : bool
        Below the voxel: the logarithm of a Gaussian is a parabola along each axis, and three samples at -2, 0 and +2
        voxels around the highest give its vertex. Kept within those samples. Not along an axis where the peak is
        closer than that to the border, or where the samples do not curve down.

    Returns
    -------
    float64 tensor, shape (batch, landmark, d)
        On the CPU: not every device has float64. Ties go to the first voxel in array order.
    """
    shape = heatmaps.shape[2:]
    flat = heatmaps.float().flatten(2)
    at = (flat == flat.amax(dim=2, keepdim=True)).int().argmax(dim=2)
    index = torch.stack(torch.unravel_index(at.cpu(), shape), dim=-1)  # (batch, landmark, d)
    result = index.double()
    if not refine:
        return result
    strides = torch.tensor([flat.shape[2] // _product(shape[: a + 1]) for a in range(len(shape))])
    for axis, n in enumerate(shape):
        inside = (index[..., axis] >= REACH) & (index[..., axis] < n - REACH)
        step = torch.where(inside, REACH * int(strides[axis]), 0).to(at.device)
        low, middle, high = (
            flat.gather(2, (at + s * step).unsqueeze(2)).squeeze(2).cpu().clamp_min(1e-6).double().log()
            for s in (-1, 0, 1)
        )
        curvature = low - 2 * middle + high
        usable = inside & (curvature < 0)
        shift = 0.5 * REACH * (low - high) / torch.where(usable, curvature, -1.0)
        result[..., axis] += torch.where(usable, shift.clamp(-REACH, REACH), 0.0)
    return result


def _product(numbers: torch.Size | tuple[int, ...]) -> int:
    total = 1
    for n in numbers:
        total *= int(n)
    return total
