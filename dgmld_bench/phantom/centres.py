"""The three simulated centres: who is examined there, and how the scanner and its reconstruction draw them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Centre:
    """One simulated site.

    Attributes
    ----------
    name : str
        As in :mod:`dgmld_bench.splits`.
    ages_weeks : (float, float, float)
        Least, most frequent and greatest gestational age.
    turn_deg, shift_mm, bend_mm : float
        Limits of rotation per axis and of translation; amount of smooth deformation.
    pathology : float
        Share of cases with a pathology.
    shape : (int, int, int)
        Voxels of the field of view: right-left, back-front, down-up.
    spacings_mm : tuple of float
        Edges of the cubic voxels that occur.
    orientations : tuple of str
        Directions in which the stored axes may run, in letters as ``RAS``.
    origin_mm : float
        How far from the world's origin the head may lie, beside ``shift_mm``.
    tissues : mapping
        Intensity of each tissue, the brightest fluid 1.
    tissue_spread : float
        Standard deviation of each tissue's intensity from case to case.
    gamma : (float, float)
        Range of the exponent of the intensity curve.
    blur_mm : array-like of three (float, float)
        Range of the Gaussian blur along right-left, back-front and down-up.
    bias, noise : (float, float)
        Ranges of the bias field's and of the Rician noise's standard deviation.
    stripes : float
        Standard deviation of the brightness of single slices, as slice-wise acquisition leaves it.
    dropout : float
        Share of cases that lose signal near the skull base.
    outside : bool
        Whether skull and scalp are left in the volume; otherwise the background is 0.
    full_scale : int
        Stored value of intensity 1.
    """

    name: str
    ages_weeks: tuple[float, float, float]
    turn_deg: float
    shift_mm: float
    bend_mm: float
    shape: tuple[int, int, int]
    spacings_mm: tuple[float, ...]
    full_scale: int
    tissues: Mapping[str, float] = field(hash=False)
    blur_mm: tuple[tuple[float, float], ...]
    orientations: tuple[str, ...] = ("RAS",)
    origin_mm: float = 0.0
    pathology: float = 0.0
    tissue_spread: float = 0.0
    gamma: tuple[float, float] = (1.0, 1.0)
    bias: tuple[float, float] = (0.0, 0.0)
    noise: tuple[float, float] = (0.0, 0.0)
    stripes: float = 0.0
    dropout: float = 0.0
    outside: bool = False


SOURCE = Centre(
    name="simulated source",
    ages_weeks=(21, 28, 34),
    turn_deg=8,
    shift_mm=3,
    bend_mm=1.2,
    shape=(100, 120, 100),
    spacings_mm=(0.8,),
    full_scale=1000,
    tissues={
        "csf": 0.93,
        "grey": 0.54,
        "white": 0.72,
        "subplate": 0.80,
        "deep": 0.62,
        "callosum": 0.52,
        "ventricle": 1.0,
        "stem": 0.52,
        "cerebellum": 0.62,
        "core": 0.54,
        "dura": 0.30,
        "skull": 0.0,
        "scalp": 0.0,
    },
    blur_mm=((0.5, 0.7),) * 3,
    tissue_spread=0.015,
    bias=(0.0, 0.03),
    noise=(0.004, 0.010),
)

LFC = Centre(
    name="simulated LFC-like",
    ages_weeks=(22, 27, 34),
    turn_deg=16,
    shift_mm=5,
    bend_mm=1.6,
    shape=(108, 116, 104),
    spacings_mm=(0.9, 1.0, 1.1),
    orientations=("LPS", "LPI", "PIR", "ARS"),
    origin_mm=40,
    full_scale=2400,
    tissues={
        "csf": 0.86,
        "grey": 0.50,
        "white": 0.60,
        "subplate": 0.66,
        "deep": 0.54,
        "callosum": 0.48,
        "ventricle": 0.92,
        "stem": 0.47,
        "cerebellum": 0.52,
        "core": 0.46,
        "dura": 0.34,
        "skull": 0.16,
        "scalp": 0.55,
    },
    tissue_spread=0.03,
    gamma=(0.8, 1.25),
    blur_mm=((0.4, 0.8), (0.4, 0.8), (0.8, 1.4)),
    bias=(0.12, 0.28),
    noise=(0.025, 0.055),
    stripes=0.02,
    pathology=0.08,
    outside=True,
)

FETA = Centre(
    name="simulated FeTA-like",
    ages_weeks=(20, 27, 34),
    turn_deg=12,
    shift_mm=4,
    bend_mm=2.0,
    shape=(110, 110, 110),
    spacings_mm=(0.9,),
    orientations=("RAS", "LAS"),
    origin_mm=15,
    full_scale=560,
    tissues={
        "csf": 0.98,
        "grey": 0.36,
        "white": 0.58,
        "subplate": 0.70,
        "deep": 0.44,
        "callosum": 0.34,
        "ventricle": 1.0,
        "stem": 0.36,
        "cerebellum": 0.40,
        "core": 0.46,
        "dura": 0.14,
        "skull": 0.0,
        "scalp": 0.0,
    },
    tissue_spread=0.04,
    gamma=(0.85, 1.45),
    blur_mm=((0.25, 0.6),) * 3,
    bias=(0.05, 0.18),
    noise=(0.015, 0.035),
    dropout=0.35,
    pathology=0.5,
)
