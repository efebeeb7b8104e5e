"""From implicit shapes to a label map and to the image that a centre's scanner would give.

The shapes are evaluated on every second voxel and interpolated linearly between: they are smooth, so their surfaces
stay where they are to a few hundredths of a millimetre, at an eighth of the cost.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from dgmld_bench import geometry
from dgmld_bench.phantom import anatomy
from dgmld_bench.phantom.anatomy import Anatomy
from dgmld_bench.phantom.centres import Centre
from dgmld_bench.phantom.pose import Pose

Image = NDArray[np.float32]
Labels = NDArray[np.uint8]
Box = tuple[slice, slice, slice]

_MARGIN_MM = 3.0
_CORTEX_MM = 1.9
_FISSURE_MM, _N_FISSURES = 4.5, 9
_SCALP_MM = 1.6  # thickness of the bone under the scalp
_SKIN_MM = 4.2


class Canvas:
    """The implicit shapes of one head on the voxels of one volume (axes right, front, up), and what is drawn of them.

    Parameters
    ----------
    body : Anatomy
    pose : Pose
    shape : (int, int, int)
        Even numbers.
    affine : array, shape (4, 4)
        Index of the volume to RAS mm.
    """

    def __init__(self, body: Anatomy, pose: Pose, shape: tuple[int, int, int], affine: geometry.Array) -> None:
        self.shape = shape
        self.mm_per_voxel = float(geometry.voxel_sizes(affine)[0])
        coarse = np.stack(np.meshgrid(*(2.0 * np.arange(n // 2 + 1) for n in shape), indexing="ij"), axis=-1)
        template = pose.to_template(geometry.index_to_world(affine, coarse))
        points = np.ascontiguousarray(np.moveaxis(template, -1, 0), dtype=np.float32)
        size = float(pose.scale.mean())
        self._coarse = {name: (f * size).astype(np.float32) for name, f in body.fields(points).items()}
        self.labels: Labels = np.zeros(shape, dtype=np.uint8)
        self.image: Image = np.zeros(shape, dtype=np.float32)

    def box(self, name: str, reach_mm: float = _MARGIN_MM) -> Box:
        """Return the part of the volume that a shape and its surroundings fill."""
        inside = self._coarse[name] < reach_mm
        slices = []
        for axis, n in enumerate(self.shape):
            hit = np.flatnonzero(inside.any(axis=tuple(a for a in range(3) if a != axis)))
            first, last = (int(hit[0]), int(hit[-1])) if hit.size else (0, 0)
            slices.append(slice(max(2 * first - 2, 0), min(2 * last + 2, n)))
        return slices[0], slices[1], slices[2]

    def field(self, name: str, box: Box) -> Image:
        """Return a shape's implicit function on the voxels of a box, in mm."""
        part = self._coarse[name][tuple(slice(s.start // 2, (s.stop + 1) // 2 + 1) for s in box)]
        for axis, s in enumerate(box):
            part = _between(part, axis, s.stop - s.start)
        return part

    def draw(self, box: Box, field: Image, label: int | None, value: Image | float) -> None:
        """Paint a body over what is there: its label where the field is negative, its intensity with soft edges."""
        if label is not None:
            self.labels[box][field < 0] = label
        share = np.clip(0.5 - field * np.float32(1.0 / self.mm_per_voxel), 0, 1)
        image = self.image[box]
        image += share * (np.asarray(value, dtype=np.float32) - image)


def paint(canvas: Canvas, tissues: Mapping[str, float]) -> None:
    """Paint labels and undisturbed intensities of a whole head, from the outside in."""
    t = tissues
    if t["scalp"] > 0:
        box = canvas.box("skull", _SKIN_MM + 1)
        skull = canvas.field("skull", box)
        canvas.draw(box, skull - np.float32(_SKIN_MM), None, t["scalp"])
        canvas.draw(box, skull - np.float32(_SCALP_MM), None, t["skull"])
    box = canvas.box("head")
    canvas.draw(box, canvas.field("head", box), anatomy.CSF, t["csf"])

    box = canvas.box("dura")
    canvas.draw(box, canvas.field("dura", box), None, t["dura"])

    box = canvas.box("cerebrum")
    cerebrum = canvas.field("cerebrum", box)
    canvas.draw(box, cerebrum, anatomy.GREY, t["grey"])
    depth = cerebrum + np.float32(_CORTEX_MM)
    subplate = np.exp(-(((depth + 2.5) / 2.0) ** 2)) * np.float32(t["subplate"] - t["white"])
    canvas.draw(box, depth, anatomy.WHITE, np.float32(t["white"]) + subplate)

    for name, label, tissue in (
        ("deep", anatomy.DEEP_GREY, "deep"),
        ("ventricles", anatomy.VENTRICLE, "ventricle"),
        ("callosum", anatomy.WHITE, "callosum"),
        ("stem", anatomy.BRAINSTEM, "stem"),
        ("fourth", anatomy.VENTRICLE, "ventricle"),
    ):
        box = canvas.box(name)
        canvas.draw(box, canvas.field(name, box), label, t[tissue])

    box = canvas.box("cerebellum")
    body = canvas.field("cerebellum", box)
    angle = np.arctan2(canvas.field("root_z", box), -canvas.field("root_y", box))  # 0 towards the back
    shell = np.clip(1.0 + body / np.float32(_FISSURE_MM), 0, 1)  # 1 at the surface, 0 where fissures end
    furrows = np.clip(np.cos(np.float32(_N_FISSURES) * angle), 0, 1) ** 4 * shell
    cortex = t["cerebellum"] + np.float32(0.9 * (t["csf"] - t["cerebellum"])) * furrows
    canvas.draw(box, body, anatomy.CEREBELLUM, cortex)
    canvas.draw(box, canvas.field("hemispheres", box) + np.float32(3.4), None, t["core"])
    canvas.draw(box, canvas.field("vermis", box) + np.float32(2.6), None, t["core"])


def scan(canvas: Canvas, centre: Centre, random: np.random.Generator) -> NDArray[np.int16]:
    """Return the painted image as the centre's scanner and reconstruction give it, in stored values."""
    from scipy import ndimage

    image = canvas.image
    whole: Box = (slice(0, canvas.shape[0]), slice(0, canvas.shape[1]), slice(0, canvas.shape[2]))
    image = image ** np.float32(random.uniform(*centre.gamma))
    image *= _bias(canvas.shape, random.uniform(*centre.bias), random)
    if random.uniform() < centre.dropout:
        image *= _dropout(canvas, random)
    if centre.stripes:
        image *= (1 + centre.stripes * random.standard_normal(canvas.shape[2])).astype(np.float32)
    sigmas = [random.uniform(*r) / canvas.mm_per_voxel for r in centre.blur_mm]
    image = ndimage.gaussian_filter(image, sigmas, truncate=3.0)
    noise = np.float32(random.uniform(*centre.noise))
    real = image + noise * random.standard_normal(canvas.shape, dtype=np.float32)
    imaginary = noise * random.standard_normal(canvas.shape, dtype=np.float32)
    image = np.sqrt(real * real + imaginary * imaginary)
    if not centre.outside:
        image[canvas.field("head", whole) > random.uniform(0.0, 0.8)] = 0
    return np.rint(image * np.float32(centre.full_scale)).clip(0, np.iinfo(np.int16).max).astype(np.int16)


def _between(array: Image, axis: int, n: int) -> Image:
    """Return n values along an axis, from one value at every second place."""
    a = np.moveaxis(array, axis, 0)
    result = np.empty((n, *a.shape[1:]), dtype=np.float32)
    result[::2] = a[: (n + 1) // 2]
    result[1::2] = (a[: n // 2] + a[1 : n // 2 + 1]) * np.float32(0.5)
    return np.moveaxis(result, 0, axis)


def _axes(shape: tuple[int, int, int]) -> list[Image]:
    """Return -1..1 along each axis, shaped to be multiplied into a volume."""
    return [
        np.linspace(-1, 1, n, dtype=np.float32).reshape([-1 if a == axis else 1 for a in range(3)])
        for axis, n in enumerate(shape)
    ]


def _bias(shape: tuple[int, int, int], strength: float, random: np.random.Generator) -> Image:
    """Return a smooth positive field around 1: a product of one curve per axis."""
    result: Image = np.ones((1, 1, 1), dtype=np.float32)
    for u in _axes(shape):
        linear, square = (float(v) for v in random.normal(size=2))
        phase = float(random.uniform(0, 2 * np.pi))
        curve = linear * u + square * (u * u - np.float32(0.3)) + np.sin(2 * u + np.float32(phase))
        result = result * np.exp(np.float32(strength) * curve)
    return np.asarray(result, dtype=np.float32)


def _dropout(canvas: Canvas, random: np.random.Generator) -> Image:
    """Return a field that darkens a region below and in front of the cerebellum, where bone meets air."""
    middle = (0.5, random.uniform(0.45, 0.6), random.uniform(0.22, 0.34))
    shade: Image = np.ones((1, 1, 1), dtype=np.float32)
    for u, m in zip(_axes(canvas.shape), middle, strict=True):
        shade = shade * np.exp(-(((u - np.float32(2 * m - 1)) / np.float32(0.3)) ** 2))
    return np.asarray(1 - np.float32(random.uniform(0.25, 0.6)) * shade, dtype=np.float32)
