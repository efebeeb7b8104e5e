"""Targets of landmark detection: one Gaussian per landmark, with its peak at 255."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from baselines.common.method import PEAK

#: A Gaussian is cut off along each axis where it falls below this: the products of two or three would otherwise hold
#: denormal numbers, which are slow. At sigma 5 that is 37 voxels away.
NEGLIGIBLE = 1e-12


def to_heatmap_grid(points: Tensor, stride: int) -> Tensor:
    """Take points from the network's grid to that of its heatmaps; edges of both grids coincide, not centres."""
    return (points + 0.5) / stride - 0.5


def from_heatmap_grid(points: Tensor, stride: int) -> Tensor:
    """Take points from the grid of the heatmaps to that of the network: the inverse of :func:`to_heatmap_grid`."""
    return (points + 0.5) * stride - 0.5


def known_landmarks(points: Tensor) -> Tensor:
    """Return which points ``(..., d)`` are annotated, ``(...)`` of bool: a point with NaN in it is not."""
    return torch.isfinite(points).all(dim=-1)


def gaussian_heatmaps(points: Tensor, shape: Sequence[int], sigma_vox: float, out: Tensor | None = None) -> Tensor:
    """Return ``255 exp(-|x - p|² / 2σ²)`` at every voxel x for every point p.

    The Gaussian is separable: one exponential per axis and voxel of that axis, then outer products, which is some
    hundred times less work than evaluating it at each voxel.

    The peak of 255 is at the point itself, so between voxel centres no voxel reaches it: that is what makes decoding
    below the voxel possible. A point outside the grid leaves the part of its Gaussian that is inside. A point with
    NaN gives a map of zeros; leave it out of the loss by :func:`known_landmarks`.

    Parameters
    ----------
    points : float tensor, shape (batch, landmark, d)
        In indices of the heatmap's grid.
    shape : d ints
    sigma_vox : float
    out : float32 tensor, shape (batch, landmark, *shape), optional
        Written to and returned: memory that is reused takes an eighth of the time of fresh memory.
    """
    d = len(shape)
    profiles = []  # per axis (batch, landmark, n_axis)
    for axis, n in enumerate(shape):
        at = torch.arange(n, dtype=torch.float32, device=points.device)
        distance = at - points[..., axis, None].to(torch.float32)
        profile = torch.exp(distance.square() / (-2 * sigma_vox**2))
        profiles.append(torch.where(profile > NEGLIGIBLE, profile, 0.0))  # NaN compares false: zeros
    result = profiles[0] * PEAK
    for axis in range(1, d):
        profile = profiles[axis].reshape(*points.shape[:-1], *[1] * axis, -1)
        result = torch.mul(result[..., None], profile, out=out if axis == d - 1 else None)
    return result
