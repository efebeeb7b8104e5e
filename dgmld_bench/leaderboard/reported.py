"""The paper's printed numbers, ``leaderboard/reported.csv``: shown beside measured ones, never ranked with them."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from dgmld_bench.errors import DataError
from dgmld_bench.leaderboard.model import Row, Value
from dgmld_bench.scoring.metrics import SDR_THRESHOLDS_MM
from dgmld_bench.splits import get_track

FILE = "leaderboard/reported.csv"


@dataclass
class Reported:
    """One method in one table of the paper; values by landmark, ``Average`` or ``SDR t``."""

    table: int
    track: str
    split: str
    backbone: str
    method: str
    values: dict[str, Value] = field(default_factory=dict)


def read_reported(root: Path) -> list[Reported]:
    """Read the paper's tables, in the order of the file.

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
                track, split, backbone, method = (line[k] for k in ("track", "split", "backbone", "method"))
                blank = Reported(int(line["table"]), track, split, backbone, method)
                one = found.setdefault((line["table"], track, split, backbone, method), blank)
                one.values[line["quantity"]] = Value(float(line["mean"]), float(line["std"]) if line["std"] else None)
            except (KeyError, TypeError, ValueError) as error:
                raise DataError(f"{path}, line {number}: {error}") from None
    return list(found.values())


def reported_rows(reported: Iterable[Reported], split: str) -> list[Row]:
    """Return the rows of one split."""
    rows = []
    for one in reported:
        if one.split != split:
            continue
        names = get_track(one.track).landmarks.names
        rows.append(
            Row(
                id=f"reported-{one.table}-{one.method}-{one.backbone}".lower().replace("+", "-"),
                kind="reported",
                method=one.method,
                backbone=one.backbone,
                selection="target-val",
                average=one.values.get("Average"),
                landmarks=tuple(one.values.get(n) for n in names),
                sdr=tuple(one.values.get(f"SDR {t:g}") for t in SDR_THRESHOLDS_MM),
            )
        )
    return rows
