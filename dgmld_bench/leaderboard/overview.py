"""The board's own question in one picture and one table per track: in domain, out of domain, the gap between."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from dgmld_bench.leaderboard import plots
from dgmld_bench.leaderboard.model import PROTOCOLS, Row, SplitBoard, TrackBoard, Value

_SHOWN = 15


@dataclass(frozen=True)
class Cell:
    """A method on a split: its Average, and whether its rank may be the first (no method is surely better)."""

    average: Value | None
    may_lead: bool


@dataclass(frozen=True)
class Entry:
    """One method on the splits of a track.

    ``gap_mm`` is the mean Average of the out-of-domain splits minus that in domain; None where one of them is missing,
    and for annotators, who are other people elsewhere.
    """

    row: Row
    cells: tuple[Cell, ...]
    out_mm: float
    gap_mm: float | None


@dataclass(frozen=True)
class Group:
    """The methods of one protocol, the best out of domain first; without a title where there is one protocol only."""

    title: str
    entries: tuple[Entry, ...]


class Overview:
    """The methods of one track by its splits: each protocol by itself, then what is ranked in none.

    In domain is the track's test split of the training centre or, where it has none, a validation split of that
    centre, which is not ranked.
    """

    def __init__(self, board: TrackBoard) -> None:
        inside = [s for s in (*board.splits, board.validation) if s is not None and not s.split.out_of_domain][:1]
        outside = [s for s in board.splits if s.split.out_of_domain and _measured(s)]
        self.inside = inside
        self.chosen_at_home = next((s.split.name for s in inside if s.split.role != "test"), "")
        self.splits: tuple[SplitBoard, ...] = (*inside, *outside)
        entries = sorted(_entries(inside, outside), key=lambda e: (e.out_mm, e.row.id)) if outside else []
        if not any(e.row.kind == "measured" for e in entries):
            entries = []  # a floor alone answers nothing
        floor = [e for e in entries[_SHOWN:] if e.row.kind != "measured"]  # shown, however far down
        self.entries = [*entries[:_SHOWN], *floor]
        self.more = len(entries) - len(self.entries)
        self.tagged = any(e.row.tag for e in self.entries)
        self.groups = _groups(self.entries)

    def methods_by(self, authors: Collection[str]) -> list[str]:
        """Return the trained methods shown that are of these authors."""
        rows = (e.row for e in self.entries if e.row.kind == "measured")
        return sorted({r.method for r in rows if r.submission and r.submission.authors in authors})

    def picture(self, key: str) -> Markup:
        """Return the drawing: a line per method, from its Average in domain to that out of domain."""
        rows = [(g.title, [(_name(e.row), _inside(e), e.out_mm) for e in g.entries]) for g in self.groups]
        trained = [e for e in self.entries if e.row.kind == "measured"]
        return plots.gap_lines(f"gap-{key}", rows, max(max(e.out_mm, _inside(e) or 0.0) for e in trained))


def _groups(entries: Iterable[Entry]) -> list[Group]:
    by_protocol: dict[str, list[Entry]] = {}
    for entry in entries:
        ranked = entry.row.kind == "measured" and entry.row.selection in PROTOCOLS
        by_protocol.setdefault(entry.row.selection or "" if ranked else "", []).append(entry)
    titles = {name: f"{title} ({name})" for name, (title, _) in PROTOCOLS.items()} | {"": "Not ranked"}
    if len(by_protocol.keys() - {""}) < 2:  # a floor among them is told apart by its name
        return [Group("", tuple(entries))] if by_protocol else []
    return [Group(titles[name], tuple(by_protocol[name])) for name in titles if name in by_protocol]


def _entries(inside: Sequence[SplitBoard], outside: Sequence[SplitBoard]) -> list[Entry]:
    found = []
    by_split = [{r.id: r for r in s.rows if r.kind == "annotator"} | _measured(s) for s in (*inside, *outside)]
    for id in sorted(set().union(*by_split[len(inside) :])):
        rows = [rows.get(id) for rows in by_split]
        out = [r.average.mean for r in rows[len(inside) :] if r is not None and r.average]
        if len(out) < len(outside):
            continue
        row = next(r for r in rows[len(inside) :] if r is not None)
        cells = tuple(Cell(None if r is None else r.average, bool(r and r.rank and r.rank.low == 1)) for r in rows)
        out_mm = sum(out) / len(out)
        home = cells[0].average if inside and row.kind != "annotator" else None
        found.append(Entry(row, cells, out_mm, None if home is None else out_mm - home.mean))
    return found


def _measured(board: SplitBoard) -> dict[str, Row]:
    return {r.id: r for r in board.rows if r.kind in ("measured", "mean-shape") and "incomplete" not in r.flags}


def _inside(entry: Entry) -> float | None:
    return None if entry.gap_mm is None else entry.out_mm - entry.gap_mm


def _name(row: Row) -> str:
    return row.name if row.backbone == "none" else f"{row.name} · {row.backbone}"
