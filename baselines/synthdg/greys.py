"""Volumes with another appearance: new greys for each tissue, a head around the brain, another scanner."""

from __future__ import annotations

import torch
from torch import Generator, Tensor
from torch.nn.functional import interpolate

from baselines.common.prepare import WINDOW_PERCENT

#: FeTA's tissues are 0 to 7; some maps have a vermis of its own, 8. Labels beyond share the last place.
TISSUES = 16
#: Share of images with a head around the brain.
WHOLE_HEADS = 0.6


def uniform(count: int, low: float, high: float, generator: Generator, *more: int) -> Tensor:
    """Draw ``(count, *more)`` numbers."""
    return low + (high - low) * torch.rand(count, *more, generator=generator)


def often(count: int, share: float, generator: Generator) -> Tensor:
    """Draw for each image whether something happens to it, 0 or 1."""
    return (torch.rand(count, generator=generator) < share).float()


def smooth(count: int, knots: int, shape: torch.Size, generator: Generator, device: torch.device) -> Tensor:
    """Draw smooth fields ``(count, 1, *shape)`` from normal values on a coarse grid, on the device."""
    coarse = torch.randn(count, 1, knots, knots, knots, generator=generator).to(device)
    return interpolate(coarse, size=tuple(shape), mode="trilinear", align_corners=True)


def gauss(volumes: Tensor, sigmas_vox: Tensor) -> Tensor:
    """Blur each volume ``(batch, 1, *grid)`` with its own width along each axis, ``(batch, 3)``."""
    result = volumes[:, 0]
    for axis in range(3):
        n = result.shape[1]
        steps = torch.arange(n).to(result)
        kernel = torch.exp(-0.5 * ((steps[:, None] - steps) / sigmas_vox[:, axis, None, None].clamp_min(0.1)) ** 2)
        kernel = kernel / kernel.sum(dim=2, keepdim=True)
        rest = result.shape[2:]
        result = torch.bmm(kernel, result.flatten(2)).unflatten(2, rest).movedim(1, 3)  # the next axis comes first
    return result[:, None]


def new_tissues(images: Tensor, labels: Tensor, generator: Generator) -> Tensor:
    """Return images whose tissues have drawn greys and textures; what is outside the tissues stays as it is.

    A voxel is ``new mean + gain (voxel - old mean) + noise`` of its tissue, so that folds and fissures below the labels
    stay, at any contrast, also an inverted one: which tissue is bright differs with sequence, age and field strength.
    """
    count, device = len(images), images.device
    tissue = labels.flatten(1).long().clamp_max(TISSUES - 1)
    index = (tissue + TISSUES * torch.arange(count, device=device)[:, None]).flatten()
    flat = images.flatten()
    sums = torch.bincount(index, flat, minlength=count * TISSUES)
    old = (sums / torch.bincount(index, minlength=count * TISSUES).clamp_min(1)).to(images)

    mean, gain, grain = (
        uniform(count, *limits, generator, TISSUES).flatten().to(device)
        for limits in ((0.0, 1.0), (-1.0, 1.0), (0.0, 0.08))
    )
    background = TISSUES * torch.arange(count, device=device)
    mean[background], gain[background], grain[background] = old[background], 1.0, 0.0
    noise = torch.randn(flat.shape, generator=generator).to(device)
    made = (mean - gain * old)[index] + gain[index] * flat + grain[index] * noise
    return made.view_as(images)


