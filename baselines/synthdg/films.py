"""Films as other devices, clinics and heads would give them: one training film becomes endlessly many.

Domain randomisation without labels of tissue. A half of the films is changed as little as Baseline changes them, so
that nothing is lost on the training centre; the other half is

- reshaped: turned, enlarged, stretched and bent, its landmarks carried by the same map;
- reframed: what lies beyond the film, and beyond the collimator's blades, is black, white or grey;
- redeveloped: another grey curve, local contrast, sharpness and exposure, now and then a negative, or a mix with what
  random shallow convolutions make of it. Then the window of the preparation is applied anew, as it would be to a film
  that came so from the device: exposure and gain as such vanish in it.

Ranges are those of heads and devices, not of any test split, and each is written beside its source.

Random shallow convolutions: Z. Xu et al., "Robust and Generalizable Visual Representation Learning via Random
Convolutions", ICLR 2021. Free-form deformations by B-splines: D. Rueckert et al., IEEE TMI 18(8), 1999.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, grid_sample, interpolate, leaky_relu, pad

from baselines.common.augment import random_poses, vary_greys
from baselines.common.config import get_preset
from baselines.common.method import Method
from baselines.common.prepare import WINDOW_PERCENT


@dataclass(frozen=True)
class Ranges:
    """How far films are changed; lengths are shares of the film unless said otherwise.

    Attributes
    ----------
    share : float
        Of the films that are changed strongly.
    rotation_deg : float
        In the natural position heads lie some 5° (a standard deviation) off the Frankfort horizontal (A. and
        F. Lundström, "The Frankfort horizontal as a basis for cephalometric analysis", AJO-DO 107(5), 1995); three of
        them.
    zoom : float
        Plates are 24 or 30 cm high (1.25), magnification is 1.05 to 1.15 (1.1): the same head fills more or less of the
        film, by 1.37 at most.
    stretch : float
        Of height over depth: long faces and short ones, and plates whose two spacings differ.
    shift : float
        As far as all landmarks stay on the film, which is what makes a cephalogram of an X-ray.
    cell, bend : float
        Control points of the deformation lie this share of the film's height apart and move by up to ``bend`` of that,
        for a bend below 1/4 never so that the film would fold.
    gamma : float
        Film and detector curves: gammas between ``1 / (1 + gamma)`` and ``1 + gamma``.
    exposure : float
        Heel effect and wedge filters: the beam is uneven by up to ``exp(±exposure)``.
    noise : float
        Highest standard deviation, of the window's 1.
    negative, local, sharpness, random, blades, beyond : float
        Probabilities of a negative; of local contrast; of sharpening or blurring; of a mix with random convolutions;
        of each blade of the collimator; of one grey beyond the film's border.
    """

    share: float = 0.5
    rotation_deg: float = 15.0
    zoom: float = 0.35
    stretch: float = 0.12
    shift: float = 0.15
    cell: float = 0.25
    bend: float = 0.2
    gamma: float = 1.0
    exposure: float = 0.5
    noise: float = 0.08
    negative: float = 0.1
    local: float = 0.4
    sharpness: float = 0.5
    random: float = 0.2
    blades: float = 0.25
    beyond: float = 0.5


#: What all methods do to a film, beside Baseline's rotation: so are those changed that are changed little.
COMMON = get_preset("paper", 2)
#: Of the search for where a point ends up. A bend of 0.2 contracts by 0.8 at worst, and mostly by less than 0.3.
MAX_ITERATIONS = 60
#: Landmarks stay this share of the film's height away from its border and from the collimator's blades.
MARGIN = 0.03

#: Ranges when one part of the changes is left out.
WITHOUT: dict[str, dict[str, float]] = {
    "appearance": dict.fromkeys(("gamma", "exposure", "noise", "negative", "local", "sharpness", "random"), 0.0),
    "outside": {"blades": 0.0, "beyond": 0.0},
    "shape": {
        "rotation_deg": Method.fine_tune_rotation_deg,
        "zoom": COMMON.zoom,
        "shift": COMMON.shift,
        "stretch": 0.0,
        "bend": 0.0,
    },
}


@dataclass(frozen=True)
class Spline:
    """A smooth field over the film: cubic B-splines on control points, constant beyond the outermost cells.

    Attributes
    ----------
    control : float64 tensor, shape (channel, rows, columns)
        One cell more than the film on each side.
    cell : float
        Distance between control points in pixels.
    """

    control: Tensor
    cell: float

    @classmethod
    def random(
        cls, channels: int, shape: Sequence[int], cell: float, limit: float, generator: torch.Generator
    ) -> Spline:
        """Draw control values uniformly from ±limit, for a film of this shape."""
        n = [math.ceil((length - 1) / cell) + 3 for length in shape]
        draws = torch.rand((channels, *n), dtype=torch.float64, generator=generator)
        return cls((2 * draws - 1) * limit, cell)

    def on_grid(self, rows: Tensor, columns: Tensor, like: Tensor) -> Tensor:
        """Return values ``(channel, row, column)`` at every pair of coordinates, of the type and on the device of like.

        Two matrix products.
        """
        return self._basis(rows, 0).to(like) @ self.control.to(like) @ self._basis(columns, 1).T.to(like)

    def at(self, points: Tensor) -> Tensor:
        """Return values ``(point, channel)`` at points ``(point, 2)``."""
        return torch.einsum("pi,cij,pj->pc", self._basis(points[:, 0], 0), self.control, self._basis(points[:, 1], 1))

    def _basis(self, at: Tensor, axis: int) -> Tensor:
        """Return the weight ``(coordinate, control point)`` of each control point along an axis."""
        n = self.control.shape[1 + axis]
        knots = torch.arange(n, dtype=torch.float64) - 1
        t = ((at / self.cell).clamp(0, n - 3)[:, None] - knots).abs()
        return torch.where(t < 1, (4 - 6 * t**2 + 3 * t**3) / 6, (2 - t).clamp_min(0) ** 3 / 6)


@dataclass(frozen=True)
class Warp:
    """A change of shape: where each pixel of the new film comes from.

    What is at q in the new film was at ``matrix (r - centre + bend(r)) + centre`` with ``r = q - shift``.

    Attributes
    ----------
    matrix : float64 tensor, shape (2, 2)
    shift : float64 tensor, shape (2,)
        In pixels.
    bend : Spline
        Two channels. Its derivative is below 1 in norm, so that the map is one to one.
    """

    matrix: Tensor
    shift: Tensor
    bend: Spline

    def sources(self, shape: Sequence[int], like: Tensor) -> Tensor:
        """Return ``(row, column, 2)``: where each pixel of a film of this shape comes from, in pixels.

        Of the type and on the device of ``like``: in float32 to a thousandth of a pixel.
        """
        rows, columns = (torch.arange(n, dtype=torch.float64) - s for n, s in zip(shape, self.shift, strict=True))
        straight = torch.stack(torch.meshgrid(rows.to(like), columns.to(like), indexing="ij"), dim=-1)
        bent = straight + self.bend.on_grid(rows, columns, like).permute(1, 2, 0)
        centre = _centre(shape).to(like)
        return (bent - centre) @ self.matrix.T.to(like) + centre

    def move_points(self, points: Tensor, shape: Sequence[int]) -> Tensor:
        """Return where points ``(point, 2)`` in pixels end up: the map of the pixels, solved for q.

        ``r = centre + matrix⁻¹ (p - centre) - bend(r)`` contracts, and is repeated until it stands still.
        """
        centre = _centre(shape)
        straight = centre + (points.double() - centre) @ torch.linalg.inv(self.matrix).T
        bent = straight
        for _ in range(MAX_ITERATIONS):
            before, bent = bent, straight - self.bend.at(bent)
            if not ((bent - before).abs() > 1e-4).any():  # points that are not annotated are NaN and stay so
                break
        return bent + self.shift


def change_films(
    images: Tensor,
    points: Tensor,
    labels: Tensor | None,
    generator: torch.Generator,
    ranges: Ranges | None = None,
) -> tuple[Tensor, Tensor]:
    """Return changed films and where their landmarks are in them.

    Parameters
    ----------
    images : float32 tensor, shape (batch, 1, row, column), in [0, 1]
    points : float64 tensor, shape (batch, landmark, 2), on the CPU
        In pixels of the images (row, column); NaN where not annotated.
    labels : None
        There are no labels of tissue on films.
    generator : torch.Generator, on the CPU
    ranges : Ranges, optional
    """
    ranges = ranges or Ranges()
    films, places = [], []
    for image, at in zip(images, points, strict=True):
        if _chance(ranges.share, generator):
            film, moved = _strongly(image, at, ranges, generator)
        else:
            film, moved = _weakly(image, at, generator)
        films.append(film)
        places.append(moved)
    return torch.stack(films), torch.stack(places)


def _weakly(image: Tensor, points: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    poses = random_poses(1, 2, Method.fine_tune_rotation_deg, generator, zoom=COMMON.zoom, shift=COMMON.shift)
    moved = vary_greys(poses.move_images(image[None]), COMMON.contrast, generator)
    return moved[0], poses.move_points(points[None], image.shape[1:])[0]


def _strongly(image: Tensor, points: Tensor, ranges: Ranges, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    shape = image.shape[1:]
    warp = random_warp(points, shape, ranges, generator)
    moved = warp.move_points(points, shape)
    film = reframe(image, warp, moved, ranges, generator)
    return redevelop(film, ranges, generator), moved


def random_warp(points: Tensor, shape: Sequence[int], ranges: Ranges, generator: torch.Generator) -> Warp:
    """Draw a change of shape after which the landmarks lie on the film, where there is room for them all."""
    angle = math.radians(_draw(-ranges.rotation_deg, ranges.rotation_deg, generator))
    zoom = (1 + ranges.zoom) ** _draw(-1, 1, generator)
    stretch = (1 + ranges.stretch) ** _draw(-0.5, 0.5, generator)
    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]], dtype=torch.float64)
    forward = turn @ torch.diag(torch.tensor([zoom * stretch, zoom / stretch], dtype=torch.float64))
    cell = ranges.cell * shape[0]
    bend = Spline.random(2, shape, cell, ranges.bend * cell * _draw(0, 1, generator), generator)
    warp = Warp(torch.linalg.inv(forward), torch.zeros(2, dtype=torch.float64), bend)

    known = points[torch.isfinite(points).all(dim=1)]
    size = torch.tensor(shape, dtype=torch.float64)
    shift = (2 * torch.rand(2, dtype=torch.float64, generator=generator) - 1) * ranges.shift * size
    if len(known):
        at = warp.move_points(known, shape)
        margin = MARGIN * shape[0]
        lowest, highest = margin - at.amin(dim=0), size - 1 - margin - at.amax(dim=0)
        shift = torch.where(lowest < highest, shift.clamp(lowest, highest), (lowest + highest) / 2)
    return Warp(warp.matrix, shift, bend)


def reframe(image: Tensor, warp: Warp, moved: Tensor, ranges: Ranges, generator: torch.Generator) -> Tensor:
    """Move a film ``(1, row, column)``, and fill what lies beyond it and beyond the blades of the collimator.

    The film's border goes on beyond it, or all of that has one grey value, mostly black or white.
    Blades come no closer to a landmark than :data:`MARGIN`.
    """
    shape = image.shape[1:]
    where = (warp.sources(shape, image) * 2 + 1) / torch.tensor(shape).to(image) - 1  # -1 to 1 from edge to edge
    film = grid_sample(image[None], where.flip(-1)[None], padding_mode="border", align_corners=False)[0]
    grey = min(max(_draw(-0.5, 1.5, generator), 0.0), 1.0)
    outside = torch.zeros(tuple(shape), dtype=torch.bool, device=image.device)
    if _chance(ranges.beyond, generator):
        outside |= (where.abs() > 1).any(dim=-1)
    known = moved[torch.isfinite(moved).all(dim=1)]
    if len(known):
        margin = MARGIN * shape[0]
        for axis in (0, 1):
            room = (float(known[:, axis].min()) - margin, shape[axis] - 1 - margin - float(known[:, axis].max()))
            for side, free in enumerate(room):
                if _chance(ranges.blades, generator) and (width := int(free * _draw(0, 1, generator))) > 0:
                    outside.narrow(axis, 0 if side == 0 else shape[axis] - width, width).fill_(True)
    return film.masked_fill(outside, grey)


def redevelop(film: Tensor, ranges: Ranges, generator: torch.Generator) -> Tensor:
    """Give a film ``(1, row, column)`` another appearance; the result is in [0, 1]."""
    height, width = film.shape[1:]
    rows, columns = torch.arange(height, dtype=torch.float64), torch.arange(width, dtype=torch.float64)
    beam = Spline.random(1, (height, width), height / 2, ranges.exposure, generator).on_grid(rows, columns, film)
    film = film.clamp(0, 1) * beam.exp()
    film = film / film.amax().clamp_min(1e-6)
    gamma = (1 + ranges.gamma) ** _draw(-1, 1, generator)
    # a curve that is steep in the shadows, or the same curve upside down: steep in the lights
    film = film**gamma if _chance(0.5, generator) else 1 - (1 - film) ** gamma
    if _chance(ranges.local, generator):
        film = _mixed(film, local_contrast(film, height * _draw(0.05, 0.2, generator)), _draw(0, 1, generator))
    if _chance(ranges.random, generator):
        film = _mixed(film, random_convolutions(film, generator), _draw(0, 0.7, generator))
    if _chance(ranges.sharpness, generator):
        soft = blur(film, height * _draw(0.001, 0.006, generator))
        film = film + _draw(-1, 1.5, generator) * (film - soft)
    if _chance(ranges.negative, generator):
        film = -film
    film = window(film)
    noise = torch.randn(film.shape, generator=generator).to(film)
    if _chance(0.5, generator):  # grain: noise as coarse as two or three pixels, as strong as the fine one
        noise = blur(noise, 1.0) * (2 * math.sqrt(math.pi))
    film = film + noise * (ranges.noise * _draw(0, 1, generator) ** 2)
    return vary_greys(film[None], COMMON.contrast / 2, generator)[0].clamp(0, 1)


def window(film: Tensor) -> Tensor:
    """Scale to [0, 1] between the percentiles of the preparation, taken on every fourth row."""
    values = film[:, ::4].flatten().sort().values
    low, high = (values[round((len(values) - 1) * percent / 100)] for percent in WINDOW_PERCENT)
    return ((film - low) / (high - low).clamp_min(1e-6)).clamp(0, 1)


def local_contrast(film: Tensor, radius: float) -> Tensor:
    """Return the film with the same mean and contrast everywhere, within squares of this half width in pixels."""
    step = max(1, min(4, round(radius / 3)))  # means over squares need no precision of place, and are slow
    small = avg_pool2d(film[None], step, ceil_mode=True, count_include_pad=False)
    reach = max(1, round(radius / step))

    def mean(values: Tensor) -> Tensor:
        return avg_pool2d(pad(values, [reach] * 4, mode="replicate"), 2 * reach + 1, stride=1)

    level = mean(small)
    spread = (mean(small**2) - level**2).clamp_min(0).sqrt() + 0.05 * film.std()  # no noise blown up where all is even
    level, spread = (interpolate(v, film.shape[1:], mode="bilinear", align_corners=False)[0] for v in (level, spread))
    return (film - level) / spread.clamp_min(1e-6)


def blur(film: Tensor, sigma: float) -> Tensor:
    """Blur a film ``(1, row, column)`` by a Gaussian of this width in pixels."""
    reach = max(1, math.ceil(2.5 * sigma))
    at = torch.arange(-reach, reach + 1, device=film.device, dtype=film.dtype)
    kernel = torch.exp(-(at**2) / (2 * sigma**2))
    kernel = kernel / kernel.sum()
    padded = pad(film[None], [reach] * 4, mode="replicate")
    return conv2d(conv2d(padded, kernel.reshape(1, 1, -1, 1)), kernel.reshape(1, 1, 1, -1))[0]


def random_convolutions(film: Tensor, generator: torch.Generator) -> Tensor:
    """Return what three random convolutions of kernel 1 or 3, with leaky ReLUs between, make of a film."""
    x = film[None] - film.mean()
    for inputs, outputs in ((1, 2), (2, 2), (2, 1)):
        kernel = 3 if _chance(0.5, generator) else 1
        weight = torch.randn((outputs, inputs, kernel, kernel), generator=generator).to(film)
        x = conv2d(pad(x, [kernel // 2] * 4, mode="replicate"), weight)
        x = x + torch.randn((1, outputs, 1, 1), generator=generator).to(film) * x.std()
        if outputs > 1:
            x = leaky_relu(x, 0.2)
    return x[0]


def _mixed(film: Tensor, other: Tensor, share: float) -> Tensor:
    """Return a mix of two films that have been brought to one mean and one standard deviation."""
    scaled = (other - other.mean()) / other.std().clamp_min(1e-6) * film.std() + film.mean()
    return film + share * (scaled - film)


def _centre(shape: Sequence[int]) -> Tensor:
    return (torch.tensor(tuple(shape), dtype=torch.float64) - 1) / 2


def _draw(low: float, high: float, generator: torch.Generator) -> float:
    return low + (high - low) * float(torch.rand((), dtype=torch.float64, generator=generator))


def _chance(probability: float, generator: torch.Generator) -> bool:
    return _draw(0, 1, generator) < probability
