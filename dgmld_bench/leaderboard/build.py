"""From submissions, references and the last verified errors to the board."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dgmld_bench.errors import DataError
from dgmld_bench.leaderboard.implausible import find_implausible
from dgmld_bench.leaderboard.model import (
    PROTOCOLS,
    Board,
    Rank,
    Reported,
    Row,
    SplitBoard,
    Submission,
    TrackBoard,
    Value,
)
from dgmld_bench.leaderboard.parts_record import rounded
from dgmld_bench.leaderboard.project import keepers, repository_address
from dgmld_bench.leaderboard.records import (
    ANNOTATOR,
    DIGITS,
    ERRORS,
    Record,
    read_record,
    record_of,
    record_path,
    write_record,
)
from dgmld_bench.leaderboard.reported import read_reported, reported_elsewhere, reported_rows
from dgmld_bench.leaderboard.submissions import Entry, load_submissions
from dgmld_bench.scoring import metrics
from dgmld_bench.scoring.directions import direction_names
from dgmld_bench.scoring.errors_table import ErrorsTable
from dgmld_bench.scoring.explanation import in_directions
from dgmld_bench.scoring.notes import N_SEEDS
from dgmld_bench.scoring.parts import errors_without_offset
from dgmld_bench.scoring.parts_table import parts_table
from dgmld_bench.scoring.ranking import rank_agreement, rank_methods
from dgmld_bench.scoring.reference import Reference, load_reference
from dgmld_bench.scoring.score import PROTOCOL, score_against
from dgmld_bench.scoring.statistics import TrainingSpread, training_spread
from dgmld_bench.splits import TRACKS, Split, Track, case_sort_key, get_split, get_track

Array = NDArray[np.float64]
Progress = Callable[[int, int], None]
Key = tuple[str, str, str]  # track, submission, split
Records = dict[Key, Record]
Faults = dict[Key, str]

#: The submission that is the floor; what strangers call so has another name.
MEAN_SHAPE = "meanshape-none"

#: Rankings of fewer methods are not compared: of two, tau is 1 or −1 by chance.
_AGREEING = 4


def verify(
    root: Path, entries: Sequence[Entry], data_dir: Path | None, progress: Progress | None = None
) -> tuple[Records, Faults]:
    """Score what can be scored, keep what was verified before, and write the records down.

    Returns
    -------
    records : dict of (track, submission, split) to Record
        Without what was never verified: no reference here, and none when its record was made.
    faults : dict of (track, submission, split) to str
        Why the reference that is here cannot score it: case ids that could not be checked without it.
    """
    references = {name: _reference(name, data_dir) for track in TRACKS.values() for name in _scored(track)}
    records: Records = {}
    faults: Faults = {}
    for done, entry in enumerate(entries, start=1):
        for split in entry.predictions.splits:
            if split not in references:
                continue
            key = (entry.submission.track, entry.submission.id, split)
            reference = references[split]
            if reference is None:
                record = _kept(record_path(root, *key), entry.submission.sha256)
            else:
                try:
                    record = record_of(score_against(reference, entry.predictions), entry.submission.sha256)
                except DataError as error:
                    faults[key], record = f"{entry.path.relative_to(root)}: {error}", None
            if record is not None:
                records[key] = record
        if progress:
            progress(done, len(entries))
    for split, reference in references.items():
        if get_split(split).role == "test":
            key = (get_split(split).track, ANNOTATOR, split)
            record = _kept(record_path(root, *key), ANNOTATOR) if reference is None else _annotators(reference)
            if record is not None:
                records[key] = record
    _check_references(records)
    for key, record in records.items():
        write_record(record_path(root, *key), record)
    for path in sorted((root / ERRORS).glob("*/*/*.json")):
        if (path.parts[-3], path.parts[-2], path.stem) not in records:
            path.unlink()
            if not any(path.parent.iterdir()):
                path.parent.rmdir()
    return records, faults


def _check_references(records: Records) -> None:
    """Refuse to rank errors that were measured against different references: old records of one that has changed."""
    first: dict[str, tuple[str, Record]] = {}
    for (_, name, split), record in records.items():
        other, known = first.setdefault(split, (name, record))
        if known.errors.reference_sha256 != record.errors.reference_sha256:
            raise DataError(
                f"split '{split}': '{other}' and '{name}' were verified against different references; "
                "build the board where the reference is on disk"
            )


def _scored(track: Track) -> tuple[str, ...]:
    """Return the splits of a track that are scored: its tests, and its validation split for Table 4."""
    return (*track.tests, track.validation)


def _reference(split: str, data_dir: Path | None) -> Reference | None:
    """Return the reference of a split where all of it is on disk: a part of one verifies nothing."""
    try:
        reference = load_reference(split, data_dir)
    except DataError:
        return None
    return reference if len(reference.ids) >= reference.split.n_cases else None


def _kept(path: Path, sha256: str) -> Record | None:
    if not path.is_file():
        return None
    record = read_record(path)
    return record if (record.submission_sha256, record.protocol) == (sha256, PROTOCOL) else None


def _annotators(reference: Reference) -> Record | None:
    """Return how far two annotators are apart, and how much of it is another definition of the points.

    None where not every case is annotated by the same two.
    """
    annotations = [case.annotations for case in reference.cases.values()]
    names = sorted(annotations[0])
    if len(names) != 2 or any(sorted(a) != names for a in annotations):
        return None
    first, second = (np.stack([a[name] for a in annotations]) for name in names)
    errors_mm = metrics.radial_errors(second, first) * reference.mm_per_unit[:, None]
    apart = in_directions(reference, (second - first)[None])
    parts = parts_table(apart, errors_without_offset(apart), direction_names(reference.landmark_set))
    table = ErrorsTable(
        (0,),
        reference.ids,
        reference.landmark_set.names,
        errors_mm[None].round(DIGITS),
        reference.sha256,
        ~np.isnan(errors_mm),
        parts=parts and rounded(parts),
    )
    return Record(
        split=reference.split.name,
        submission_sha256=ANNOTATOR,
        protocol=PROTOCOL,
        errors=table,
        biometrics=(),
        biometric_errors_mm=np.empty((1, len(errors_mm), 0)),
    )


def build_board(root: Path, data_dir: Path | None = None, progress: Progress | None = None) -> Board:
    """Build the board of a repository, writing the records of verified errors on the way.

    Parameters
    ----------
    root : Path
        The repository: ``submissions/`` and ``leaderboard/reported.csv`` are read.
    data_dir : Path, optional
        Where references are; what is not there keeps its last verified errors.
    progress : callable, optional
        Called with how many submissions are done and how many there are.

    Raises
    ------
    DataError
        When a submission is at fault.
    """
    entries = load_submissions(root)
    records, faults = verify(root, entries, data_dir, progress)
    reported = read_reported(root)
    tracks = []
    for track in TRACKS.values():
        boards = [_split_board(get_split(name), track, entries, records, faults, reported) for name in _scored(track)]
        *splits, validation = boards
        tracks.append(TrackBoard(track, tuple(splits), _agreement(splits), validation))
    return Board(PROTOCOL, tuple(tracks), tuple(faults.values()), repository_address(root), keepers(root))


def _split_board(
    split: Split,
    track: Track,
    entries: Sequence[Entry],
    records: Records,
    faults: Faults,
    reported: Sequence[Reported],
) -> SplitBoard:
    rows = [
        _row(e.submission, split, records, faults, track)
        for e in entries
        if split.name in e.predictions.splits and e.submission.track == track.name
    ]
    if (track.name, ANNOTATOR, split.name) in records:
        rows.append(_annotator_row(records[track.name, ANNOTATOR, split.name]))
    spread = training_spread([r.errors_mm for r in rows if r.kind == "measured" and r.errors_mm is not None])
    if split.role == "test":
        rows = _ranked([_doubted(row, rows, split, records) for row in rows], spread)
    rows += reported_rows(reported, split.name)
    return SplitBoard(split, tuple(rows), spread, reported_elsewhere(reported, split.name))


def _doubted(row: Row, rows: Sequence[Row], split: Split, records: Records) -> Row:
    """Return the row with the flags that ask a person to look at it."""
    if row.kind != "measured":
        return row
    people = records.get((split.track, ANNOTATOR, split.name))
    others = [r.average.mean for r in rows if r.kind == "measured" and r.average and r.id != row.id]
    found = find_implausible(
        records[split.track, row.id, split.name].errors,
        get_track(split.track).landmarks.dimension,
        others,
        people.errors if people else None,
    )
    return replace(row, flags=(*found, *row.flags))


def _row(submission: Submission, split: Split, records: Records, faults: Faults, track: Track) -> Row:
    mean_shape = submission.id == MEAN_SHAPE
    key = (track.name, submission.id, split.name)
    record = records.get(key)
    common = Row(
        id=submission.id,
        kind="awaiting",
        method=submission.method,
        backbone=submission.backbone,
        selection=submission.selection,
        average=None,
        landmarks=(None,) * len(track.landmarks),
        sdr=(None,) * len(metrics.SDR_THRESHOLDS_MM),
        seeds=submission.seeds,
        submission=submission,
        flags=_flags(submission, split, record, track, mean_shape, key in faults),
    )
    if record is None:
        return common
    source = next((t for t in track.tests if not get_split(t).out_of_domain), None)
    inside = records.get((track.name, submission.id, source)) if source and split.out_of_domain else None
    return replace(_measured(common, record, inside), kind="mean-shape" if mean_shape else "measured")


def _measured(row: Row, record: Record, inside: Record | None = None) -> Row:
    errors = record.errors
    average = errors.per_seed_mm
    gap = None
    if inside is not None and inside.errors.seeds == errors.seeds:
        gap = _value(average - inside.errors.per_seed_mm)
    leaked = get_split(record.split).in_training
    return replace(
        row,
        average=_value(average),
        landmarks=tuple(_value(v) for v in errors.per_landmark_mm.T),
        sdr=tuple(_value(v) for v in errors.sdr_percent().T),
        biometrics=tuple(_value(v) for v in metrics.mean_over_cases(record.biometric_errors_mm).T),
        interval_mm=errors.interval_mm,
        p95=_value(errors.p95_mm),
        gap=gap,
        unseen=_value(errors.without_cases(leaked).per_seed_mm) if leaked else None,
        reference_sha256=errors.reference_sha256,
        cases=errors.cases,
        errors_mm=errors.errors_mm,
        parts=errors.parts,
        groups=record.groups,
    )


def _annotator_row(record: Record) -> Row:
    blank = Row(
        id=ANNOTATOR,
        kind="annotator",
        method="One annotator against the other",
        backbone="none",
        selection=None,
        average=None,
        landmarks=(),
        sdr=(),
        seeds=record.errors.seeds,
    )
    return _measured(blank, record)


def _flags(
    submission: Submission, split: Split, record: Record | None, track: Track, mean_shape: bool, faulty: bool
) -> tuple[str, ...]:
    flags = []
    if record is None:
        flags.append("unscorable" if faulty else "awaiting")
    if len(submission.seeds) < N_SEEDS and not mean_shape:
        flags.append("few-seeds" if len(submission.seeds) > 1 else "one-training")
    if set(submission.training_data) - {track.train}:
        flags.append("other-data")
    if split.reference == "simulated":
        flags.append("simulated")
    if split.reference == "mask-derived":
        flags += ["mask-derived", "not-independent"]
    if split.in_training:
        flags.append("in-training")
    return tuple(flags)


def _ranked(rows: Iterable[Row], spread: TrainingSpread) -> list[Row]:
    """Rank measured rows within each protocol; then come awaiting rows, annotators and floors."""
    rows = list(rows)
    result: list[Row] = []
    for protocol in PROTOCOLS:
        group = [r for r in rows if r.kind == "measured" and r.selection == protocol]
        group.sort(key=lambda r: case_sort_key(r.id))
        if not group:
            continue
        ranking = rank_methods([r.errors_mm for r in group if r.errors_mm is not None], spread)
        ranked = [
            replace(
                row,
                rank=Rank(
                    int(ranking.rank[i]), int(ranking.low[i]), int(ranking.high[i]), int(ranking.group[i]) or None
                ),
            )
            for i, row in enumerate(group)
        ]
        result += sorted(ranked, key=lambda r: (r.rank.rank if r.rank else 0, r.id))
    done = {r.id for r in result}
    return result + [r for r in rows if r.id not in done]


def _agreement(splits: Sequence[SplitBoard]) -> tuple[tuple[str, str, str, float], ...]:
    """Return Kendall's tau between the rankings of the same methods on each pair of splits, by protocol."""
    found = []
    for i, a in enumerate(splits):
        for b in splits[i + 1 :]:
            for protocol in PROTOCOLS:
                averages = [
                    {r.id: r.average.mean for r in s.rows if r.rank and r.average and r.selection == protocol}
                    for s in (a, b)
                ]
                common = sorted(averages[0].keys() & averages[1].keys())
                if len(common) < _AGREEING:
                    continue
                tau = rank_agreement([averages[0][k] for k in common], [averages[1][k] for k in common])
                if tau is not None and not np.isnan(tau):
                    found.append((a.split.name, b.split.name, protocol, tau))
    return tuple(found)


def _value(per_seed: Array) -> Value:
    return Value(float(per_seed.mean()), float(per_seed.std()) if len(per_seed) > 1 else None)