def add_head(images: Tensor, labels: Tensor, generator: Generator) -> Tensor:
    """Return images of which most have a skull, a scalp and what lies around them.

    Atlases show brains alone; examinations show the head, the mother, or what a brain mask leaves of them. The shells
    follow the level sets of the blurred brain, which close its furrows as bone does. Thicknesses are those of fetal
    heads, in voxels of a brain that fills half of a grid of 64 (about 2 mm): fluid and dura up to 4 mm, bone 1 to 4 mm,
    scalp 2 to 6 mm.
    """
    count, device = len(images), images.device
    scale = images.shape[2] / 64
    brain = (labels > 0).float()[:, None]
    width = 3.0 * scale
    near = gauss(brain, torch.full((count, 3), width, device=device)).clamp(1e-4, 1 - 1e-4)
    distance = -width * torch.special.ndtri(near) + scale * smooth(count, 5, images.shape[2:], generator, device) / 2
    gap, bone, scalp = (
        (uniform(count, *limits, generator) * scale).to(device)[:, None, None, None, None]
        for limits in ((0.0, 2.0), (0.5, 2.0), (1.0, 3.0))
    )
    greys = uniform(count, 0.0, 1.0, generator, 4) * torch.tensor([1.0, 0.4, 1.0, 1.0])
    greys[:, 3] *= often(count, 0.5, generator)  # nothing, or the womb
    shell = (distance > gap).long() + (distance > gap + bone) + (distance > gap + bone + scalp)
    painted = greys.to(device).gather(1, shell.flatten(1)).view_as(images)
    painted = painted * (1 + 0.3 * smooth(count, 8, images.shape[2:], generator, device))
    there = often(count, WHOLE_HEADS, generator).to(device)[:, None, None, None, None] > 0
    return torch.where((labels[:, None] == 0) & there, painted, images)


def scan(images: Tensor, generator: Generator) -> Tensor:
    """Return images as another scanner would give them: bias field, thick slices, noise, and a curve of greys.

    Sources of the ranges: receive fields vary by some ten per cent at 1.5 T and by up to half at 3 T; slices of fetal
    examinations are 2 to 5 mm thick, a Gaussian of at most 1.1 voxels here; after reconstruction, noise is a few
    hundredths of the brightest tissue; slices of one stack differ by some hundredths by the history of their spins.
    """
    count, device = len(images), images.device
    scale = images.shape[2] / 64
    strength = uniform(count, 0.0, 0.3, generator)[:, None, None, None, None].to(device)
    field = strength * smooth(count, 4, images.shape[2:], generator, device)
    sigmas = uniform(count, 0.0, 0.6, generator, 3)
    thick = torch.randint(3, (count,), generator=generator)
    sigmas[torch.arange(count), thick] += uniform(count, 0.0, 0.8, generator)
    result = gauss(images * field.exp(), (sigmas * scale).to(device))
    slices = 1 + uniform(count, 0.0, 0.03, generator)[:, None] * torch.randn(
        count, max(images.shape), generator=generator
    )
    for number, axis in enumerate(thick.tolist()):
        n = images.shape[2 + axis]
        result[number] *= slices[number, :n].to(device).reshape([-1 if a == axis else 1 for a in range(-1, 3)])
    noise = torch.randn(images.shape, generator=generator)
    noise *= (uniform(count, 0.0, 0.07, generator) * often(count, 0.8, generator))[:, None, None, None, None]
    result = window(result + noise.to(device))
    return result ** (2 ** uniform(count, -0.8, 0.8, generator)).to(device)[:, None, None, None, None]


def window(images: Tensor) -> Tensor:
    """Scale images to [0, 1] as prepared ones are, by the 5th and the 95th percentile of every fourth voxel or so."""
    step = max(1, images.shape[2] // 16)
    sampled = images[..., ::step, ::step, ::step].flatten(1)
    low, high = torch.quantile(sampled, torch.tensor(WINDOW_PERCENT).to(images) / 100, dim=1)
    bright = sampled.sort(dim=1).values  # where almost all is background, the window is that of the rest
    nearly_all = bright[:, int(0.98 * bright.shape[1])]
    empty = high - low < 0.1 * (nearly_all - low)
    high = torch.where(empty, nearly_all, high)
    low, high = (v[:, None, None, None, None] for v in (low, torch.maximum(high, low + 1e-3)))
    return ((images - low) / (high - low)).clamp(0, 1)
