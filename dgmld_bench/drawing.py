"""Pictures of one case with its landmarks: orthogonal slices in 3D, the film in 2D, true to the millimetre."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dgmld_bench import geometry
from dgmld_bench.errors import DataError, UsageError
from dgmld_bench.files import atomic_write
from dgmld_bench.geometry import NetworkGrid, voxel_sizes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from dgmld_bench.landmarks import LandmarkSet

Array = NDArray[np.float64]

REFERENCE_COLOUR, PREDICTION_COLOUR = "#3ddc84", "#ff4f5e"
PLANES = ((0, 1, 2), (1, 0, 2), (2, 0, 1))
"""Sagittal, coronal, axial: normal, horizontal and vertical axis (RAS)."""
_MARGIN_VOX = 6
_NAMES_AND_SIDES = (("sagittal", "PASI"), ("coronal", "LRSI"), ("axial", "LRAP"))


class Drawable(Protocol):
    """What a picture needs of a case; see :class:`dgmld_bench.Case`, which draws itself by this module."""

    id: str
    split: str
    centre: str | None
    landmark_set: LandmarkSet

    @property
    def image(self) -> NDArray:
        """The stored array."""
        ...

    @property
    def affine(self) -> Array:
        """Array index to world."""
        ...

    @property
    def mm_per_unit(self) -> float:
        """Millimetres in one unit of world coordinates."""
        ...


def draw_case(
    case: Drawable, reference: Array | None, prediction: Array | None = None, *, subtitle: str = ""
) -> Figure:
    """Draw a case with its reference and, where given, its prediction.

    Parameters
    ----------
    case : Case
    reference, prediction : array, shape (landmark, axis), optional
        World coordinates (3D: RAS mm; 2D: original pixels). At least one of them in 3D: the slices go through
        the middle of each biometric.
    subtitle : str
        What else to say in the title, for example that the case is simulated.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    DataError
        In 3D, when there is neither reference nor prediction to choose slices by.
    """
    draw = _draw_volume if case.landmark_set.dimension == 3 else _draw_film
    figure = draw(case, reference, prediction)
    title = f"{case.split} · case {case.id}" + (f" · {case.centre}" if case.centre else "")
    if reference is not None and prediction is not None:
        errors = geometry.distances(prediction, reference) * case.mm_per_unit
        if not np.isnan(errors).all():
            title += f" · mean radial error {np.nanmean(errors):.2f} mm"
    figure.suptitle(title + (f"\n{subtitle}" if subtitle else ""), color="white", fontsize=11)
    return figure


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, atomically and without anything that changes from run to run.

    Raises
    ------
    UsageError
        When the file's name is not that of a PNG.
    """
    if path.suffix.lower() != ".png":
        raise UsageError(f"{path}: a picture is written as PNG; give a name that ends in .png")
    with atomic_write(path) as stream:
        figure.savefig(stream, format="png", facecolor=figure.get_facecolor(), metadata={"Software": None})


def film_extent(case: Drawable) -> tuple[float, float, float, float]:
    """Return the edges of a film in original pixels, as ``imshow`` takes them: left, right, bottom, top."""
    rows, columns = case.image.shape
    corners = case.affine @ np.array([[-0.5, rows - 0.5], [-0.5, columns - 0.5], [1, 1]])
    return corners[0, 0], corners[0, 1], corners[1, 1], corners[1, 0]


def slice_extent(shape: Sequence[int], step_mm: Array, across: int, up: int) -> list[float]:
    """Return the edges of a slice in mm, as ``imshow`` takes them, so that a millimetre is as long across as up."""
    return [edge * step_mm[axis] for axis in (across, up) for edge in (-0.5, shape[axis] - 0.5)]


def title_of(name: str) -> str:
    """Return a stranger's name so that it fits a title, where a dollar would begin a formula."""
    return name[:40].replace("$", r"\$")


