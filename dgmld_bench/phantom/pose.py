"""Where a simulated head lies in the scanner, and how it differs smoothly from the template."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dgmld_bench.phantom.shapes import Array, rotation

_N_WAVES = 6
_FIXED_POINT_STEPS = 80


@dataclass(frozen=True)
class Pose:
    """World millimetres to template millimetres and back.

    Towards the template: ``q = (R^T (p - t)) / s + sum_w a_w sin(k_w . (p - t) + phase_w)``, a similarity with one
    factor per axis and a few long sine waves. The way back is found to 1e-9 mm by iteration, which converges because
    the waves are shallow.

    Attributes
    ----------
    turn_deg, shift_mm, scale : array, shape (3,)
        Rotation about x, y, z; translation; size relative to the template along its axes.
    amplitudes_mm, wave_numbers, phases : array, shapes (waves, 3), (waves, 3), (waves,)
    """

    turn_deg: Array
    shift_mm: Array
    scale: Array
    amplitudes_mm: Array
    wave_numbers: Array
    phases: Array

    @classmethod
    def draw(cls, random: np.random.Generator, scale: float, turn_deg: float, shift_mm: float, bend_mm: float) -> Pose:
        """Draw a pose: angles and shifts up to the limits, bending of about ``bend_mm`` in all."""
        directions = random.normal(size=(_N_WAVES, 3))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        lengths_mm = scale * random.uniform(45.0, 110.0, size=(_N_WAVES, 1))
        return cls(
            turn_deg=random.uniform(-turn_deg, turn_deg, 3),
            shift_mm=random.uniform(-shift_mm, shift_mm, 3),
            scale=scale * random.uniform(0.97, 1.03, 3),
            amplitudes_mm=random.normal(size=(_N_WAVES, 3)) * (bend_mm / np.sqrt(3 * _N_WAVES)),
            wave_numbers=2 * np.pi * directions / lengths_mm,
            phases=random.uniform(0, 2 * np.pi, _N_WAVES),
        )

    def to_template(self, world_mm: Array) -> Array:
        """Take world points of shape ``(..., 3)`` to the template."""
        centred = world_mm - self.shift_mm
        return centred @ rotation(self.turn_deg) / self.scale + self._bend(centred)

    def to_world(self, template_mm: Array) -> Array:
        """Take template points of shape ``(..., 3)`` to the world: the inverse of :meth:`to_template`."""
        turn = rotation(self.turn_deg)
        centred = np.zeros_like(template_mm, dtype=np.float64)
        for _ in range(_FIXED_POINT_STEPS):
            centred = ((template_mm - self._bend(centred)) * self.scale) @ turn.T
        return np.asarray(centred + self.shift_mm)

    def _bend(self, centred: Array) -> Array:
        bend = np.zeros(centred.shape)
        for amplitude, wave, phase in zip(self.amplitudes_mm, self.wave_numbers, self.phases, strict=True):
            bend += np.sin(centred @ wave + phase)[..., None] * amplitude
        return bend
