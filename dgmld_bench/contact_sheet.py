"""A sheet of the cases that a method gets most wrong, with names and distances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dgmld_bench.cases import Case
from dgmld_bench.drawing import (
    PLANES,
    PREDICTION_COLOUR,
    REFERENCE_COLOUR,
    film_extent,
    frame,
    slice_extent,
    title_of,
)
from dgmld_bench.geometry import NetworkGrid, voxel_sizes
from dgmld_bench.missing import mean_of_present
from dgmld_bench.scoring.score import Score

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[np.float64]

N_COLUMNS = 4
_EVERY = 3  # pixels of a film: tiles are small


@dataclass(frozen=True)
class Worst:
    """A case and the run that errs most on it.

    Attributes
    ----------
    case : str
    run : int
        Place of the run in the score.
    mean_mm : float
        Mean radial error of that run on the case: what the cases are ordered by.
    landmark : int
        Place of the landmark with the greatest error.
    greatest_mm : float
    """

    case: str
    run: int
    mean_mm: float
    landmark: int
    greatest_mm: float


def find_worst(score: Score, n: int, seed: int | None = None) -> list[Worst]:
    """Return the ``n`` cases with the greatest mean radial error in any run (or in that of a seed), worst first."""
    runs = [i for i, s in enumerate(score.seeds) if seed in (None, s)]
    found = []
    for c, case in enumerate(score.reference.ids):
        errors = score.errors_mm[runs, c]
        if np.isnan(errors).all():
            continue
        means = mean_of_present(errors, axis=1)
        run = int(np.nanargmax(means))
        landmark = int(np.nanargmax(errors[run]))
        found.append(Worst(case, runs[run], float(means[run]), landmark, float(errors[run, landmark])))
    return sorted(found, key=lambda w: -w.mean_mm)[:n]


def draw_sheet(score: Score, worst: list[Worst]) -> Figure:
    """Draw a tile for each case: a film with all its points, or the slice through the worst point that shows it best.

    Reference green, prediction red, a line between them. 3D: the other points are seen through the slice.
    """
    from matplotlib.figure import Figure

    columns = min(N_COLUMNS, len(worst))
    rows = -(-len(worst) // columns)
    figure = Figure(figsize=(3.4 * columns, 4.1 * rows + 0.6), dpi=110, facecolor="black", layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes:
        frame(axis)
    reference = score.reference
    for axis, one in zip(axes, worst, strict=False):
        place = reference.ids.index(one.case)
        case, points = reference.cases[one.case], (reference.points[place], score.predicted[one.run, place])
        draw = _draw_slice if reference.landmark_set.dimension == 3 else _draw_film
        draw(axis, case, *points, one.landmark)
        seed = f" · seed {score.seeds[one.run]}" if len(score.seeds) > 1 else ""
        title = reference.landmark_set.titles[one.landmark]
        axis.set_title(
            f"{one.case} · mean {one.mean_mm:.2f} mm{seed}\n{title} {one.greatest_mm:.1f} mm", color="white", fontsize=8
        )
    kind = "" if reference.split.reference == "expert" else f" · reference: {reference.split.reference}"
    method = title_of(score.predictions.method)
    figure.suptitle(f"{reference.split.name} · worst cases of {method}{kind}", color="white", fontsize=11)
    return figure


def _draw_film(axis: Any, case: Case, reference: Array, predicted: Array, worst: int) -> None:
    axis.imshow(case.image[::_EVERY, ::_EVERY], cmap="gray", extent=film_extent(case))
    _draw_points(axis, reference, predicted, worst)


def _draw_slice(axis: Any, case: Case, reference: Array, predicted: Array, worst: int) -> None:
    stored = case.image
    grid = NetworkGrid.of_voxels(case.affine, stored.shape)
    volume, step_mm = grid.canonical(stored), voxel_sizes(grid.grid_affine)
    ends = grid.to_grid(np.stack([reference[worst], predicted[worst]]))
    normal, across, up = PLANES[int(np.abs((ends[1] - ends[0]) * step_mm).argmin())]
    index = int(np.clip(np.round(ends[0, normal]), 0, volume.shape[normal] - 1))
    extent = slice_extent(volume.shape, step_mm, across, up)
    axis.imshow(np.take(volume, index, axis=normal).T, cmap="gray", origin="lower", extent=extent)
    of_reference, of_prediction = ((grid.to_grid(p) * step_mm)[:, [across, up]] for p in (reference, predicted))
    _draw_points(axis, of_reference, of_prediction, worst)


def _draw_points(axis: Any, reference: Array, predicted: Array, worst: int) -> None:
    """Draw both sets in the axis' units, ``(landmark, 2)``; the worst point stands out."""
    for k, ends in enumerate(zip(reference, predicted, strict=True)):
        line = np.array(ends)
        axis.plot(line[:, 0], line[:, 1], color="white", linewidth=1.4 if k == worst else 0.5)
    sizes = np.where(np.arange(len(reference)) == worst, 34, 8)
    axis.scatter(*reference.T, s=sizes, marker="o", linewidths=0.9, facecolors="none", edgecolors=REFERENCE_COLOUR)
    axis.scatter(*predicted.T, s=sizes, marker="x", linewidths=0.9, color=PREDICTION_COLOUR)
