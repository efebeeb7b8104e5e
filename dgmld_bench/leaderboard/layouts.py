"""The board's rows in the layouts of the paper's Tables 2, 3 and 4: what stands where, and what is set bold.

Measured rows stand below the paper's own, marked *reported*. Bold is the lowest error (the highest SDR) of a block,
among rows of one selection, and among measured and reported rows each. Tracks that the paper has not take the same
layouts, under headings of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from dgmld_bench.leaderboard.model import Row, SplitBoard, TrackBoard, Value

PAPER_METHODS = ("Baseline", "AugDG", "EdgeDG", "SegDG", "BaPDG")
PRETRAINING = {"SegDG": "SegDG", "MSE": "BaPDG-boundary-mse", "MSE+logcosh": "BaPDG"}
"""Columns of Table 4, which the paper calls its methods there, and what they are called in submissions."""


@dataclass(frozen=True)
class Line:
    """One line: what names it, its numbers, and which of these are the best of their block."""

    labels: tuple[str, ...]
    row: Row
    cells: tuple[Value | None, ...]
    best: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Layout:
    """One table: headings of labels and of numbers, and blocks of lines; numbers have two decimals, as printed.

    ``number`` is that of the table in the paper which it is laid out like; ``in_paper``: whether the paper prints it.
    """

    number: int
    in_paper: bool
    title: str
    caption: str
    labels: tuple[str, ...]
    columns: tuple[str, ...]
    blocks: tuple[tuple[Line, ...], ...]

    @property
    def heading(self) -> str:
        """What stands over it."""
        return f"As Table {self.number} of the paper" if self.in_paper else self.title


def in_paper(track: TrackBoard) -> bool:
    """Return whether the paper prints numbers of this track."""
    splits = (*track.splits, *([track.validation] if track.validation else []))
    return any(row.kind == "reported" for split in splits for row in split.rows)


def figure_heading(track: TrackBoard) -> str:
    """Return what stands over the track's SDR curves, which the paper draws in 3D."""
    return "As Figure 3 of the paper" if in_paper(track) and track.track.landmarks.dimension == 3 else "SDR curves"


def layouts(track: TrackBoard) -> list[Layout]:
    """Return the tables of a track that have a line: 2 and 4 in 3D, 3 in 2D."""
    found = [_table_2(track), _table_4(track)] if track.track.landmarks.dimension == 3 else [_table_3(track)]
    return [layout for layout in found if layout.blocks]


def _table_2(track: TrackBoard) -> Layout:
    names = track.track.landmarks.names
    blocks = []
    for split in track.splits:
        for backbone in _backbones(split):
            rows = in_paper_order(r for r in shown_rows(split) if r.backbone == backbone)
            lines = [
                Line((split.split.name, backbone, r.name), r, (*(r.landmarks or (None,) * len(names)), r.average))
                for r in rows
            ]
            blocks.append(_with_best(lines))
    caption = "Mean radial error per landmark [mm], mean ± standard deviation over seeds"
    return Layout(
        2,
        in_paper(track),
        "Landmark by landmark",
        caption,
        ("Data", "Type", "Method"),
        (*names, "Average"),
        tuple(blocks),
    )


def _table_3(track: TrackBoard) -> Layout:
    """One line per method, side by side the splits that the paper has (else all); the thresholds are the paper's."""
    splits = [s for s in track.splits if any(r.kind == "reported" for r in s.rows)] or track.splits
    columns: list[str] = []
    rows: dict[tuple[str, str, str], list[Row | None]] = {}
    for place, split in enumerate(splits):
        columns += [f"{split.split.name} MRE", f"{split.split.name} SDR 3 mm", f"{split.split.name} SDR 4 mm"]
        for row in shown_rows(split):
            rows.setdefault((row.id, row.name, row.backbone), [None] * len(splits))[place] = row
    lines = []
    for found in rows.values():
        first = next(r for r in found if r)
        cells = [c for r in found for c in ((r.average, *r.sdr[2:4]) if r else (None,) * 3)]
        lines.append(Line((first.name, first.backbone), first, tuple(cells)))
    lines.sort(key=lambda line: (line.row.kind != "reported", line.row.backbone, *_order(line.row)))
    upwards = frozenset(i for i in range(len(columns)) if i % 3)
    blocks = (_with_best(lines, upwards),) if lines else ()
    caption = "Mean radial error [mm] and success rates [%]"
    return Layout(3, in_paper(track), "Errors and success rates", caption, ("Method", "Type"), tuple(columns), blocks)


def _table_4(track: TrackBoard) -> Layout:
    """The ablation of pre-training: the paper's on the validation split, measured ones wherever two of them are."""
    lines = []
    for split in (*([track.validation] if track.validation else []), *track.splits):
        groups: dict[tuple[str, str, str], dict[str, Row]] = {}
        for row in sorted(shown_rows(split), key=lambda r: bool(r.tag)):
            for column, method in PRETRAINING.items():
                if row.method == (column if row.kind == "reported" else method):
                    groups.setdefault((row.kind, row.backbone, row.selection or ""), {}).setdefault(column, row)
        for (_, backbone, _), of_column in groups.items():
            if "MSE" not in of_column or len(of_column) < 2:
                continue  # Table 2 says the rest
            cells = tuple(of_column[c].average if c in of_column else None for c in PRETRAINING)
            lines.append(Line((split.split.name, backbone), next(iter(of_column.values())), cells))
    caption = "Pre-training target and loss: mean radial error [mm]"
    block = tuple(_best_in_line(line) for line in lines)
    return Layout(
        4,
        in_paper(track),
        "What pre-training adds",
        caption,
        ("Data", "Type"),
        tuple(PRETRAINING),
        (block,) if block else (),
    )


def shown_rows(split: SplitBoard) -> list[Row]:
    """Return the rows that the paper's tables and figure show: reported ones, and measured complete ones."""
    return [r for r in split.rows if r.kind in {"reported", "measured"}]


def _backbones(split: SplitBoard) -> list[str]:
    """Return the paper's backbones in its order, then the others by name."""
    rows = sorted(shown_rows(split), key=lambda r: r.backbone)
    return list(dict.fromkeys(r.backbone for kind in ("reported", "measured") for r in rows if r.kind == kind))


def in_paper_order(rows: Iterable[Row]) -> list[Row]:
    """Return the paper's rows first, then measured ones; its methods in its order, then others by name."""
    return sorted(rows, key=_order)


def _order(row: Row) -> tuple[bool, int, str, str]:
    known = PAPER_METHODS.index(row.method) if row.method in PAPER_METHODS else len(PAPER_METHODS)
    return row.kind != "reported", known, row.method, row.id


def _with_best(lines: Sequence[Line], upwards: frozenset[int] = frozenset()) -> tuple[Line, ...]:
    """Mark the best of each column, among lines of the same kind and selection."""
    result = []
    for line in lines:
        peers = [o for o in lines if (o.row.kind, o.row.selection) == (line.row.kind, line.row.selection)]
        best = set()
        for k, value in enumerate(line.cells):
            others = [v.mean for p in peers if (v := p.cells[k]) is not None]
            choose: Callable[[list[float]], float] = max if k in upwards else min
            if value is not None and value.mean == choose(others) and len(others) > 1:
                best.add(k)
        result.append(Line(line.labels, line.row, line.cells, frozenset(best)))
    return tuple(result)


def _best_in_line(line: Line) -> Line:
    lowest = min(v.mean for v in line.cells if v is not None)
    best = frozenset(k for k, v in enumerate(line.cells) if v is not None and v.mean == lowest)
    return Line(line.labels, line.row, line.cells, best)
