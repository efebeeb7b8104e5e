"""Random changes of a training image: rotation, zoom and shift about the centre of the grid, and of its grey values.

Images are moved by interpolation, landmarks by the same map: points are exact and cheap, so heatmaps are built from
moved points and never moved themselves. Targets of pre-training have no points; their maps are moved with the image
(one sampling of two channels). Interpolating a distance map smooths its steps by less than a voxel, and takes a tenth
of the time of moving the mask and building the map anew.

The map acts on grid indices, as in the paper's code: where the voxels of a grid are not cubes, a rotation shears the
anatomy a little.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Poses:
    """How each image of a batch is turned, zoomed and shifted.

    What was at p is afterwards at ``zoom R (p - centre) + centre + shift``.

    Attributes
    ----------
    rotations : float64 tensor, shape (batch, d, d)
        Act on index vectors.
    zooms : float64 tensor, shape (batch,)
    shifts : float64 tensor, shape (batch, d)
        In shares of the grid's length along each axis, so that they hold for every grid on the same field of view.
    """

    rotations: Tensor
    zooms: Tensor
    shifts: Tensor

    def move_points(self, points: Tensor, shape: Sequence[int]) -> Tensor:
        """Move points ``(batch, landmark, d)``, in indices of a grid of this shape."""
        size = torch.as_tensor(shape, dtype=points.dtype, device=points.device)
        centre = (size - 1) / 2
        matrices = (self.rotations * self.zooms[:, None, None]).to(points)
        return (points - centre) @ matrices.transpose(1, 2) + (centre + self.shifts.to(points) * size)[:, None]

    def move_images(self, images: Tensor) -> Tensor:
        """Move images ``(batch, channel, *grid)``, with linear interpolation.

        What was outside the grid takes the value at its border: zeros would paint edges into films, whose border is
        not black, and are what the border of a volume holds anyway.
        """
        shape = torch.as_tensor(images.shape[2:], dtype=torch.float64)
        # A sampling grid says where each output voxel comes from, so it holds the inverse. Its coordinates run from -1
        # to 1 over each axis (edges of the grid, not centres of voxels), and name the axes last to first.
        inverse = self.rotations.transpose(1, 2) / self.zooms[:, None, None]
        offset = -(inverse @ (self.shifts * shape)[..., None])
        normalised = torch.cat([(inverse * (shape / shape[:, None])), offset * (2 / shape[:, None])], dim=2)
        theta = torch.cat([normalised[..., :-1].flip(1, 2), normalised[..., -1:].flip(1)], dim=2)
        theta = theta.to(images.device, images.dtype, non_blocking=True)
        where = torch.nn.functional.affine_grid(theta, list(images.shape), align_corners=False)
        return torch.nn.functional.grid_sample(
            images, where, mode="bilinear", padding_mode="border", align_corners=False
        )


def random_poses(
    count: int, dimension: int, max_deg: float, generator: torch.Generator, *, zoom: float = 0.0, shift: float = 0.0
) -> Poses:
    """Draw poses: angles uniform in ±max_deg (one in 2D, one per axis in 3D), and more where asked for.

    In 3D the rotation about the first axis comes first, that about the last axis last.

    Parameters
    ----------
    count : int
    dimension : {2, 3}
    max_deg : float
    generator : torch.Generator, on the CPU
    zoom : float
        Zooms lie between ``1 / (1 + zoom)`` and ``1 + zoom``, their logarithms uniform.
    shift : float
        Shifts are uniform in ±shift of the grid's length along each axis.
    """
    planes = [(0, 1)] if dimension == 2 else [(1, 2), (2, 0), (0, 1)]
    angles = torch.deg2rad(_uniform((count, len(planes)), max_deg, generator))
    rotations = torch.eye(dimension, dtype=torch.float64).repeat(count, 1, 1)
    for (i, j), angle in zip(planes, angles.T, strict=True):
        turn = torch.eye(dimension, dtype=torch.float64).repeat(count, 1, 1)
        turn[:, i, i] = turn[:, j, j] = angle.cos()
        turn[:, i, j], turn[:, j, i] = -angle.sin(), angle.sin()
        rotations = turn @ rotations
    zooms = _uniform((count,), math.log1p(zoom), generator).exp()
    return Poses(rotations, zooms, _uniform((count, dimension), shift, generator))


def vary_greys(images: Tensor, contrast: float, generator: torch.Generator) -> Tensor:
    """Return images with another gamma, contrast and brightness each.

    Parameters
    ----------
    images : float tensor, shape (batch, channel, *grid), in [0, 1]
    contrast : float
        Gamma and contrast lie between ``1 / (1 + contrast)`` and ``1 + contrast``, their logarithms uniform; brightness
        is within ± half of it. 0 changes nothing.
    generator : torch.Generator, on the CPU
    """
    if not contrast:
        return images
    draws = _uniform((3, len(images), *[1] * (images.ndim - 1)), 1.0, generator)
    draws = draws.to(images.device, images.dtype, non_blocking=True)
    gamma, gain = (1 + contrast) ** draws[0], (1 + contrast) ** draws[1]
    return (images.clamp(0, 1) ** gamma - 0.5) * gain + 0.5 + draws[2] * contrast / 2


def _uniform(shape: Sequence[int], limit: float, generator: torch.Generator) -> Tensor:
    """Draw from ±limit; nothing is drawn for a limit of 0, so that what is not asked for does not move the rest."""
    if not limit:
        return torch.zeros(tuple(shape), dtype=torch.float64)
    return (2 * torch.rand(tuple(shape), dtype=torch.float64, generator=generator) - 1) * limit
