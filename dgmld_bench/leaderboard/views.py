"""What each page shows, taken from the board: choices of order, wording and number of digits, and no metric."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from markupsafe import Markup, escape
from numpy.typing import NDArray

from dgmld_bench.leaderboard import plots
from dgmld_bench.leaderboard.figures import Panel, curve_of, panels
from dgmld_bench.leaderboard.groups_view import GroupTable, group_tables
from dgmld_bench.leaderboard.layouts import Layout, Line, figure_heading, in_paper, layouts
from dgmld_bench.leaderboard.model import (
    FLAGS,
    IMPLAUSIBLE,
    PROTOCOLS,
    Board,
    Row,
    SplitBoard,
    Submission,
    TrackBoard,
    Value,
)
from dgmld_bench.leaderboard.overview import Entry, Overview
from dgmld_bench.leaderboard.parts_view import (
    Definitions,
    MethodParts,
    SplitParts,
    compared_parts,
    method_parts,
    split_parts,
)
from dgmld_bench.leaderboard.project import BIBTEX
from dgmld_bench.scoring.metrics import SDR_THRESHOLDS_MM
from dgmld_bench.scoring.parts import MISS_FLOOR_MM, MISS_SIGMAS
from dgmld_bench.scoring.statistics import case_means, pairwise
from dgmld_bench.sources import all_sources
from dgmld_bench.text import clean, duration, web_link

Array = NDArray[np.float64]
Page = tuple[str, str, dict[str, Any]]  # template, path in the site, what the template sees

_UNRANKED = ("Not ranked", "for reference, or lacking what a rank needs")
_KINDS = {"reported": "reported", "annotator": "annotator", "mean-shape": "mean shape"}
_TALL = 40  # rank plots of more methods than this scroll
_LEADERS = 3


@dataclass(frozen=True)
class Flag:
    """A flag in words."""

    label: str
    meaning: str


@dataclass(frozen=True)
class Fact:
    """A label and a value; a link only where the address is safe, ``code`` for hashes and the like."""

    label: str
    value: str
    link: str | None = None
    code: bool = False


@dataclass(frozen=True)
class RowView:
    """One line of a table, with what the record itself does not say.

    ``best_landmarks`` and ``best_sdr`` are the places of the columns in which no ranked row of its group does better.
    """

    row: Row
    key: str
    page: str | None
    css: str
    kind: str
    flags: tuple[Flag, ...]
    spark: Markup
    best_average: bool
    best_landmarks: frozenset[int]
    best_sdr: frozenset[int]


@dataclass(frozen=True)
class Group:
    """The rows of one protocol, in the order of their ranks, or those that are not ranked."""

    protocol: str
    title: str
    note: str
    rows: tuple[RowView, ...]
    rank_plot: Markup | None
    tall: bool


@dataclass(frozen=True)
class Leader:
    """A method, by name."""

    label: str
    page: str | None


@dataclass(frozen=True)
class Lead:
    """What nothing surely beats, of one protocol: the first few by name, how many more, and the first's Average."""

    protocol: str
    n_ranked: int
    named: tuple[Leader, ...]
    more: int
    average: Value | None


