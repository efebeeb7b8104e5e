"""Pictures of the parts of errors: what share each part has, and which way each landmark is off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from dgmld_bench.leaderboard.schematic import View
from dgmld_bench.leaderboard.svg import WIDTH, line, number, path, rect, row_name, svg, text
from dgmld_bench.scoring.parts_table import PARTS
from dgmld_bench.text import clean

Array = NDArray[np.float64]

_FACTORS = (20, 10, 5, 2, 1)  # how much larger than the drawing arrows may be
_LONGEST = 0.22  # of the drawing's width, for the longest arrow


@dataclass(frozen=True)
class PartsBar:
    """One method: its shares of the squared error in percent (offset, spread, misses), and its MRE with and without."""

    name: str
    shares_percent: tuple[float, float, float]
    mre_mm: float
    without_offset_mm: float


@dataclass(frozen=True)
class Offsets:
    """Which way landmarks are off.

    Attributes
    ----------
    offset_mm : array, shape (landmark, direction)
        NaN where none is known.
    spread_mm : array, shape (landmark, direction), or None
        Drawn as an ellipse of one standard deviation about the arrow's end.
    is_sure : bool array, shape (landmark,)
        Others are drawn faint.
    is_marked : bool array, shape (landmark,)
        Ringed.
    tips : sequence of str
        What is said of each landmark.
    single_mm : sequence of arrays, shape (landmark, direction)
        Offsets of single methods, drawn thin.
    """

    offset_mm: Array
    spread_mm: Array | None
    is_sure: NDArray[np.bool_]
    is_marked: NDArray[np.bool_]
    tips: Sequence[str]
    single_mm: Sequence[Array] = ()


def parts_bars(key: str, title: str, bars: Sequence[PartsBar]) -> Markup:
    """Draw what the squared error of each method is made of, with its MRE and what is left of it without offsets."""
    step, top, left, right = 22.0, 2.0, 214.0, WIDTH - 118
    per_percent = (right - left) / 100
    parts: list[Markup] = []
    for i, bar in enumerate(bars):
        middle, x = top + step * (i + 0.5), left
        parts.append(row_name(left - 10, middle + 4, bar.name))
        for part, share in zip(PARTS, bar.shares_percent, strict=True):
            width = share * per_percent
            parts.append(rect(f"part {part}", x, middle - 7, width, 14, f"{clean(bar.name, 80)}: {share:.0f} % {part}"))
            x += width
        parts.append(text(WIDTH - 62, middle + 4, f"{bar.mre_mm:.2f}", "tick end value"))
        parts.append(text(WIDTH - 4, middle + 4, f"{bar.without_offset_mm:.2f}", "tick end value"))
    said = "; ".join(
        f"{clean(b.name, 40)} " + ", ".join(f"{s:.0f} % {p}" for s, p in zip(b.shares_percent, PARTS, strict=True))
        for b in bars[:8]
    )
    return svg(key, (WIDTH, top + step * len(bars) + 4), title, f"Shares of the squared error: {said}.", parts)


def offset_map(key: str, title: str, views: Sequence[View], offsets: Offsets) -> Markup:
    """Draw the offset of each landmark as an arrow on the drawings of its set, all of one scale."""
    columns = min(len(views), 2)
    width = WIDTH / columns
    rows = -(-(len(views) + 1) // 2) if columns > 1 else 1
    boxes = [_box(view, offsets, _factor(views, offsets)) for view in views]
    span = np.max([high - low for low, high in boxes], axis=0)
    per_mm = (width - 16) / span[0]
    height = span[1] * per_mm + (34 if columns > 1 else 12)
    factor = _factor(views, offsets)
    parts: list[Markup] = []
    for i, (view, (low, high)) in enumerate(zip(views, boxes, strict=True)):
        left, top = width * (i % columns), height * (i // columns)
        middle = (low + high) / 2
        origin = (left + width / 2 - middle[0] * per_mm, top + height - 6 - span[1] * per_mm / 2 + middle[1] * per_mm)
        parts += _drawn(view, offsets, factor, per_mm, origin)
        if view.title:
            parts.append(text(left + width / 2, top + 14, view.title, "label mid"))
    total = height * rows
    if columns > 1:
        parts += _scale_bar(WIDTH / 2 + 24, total - height / 2, factor, per_mm)
    else:
        total += 36
        parts += _scale_bar(16, total - 28, factor, per_mm)
    known = [k for k in np.argsort(-_lengths(offsets.offset_mm)) if not np.isnan(offsets.offset_mm[k]).any()]
    said = "; ".join(offsets.tips[k] for k in known[:6])
    return svg(key, (WIDTH, total), title, f"Greatest first: {said}.", parts)


def _lengths(offset_mm: Array) -> Array:
    return np.nan_to_num(np.asarray(np.linalg.norm(offset_mm, axis=-1)))


def _factor(views: Sequence[View], offsets: Offsets) -> int:
    longest = [_lengths(offsets.offset_mm), *([] if offsets.spread_mm is None else [_lengths(offsets.spread_mm)])]
    reach = max(float(np.max(longest)), 0.05)
    size = max(float(np.ptp(np.concatenate(v.outlines)[:, 0])) for v in views)
    return next((f for f in _FACTORS if f * reach <= _LONGEST * size), 1)


def _box(view: View, offsets: Offsets, factor: int) -> tuple[Array, Array]:
    shown = list(view.shown)
    ends = view.points[shown] + factor * np.nan_to_num(offsets.offset_mm[shown][:, view.axes])
    around = np.concatenate([*view.outlines, view.label_places[shown], ends])
    pad = 0.08 * np.ptp(around, axis=0).max()
    return around.min(axis=0) - pad, around.max(axis=0) + pad


def _drawn(view: View, offsets: Offsets, factor: int, per_mm: float, origin: tuple[float, float]) -> list[Markup]:
    def place(points: Array) -> Array:
        return np.asarray(np.array(origin) + np.asarray(points) * per_mm * np.array([1, -1]))

    parts = [path("sketch", *place(outline).T) for outline in view.outlines]
    axes = list(view.axes)
    for single in offsets.single_mm:
        for k in view.shown:
            if not np.isnan(single[k]).any():
                ends = place(view.points[k]), place(view.points[k] + factor * single[k][axes])
                parts.append(line("arrow single", *ends[0], *ends[1]))
    for k in view.shown:
        point = view.points[k]
        vector = offsets.offset_mm[k]
        if np.isnan(vector).any():
            continue
        faint = "" if offsets.is_sure[k] else " faint"
        start, end = place(point), place(point + factor * vector[axes])
        inner = Markup("")
        if offsets.spread_mm is not None and not np.isnan(offsets.spread_mm[k]).any():
            rx, ry = factor * per_mm * offsets.spread_mm[k][axes]
            inner += Markup('<ellipse class="halo" cx="{}" cy="{}" rx="{}" ry="{}"/>').format(
                *map(number, (*end, rx, ry))
            )
        inner += _arrow(f"arrow{faint}", start, end)
        if offsets.is_marked[k]:
            inner += Markup('<circle class="twice" cx="{}" cy="{}" r="6"/>').format(*map(number, start))
        inner += Markup('<circle class="point" cx="{}" cy="{}" r="2.2"/>').format(*map(number, start))
        parts.append(Markup("<g><title>{}</title>{}</g>").format(offsets.tips[k], inner))
    for k in view.shown:
        x, y = place(view.label_places[k])
        parts.append(text(x, y + 4, view.labels[k], "tick mid name"))
    return parts


def _arrow(css: str, start: Array, end: Array) -> Markup:
    """Draw a line with a head; a point only, where it would be shorter than its head."""
    length = float(np.linalg.norm(end - start))
    if length < 3:
        return line(css, *start, *end)
    along = (end - start) / length
    across = np.array([-along[1], along[0]])
    head = [end - 5 * along + 3 * across, end, end - 5 * along - 3 * across]
    return line(css, *start, *end) + path(css, *np.array(head).T)


def _scale_bar(x: float, y: float, factor: int, per_mm: float) -> list[Markup]:
    mm = 1 if factor * per_mm > 24 else 2 if factor * per_mm > 9 else 5
    long = mm * factor * per_mm
    parts = [line("axis", x, y, x + long, y), text(x + long + 8, y + 4, f"{mm} mm of offset", "tick")]
    if factor > 1:
        parts.append(text(x, y + 20, f"drawn {factor} times as large", "tick"))
    return parts
