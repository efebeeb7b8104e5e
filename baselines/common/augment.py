"""Random rotations, about the centre of the network's grid.

Images are rotated by interpolation, landmarks by the same matrix: points are exact and cheap, so heatmaps are built
from rotated points and never rotated themselves. Targets of pre-training have no points; their maps are rotated with
the image (one sampling of two channels). Interpolating a distance map smooths its steps by less than a voxel, and
takes a tenth of the time of rotating the mask and building the map anew.

The rotation acts on grid indices, as in the paper's code: where the voxels of a grid are not cubes, it shears the
anatomy a little.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def random_rotations(count: int, dimension: int, max_deg: float, generator: torch.Generator) -> Tensor:
    """Draw rotation matrices with angles uniform in ±max_deg: one in 2D, one per axis in 3D.

    Parameters
    ----------
    count : int
    dimension : {2, 3}
    max_deg : float
    generator : torch.Generator, on the CPU

    Returns
    -------
    float64 tensor, shape (count, dimension, dimension)
        Acts on index vectors. In 3D the rotation about the first axis comes first, that about the last axis last.
    """
    planes = [(0, 1)] if dimension == 2 else [(1, 2), (2, 0), (0, 1)]
    uniform = torch.rand((count, len(planes)), dtype=torch.float64, generator=generator)
    angles = torch.deg2rad((2 * uniform - 1) * max_deg)
    result = torch.eye(dimension, dtype=torch.float64).repeat(count, 1, 1)
    for (i, j), angle in zip(planes, angles.T, strict=True):
        turn = torch.eye(dimension, dtype=torch.float64).repeat(count, 1, 1)
        turn[:, i, i] = turn[:, j, j] = angle.cos()
        turn[:, i, j], turn[:, j, i] = -angle.sin(), angle.sin()
        result = turn @ result
    return result


def rotate_points(points: Tensor, rotations: Tensor, shape: Sequence[int]) -> Tensor:
    """Rotate points about the centre of a grid.

    Parameters
    ----------
    points : tensor, shape (batch, landmark, d)
        In indices of a grid of this shape.
    rotations : tensor, shape (batch, d, d)
    shape : d ints
    """
    centre = (torch.as_tensor(shape, dtype=points.dtype, device=points.device) - 1) / 2
    return (points - centre) @ rotations.to(points).transpose(1, 2) + centre


def rotate_images(images: Tensor, rotations: Tensor) -> Tensor:
    """Rotate images about the centre of their grid, with linear interpolation.

    What was outside the grid takes the value at its border: zeros would paint edges into films, whose border is not
    black, and are what the border of a volume holds anyway.

    Parameters
    ----------
    images : float tensor, shape (batch, channel, *grid)
    rotations : tensor, shape (batch, d, d)
        What was at p is afterwards at R (p - centre) + centre.
    """
    shape = torch.as_tensor(images.shape[2:], dtype=torch.float64)
    # A sampling grid says where each output voxel comes from, so it holds the inverse. Its coordinates run from -1 to
    # 1 over each axis (edges of the grid, not centres of voxels), and name the axes last to first.
    inverse = rotations.transpose(1, 2).cpu().to(torch.float64)
    normalised = (inverse * (shape / shape[:, None])).flip(1, 2)
    theta = torch.cat([normalised, torch.zeros_like(normalised[..., :1])], dim=2).to(images)
    where = torch.nn.functional.affine_grid(theta, list(images.shape), align_corners=False)
    return torch.nn.functional.grid_sample(images, where, mode="bilinear", padding_mode="border", align_corners=False)
