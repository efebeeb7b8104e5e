"""Synthetic boards for tests of the site: many rows, every kind of row, and strings that mean harm."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from dgmld_bench.leaderboard.model import Board, Rank, Row, SplitBoard, Submission, TrackBoard, Value
from dgmld_bench.scoring.directions import direction_names
from dgmld_bench.scoring.groups import ByGroup, GroupErrors, GroupTest
from dgmld_bench.scoring.metrics import mean_over_cases, mean_radial_error, success_rates
from dgmld_bench.scoring.parts import errors_without_offset
from dgmld_bench.scoring.parts_table import parts_table
from dgmld_bench.scoring.ranking import rank_methods
from dgmld_bench.scoring.statistics import average_interval, training_spread
from dgmld_bench.splits import get_split, get_track

METHODS = ("Baseline", "AugDG", "EdgeDG", "SegDG", "BaPDG")
BACKBONES = ("unet", "vitpose")

HOSTILE = (
    "<script>window.pwned = 1; alert(1)</script>",
    '"><img src=x onerror="window.pwned=1">',
    "'; window.pwned = 1; //",
    "</script><script>window.pwned = 1</script>",
    "]]><!--<svg onload=window.pwned=1>",
    "{{ 7 * 7 }}{% for x in y %}",
    "\u202eGDPaB\u2066 \u200f\u200b turned around",
    "Z\u0300\u0301\u0302\u0303\u0304\u0305\u0306\u0307\u0308algo" * 20,
    "A" * 10_000,
    "مرحبا بالعالم שלום",
    "\x00\x07\x1b[31m\ud800 control",
    "javascript:alert(1)",
)


def board(n_methods: int = 10, *, tracks: Sequence[str] = ("dgmld",), names: Sequence[str] = ()) -> Board:
    """Return a board of ``n_methods`` measured rows per split, three seeds each, and one row of every other kind.

    ``names`` are put, in turn, into every free text of the submissions.
    """
    return Board(protocol=2, tracks=tuple(_track(name, n_methods, names) for name in tracks))


def _track(name: str, n_methods: int, names: Sequence[str]) -> TrackBoard:
    track = get_track(name)
    submissions = [_submission(name, i, names) for i in range(n_methods)]
    splits = tuple(_split(s, k, submissions) for k, s in enumerate(track.tests))
    return TrackBoard(track, splits, ((track.tests[0], track.tests[1], "target-val", 0.6),))


def _submission(track: str, i: int, names: Sequence[str]) -> Submission:
    method, backbone = METHODS[i % 5], BACKBONES[i // 5 % 2]
    round_ = i // 10
    entry = Submission(
        id=f"{method.lower()}-{backbone}" + (f"-v{round_}" if round_ else ""),
        track=track,
        method=method + (f" v{round_}" if round_ else ""),
        backbone=backbone,
        selection="source-val" if i % 4 == 3 else "target-val",
        training_data=("atlas",),
        seeds=(0, 1, 2),
        sha256=hashlib.sha256(str(i).encode()).hexdigest(),
        authors="The authors of the method",
        paper="https://example.org/paper",
        code="https://example.org/code",
        description="Boundary-aware pre-training on one centre, then heatmap regression.",
        parameters=15_181_316 if backbone == "unet" else 338_852,
        training_s=5400.0,
    )
    if not names:
        return entry
    bad = [names[(i + k) % len(names)] for k in range(7)]
    return replace(
        entry,
        method=bad[0],
        backbone=bad[1],
        authors=bad[2],
        paper=bad[3] if i % 2 else "javascript:window.pwned=1",
        code=bad[4],
        description=bad[5],
        training_data=(bad[6], bad[0]),
    )


def _split(name: str, place: int, submissions: Sequence[Submission]) -> SplitBoard:
    split = get_split(name)
    landmarks = len(get_track(split.track).landmarks)
    rng = np.random.default_rng(place)
    difficulty = rng.lognormal(0, 0.35, (1, split.n_cases, 1))
    rows = []
    for i, entry in enumerate(submissions):
        level = 3.4 - 0.35 * (i % 5) + 0.5 * (i // 5 % 2) + 0.05 * (i // 10) + 1.5 * place
        n_seeds = 2 if i % 11 == 6 else 3
        noise = rng.lognormal(0, 0.45, (n_seeds, split.n_cases, landmarks)) * rng.uniform(0.7, 1.3, landmarks)
        errors = level * difficulty * noise * rng.uniform(0.94, 1.06, (n_seeds, 1, 1)) / 1.1
        rows.append(measured(entry, errors, bool(get_track(split.track).landmarks.biometrics)))
    spread = training_spread([row.errors_mm for row in rows])
    for selection in ("source-val", "target-val"):
        chosen = [k for k, row in enumerate(rows) if row.selection == selection]
        if chosen:
            ranking = rank_methods([rows[k].errors_mm for k in chosen], spread)
            for j, k in enumerate(chosen):
                fields = (int(a[j]) for a in (ranking.rank, ranking.low, ranking.high, ranking.group))
                rows[k] = replace(rows[k], rank=Rank(*fields))
    return SplitBoard(split, (*rows, *_others(split.n_cases, landmarks)), spread)


def taken_apart(the_board: Board) -> Board:
    """Return a board whose rows know the parts of their errors, and those of two groups of cases.

    Errors point in directions of chance, and each landmark's twice as often to its positive side.
    """
    tracks = [
        replace(track, splits=tuple(replace(s, rows=tuple(map(_apart(track), s.rows))) for s in track.splits))
        for track in the_board.tracks
    ]
    return replace(the_board, tracks=tuple(tracks))


def _apart(track: TrackBoard) -> Callable[[Row], Row]:
    landmarks = track.track.landmarks

    def apart(row: Row) -> Row:
        if row.errors_mm is None:
            return row
        errors = np.asarray(row.errors_mm)
        rng = np.random.default_rng(len(row.id))
        towards = rng.normal(0.5, 1.0, (*errors.shape, landmarks.dimension))
        differences = errors[..., None] * towards / np.linalg.norm(towards, axis=-1, keepdims=True)
        parts = parts_table(differences, errors_without_offset(differences), direction_names(landmarks))
        return replace(row, parts=parts, groups=(_groups(errors),))

    return apart


def _groups(errors: np.ndarray) -> ByGroup:
    half = errors.shape[1] // 2
    halves = (("GE Voluson, a name that is long", errors[:, :half]), ("Siemens", errors[:, half:]))
    groups = [
        GroupErrors(name, e.shape[1], tuple(map(float, mean_radial_error(e))), average_interval(e))
        for name, e in halves
    ]
    return ByGroup("centre", tuple(groups), 1, GroupTest(0.04, errors.shape[1], 2))


def measured(entry: Submission, errors: np.ndarray, biometrics: bool = True) -> Row:
    """Return the row of a submission whose radial errors are ``errors``, ``(seed, case, landmark)``."""
    few = len(errors) < 3
    return Row(
        id=entry.id,
        kind="measured",
        method=entry.method,
        backbone=entry.backbone,
        selection=entry.selection,
        average=_value(mean_radial_error(errors)),
        landmarks=tuple(_value(v) for v in mean_over_cases(errors).T),
        sdr=tuple(_value(v) for v in success_rates(errors).T),
        biometrics=tuple(_value(mean_radial_error(errors) * f) for f in (0.5, 0.7, 0.9)) if biometrics else (),
        interval_mm=average_interval(errors),
        p95=_value(np.quantile(errors, 0.95, axis=(1, 2))),
        flags=("few-seeds",) if few else (),
        seeds=tuple(range(len(errors))),
        submission=entry,
        reference_sha256="0" * 64,
        cases=tuple(str(i) for i in range(1, errors.shape[1] + 1)),
        errors_mm=errors,
    )


def _others(n_cases: int, landmarks: int) -> list[Row]:
    rng = np.random.default_rng(99)
    none = (None,) * landmarks
    reader = rng.lognormal(0.2, 0.5, (1, n_cases, landmarks))
    floor = rng.lognormal(1.9, 0.3, (1, n_cases, landmarks))
    return [
        _unranked("reported-bapdg-unet", "reported", "BaPDG", "unet", "target-val", Value(2.75, 0.48), none),
        _unranked("annotator", "annotator", "Junior doctor", "", None, _value(mean_radial_error(reader)), none, reader),
        _unranked("mean-shape", "mean-shape", "Mean shape", "", None, _value(mean_radial_error(floor)), none, floor),
        _unranked("awaiting-unet", "awaiting", "Not yet scored", "unet", "target-val", None, none, flags=("awaiting",)),
    ]


def _unranked(
    id: str,
    kind: str,
    method: str,
    backbone: str,
    selection: str | None,
    average: Value | None,
    landmarks: tuple[Value | None, ...],
    errors: np.ndarray | None = None,
    flags: tuple[str, ...] = (),
) -> Row:
    return Row(
        id=id,
        kind=kind,  # type: ignore[arg-type]
        method=method,
        backbone=backbone,
        selection=selection,
        average=average,
        landmarks=landmarks if errors is None else tuple(_value(v) for v in mean_over_cases(errors).T),
        sdr=(None,) * 4 if errors is None else tuple(_value(v) for v in success_rates(errors).T),
        flags=flags,
        errors_mm=errors,
    )


def _value(per_seed: np.ndarray) -> Value:
    values = np.asarray(per_seed, dtype=np.float64)
    return Value(float(values.mean()), float(values.std()) if len(values) > 1 else None)
