"""Plots of the static site as small inline SVG: no colours of their own, only classes that the style sheet paints.

Every plot has a title and a description for those who do not see it; the numbers behind it stand in a table beside
it. Coordinates are in units of the view box, y down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import ArrayLike, NDArray

from dgmld_bench.leaderboard.svg import WIDTH, fitted, line, number, outline, rect, row_name, svg, text
from dgmld_bench.scoring.metrics import SDR_CURVE_MM
from dgmld_bench.text import clean

Array = NDArray[np.float64]

N_COLOURS = 6  # curves that the style sheet paints; the rest are drawn in grey, in the background


@dataclass(frozen=True)
class Curve:
    """One SDR curve.

    Attributes
    ----------
    key : str
        Ties the curve to its row in the table; letters, digits and hyphens.
    name : str
    mean, std : array, shape (61,)
        Percent at :data:`dgmld_bench.scoring.metrics.SDR_CURVE_MM`; ``std`` over seeds, None for one seed.
    """

    key: str
    name: str
    mean: Array
    std: Array | None


@dataclass(frozen=True)
class RankBar:
    """One method in the rank plot: rank, the interval of it, and tie group (None for one training), all from 1."""

    name: str
    rank: int
    low: int
    high: int
    group: int | None


@dataclass(frozen=True)
class Scale:
    """A linear map from data to the view box."""

    data: tuple[float, float]
    box: tuple[float, float]

    def __call__(self, value: float) -> float:
        """Return the place of a value in the view box."""
        (d0, d1), (b0, b1) = self.data, self.box
        return b0 + (value - d0) / (d1 - d0) * (b1 - b0)

    def ticks(self, n: int = 6) -> list[float]:
        """Return round numbers inside the data's range, at most about ``n``.

        >>> Scale((0, 9.3), (0, 1)).ticks(5)
        [0.0, 2.0, 4.0, 6.0, 8.0]
        """
        low, high = self.data
        raw = (high - low) / n
        power = 10.0 ** np.floor(np.log10(raw))
        step = next(m * power for m in (1, 2, 5, 10) if m * power >= raw * (1 - 1e-9))
        first = int(np.ceil(low / step - 1e-9))
        return [float(round(i * step, 10)) for i in range(first, int(np.floor(high / step + 1e-9)) + 1)]


def _tick_text(value: float) -> str:
    return f"{value:g}".replace("-", "−")


def _axes(x: Scale, y: Scale, x_title: str, y_title: str, *, x_ticks: int = 6, y_ticks: int = 5) -> list[Markup]:
    left, right = x.box
    bottom, top = y.box
    parts = []
    for value in y.ticks(y_ticks):
        parts.append(line("grid", left, y(value), right, y(value)))
        parts.append(text(left - 6, y(value) + 4, _tick_text(value), "tick end"))
    for value in x.ticks(x_ticks):
        parts.append(line("tickmark", x(value), bottom, x(value), bottom + 4))
        parts.append(text(x(value), bottom + 18, _tick_text(value), "tick mid"))
    parts.append(line("axis", left, bottom, right, bottom))
    parts.append(text((left + right) / 2, bottom + 36, x_title, "label mid"))
    parts.append(text(left - 32, top - 10, y_title, "label"))
    return parts


def sdr_curves(
    key: str, title: str, curves: Sequence[Curve], background: Sequence[Curve] = (), *, legend: bool = False
) -> Markup:
    """Draw SDR against its threshold, 0 to 6 mm, with a band of one standard deviation over seeds (Figure 3).

    Parameters
    ----------
    key : str
        Prefix of the ids in the drawing, unique on the page.
    title : str
    curves : sequence of Curve
        Drawn in colour, in this order; at most :data:`N_COLOURS`.
    background : sequence of Curve
        Drawn thin and grey, to be lit by their key.
    legend : bool
        Draw title and names into the picture, for one that stands alone.
    """
    x, y = Scale((0, 6), (42, WIDTH - 10)), Scale((0, 100), (262, 28))
    xs = [x(float(t)) for t in SDR_CURVE_MM]
    parts = _axes(x, y, "threshold [mm]", "SDR [%]")
    for curve in background:
        parts.append(
            Markup('<path class="curve rest" data-key="{}" d="{}"/>').format(
                curve.key, outline(xs[::2], [y(float(v)) for v in curve.mean[::2]])
            )
        )
    for place, curve in enumerate(curves, start=1):
        if curve.std is not None:
            upper = [y(float(v)) for v in np.clip(curve.mean + curve.std, 0, 100)]
            lower = [y(float(v)) for v in np.clip(curve.mean - curve.std, 0, 100)]
            band = outline(xs + xs[::-1], upper + lower[::-1])
            parts.append(Markup('<path class="band s{}" d="{}Z"/>').format(place, band))
    for place, curve in reversed(list(enumerate(curves, start=1))):
        whole = outline(xs, [y(float(v)) for v in curve.mean])
        parts.append(Markup('<path class="curve s{}" data-key="{}" d="{}"/>').format(place, curve.key, whole))
    height = 304.0
    if legend:
        parts.append(text(WIDTH - 10, 18, fitted(title, WIDTH - 100), "label end name"))
        for place, curve in enumerate(curves, start=1):
            x0, y0 = 42 + 220 * ((place - 1) % 2), 322 + 20 * ((place - 1) // 2)
            parts.append(Markup('<path class="curve s{}" d="M{} {}h26"/>').format(place, number(x0), number(y0)))
            parts.append(text(x0 + 32, y0 + 4, fitted(curve.name, 184), "name"))
        height = 334.0 + 20 * ((len(curves) - 1) // 2)
    said = "; ".join(f"{clean(c.name, 40)} {c.mean[20]:.1f} % at 2 mm, {c.mean[40]:.1f} % at 4 mm" for c in curves)
    return svg(key, (WIDTH, height), title, f"Share of radial errors at or below each threshold. {said}.", parts)


def standalone(plot: Markup, css: str) -> str:
    """Return a plot as a picture file: with its own style and ground, light or dark as the viewer is."""
    style = f"<style>{css} svg {{ background: var(--paper); }}</style>"
    opened = str(plot).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" width="640" ', 1)
    start = opened.index(">") + 1
    return f"{opened[:start]}{style}{opened[start:]}\n"


def landmark_bars(
    key: str,
    title: str,
    names: Sequence[str],
    mean_mm: ArrayLike,
    std_mm: ArrayLike | None,
    best_mm: ArrayLike | None = None,
) -> Markup:
    """Draw the MRE of each landmark as a bar, its standard deviation over seeds, and a mark at the best method's.

    Parameters
    ----------
    names : sequence of str, one per landmark
    mean_mm, std_mm, best_mm : array, shape (landmark,)
        NaN where there is no value.
    """
    mean = np.asarray(mean_mm, dtype=np.float64)
    std = np.zeros_like(mean) if std_mm is None else np.nan_to_num(np.asarray(std_mm, dtype=np.float64))
    best = np.full_like(mean, np.nan) if best_mm is None else np.asarray(best_mm, dtype=np.float64)
    left = 52.0 if max(map(len, names)) < 7 else 196.0  # phones show larger letters
    row, top = 24.0, 8.0
    bottom = top + row * len(names)
    reach = np.nanmax(np.concatenate([mean + std, best, [0.1]]))
    x = Scale((0, float(reach) * 1.02), (left, WIDTH - 48))
    parts = []
    for value in x.ticks():
        parts.append(line("grid", x(value), top, x(value), bottom))
        parts.append(text(x(value), bottom + 16, _tick_text(value), "tick mid"))
    for i, name in enumerate(names):
        middle = top + row * (i + 0.5)
        parts.append(text(left - 8, middle + 4, fitted(name, left - 8, 12), "tick end name"))
        if np.isnan(mean[i]):
            parts.append(text(left + 4, middle + 4, "no value", "tick"))
            continue
        parts.append(rect("bar", left, middle - 7, x(mean[i]) - left, 14))
        if std[i] > 0:
            parts.append(line("whisker", x(max(mean[i] - std[i], 0)), middle, x(mean[i] + std[i]), middle))
        if not np.isnan(best[i]):
            parts.append(line("best", x(best[i]), middle - 10, x(best[i]), middle + 10))
        parts.append(text(WIDTH - 4, middle + 4, f"{mean[i]:.2f}", "tick end value"))
    parts.append(line("axis", left, top, left, bottom))
    parts.append(text((left + WIDTH - 48) / 2, bottom + 34, "mean radial error [mm]", "label mid"))
    said = "; ".join(f"{clean(n, 24)} {m:.2f} mm" for n, m in zip(names, mean, strict=True) if not np.isnan(m))
    return svg(key, (WIDTH, bottom + 42), title, f"Mean radial error per landmark: {said}.", parts)


def histogram_edges(errors_mm: ArrayLike) -> Array:
    """Return bin edges from 0 in steps of a round number of millimetres that hold 98 % of the errors or more.

    >>> histogram_edges([1.0, 9.2])[-3:]
    array([8.5, 9. , 9.5])
    """
    largest = max(float(np.quantile(np.asarray(errors_mm, dtype=np.float64), 0.98)), 0.25)
    step = next((s for s in (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0) if largest / s <= 24), largest / 24)
    return np.asarray(np.arange(int(np.floor(largest / step)) + 2) * step, dtype=np.float64)


def error_histogram(key: str, title: str, errors_mm: ArrayLike) -> Markup:
    """Draw the share of radial errors in bins; errors beyond the last bin are counted in words, beside it.

    Parameters
    ----------
    errors_mm : array, any shape
        NaN is left out.
    """
    errors = np.asarray(errors_mm, dtype=np.float64).ravel()
    errors = errors[~np.isnan(errors)]
    edges = histogram_edges(errors)
    share = np.histogram(errors, edges)[0] / len(errors) * 100
    beyond = int((errors > edges[-1]).sum())
    x = Scale((0, float(edges[-1])), (42, WIDTH - 14))
    y = Scale((0, max(float(share.max()) * 1.08, 1.0)), (242, 48))
    parts = _axes(x, y, "radial error [mm]", "share of errors [%]", x_ticks=8, y_ticks=4)
    for i, value in enumerate(share):
        if value > 0:
            a, b = x(float(edges[i])), x(float(edges[i + 1]))
            tip = f"{edges[i]:g} to {edges[i + 1]:g} mm: {value:.1f} %"
            parts.append(rect("bar", a + 0.5, y(float(value)), b - a - 1, y(0) - y(float(value)), tip))
    more = f"{beyond} of {len(errors)} beyond {edges[-1]:g} mm, up to {errors.max():.1f} mm" if beyond else ""
    if more:
        parts.append(text(WIDTH - 10, 16, more, "tick end beyond"))  # a line of its own, above every bar
    peak = int(share.argmax())
    fullest = f"{edges[peak]:g} to {edges[peak + 1]:g} mm, {share[peak]:.0f} %"
    said = f"{len(errors)} errors; the fullest bin is {fullest}. {more}"
    return svg(key, (WIDTH, 284), title, said, parts)


def rank_intervals(key: str, title: str, bars: Sequence[RankBar]) -> Markup:
    """Draw each method's rank and the 95 % interval of it, with its tie group at the right.

    Parameters
    ----------
    bars : sequence of RankBar
        In the order of their ranks.
    """
    n = len(bars)
    row = 22.0 if n <= 40 else 16.0
    top, left = 26.0, 200.0
    bottom = top + row * n
    x = Scale((0.5, n + 0.5), (left, WIDTH - 66))
    parts: list[Markup] = []
    ticks = [t for t in x.ticks(min(n, 10)) if t == int(t) and 1 <= t <= n]
    for value in sorted({1.0, *ticks}):
        parts.append(line("grid", x(value), top, x(value), bottom))
        parts.append(text(x(value), top - 8, _tick_text(value), "tick mid"))
    for i, bar in enumerate(bars):
        middle = top + row * (i + 0.5)
        parts.append(row_name(left - 10, middle + 4, bar.name))
        parts.append(line("range", x(bar.low), middle, x(bar.high), middle))
        parts.append(text(WIDTH - 12, middle + 4, str(bar.group or "–"), "tick end group"))
        parts.append(
            Markup('<circle class="dot" cx="{}" cy="{}" r="4"><title>{}</title></circle>').format(
                number(x(bar.rank)),
                number(middle),
                f"{clean(bar.name, 80)}: rank {bar.rank}, 95 % interval {bar.low} to {bar.high}",
            )
        )
    parts.append(text(left - 10, top - 8, "rank", "label end"))
    parts.append(text(WIDTH - 12, top - 8, "group", "label end"))
    n_groups = max((b.group or 0 for b in bars), default=0)
    said = f"{n} methods in {n_groups} tie groups; the table holds ranks and intervals."
    return svg(key, (WIDTH, bottom + 6), title, said, parts)


_FAR_BEYOND = 2.0
"""How many times the greatest error to be read off a drawing may be as long as what is drawn beside it."""


def gap_lines(
    key: str, groups: Sequence[tuple[str, Sequence[tuple[str, float | None, float]]]], highest: float
) -> Markup:
    """Draw each method's error in domain (circle) and out of domain (dot), joined by a line: the gap.

    What lies far beyond ``highest``, the greatest error that is to be read off, is an arrow with its value.

    Parameters
    ----------
    groups : sequence of (title, rows)
        A row is (name, in domain or None, out of domain), in millimetres; an empty title is not drawn.
    """
    step, top, left = 20.0, 30.0, 200.0
    rows = [row for _, of_group in groups for row in of_group]
    bottom = top + step * (len(rows) + sum(bool(title) for title, _ in groups))
    all_of_them = max(max(out, inside or 0.0) for _, inside, out in rows)
    limit = all_of_them if all_of_them <= _FAR_BEYOND * highest else highest
    x = Scale((0, limit * 1.05), (left, WIDTH - (16 if limit == all_of_them else 60)))
    parts: list[Markup] = []
    for value in x.ticks(6):
        parts.append(line("grid", x(value), top, x(value), bottom))
        parts.append(text(x(value), top - 8, _tick_text(value), "tick mid"))
    parts.append(text(left - 10, top - 8, "mm", "label end"))
    mark = '<circle class="{}" cx="{}" cy="{}" r="4"><title>{}</title></circle>'
    middle = top - step / 2
    for title, of_group in groups:
        if title:
            middle += step
            parts.append(text(0, middle + 4, fitted(title, WIDTH - 20), "tick"))
        for name, inside, out in of_group:
            middle += step
            parts.append(row_name(left - 10, middle + 4, name))
            end = min(out, limit * 1.05)
            if inside is not None and inside <= limit:
                parts.append(line("range", x(inside), middle, x(end), middle))
                tip = f"{clean(name, 80)}: {inside:.2f} mm in domain"
                parts.append(Markup(mark).format("inside", number(x(inside)), number(middle), tip))
            if out > limit:
                parts.append(text(x(end), middle + 4, f"→ {out:.1f}", "tick"))
                continue
            tip = f"{clean(name, 80)}: {out:.2f} mm out of domain"
            parts.append(Markup(mark).format("dot", number(x(out)), number(middle), tip))
    said = f"{len(rows)} methods; the table holds the numbers."
    return svg(key, (WIDTH, bottom + 6), "Error in domain and out of domain", said, parts)


def interval_cell(mean: float, interval: tuple[float, float] | None, limits: tuple[float, float]) -> Markup:
    """Draw a value and its interval as a mark for a table cell; a value outside ``limits`` is an arrow to its side.

    The mark is hidden from screen readers: the cell holds the numbers.
    """
    x = Scale(limits, (3, 77))
    parts = Markup("")
    if interval is not None and interval[0] <= limits[1]:
        parts += line("range", x(max(interval[0], limits[0])), 7, x(min(interval[1], limits[1])), 7)
    if limits[0] <= mean <= limits[1]:
        parts += Markup('<circle class="dot" cx="{}" cy="7" r="2.5"/>').format(number(x(mean)))
    elif not np.isnan(mean):
        parts += Markup('<path class="range" d="{}"/>').format(
            "M72 3L77 7L72 11" if mean > limits[1] else "M8 3L3 7L8 11"
        )
    return Markup('<svg class="spark" viewBox="0 0 80 14" aria-hidden="true" focusable="false">{}</svg>').format(parts)
