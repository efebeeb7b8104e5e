"""Cephalogram-like films for tests: drawings of a profile with bones, laid out as ISBI-2015 lays its films.

Everything is made up. Each of the 19 landmarks is a place where drawn structures end, meet or turn, with a bright dot
in a dark halo on it, so that a network finds it within a few epochs. Points are exact: what is drawn is drawn around
them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from dgmld_bench import geometry
from dgmld_bench.formats.films import ISBI_SIZE
from dgmld_bench.landmarks import CEPHALOMETRIC

FIRST_NUMBER = {"TrainingData": 1, "Test1Data": 151, "Test2Data": 301}
DEFAULT_COUNTS = {"TrainingData": 4, "Test1Data": 2, "Test2Data": 2}
SMALL = (194, 240)  # width, height: a tenth of the original film

_TEMPLATE = {  # original pixels, x to the right (the face looks there), y down
    "sella": (800, 950),
    "nasion": (1420, 1000),
    "orbitale": (1260, 1220),
    "porion": (590, 1180),
    "subspinale": (1360, 1570),
    "supramentale": (1330, 1920),
    "pogonion": (1350, 2030),
    "menton": (1220, 2170),
    "gnathion": (1300, 2110),
    "gonion": (700, 1800),
    "lower_incisor_tip": (1390, 1720),
    "upper_incisor_tip": (1450, 1780),
    "upper_lip": (1570, 1690),
    "lower_lip": (1540, 1850),
    "subnasale": (1500, 1560),
    "soft_tissue_pogonion": (1460, 2060),
    "posterior_nasal_spine": (940, 1470),
    "anterior_nasal_spine": (1420, 1480),
    "articulare": (650, 1340),
}
_PROFILE = (  # soft tissue: landmarks by name, other points in template pixels
    (1330, 480), (1500, 800), (1490, 1020), (1640, 1360), "subnasale", "upper_lip", (1500, 1765), "lower_lip",
    (1450, 1940), "soft_tissue_pogonion", (1400, 2200), (1180, 2290), (720, 2080), (560, 2330), (200, 2330),
    (250, 700), (700, 330),
)  # fmt: skip
_MANDIBLE = (
    "articulare", "gonion", "menton", "gnathion", "pogonion", "supramentale", "lower_incisor_tip", (1290, 1760),
    (950, 1720), (850, 1350),
)  # fmt: skip
_MAXILLA = (
    "posterior_nasal_spine", "anterior_nasal_spine", "subspinale", "upper_incisor_tip", (1340, 1700), (1000, 1620),
)  # fmt: skip
_LINES = (
    ((820, 880), "sella", (860, 880), (1150, 880), "nasion", (1440, 1130), "anterior_nasal_spine"),
    ("nasion", (1330, 1100), "orbitale", (1130, 1200)),
    ((490, 1150), "porion", (560, 1260), "articulare"),
)
_VAULT = ((870, 760), (640, 460))  # centre and half axes of the skull's outline


def film(number: int, size: tuple[int, int] = SMALL, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Draw film ``number``: the same arguments give the same film.

    Returns
    -------
    image : uint8 array, shape (row, column)
    points : array, shape (19, 2)
        Exact landmarks in original pixels (1935 x 2400), at halves of pixels.
    """
    random = np.random.default_rng([seed, number])
    width, height = size
    affine = geometry.film_affine((height, width), ISBI_SIZE)
    angle, scale = np.deg2rad(random.uniform(-4, 4)), random.uniform(0.85, 1.0)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    middle = np.array(ISBI_SIZE) / 2
    shift = random.uniform(-60, 60, 2)

    def place(points: object) -> np.ndarray:
        return (np.asarray(points, dtype=float) - middle) @ turn.T + middle + shift

    template = np.array([_TEMPLATE[name] for name in CEPHALOMETRIC.names])
    points = np.round(2 * (place(template) + random.normal(0, 12, template.shape))) / 2
    of_name = dict(zip(CEPHALOMETRIC.names, points, strict=True))

    def stored(path: object) -> list[tuple[float, float]]:
        world = [of_name[p] if isinstance(p, str) else place(p) for p in path]
        return [(c, r) for r, c in geometry.world_to_index(affine, world)]

    canvas = Image.new("F", (width, height), 25.0)
    pen = ImageDraw.Draw(canvas)
    line = max(1, round(width / 100))
    pen.polygon(stored(_PROFILE), fill=80.0)
    circle = np.linspace(0, 2 * np.pi, 60)
    vault = np.array(_VAULT[0]) + np.stack([np.cos(circle), np.sin(circle)], axis=1) * _VAULT[1]
    pen.line(stored(vault), fill=170.0, width=2 * line)
    pen.polygon(stored(_MANDIBLE), fill=130.0, outline=175.0)
    pen.polygon(stored(_MAXILLA), fill=140.0, outline=175.0)
    for path in _LINES:
        pen.line(stored(path), fill=165.0, width=line)

    image = np.array(canvas)
    centres = geometry.index_to_world(affine, np.moveaxis(np.indices(image.shape), 0, -1))  # (row, column, xy)
    for point in points:
        away = np.linalg.norm(centres - point, axis=-1)
        image *= 1 - 0.7 * np.exp(-((away / 34) ** 4))
        image += 220 * np.exp(-((away / 17) ** 2))
    image = image * random.uniform(0.85, 1.1) + random.normal(0, 4, image.shape)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8), points


def write_isbi(
    folder: Path,
    counts: Mapping[str, int] | None = None,
    size: tuple[int, int] = SMALL,
    seed: int = 0,
    suffix: str = ".png",
) -> dict[str, np.ndarray]:
    """Write ``RawImage/`` and ``AnnotationsByMD/`` with films and both doctors' points; return the exact points by id.

    Parameters
    ----------
    folder : path
    counts : mapping, optional
        Films per folder: ``TrainingData``, ``Test1Data``, ``Test2Data``.
    size : (width, height)
        Any reduced copy of 1935 x 2400.
    seed : int
    suffix : str
        ``.bmp``, ``.png``, ``.tif``; ``.jpg`` is lossy.

    Each doctor writes whole pixels, a few beside the truth in opposite directions: their mean is exact.
    """
    doctors = [folder / "AnnotationsByMD" / f"400_{doctor}" for doctor in ("senior", "junior")]
    exact = {}
    for name, count in (DEFAULT_COUNTS if counts is None else counts).items():
        films = folder / "RawImage" / name
        for path in (films, *doctors):
            path.mkdir(parents=True, exist_ok=True)
        for number in range(FIRST_NUMBER[name], FIRST_NUMBER[name] + count):
            image, points = film(number, size, seed)
            Image.fromarray(image).save(films / f"{number:03d}{suffix}")
            apart = np.random.default_rng([seed, number, 1]).integers(-6, 7, points.shape)
            senior = np.floor(points).astype(int) + apart
            junior = np.rint(2 * points).astype(int) - senior
            for doctor, annotation in zip(doctors, (senior, junior), strict=True):
                lines = [f"{x},{y}" for x, y in annotation]
                (doctor / f"{number:03d}.txt").write_text("\n".join([*lines, "1", "2"]) + "\n", encoding="ascii")
            exact[str(number)] = points
    return exact