class SplitView:
    """One test split: its table, its plots, and its line on the front page."""

    def __init__(self, board: SplitBoard, track: TrackBoard) -> None:
        self.split = board.split
        self.name = board.split.name
        self.rows = board.rows
        self.elsewhere = board.elsewhere
        self._spread = board.spread
        self.landmark_set = landmark_set = track.track.landmarks
        self.definitions = Definitions(board, track)
        self.validation = track.validation
        self.landmarks = landmark_set.titles
        self.biometrics = tuple(b.name for b in landmark_set.biometrics)
        self.thresholds = tuple(f"{t:g}" for t in SDR_THRESHOLDS_MM)
        self.has_gap = any(row.gap is not None for row in self.rows)
        self.keys = {row.id: f"r{i}" for i, row in enumerate(self.rows)}
        self.labels = {row.id: _label(row) for row in self.rows}
        # An annotator's errors are distances from another annotator, not from the reference.
        known = (r for r in self.rows if r.errors_mm is not None and r.average is not None and r.kind != "annotator")
        self.comparable = tuple(sorted(known, key=lambda r: (r.rank is None, _mean(r.average))))

    @property
    def measured(self) -> bool:
        """Whether any submission's score is shown."""
        return any(row.kind == "measured" for row in self.rows)

    @property
    def first_columns(self) -> str:
        """The columns to begin with: those of the landmarks where reported rows are all there is to see of them."""
        seen = not self.comparable and any(v is not None for row in self.rows for v in row.landmarks)
        return "landmarks" if seen else "overview"

    @property
    def best_reported(self) -> Row | None:
        """The paper's lowest Average."""
        rows = [row for row in self.rows if row.kind == "reported" and row.average]
        return min(rows, key=lambda row: _mean(row.average), default=None)

    @property
    def n_columns(self) -> int:
        """Columns of the table."""
        optional = self.has_gap + bool(self.split.in_training)
        return 8 + len(self.landmarks) + len(self.thresholds) + optional + len(self.biometrics)

    @property
    def facts(self) -> list[Fact]:
        """What the cases are."""
        return [
            Fact("centre", self.split.centre),
            Fact("cases", str(self.split.n_cases)),
            Fact("domain", self.split.domain),
            Fact("reference", self.split.reference),
        ]

    @cached_property
    def common_flags(self) -> tuple[str, ...]:
        """Flags that every submission's row carries: said once for the split, and not in each line."""
        carried = [set(row.flags) for row in self.rows if row.submission]
        return tuple(f for f in FLAGS if carried and all(f in flags for flags in carried))

    @property
    def notes(self) -> list[Flag]:
        """The flags of the split, in words."""
        return _flags(self.common_flags)

    @property
    def flags(self) -> list[Flag]:
        """Every flag that a line of the table shows, in words."""
        shown = {f for row in self.rows for f in row.flags} - set(self.common_flags)
        return _flags(tuple(f for f in FLAGS if f in shown))

    @cached_property
    def groups(self) -> list[Group]:
        """Ranked rows by protocol, then the others."""
        ranked = [row for row in self.rows if row.rank is not None]
        groups = []
        for protocol, (title, note) in PROTOCOLS.items():
            rows = sorted((r for r in ranked if (r.selection or "none") == protocol), key=_place)
            if rows:
                groups.append(self._group(protocol, title, note, rows))
        others = [row for row in self.rows if row.rank is None]
        if others:
            groups.append(self._group("", *_UNRANKED, others))
        return groups

    def _group(self, protocol: str, title: str, note: str, rows: Sequence[Row]) -> Group:
        ranked = [(self.labels[r.id], r.rank) for r in rows if r.rank]
        bars = [plots.RankBar(label, rank.rank, rank.low, rank.high, rank.group) for label, rank in ranked]
        key = f"ranks-{protocol}"
        plot = plots.rank_intervals(key, f"Ranks on {self.name}, {title}", bars) if len(bars) > 1 else None
        best_landmarks = [_lowest(r.landmarks[k] for r in rows) for k in range(len(self.landmarks))]
        best_sdr = [_lowest((r.sdr[k] for r in rows), -1) for k in range(len(self.thresholds))]
        best_average = _lowest(r.average for r in rows)
        views = []
        for row in rows:
            is_ranked = row.rank is not None
            views.append(
                RowView(
                    row=row,
                    key=self.keys[row.id],
                    page=page_of(row),
                    css="" if is_ranked else "unranked",
                    kind=_KINDS.get(row.kind, ""),
                    flags=tuple(_flags(tuple(f for f in row.flags if f not in self.common_flags))),
                    spark=self._spark(row),
                    best_average=is_ranked and _mean(row.average) == best_average,
                    best_landmarks=_places(row.landmarks, best_landmarks) if is_ranked else frozenset(),
                    best_sdr=_places(row.sdr, best_sdr) if is_ranked else frozenset(),
                )
            )
        return Group(protocol, title, note, tuple(views), plot, len(bars) > _TALL)

    @cached_property
    def _interval_range(self) -> tuple[float, float]:
        """The range of the small interval marks: that of the ranked rows, without those far off."""
        intervals = [row.interval_mm for row in self.rows if row.rank and row.interval_mm]
        if not intervals:
            return 0.0, 1.0
        low, high = np.transpose(intervals)
        end = float(min(high.max(), 2.5 * np.median(high))) * 1.02
        return float(low.min()) * 0.98, end or 1.0  # 0 where nothing errs

    def _spark(self, row: Row) -> Markup:
        if row.average is None:
            return Markup("")
        return plots.interval_cell(row.average.mean, row.interval_mm, self._interval_range)

    @cached_property
    def _drawn(self) -> tuple[list[plots.Curve], list[plots.Curve]]:
        curves = [self.curve(row) for row in self.comparable]
        return curves[: plots.N_COLOURS], curves[plots.N_COLOURS :]

    @property
    def curves(self) -> list[plots.Curve]:
        """The curves drawn in colour: those of the lowest Averages."""
        return self._drawn[0]

    @property
    def background(self) -> list[plots.Curve]:
        """The curves drawn in grey."""
        return self._drawn[1]

    @property
    def sdr_plot(self) -> Markup:
        """The split's SDR curves (Figure 3)."""
        return plots.sdr_curves("sdr", f"SDR curves on {self.name}", self.curves, self.background)

    @cached_property
    def parts(self) -> SplitParts | None:
        """What the errors of the methods are made of."""
        return split_parts(self.comparable, self.labels, self.name, self.landmark_set, self.definitions)

    @cached_property
    def groups_of_cases(self) -> list[GroupTable]:
        """The methods' errors by centre, age and pathology, where that is known."""
        return group_tables(self.comparable, self.labels)

    def curve(self, row: Row) -> plots.Curve:
        """Return the SDR curve of one row."""
        return curve_of(row, self.keys[row.id], self.labels[row.id])

    @property
    def leads(self) -> list[Lead]:
        """What nothing surely beats, for each protocol that ranks anything."""
        leads = []
        for group in self.groups:
            first = [v.row for v in group.rows if v.row.rank and v.row.rank.low == 1]
            if first:
                named = tuple(Leader(self.labels[row.id], page_of(row)) for row in first[:_LEADERS])
                more = len(first) - len(named)
                leads.append(Lead(group.protocol, len(group.rows), named, more, first[0].average))
        return leads

    def best_landmarks(self, selection: str | None) -> Array:
        """Return the lowest MRE of any row that is ranked within a selection, ``(landmark,)``; NaN without one."""
        ranked = [[_mean(v) for v in row.landmarks] for row in self.rows if row.rank and row.selection == selection]
        return np.array(ranked).min(axis=0) if ranked else np.full(len(self.landmarks), np.nan)

    @property
    def data(self) -> dict[str, Any]:
        """What the comparison page shows: mean errors per case, in micrometres, parts of errors, and differences.

        Of each method and those before it: the difference, half the width of its interval, and whether it is sure.
        """
        errors = [np.asarray(row.errors_mm) for row in self.comparable]
        difference, half_width, is_sure = pairwise(errors, self._spread)
        parts = compared_parts(self.comparable)
        return {
            "landmarks": list(self.landmarks),
            "cases": [clean(case, 40) for case in (self.comparable[0].cases if self.comparable else ())],
            "pairs": [
                [[_micrometres(difference[i, j]), _micrometres(half_width[i, j]), int(is_sure[i, j])] for j in range(i)]
                for i in range(len(errors))
            ],
            "rows": [
                {
                    "key": row.id,
                    "name": self.labels[row.id],
                    "selection": row.selection if row.rank else None,
                    "href": None if page_of(row) is None else f"../{page_of(row)}",
                    "once": len(np.asarray(row.errors_mm)) == 1,
                    "cases": [_micrometres(v) for v in case_means(np.asarray(row.errors_mm))],
                    "landmarks": [None if v is None else round(v.mean, 6) for v in row.landmarks],
                    "parts": parts[i],
                }
                for i, row in enumerate(self.comparable)
            ],
        }


