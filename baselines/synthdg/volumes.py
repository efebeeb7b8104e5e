"""How SynthDG changes volumes: the shapes that are drawn, and the order of things."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from baselines.common.augment import Poses, random_poses
from baselines.common.method import Method
from baselines.synthdg.greys import add_head, new_tissues, often, scan, uniform
from baselines.synthdg.shape import INTERVALS, Shapes, Swelling, Waves, sample
from dgmld_bench.derive import CEREBELLUM_LABEL

#: Share of examples whose greys stay as they are: the training centre is one that will be seen.
REAL = 0.25


@dataclass(frozen=True)
class Volumes:
    """A change of volumes, or of a part of what can be changed.

    Attributes
    ----------
    appearance : bool
        New greys of tissues, and another scanner.
    outside : bool
        A head around the brain.
    shape : bool
        Turned, zoomed, shifted, stretched and bent; otherwise only turned, by as much as all methods do.
    structures : bool
        The cerebellum and parts of it have another size and place.
    """

    appearance: bool = True
    outside: bool = True
    shape: bool = True
    structures: bool = True

    def __call__(
        self, images: Tensor, points: Tensor, labels: Tensor | None, generator: Generator
    ) -> tuple[Tensor, Tensor]:
        """Return changed images and moved points; see :class:`~baselines.common.method.Augmentation`."""
        assert labels is not None
        drawn = often(len(images), 1 - REAL, generator).to(images.device)[:, None, None, None, None] > 0
        made = images
        if self.appearance:
            made = new_tissues(made, labels, generator)
        if self.outside:
            made = add_head(made, labels, generator)
        shapes, shape = self.draw_shapes(labels, generator), images.shape[2:]
        moved = sample(torch.where(drawn, made, images), shapes.sources(shape))
        if self.appearance:
            moved = torch.where(drawn, scan(moved, generator), moved)
        return moved, shapes.move_points(points, shape)

    def draw_shapes(self, labels: Tensor, generator: Generator) -> Shapes:
        """Draw the map of each image of a batch.

        Heads lie any way in the womb but are aligned by reconstruction to some 20°; at one age brains differ by a tenth
        in size, and across the ages of one grid by more. Elastic coefficients within 3 voxels of a grid of 64 change a
        displacement by at most 0.84 a voxel.
        """
        count, shape, device = len(labels), labels.shape[1:], labels.device
        knots = (INTERVALS + 3,) * 3
        limit = 3 / 64 * min(shape) if self.shape else 0.0
        waves = Waves(uniform(count, -limit, limit, generator, 3, *knots).to(device))
        if self.shape:
            poses = random_poses(count, 3, 25.0, generator, zoom=0.15, shift=0.04)
            stretch = uniform(count, -math.log(1.2), math.log(1.2), generator, 3).double().exp()
            poses = Poses(poses.rotations * stretch[:, None], poses.zooms, poses.shifts)
        else:
            poses = random_poses(count, 3, Method.fine_tune_rotation_deg, generator)
        return Shapes(waves, poses, self._swellings(labels, generator) if self.structures else ())

    def _swellings(self, labels: Tensor, generator: Generator) -> list[Swelling]:
        """Draw how the cerebellum as a whole and one part of it change.

        For its age a cerebellum may be smaller (hypoplasia) or, pulled through the foramen magnum in an open spina
        bifida, longer and lower (Chiari II; grades of the descent in fetuses: U. D. Nagaraj et al., AJNR 38(5), 2017);
        the vermis turns and shrinks by itself. No publication gives these as shares of a length: 35 % smaller, 40 %
        larger and a shift by a quarter of the radius are ours, as far as nothing folds (the limits of stretch and shift
        add up to 0.92 of what could, see :class:`Swelling`).
        """
        whole: list[Tensor] = []
        part: list[Tensor] = []
        sizes: list[Tensor] = []
        for one in labels.cpu():
            voxels = (one == CEREBELLUM_LABEL["feta"]).nonzero().float()
            if not len(voxels):  # nothing to change: a swelling beyond the grid
                voxels = torch.full((1, 3), -1e3)
            whole.append(voxels.mean(dim=0))
            part.append(voxels[int(torch.rand((), generator=generator) * len(voxels))])
            sizes.append((voxels - whole[-1]).square().sum(-1).mean().sqrt().clamp_min(2.0))  # root mean square radius
        size, count = torch.stack(sizes), len(labels)
        result = []
        for centres, low, high in ((whole, 2.0, 3.5), (part, 1.0, 2.0)):
            radius = size * uniform(count, low, high, generator)
            stretch = uniform(count, -0.35, 0.4, generator, 3)
            direction = torch.nn.functional.normalize(torch.randn(count, 3, generator=generator), dim=1)
            shift = direction * (radius * uniform(count, 0.0, 0.25, generator))[:, None]
            device = labels.device
            result.append(Swelling(*(t.to(device) for t in (torch.stack(centres), radius, stretch, shift))))
        return result