def frame(axis: Any, title: str = "", sides: str = "") -> None:
    """Make an axis a black picture without ticks: its title, and letters for the directions at its four sides."""
    axis.set(xticks=[], yticks=[], facecolor="black")
    axis.set_title(title, color="white", fontsize=10)
    for spine in axis.spines.values():
        spine.set_visible(False)
    if sides:
        places = ((0.01, 0.5, "left"), (0.99, 0.5, "right"), (0.5, 0.97, "center"), (0.5, 0.03, "center"))
        for letter, (x, y, side) in zip(sides, places, strict=True):
            axis.text(x, y, letter, transform=axis.transAxes, color="#9aa0a6", fontsize=8, ha=side, va="center")


def _new_figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=120, facecolor="black", layout="constrained")


def _sets(reference: Array | None, prediction: Array | None) -> list[tuple[Array, str, str, str]]:
    both = ((reference, REFERENCE_COLOUR, "o", "reference"), (prediction, PREDICTION_COLOUR, "x", "prediction"))
    return [(points, colour, marker, name) for points, colour, marker, name in both if points is not None]


def _window(values: NDArray) -> tuple[float, float]:
    inside = values[values > values.min()]
    low, high = np.percentile(inside if inside.size else values, [1, 99.5])
    return float(low), float(high if high > low else low + 1)


def _bounds(volume: NDArray, points: list[Array]) -> Array:
    """Return where something is to be seen, ``(low and high, axis)`` in voxels: voxels above the floor, and points."""
    seen = np.argwhere(volume[::2, ::2, ::2] > volume.min()) * 2.0
    everything = np.concatenate([seen, *map(_present, points)])
    return np.stack([everything.min(axis=0) - _MARGIN_VOX, everything.max(axis=0) + _MARGIN_VOX])


def _present(points: Array) -> Array:
    return points[~np.isnan(points).any(axis=1)]


def _middle(sets: list[tuple[Array, str, str, str]], ends: list[int]) -> Array:
    """Return where to cut: between the ends of a biometric in the first set that has one, else amid all points."""
    candidates = [_present(points[ends]) for points, *_ in sets] + [_present(points) for points, *_ in sets]
    return next(points for points in candidates if points.size).mean(axis=0)


def _draw_volume(case: Drawable, reference: Array | None, prediction: Array | None) -> Figure:
    """Rows: one biometric each; columns: the three planes through the middle of its two end points."""
    sets = _sets(reference, prediction)
    if not any(_present(points).size for points, *_ in sets):
        raise DataError(f"case '{case.id}' has neither reference nor prediction to choose slices by")
    stored = case.image
    grid = NetworkGrid.of_voxels(case.affine, stored.shape)
    volume = grid.canonical(stored)  # (x, y, z), RAS+
    step_mm = voxel_sizes(grid.grid_affine)
    low, high = _window(np.asarray(volume[::2, ::2, ::2]))
    view_mm = _bounds(volume, [grid.to_grid(points) for points, *_ in sets]) * step_mm  # (low and high, xyz)
    pairs = case.landmark_set.biometric_indices()
    figure = _new_figure(10, 3.4 * len(pairs))
    axes = figure.subplots(len(pairs), len(PLANES), squeeze=False)
    for row, (biometric, (start, end)) in enumerate(zip(case.landmark_set.biometrics, pairs, strict=True)):
        middle = grid.to_grid(_middle(sets, [start, end]))
        for axis, (normal, across, up), (plane, sides) in zip(axes[row], PLANES, _NAMES_AND_SIDES, strict=True):
            index = int(np.clip(np.nan_to_num(np.round(middle[normal])), 0, volume.shape[normal] - 1))
            extent = slice_extent(volume.shape, step_mm, across, up)
            image = np.take(volume, index, axis=normal).T  # (up, across)
            axis.imshow(image, cmap="gray", origin="lower", extent=extent, vmin=low, vmax=high, interpolation="nearest")
            for points, colour, marker, name in sets:
                ends_mm = grid.to_grid(points[[start, end]]) * step_mm
                axis.plot(ends_mm[:, across], ends_mm[:, up], color=colour, linewidth=0.8, alpha=0.7)
                _mark(axis, ends_mm[:, across], ends_mm[:, up], colour, marker, name)
            planar = [
                grid.to_grid(points[[start, end]])[:, [across, up]] * step_mm[[across, up]] for points, *_ in sets
            ]
            _name(axis, planar, (biometric.start, biometric.end))
            axis.set(xlim=view_mm[:, across], ylim=view_mm[:, up])
            frame(axis, plane if row == 0 else "", sides)
        absent = "" if any(_present(points[[start, end]]).size for points, *_ in sets) else "\nno point"
        axes[row][0].set_ylabel(f"{biometric.name}{absent}", color="white", fontsize=10, labelpad=12)
    _legend(axes[0][-1])
    return figure