class TrackView:
    """One track: its section of the front page."""

    def __init__(self, board: TrackBoard) -> None:
        self.name = board.track.name
        self.title = board.track.title
        self.splits = [SplitView(split, board) for split in board.splits]
        self.layouts: list[Layout] = layouts(board)
        self.panels: list[Panel] = [panel for split in board.splits for panel in panels(split)]
        self.in_paper = in_paper(board)
        self.figure_heading = figure_heading(board)
        self.overview = Overview(board)
        self._agreement = board.agreement

    @property
    def has_paper_page(self) -> bool:
        """Whether there is anything to show in the paper's layouts."""
        return bool(self.layouts or self.panels)

    def note(self, line: Line) -> str:
        """Return where a line of the paper's layouts comes from."""
        return _KINDS.get(line.row.kind, line.row.selection or "")

    def page(self, line: Line | Entry) -> str | None:
        """Return the page of a line's submission."""
        return page_of(line.row)

    def plot(self, panel: Panel) -> Markup:
        """Return the drawing of a panel, for this page."""
        return plots.sdr_curves(panel.file.removesuffix(".svg"), f"SDR curves on {panel.title}", panel.curves)

    @property
    def agreement(self) -> list[str]:
        """How far the rankings on two splits agree, one line per protocol."""
        lines = []
        for protocol in PROTOCOLS:
            pairs = [f"{a} and {b} {tau:.2f}" for a, b, of, tau in self._agreement if of == protocol]
            if pairs:
                lines.append(f"Kendall’s τ between rankings ({protocol}): {', '.join(pairs)}".replace("-0", "−0"))
        return lines


