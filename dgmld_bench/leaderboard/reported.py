"""Printed numbers, ``leaderboard/reported.csv``: the paper's beside measured ones, others apart, none ranked."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from dgmld_bench.errors import DataError
from dgmld_bench.leaderboard.model import Reported, Row, Value
from dgmld_bench.scoring.metrics import SDR_THRESHOLDS_MM
from dgmld_bench.splits import get_track

FILE = "leaderboard/reported.csv"

_NAMED = ("track", "split", "backbone", "method", "source", "training_data", "selection", "remark")


def read_reported(root: Path) -> list[Reported]:
    """Read the printed numbers, in the order of the file. A line without a table is not of the paper.

    Raises
    ------
    DataError
        When a line cannot be read.
    """
    found: dict[tuple[str, ...], Reported] = {}
    path = root / FILE
    with path.open(encoding="utf-8", newline="") as stream:
        for number, line in enumerate(csv.DictReader(stream), start=2):
            try:
                track, split, backbone, method, source, data, selection, remark = named = [line[n] for n in _NAMED]
                table = int(line["table"]) if line["table"] else None
                blank = Reported(table, track, split, backbone, method, source, data, selection, remark)
                one = found.setdefault((line["table"], *named), blank)
                one.values[line["quantity"]] = Value(float(line["mean"]), float(line["std"]) if line["std"] else None)
            except (KeyError, TypeError, ValueError) as error:
                raise DataError(f"{path}, line {number}: {error}") from None
    return list(found.values())


def reported_rows(reported: Iterable[Reported], split: str) -> list[Row]:
    """Return the paper's rows of one split."""
    rows = []
    for one in reported:
        if one.split != split or one.table is None:
            continue
        names = get_track(one.track).landmarks.names
        rows.append(
            Row(
                id=f"reported-{one.table}-{one.method}-{one.backbone}".lower().replace("+", "-"),
                kind="reported",
                method=one.method,
                backbone=one.backbone,
                selection=one.selection,
                average=one.values.get("Average"),
                landmarks=tuple(one.values.get(n) for n in names),
                sdr=tuple(one.values.get(f"SDR {t:g}") for t in SDR_THRESHOLDS_MM),
            )
        )
    return rows


def reported_elsewhere(reported: Iterable[Reported], split: str) -> tuple[Reported, ...]:
    """Return what other sources than the paper report on one split."""
    return tuple(one for one in reported if one.split == split and one.table is None)