def _draw_film(case: Drawable, reference: Array | None, prediction: Array | None) -> Figure:
    """The film with its points in original pixels; beside it, with a prediction, the error of each landmark."""
    compared = reference is not None and prediction is not None
    figure = _new_figure(10.5 if compared else 7, 8.5)
    axes = figure.subplots(1, 2, width_ratios=[7, 3]) if compared else [figure.subplots()]
    axes[0].imshow(case.image, cmap="gray", extent=film_extent(case))
    for points, colour, marker, name in _sets(reference, prediction):
        _mark(axes[0], points[:, 0], points[:, 1], colour, marker, name)
    _name(axes[0], [points for points, *_ in _sets(reference, prediction)], case.landmark_set.titles)
    frame(axes[0])
    if len(axes[0].collections):
        _legend(axes[0])
    if reference is not None and prediction is not None:
        errors_mm = geometry.distances(prediction, reference) * case.mm_per_unit
        rows = np.arange(len(errors_mm))
        axes[1].barh(rows, np.nan_to_num(errors_mm), color=PREDICTION_COLOUR, height=0.7)
        titles = [
            title + (" (no point)" if absent else "")
            for title, absent in zip(case.landmark_set.titles, np.isnan(errors_mm), strict=True)
        ]
        axes[1].set_yticks(rows, titles, fontsize=7, color="white")
        axes[1].invert_yaxis()
        axes[1].set_xlabel("radial error [mm]", color="white", fontsize=8)
        axes[1].tick_params(colors="white", labelsize=7)
        axes[1].set_facecolor("black")
    return figure


def _mark(axis: Any, x: Array, y: Array, colour: str, marker: str, name: str) -> None:
    face = {"facecolors": "none", "edgecolors": colour} if marker == "o" else {"color": colour}
    axis.scatter(x, y, s=26, marker=marker, linewidths=1.2, label=name, **face)


def _name(axis: Any, sets: list[Array], names: Sequence[str]) -> None:
    """Write each landmark's name at its point of the last set, and connect that with its point of the others.

    ``sets``: each ``(landmark, horizontal and vertical)`` in the axis' units, NaN where missing.
    """
    from matplotlib.patheffects import withStroke

    outline = [withStroke(linewidth=1.6, foreground="black")]  # bone is as white as the letters
    for name, *points in zip(names, *sets, strict=True):
        shown = _present(np.array(points))
        if len(shown) > 1:
            axis.plot(shown[:, 0], shown[:, 1], color="white", linewidth=0.7, path_effects=outline)
        if len(shown):
            short = name.partition(" (")[0]
            style = {"color": "white", "fontsize": 6, "path_effects": outline, "annotation_clip": True}
            axis.annotate(short, shown[-1], xytext=(4, 3), textcoords="offset points", **style)


def _legend(axis: Any) -> None:
    legend = axis.legend(loc="upper right", fontsize=7, facecolor="black", edgecolor="none", framealpha=0.6)
    for text in legend.get_texts():
        text.set_color("white")