@dataclass(frozen=True)
class Result:
    """One split on the page of a submission."""

    split: SplitView
    row: Row
    of: int
    key: str
    rank_range: str
    bars: Markup
    sdr: Markup | None
    histogram: Markup | None
    parts: MethodParts | None


class Views:
    """Every page of the site."""

    def __init__(self, board: Board) -> None:
        self.tracks = [TrackView(track) for track in board.tracks]

    def pages(self) -> Iterator[Page]:
        """Yield every page, in a fixed order."""
        sources = [source for source in all_sources() if source.gives]
        rules = list(IMPLAUSIBLE.values())
        shown = {split.name for track in self.tracks for split in track.splits}
        waiting = [split for track in self.tracks for split in track.splits if not split.comparable]
        yield "index.html", "index.html", {"waiting": waiting}
        yield (
            "about.html",
            "about.html",
            {
                "bibtex": escape(BIBTEX),  # its lines stay lines
                "sources": sources,
                "shown": shown,
                "implausible": rules,
                "miss_sigmas": MISS_SIGMAS,
                "miss_floor_mm": MISS_FLOOR_MM,
            },
        )
        yield "docs.html", "docs/index.html", {}
        for track in self.tracks:
            if track.has_paper_page:
                yield "paper.html", f"paper/{track.name}.html", {"track": track}
            for split in track.splits:
                yield "split.html", f"splits/{split.name}.html", {"track": track, "split": split}
                if len(split.comparable) > 1:
                    yield "compare.html", f"compare/{split.name}.html", {"track": track, "split": split}
            found: dict[str, Submission] = {
                r.submission.id: r.submission for s in track.splits for r in s.rows if r.submission
            }
            for entry in found.values():
                yield "submission.html", submission_page(entry), self._submission(track, entry)

    def _submission(self, track: TrackView, entry: Submission) -> dict[str, Any]:
        rows = [(s, r) for s in track.splits for r in s.rows if r.submission and r.submission.id == entry.id]
        flags = tuple(f for f in FLAGS if any(f in row.flags for _, row in rows))
        return {
            "track": track,
            "entry": entry,
            "flags": _flags(flags),
            "results": [_result(split, row) for split, row in rows],
            "provenance": _provenance(entry, rows),
        }


