"""Pictures of findings: two images side by side, a case with its landmarks, a point of two annotators."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dgmld_bench import drawing
from dgmld_bench.audit.findings import Audit, Finding
from dgmld_bench.cases import Case
from dgmld_bench.errors import DataError
from dgmld_bench.geometry import NetworkGrid, voxel_sizes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DPI = 72
_MAX_SIDE = 400
_AROUND_MM = 25.0
_PAIRS = ("same-image", "copy", "near-duplicate")


def draw_finding(finding: Finding, cases: list[Case]) -> bytes | None:
    """Return a PNG that shows a finding, or None where there is nothing to show.

    Parameters
    ----------
    finding : Finding
    cases : list of Case
        Those of the finding, with references.
    """
    if not cases or finding.check == "unreadable":
        return None
    try:
        if finding.check in _PAIRS and len(cases) > 1:
            figure = _pair(cases[0], cases[1])
        elif finding.check == "annotators":
            figure = _annotators(cases[0], finding)
        else:
            figure = _case(cases[0])
    except DataError:
        return None
    return _png(figure)


def draw_correlations(audit: Audit) -> bytes | None:
    """Return a PNG of how much each test case resembles the most alike case that is learnt from, or None."""
    splits = audit.measured.get("greatest_correlation_with_training")
    if not splits:
        return None
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 0.9 + 0.5 * len(splits)), dpi=100, layout="constrained")
    axis = figure.subplots()
    for row, correlations in enumerate(splits.values()):
        values = np.array(list(correlations.values()))
        rise = np.linspace(-0.25, 0.25, len(values)) if len(values) > 1 else np.zeros(1)
        axis.scatter(values, row + rise, s=9, alpha=0.7)
    axis.set(yticks=range(len(splits)), ylim=(len(splits) - 0.5, -0.5), xlim=(min(0.0, axis.get_xlim()[0]), 1.02))
    axis.set_yticklabels(list(splits))
    axis.set_xlabel("greatest correlation of a test case with a case that is learnt from")
    return _png(figure, 100)


def _case(case: Case) -> Figure:
    points = case.landmarks if case.annotations else None
    return drawing.draw_case(case, points)


def _pair(first: Case, second: Case) -> Figure:
    from matplotlib.figure import Figure

    rows = [_views(case) for case in (first, second)]
    columns = len(rows[0])
    figure = Figure(figsize=(9.6, 6.6 if columns > 1 else 5.8), facecolor="black", layout="constrained")
    axes = figure.subplots(2, columns, squeeze=False) if columns > 1 else figure.subplots(1, 2, squeeze=False).T
    for row, (case, views) in enumerate(zip((first, second), rows, strict=True)):
        for axis, (view, aspect) in zip(axes[row], views, strict=True):
            axis.imshow(view, cmap="gray", aspect=aspect, vmin=np.percentile(view, 1), vmax=np.percentile(view, 99.5))
            axis.set(xticks=[], yticks=[])
        axes[row][0].set_title(drawing_title(case), color="white", fontsize=9, loc="left", parse_math=False)
    return figure


def drawing_title(case: Case) -> str:
    """Return what stands above a picture of a case."""
    from dgmld_bench.text import clean

    return clean(f"{case.split}/{case.id}", 60)


def _views(case: Case) -> list[tuple[NDArray, float]]:
    """Return the film, or the sagittal, coronal and axial slice through the head's centre, with their aspect."""
    image = case.image
    if image.ndim == 2:
        step = max(1, max(image.shape) // _MAX_SIDE)
        return [(image[::step, ::step], 1.0)]
    grid = NetworkGrid.of_voxels(case.affine, image.shape)
    volume, size = grid.canonical(image), voxel_sizes(grid.grid_affine)
    inside = np.argwhere(volume[::4, ::4, ::4] > np.percentile(volume[::4, ::4, ::4], 50))
    centre = (4 * inside.mean(axis=0)).astype(int) if len(inside) else np.array(volume.shape) // 2
    views = []
    for normal, across, up in drawing.PLANES:
        slice_ = np.take(volume, centre[normal], axis=normal).T[::-1]
        views.append((slice_, float(size[up] / size[across])))
    return views


def _annotators(case: Case, finding: Finding) -> Figure:
    """The film around a point, with where each annotator placed it."""
    from matplotlib.figure import Figure

    index = case.landmark_set.index(finding.values["landmark"])
    points = {name: case.annotations[name][index] for name in finding.values["annotators"]}
    if case.landmark_set.dimension != 2:
        return _case(case)
    middle = np.mean(list(points.values()), axis=0)
    half = _AROUND_MM / case.mm_per_unit
    figure = Figure(figsize=(5, 5), facecolor="black", layout="constrained")
    axis = figure.subplots()
    axis.imshow(case.image, cmap="gray", extent=drawing.film_extent(case))
    colours = (drawing.REFERENCE_COLOUR, drawing.PREDICTION_COLOUR)
    for (name, point), colour in zip(points.items(), colours, strict=False):
        axis.scatter([point[0]], [point[1]], s=60, marker="+", color=colour, label=name)
    axis.set(xlim=(middle[0] - half, middle[0] + half), ylim=(middle[1] + half, middle[1] - half), xticks=[], yticks=[])
    axis.legend(loc="upper right", fontsize=8)
    axis.set_title(drawing_title(case), color="white", fontsize=9, loc="left", parse_math=False)
    return figure


def _png(figure: Figure, dpi: int = _DPI) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=dpi, facecolor=figure.get_facecolor(), metadata={"Software": None})
    return stream.getvalue()
