"""What the pages of the board say about the parts of errors: choices of wording and digits, and no metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from dgmld_bench.landmarks import LandmarkSet
from dgmld_bench.leaderboard.model import Row, SplitBoard, TrackBoard
from dgmld_bench.leaderboard.parts_plots import Offsets, PartsBar, offset_map, parts_bars
from dgmld_bench.leaderboard.schematic import views
from dgmld_bench.scoring.agreement import SYSTEMATIC_MM
from dgmld_bench.scoring.certainty import held_percent
from dgmld_bench.scoring.parts_table import PartsTable, over_seeds
from dgmld_bench.text import signed

Array = NDArray[np.float64]

_TALL = 14  # more methods than this scroll


@dataclass(frozen=True)
class Line:
    """A landmark's line of the table: cells as text, and which of them are surely no chance."""

    title: str
    cells: tuple[tuple[str, bool], ...]
    marks: tuple[str, ...]


@dataclass(frozen=True)
class MethodParts:
    """One method on one split."""

    shares_percent: tuple[float, float, float]
    misses_percent: float
    without_offset: str
    directions: tuple[str, ...]
    lines: tuple[Line, ...]
    plot: Markup
    promise: str


@dataclass(frozen=True)
class SplitParts:
    """All methods on one split; ``marks`` are landmarks and why they are ringed."""

    bars: Markup
    is_tall: bool
    plot: Markup | None
    n_methods: int
    marks: tuple[tuple[str, str], ...]


class Definitions:
    """Landmarks that two annotators, of this split or of the source, place apart throughout: two definitions of one."""

    def __init__(self, board: SplitBoard, track: TrackBoard) -> None:
        sources = [s for s in track.splits if not s.split.out_of_domain]
        places = {board.split.name: board, **{s.split.name: s for s in sources}}
        self.shifts_mm: dict[str, Array] = {}
        for name, place in places.items():
            parts = next((r.parts for r in place.rows if r.kind == "annotator" and r.parts is not None), None)
            if parts is not None:
                self.shifts_mm[name] = parts.lengths_mm

    def of(self, landmark: int) -> tuple[str, ...]:
        """Return why a landmark is marked; nothing where it is not."""
        return tuple(
            f"two annotators of {name} place it {shift[landmark]:.1f} mm apart throughout"
            for name, shift in self.shifts_mm.items()
            if shift[landmark] > SYSTEMATIC_MM
        )

    def marked(self, n: int) -> NDArray[np.bool_]:
        """Which of ``n`` landmarks are marked."""
        return np.array([bool(self.of(k)) for k in range(n)])


def method_parts(
    row: Row,
    split: str,
    landmark_set: LandmarkSet,
    definitions: Definitions,
    validation: SplitBoard | None = None,
) -> MethodParts | None:
    """Return what a submission's page shows of one split; None where the parts are not known."""
    parts = row.parts
    if parts is None:
        return None
    offset, spread = over_seeds(parts.offset_mm), over_seeds(parts.spread_mm)
    misses, rest = over_seeds(parts.misses_percent), over_seeds(parts.without_offset_mm)
    low, high = np.moveaxis(parts.offset_ci95_mm, -1, 0)  # (landmark, direction)
    is_sure: NDArray[np.bool_] = np.asarray((low > 0) | (high < 0))
    lines = []
    for k, title in enumerate(landmark_set.titles):
        if not parts.is_told[k]:
            continue
        cells = [(signed(v, 2), bool(sure)) for v, sure in zip(offset[k], is_sure[k], strict=True)]
        cells += [(f"{v:.2f}", False) for v in spread[k]]
        cells += [(f"{misses[k]:.1f}", False), (f"{rest[k]:.2f}", False)]
        lines.append(Line(title, tuple(cells), definitions.of(k)))
    n = len(landmark_set)
    drawn = Offsets(offset, spread, np.asarray(is_sure.any(axis=-1)), definitions.marked(n), _tips(parts, landmark_set))
    title = f"Offset of each landmark on {split}"
    return MethodParts(
        shares_percent=_three(parts.shares_percent),
        misses_percent=float(np.nanmean(misses)),
        without_offset=_with_interval(parts),
        directions=parts.directions,
        lines=tuple(lines),
        plot=offset_map(f"{split}-offsets", title, views(landmark_set), drawn),
        promise=_promise(row, validation),
    )