def _result(split: SplitView, row: Row) -> Result:
    sdr = histogram = None
    if row.errors_mm is not None:
        sdr = plots.sdr_curves(f"{split.name}-sdr", f"SDR curve on {split.name}", [split.curve(row)])
        histogram = plots.error_histogram(
            f"{split.name}-hist", f"Radial errors on {split.name}", np.asarray(row.errors_mm)
        )
    bars = plots.landmark_bars(
        f"{split.name}-bars",
        f"Error per landmark on {split.name}",
        split.landmarks,
        [_mean(v) for v in row.landmarks],
        [np.nan if v is None or v.std is None else v.std for v in row.landmarks],
        split.best_landmarks(row.selection),
    )
    peers = [r for r in split.rows if r.rank and r.selection == row.selection]
    parts = method_parts(row, split.name, split.landmark_set, split.definitions, split.validation)
    return Result(split, row, len(peers), split.keys[row.id], rank_range(row), bars, sdr, histogram, parts)


def _provenance(entry: Submission, rows: Sequence[tuple[SplitView, Row]]) -> list[Fact]:
    facts = [
        Fact("Submission", f"submissions/{entry.track}/{entry.id}.json", code=True),
        Fact("SHA-256", entry.sha256, code=True),
        Fact("Authors", entry.authors or "not given"),
        Fact("Paper", entry.paper or "not given", web_link(entry.paper)),
        Fact("Code", entry.code or "not given", web_link(entry.code)),
        Fact("Selection", entry.selection or "not declared"),
        Fact("Training data", ", ".join(entry.training_data) or "not declared"),
        Fact("Seeds", ", ".join(map(str, entry.seeds))),
        Fact("Parameters", "not given" if entry.parameters is None else f"{entry.parameters:,}"),
        Fact("Training time of a run", "not given" if entry.training_s is None else duration(entry.training_s)),
    ]
    if entry.inference_ms is not None:
        memory = "" if entry.inference_mib is None else f", at most {entry.inference_mib:,.0f} MiB"
        alone = f"{entry.inference_ms:,.1f} ms a case, one at a time{memory}; {entry.inference_device}"
        facts.append(Fact("Inference", alone))
    if entry.device:
        facts.append(Fact("Device", entry.device))
    if entry.command:
        facts.append(Fact("Command", entry.command, code=True))
    if entry.versions:
        facts.append(Fact("Versions", ", ".join(f"{name} {version}" for name, version in entry.versions)))
    facts += [
        Fact(f"Reference of {split.name}, SHA-256", row.reference_sha256, code=True)
        for split, row in rows
        if row.reference_sha256
    ]
    return facts


def submission_page(entry: Submission) -> str:
    """Return the path of a submission's page; its id can name no file elsewhere."""
    name = re.sub(r"[^a-z0-9._+-]+", "-", entry.id.lower()).strip(".-")[:120]
    return f"submissions/{entry.track}/{name or 'unnamed'}.html"


def page_of(row: Row) -> str | None:
    """Return the page of the row's submission, None for a row without one."""
    return None if row.submission is None else submission_page(row.submission)


def _label(row: Row) -> str:
    """Return the name of a row for plots and lists: method and backbone, and the tag that tells it from others."""
    named = row.backbone not in {"", "none", "unknown"}
    plain = clean(f"{clean(row.method, 60)} · {clean(row.backbone, 40)}" if named else row.method, 80)
    return f"{plain} ({clean(row.tag, 40)})" if row.tag else plain


def rank_range(row: Row) -> str:
    """Return the interval of a rank, as "2–5"; empty where it is certain or there is no rank."""
    return "" if row.rank is None else f"{row.rank.low}–{row.rank.high}"


def _flags(names: Sequence[str]) -> list[Flag]:
    return [Flag(*FLAGS[name]) for name in names]


def _place(row: Row) -> tuple[int, float]:
    return (row.rank.rank if row.rank else 0, _mean(row.average))


def _mean(value: Value | None) -> float:
    return float("nan") if value is None else value.mean


def _lowest(values: Any, sign: int = 1) -> float:
    return sign * min((sign * v.mean for v in values if v is not None), default=float("nan"))


def _places(values: Sequence[Value | None], best: Sequence[float]) -> frozenset[int]:
    return frozenset(k for k, (v, b) in enumerate(zip(values, best, strict=True)) if v is not None and v.mean == b)


def _micrometres(value: float) -> int | None:
    return None if np.isnan(value) else round(value * 1000)
