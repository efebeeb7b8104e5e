"""A data card per source as Markdown: licence, provenance, counts, splits, and what was measured on disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dgmld_bench import geometry
from dgmld_bench.splits import get_split, get_track

if TYPE_CHECKING:
    from dgmld_bench.cases import Case
    from dgmld_bench.files import Progress
    from dgmld_bench.sources.base import Source

Statistics = Mapping[str, Any]


def split_statistics(
    cases: Sequence[Case], progress: Progress = lambda step, done, total: None
) -> dict[str, dict[str, list[float]] | int]:
    """Measure the images of a split: smallest, median and largest size, voxel edge and extent.

    Axes are those of the world (3D: right, front, up; 2D: across, down), whatever the order of the stored array.

    Returns
    -------
    dict
        ``cases``, and ``min``, ``median``, ``max`` per axis of ``size`` (voxels or pixels), ``spacing_mm`` and
        ``extent_mm``. In 2D the size is that of the original film.
    """
    sizes, spacings = [], []
    for done, case in enumerate(cases, start=1):
        shape = case.image.shape
        order, _ = geometry.canonical_axes(case.affine)
        steps = geometry.voxel_sizes(case.affine)[list(order)]
        stored = np.array([shape[axis] for axis in order])
        sizes.append(stored if case.landmark_set.dimension == 3 else np.rint(stored * steps))
        spacings.append(steps if case.landmark_set.dimension == 3 else np.full(2, case.mm_per_unit))
        progress("Measuring", done, len(cases))
    measured = {"size": np.array(sizes), "spacing_mm": np.array(spacings)}
    measured["extent_mm"] = measured["size"] * measured["spacing_mm"]
    return {"cases": len(cases)} | {name: _summary(values) for name, values in measured.items()}


def _summary(values: np.ndarray) -> dict[str, list[float]]:
    return {
        name: [round(float(value), 3) for value in function(values, axis=0)]
        for name, function in (("min", np.min), ("median", np.median), ("max", np.max))
    }


def data_card(source: Source, statistics: Statistics) -> str:
    """Return the card of a source.

    Parameters
    ----------
    source : Source
    statistics : mapping
        Split -> what :func:`split_statistics` measured; splits that were never on disk are absent.
    """
    splits = [get_split(name) for name in source.splits]
    landmark_set = get_track(splits[0].track).landmarks
    lines = [f"# {source.title}", ""]
    here = source.url.removeprefix("docs/")  # a page of this repository, one folder above the card
    link = source.url if here == source.url else f"[{source.url}](../{here})"
    lines += [f"Source `{source.name}`, {link}. {source.how_to_get}", ""]
    lines += ["## Licence", "", f"**{source.licence}.**" + (f" {source.terms}" if source.terms else ""), ""]
    if source.papers:
        lines += ["## Provenance", "", "Cite:", "", *(f"- {paper}" for paper in source.papers), ""]
    lines += [
        "## Splits",
        "",
        "| split | track | role | cases | centre | reference landmarks |",
        "|---|---|---|---|---|---|",
    ]
    for s in splits:
        lines.append(f"| `{s.name}` | `{s.track}` | {s.role_and_domain} | {s.n_cases} | {s.centre} | {s.reference} |")
    unit = "mm, RAS" if landmark_set.dimension == 3 else "pixels of the original film, x right and y down"
    lines += ["", f"{len(landmark_set)} landmarks ({unit}): {', '.join(landmark_set.titles)}.", ""]
    lines += ["## Images", ""]
    measured = [(s.name, statistics[s.name]) for s in splits if s.name in statistics]
    if measured:
        axes = "right, front, up" if landmark_set.dimension == 3 else "across, down"
        element = "voxels" if landmark_set.dimension == 3 else "pixels"
        lines += [
            f"Per axis ({axes}): median, and smallest to largest where they differ.",
            "",
            f"| split | {element} | spacing, mm | extent, mm |",
            "|---|---|---|---|",
        ]
        for name, values in measured:
            row = " | ".join(describe_range(values[key]) for key in ("size", "spacing_mm", "extent_mm"))
            lines.append(f"| `{name}` | {row} |")
        lines.append("")
    unmeasured = [s.name for s in splits if s.name not in statistics]
    if unmeasured:
        lines += [f"Not measured here, the data were not on disk: {', '.join(f'`{n}`' for n in unmeasured)}.", ""]
    if source.cautions:
        lines += ["## Know before use", "", *(f"- {caution}" for caution in source.cautions), ""]
    return "\n".join(lines)


def describe_range(values: Mapping[str, Sequence[float]]) -> str:
    """Return the values of each axis in words.

    >>> describe_range({"min": [90, 0.5], "median": [100, 0.5], "max": [128, 0.5]})
    '100 (90–128) × 0.5'
    """
    words = []
    for low, middle, high in zip(values["min"], values["median"], values["max"], strict=True):
        words.append(f"{middle:g}" if low == high else f"{middle:g} ({low:g}–{high:g})")
    return " × ".join(words)