def split_parts(
    rows: Sequence[Row], labels: Mapping[str, str], split: str, landmark_set: LandmarkSet, definitions: Definitions
) -> SplitParts | None:
    """Return what a split's page shows; None where no row's parts are known.

    Parameters
    ----------
    rows : sequence of Row
        In the order of the page.
    labels : mapping of row id to name
    """
    known = [(row, row.parts) for row in rows if row.parts is not None and row.average is not None]
    if not known:
        return None
    bars = [
        PartsBar(
            labels[row.id],
            _three(parts.shares_percent),
            row.average.mean if row.average else np.nan,
            float(parts.mre_without_offset_mm.mean()),
        )
        for row, parts in known
    ]
    single = [over_seeds(parts.offset_mm) for row, parts in known if row.kind == "measured"]
    n = len(landmark_set)
    plot = None
    if single:
        middle = np.median(single, axis=0)  # a method that lost a landmark must not draw it away for all
        tips = [
            f"{title}: {length:.1f} mm ({_vector(known[0][1].directions, vector)})"
            for title, length, vector in zip(landmark_set.titles, np.linalg.norm(middle, axis=-1), middle, strict=True)
        ]
        drawn = Offsets(middle, None, np.ones(n, dtype=bool), definitions.marked(n), tips, single)
        plot = offset_map("offsets", f"Offsets on {split}, median of the methods", views(landmark_set), drawn)
    marks = tuple((title, "; ".join(why)) for k, title in enumerate(landmark_set.titles) if (why := definitions.of(k)))
    drawn_bars = parts_bars("parts", f"Parts of the squared error on {split}", bars)
    return SplitParts(drawn_bars, len(bars) > _TALL, plot, len(single), marks)


def compared_parts(rows: Sequence[Row]) -> list[list[list[int] | None] | None]:
    """Return what the page of two methods knows of each row's parts, as :func:`parts_difference` compares them.

    Of each landmark: what offset, spread and misses add to its squared error, in thousandths of a square millimetre,
    and its MRE without offset in micrometres; None for a landmark or a row of which it is not known. A row that lacks
    points which others have is not known: its parts are of other points.
    """
    absent = [np.isnan(np.asarray(row.errors_mm)) for row in rows]
    common = np.all([one.all(axis=0) for one in absent], axis=0) if absent else None  # the reference has none there
    found: list[list[list[int] | None] | None] = []
    for row, one in zip(rows, absent, strict=True):
        parts = row.parts
        if parts is None or (one != common).any():
            found.append(None)
            continue
        values = np.column_stack([parts.by_landmark_mm2, over_seeds(parts.without_offset_mm)])
        found.append([[round(1000 * v) for v in line] if not np.isnan(line).any() else None for line in values])
    return found


def _promise(row: Row, validation: SplitBoard | None) -> str:
    """Return what radii from the validation split hold of the points here; empty where there are none."""
    rows = () if validation is None else validation.rows
    calibration = next((r.errors_mm for r in rows if r.id == row.id and r.seeds == row.seeds), None)
    held = None if calibration is None or row.errors_mm is None else held_percent(calibration, row.errors_mm)
    if held is None or validation is None:
        return ""
    return f"Radii that promise 90 % of the points on {validation.split.name} hold {held:.0f} % of them here."


def _tips(parts: PartsTable, landmark_set: LandmarkSet) -> list[str]:
    offset, spread, misses = (over_seeds(v) for v in (parts.offset_mm, parts.spread_mm, parts.misses_percent))
    return [
        f"{title}: {parts.lengths_mm[k]:.1f} mm off ({_vector(parts.directions, offset[k])}), "
        f"spread {' and '.join(f'{v:.1f}' for v in spread[k])} mm, misses {misses[k]:.1f} %"
        for k, title in enumerate(landmark_set.titles)
    ]


def _vector(directions: Sequence[str], vector: Array) -> str:
    return ", ".join(f"{name} {signed(v, 1)}" for name, v in zip(directions, vector, strict=True))


def _with_interval(parts: PartsTable) -> str:
    ends = parts.without_offset_ci95_mm
    interval = "" if ends is None else f" ({ends[0]:.2f}–{ends[1]:.2f})"
    return f"{parts.mre_without_offset_mm.mean():.2f}{interval}"


def _three(values: Array) -> tuple[float, float, float]:
    offset, spread, misses = map(float, values)
    return offset, spread, misses
