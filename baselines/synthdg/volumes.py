"""How SynthDG changes volumes."""

from __future__ import annotations

import torch
from torch import Tensor

from baselines.common.augment import random_poses


def change_volumes(
    images: Tensor, points: Tensor, labels: Tensor | None, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return turned, zoomed and shifted images, and their points."""
    poses = random_poses(len(images), 3, 25.0, generator, zoom=0.15, shift=0.04)
    return poses.move_images(images), poses.move_points(points, images.shape[2:])
