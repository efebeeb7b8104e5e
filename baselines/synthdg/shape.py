"""Maps that give a volume another shape, exact for points and free of folds.

Each map says where a voxel of the new volume comes from, as sampling needs it: from an outer layer of elastic waves
over a turn with stretches to swellings of single structures. Every layer but the turn adds a displacement that changes
by less than a voxel from one voxel to the next (its Lipschitz constant is below 1, by the limits below). So no layer
folds, structures keep their topology, and iterating ``y <- p - displacement(y)`` finds where a point goes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from baselines.common.augment import Poses

#: Intervals between the control points of elastic waves, along each axis.
INTERVALS = 4
#: Points are found to this, in voxels; in the worst case that the limits allow it takes as many iterations.
TOLERANCE_VOX, ITERATIONS = 1e-4, 120


@dataclass(frozen=True)
class Waves:
    """Elastic deformation: cubic B-splines on a coarse grid (Rueckert et al. 1999).

    Attributes
    ----------
    control : tensor, shape (batch, 3, INTERVALS + 3, INTERVALS + 3, INTERVALS + 3)
        Coefficients in voxels. Within ±a they change the displacement by at most ``4.5 a INTERVALS / n`` a voxel.
    """

    control: Tensor

    def dense(self, shape: Sequence[int]) -> Tensor:
        """Return the displacements ``(batch, 3, *shape)`` of all voxels."""
        x, y, z = (_splines(torch.arange(n).to(self.control), n) for n in shape)
        along_z = torch.einsum("bcijk,zk->bcijz", self.control, z)
        along_y = torch.einsum("bcijz,yj->bciyz", along_z, y)
        return torch.einsum("bciyz,xi->bcxyz", along_y, x)

    def at(self, points: Tensor, shape: Sequence[int]) -> Tensor:
        """Return the displacements ``(batch, point, 3)`` at points of a grid of this shape."""
        x, y, z = (_splines(points[..., axis], n) for axis, n in enumerate(shape))
        return torch.einsum("bcijk,bpi,bpj,bpk->bpc", self.control.to(points), x, y, z)


@dataclass(frozen=True)
class Swelling:
    """A structure and its surroundings stretched, shrunk and shifted by themselves, fading out smoothly.

    Within ``radius`` of the centre a voxel at offset ``o`` comes from ``o + w (stretch o + shift)`` with
    ``w = (1 - (|o| / radius)²)²``, which changes by at most ``4/3 max|stretch| + 1.54 |shift| / radius`` a voxel.

    Attributes
    ----------
    centre, stretch, shift : tensor, shape (batch, 3)
    radius : tensor, shape (batch,)
    """

    centre: Tensor
    radius: Tensor
    stretch: Tensor
    shift: Tensor

    def displacement(self, points: Tensor) -> Tensor:
        """Return the displacements at points ``(batch, point, 3)``."""
        centre, stretch, shift = (t.to(points)[:, None] for t in (self.centre, self.stretch, self.shift))
        offset = points - centre
        near = (offset.square().sum(-1, keepdim=True) / self.radius.to(points)[:, None, None].square()).clamp_max(1)
        return (1 - near).square() * (stretch * offset + shift)


@dataclass(frozen=True)
class Shapes:
    """The whole map of a batch: waves, then a pose with stretches, then swellings.

    Attributes
    ----------
    waves : Waves
    poses : Poses
        Their matrices may hold stretches.
    swellings : sequence of Swelling
    """

    waves: Waves
    poses: Poses
    swellings: Sequence[Swelling] = ()

    def sources(self, shape: Sequence[int]) -> Tensor:
        """Return where each voxel comes from, ``(batch, *shape, 3)`` in indices."""
        voxels = torch.stack(torch.meshgrid(*(torch.arange(float(n)) for n in shape), indexing="ij"))
        voxels = voxels.to(self.waves.control)
        moved = (self.waves.dense(shape) + voxels).flatten(2).transpose(1, 2)
        matrices, offsets = self._backwards(shape)
        result = torch.baddbmm(offsets.to(moved)[:, None], moved, matrices.transpose(1, 2).to(moved))
        for swelling in self.swellings:
            result = result + swelling.displacement(result)
        return result.unflatten(1, tuple(shape))

    def move_points(self, points: Tensor, shape: Sequence[int]) -> Tensor:
        """Return where points ``(batch, landmark, 3)`` go: the voxels that would come from there."""
        for swelling in reversed(self.swellings):
            points = _solve(points, swelling.displacement)
        points = self.poses.move_points(points, shape)
        return _solve(points, lambda p: self.waves.at(p, shape))

    def _backwards(self, shape: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Return matrices and offsets of the inverse of the poses."""
        size = torch.as_tensor(shape, dtype=torch.float64)
        centre = (size - 1) / 2
        matrices = torch.linalg.inv(self.poses.rotations * self.poses.zooms[:, None, None])
        return matrices, centre - torch.einsum("bij,bj->bi", matrices, centre + self.poses.shifts * size)


def sample(images: Tensor, sources: Tensor, mode: str = "bilinear") -> Tensor:
    """Take the voxels of images ``(batch, channel, *grid)`` from where ``sources`` says; the border goes on outside."""
    size = torch.as_tensor(images.shape[2:]).to(sources)
    where = ((2 * sources + 1) / size - 1).flip(-1).to(images)
    return torch.nn.functional.grid_sample(images, where, mode=mode, padding_mode="border", align_corners=False)


def _solve(points: Tensor, displacement) -> Tensor:  # type: ignore[no-untyped-def]
    """Return the y with ``y + displacement(y) = points``."""
    result = points
    for _ in range(ITERATIONS):
        before, result = result, points - displacement(result)
        if not (result - before).abs().gt(TOLERANCE_VOX).any():  # points that are not annotated never move
            break
    return result


def _splines(at: Tensor, n: int) -> Tensor:
    """Return the cubic B-spline of each control point at positions along an axis of n voxels, ``(*at, control)``.

    Control points lie on the ends of the axis, one beyond each, and between; outside, the last spline goes on.
    """
    place = (at * (INTERVALS / (n - 1))).clamp(0, INTERVALS)[..., None]
    distance = (place - torch.arange(-1, INTERVALS + 2).to(at)).abs()
    inner = 2 / 3 - distance.square() + distance**3 / 2
    return torch.where(distance < 1, inner, (2 - distance).clamp_min(0) ** 3 / 6)
