"""Fill in the tables of README.md and docs/results.md from the board's files, ``leaderboard/``.

Run from the repository's root after ``dgmld-bench leaderboard build``: python docs/make_results.py

A table stands between ``<!-- table: NAME -->`` and ``<!-- end -->``. Needs no data: the verified errors are enough.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import numpy as np
import pandas as pd

from dgmld_bench.files import read_json, write_text
from dgmld_bench.leaderboard.layouts import PAPER_METHODS
from dgmld_bench.leaderboard.records import ANNOTATOR, board_spread, find_record, read_record, record_path
from dgmld_bench.scoring.certainty import held_percent
from dgmld_bench.scoring.comparison import compare
from dgmld_bench.scoring.directions import direction_names
from dgmld_bench.scoring.errors_table import ErrorsTable
from dgmld_bench.scoring.parts_table import over_seeds
from dgmld_bench.scoring.statistics import holm
from dgmld_bench.splits import get_split, get_track
from dgmld_bench.text import code_span, duration, mean_std, p_value, signed, table_head, table_row

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("README.md", "docs/results.md")
BACKBONES = ("unet", "vitpose")
PHANTOM = ("phantom-val", "phantom-source", "phantom-lfc", "phantom-feta")
METHODS = (*PAPER_METHODS, "SynthDG")
ABLATION = {
    "Baseline": "none",
    "SegDG": "mask, MSE",
    "BaPDG-boundary-mse": "boundary distance, MSE",
    "BaPDG": "boundary distance, mixed",
}
#: Whoever submits may call a method as they like: these are the submissions of this repository's own trainers.
IDS = {f"{method}-{backbone}".lower() for method in {*METHODS, *ABLATION} for backbone in BACKBONES}
#: Fewer than three trainings by the same trainers, shown apart, or where a split has nothing better of their method.
FEW = {
    f"{method}-{backbone}-{tag}".lower(): tag
    for method in METHODS
    for backbone in BACKBONES
    for tag in ("seed0", "seeds01")
}
#: On the phantom these have the recipe that ``small`` had before, all others today's.
EARLIER = {name for name in IDS if name.endswith("-vitpose")}


@cache
def results() -> pd.DataFrame:
    """Return the board's rows."""
    return pd.read_csv(ROOT / "leaderboard/results.csv", dtype={"seeds": "Int64"}, keep_default_na=False, na_values="")


def open_table() -> str:
    """Return the methods on the open atlases, beside what the paper reports on its own targets."""
    return _beside_reported("open", ("open-val", "open-wu", "open-sb"), "dgmld", ("lfc", "feta"))


def phantom_table(ids: Collection[str] | None = None) -> str:
    """Return the methods on the phantom, beside what the paper reports on the targets that it imitates."""
    return _beside_reported("phantom", PHANTOM, "dgmld", ("lfc", "feta"), ids)


def ceph_table() -> str:
    """Return the methods on the films, beside what the paper reports on the same split."""
    columns = ("sdr_2", "sdr_2.5", "sdr_3", "sdr_4")
    rows = []
    for kind in ("measured", "reported"):
        for row in _rows("ceph", "isbi", kind):
            seeds = "*reported*" if kind == "reported" else str(row.seeds)
            sdr = [_value(row[f"{c}_percent"], row[f"{c}_std"], 1) for c in columns]
            averages = [_value(row.mre_mm, row.mre_std), _value(row.unseen_mm, row.unseen_std)]
            rows.append([row.method, row.backbone, seeds, *averages, *sdr])
    unseen = f"of {get_split('isbi').n_unseen} [mm]"
    return _table(["method", "backbone", "seeds", "MRE [mm]", unseen, "SDR 2", "SDR 2.5", "SDR 3", "SDR 4"], rows)


def few_table(track: str, splits: Sequence[str]) -> str:
    """Return rows of few trainings of these trainers, with their intervals: of one, the interval of that training."""
    found = {(r.id, s): r for s in splits for r in _rows(track, s, "measured", FEW)}
    names = {r.id: (*_named(r), str(r.seeds)) for r in found.values()}
    rows = [[*name, *(_with_interval(found.get((one, s))) for s in splits)] for one, name in names.items()]
    return _table(["method", "backbone", "trainings", *(f"{s} [mm]" for s in splits)], rows)


def away_table(track: str, split: str) -> str:
    """Return the methods on a split that has annotators: intervals, and what is left without offsets."""
    rows = []
    for row in _with_people(track, split):
        errors = _record_of(track, split, row.id)
        left = "–" if errors is None or errors.parts is None else f"{errors.parts.mre_without_offset_mm.mean():.2f}"
        trainings = str(row.seeds) if row.kind == "measured" else "–"
        rows.append([*_named(row), trainings, _value(row.mre_mm, row.mre_std), _interval(row), left])
    return _table(["method", "backbone", "trainings", "MRE [mm]", "95 % interval", "without offset [mm]"], rows)


def pairs_table(track: str, splits: Sequence[str], ours: str = "BaPDG", ids: Collection[str] | None = None) -> str:
    """Return a method against each other of the paper: difference, interval, test corrected over these, verdict."""
    rows = []
    for split in splits:
        for backbone in BACKBONES:
            names = {r.method: r.id for r in _rows(track, split, "measured", ids) if r.backbone == backbone}
            others = [m for m in PAPER_METHODS if m != ours and m in names]
            if ours not in names or not others:
                continue
            errors = _errors(split, names[ours])
            found = [compare(errors, _errors(split, names[m]), board_spread(ROOT, split)).overall for m in others]
            corrected = holm([d.p for d in found])
            for other, difference, p in zip(others, found, corrected, strict=True):
                low, high = difference.ci95_mm or (float("nan"),) * 2
                sure = replace(difference, p=float(p)).is_sure
                verdict = "not told apart" if not sure else "better" if difference.difference_mm < 0 else "worse"
                interval = f"{signed(low, 2)} … {signed(high, 2)}"
                cells = (signed(difference.difference_mm, 2), interval, p_value(float(p)), verdict)
                rows.append([split, backbone, f"{ours} − {other}", *cells])
    return _table(["split", "backbone", "methods", "difference [mm]", "95 % interval", "p (Holm)", f"{ours} is"], rows)


def ablation_table() -> str:
    """Return what pre-training regresses, and by which loss, on every split of the open atlases."""
    splits = ("open-val", "open-wu", "open-sb")
    found = {(r.method, s): r for s in splits for r in _rows("open", s, "measured") if r.backbone == "unet"}
    rows = [
        [text, method, *(_of(found.get((method, s))) for s in splits)]
        for method, text in ABLATION.items()
        if any((method, s) in found for s in splits)
    ]
    return _table(["pre-training", "method", *splits], rows)


def parts_of_errors(track: str, split: str, ids: Collection[str] | None = None) -> str:
    """Return what each method's errors are made of, what is left without offsets, and what promised radii hold."""
    home = next((t for t in get_track(track).tests if not get_split(t).out_of_domain and t != split), None)
    rows = []
    for row in _with_people(track, split, ids):
        errors = _record_of(track, split, row.id)
        if errors is None or errors.parts is None:
            continue
        parts = errors.parts
        far = int(np.nanargmax(parts.lengths_mm))
        vector = zip(parts.directions, over_seeds(parts.offset_mm)[far], strict=True)
        held = [_held(track, s, row.id) for s in ((home,) if home else ()) + (split,)] if row.kind == "measured" else []
        rows.append(
            [
                *_named(row),
                f"{row.mre_mm:.2f}",
                f"{parts.mre_without_offset_mm.mean():.2f}",
                *(f"{share:.0f}" for share in parts.shares_percent),
                f"{np.nanmean(over_seeds(parts.misses_percent)):.1f}",
                f"{errors.landmarks[far].replace('_', ' ')} {parts.lengths_mm[far]:.1f} ("
                + ", ".join(f"{name} {signed(v, 1)}" for name, v in vector)
                + ")",
                " / ".join(held) if any(h != "–" for h in held) else "–",
            ]
        )
    where = f"{home} / {split}" if home else split
    heads = ["method", "backbone", "MRE", "without offset", "offset", "spread", "misses", "points missed"]
    return _table([*heads, "greatest offset [mm]", f"90 % radii hold, {where}"], rows)


def offsets_of_all(track: str, split: str) -> str:
    """Return each landmark's offset, the median over methods, beside how far two annotators are apart there."""
    methods = [_record_of(track, split, r.id) for r in _trained(track, split)]
    known = [m.parts for m in methods if m is not None and m.parts is not None]
    homes = [t for t in get_track(track).tests if not get_split(t).out_of_domain]
    people = {s: e.parts for s in dict.fromkeys((split, *homes)) if (e := _record_of(track, s, ANNOTATOR)) and e.parts}
    landmarks = get_track(track).landmarks
    directions = direction_names(landmarks)
    offsets = np.array([over_seeds(p.offset_mm) for p in known])  # (method, landmark, direction)
    rows = []
    for k, title in enumerate(landmarks.titles if known or people else ()):
        cells = ["–"] * (len(directions) + 1)
        if known:
            lengths = [p.lengths_mm[k] for p in known]
            cells = [signed(v, 1) for v in np.median(offsets[:, k], axis=0)]
            cells.append(f"{min(lengths):.1f} … {max(lengths):.1f}")
        rows.append([title, *cells, *(f"{p.lengths_mm[k]:.1f}" for p in people.values())])
    heads = ["landmark", *(f"{name} [mm]" for name in directions), "length, by method [mm]"]
    return _table([*heads, *(f"two annotators of {s} [mm]" for s in people)], rows)


def commands_table() -> str:
    """Return the command behind every one of these submissions, and how long a seed trained and a case takes."""
    rows = []
    for file in sorted((ROOT / "submissions").glob("*/*.run.json")):
        value, name = read_json(file), file.name.removesuffix(".run.json")
        if name in {*IDS, *FEW}:
            command = code_span(value.get("command") or "–", 500).replace("|", "\\|")
            recipe = _recipe(file.parent.name, name)
            case = value.get("inference", {}).get("ms_per_case")
            times = [duration(value.get("training_seconds")), "–" if case is None else f"{case / 1000:.2f}"]
            rows.append([f"{file.parent.name}/{name}", command, recipe, *times])
    return _table(["submission", "command", "recipe", "training, per seed", "a case alone [s]"], rows)


TABLES: dict[str, Callable[[], str]] = {
    "open": open_table,
    "open single": lambda: few_table("open", ("open-val", "open-wu", "open-sb")),
    "open pairs": lambda: pairs_table("open", ("open-wu", "open-sb")),
    "open synthdg pairs": lambda: pairs_table("open", ("open-wu", "open-sb"), "SynthDG"),
    "ablation": ablation_table,
    "ceph": ceph_table,
    "hamedan": lambda: away_table("ceph", "hamedan"),
    "ceph single": lambda: few_table("ceph", ("isbi-val", "isbi", "hamedan")),
    "ceph pairs": lambda: pairs_table("ceph", ("isbi", "hamedan")),
    "ceph synthdg pairs": lambda: pairs_table("ceph", ("isbi", "hamedan"), "SynthDG"),
    "phantom": phantom_table,
    "phantom pairs": lambda: pairs_table("phantom", ("phantom-lfc", "phantom-feta")),
    "phantom synthdg pairs": lambda: pairs_table("phantom", PHANTOM[1:], "SynthDG"),
    "phantom earlier": lambda: phantom_table(EARLIER),
    "phantom earlier pairs": lambda: pairs_table("phantom", ("phantom-lfc", "phantom-feta"), ids=EARLIER),
    "phantom earlier parts": lambda: parts_of_errors("phantom", "phantom-lfc", EARLIER),
    "commands": commands_table,
    **{
        f"{name} {split}": partial(table, get_split(split).track, split)
        for name, table, splits in (
            ("parts", parts_of_errors, ("open-sb", "open-wu", "phantom-lfc", "phantom-feta", "isbi", "hamedan")),
            ("offsets", offsets_of_all, ("open-sb", "phantom-lfc", "hamedan")),
        )
        for split in splits
    },
}


def filled(text: str) -> str:
    """Return a page with its tables as the board has them now; KeyError for a table that there is none of."""
    return re.sub(
        r"(<!-- table: (.+?) -->\n).*?(<!-- end -->)",
        lambda m: f"{m[1]}{TABLES[m[2]]()}{m[3]}",
        text,
        flags=re.DOTALL,
    )


def _beside_reported(
    track: str,
    splits: Sequence[str],
    paper_track: str,
    paper_splits: Sequence[str],
    ids: Collection[str] | None = None,
) -> str:
    reported = {(r.method, r.backbone, s): r for s in paper_splits for r in _rows(paper_track, s, "reported")}
    measured = {(r.method, r.backbone, s): r for s in splits for r in _rows(track, s, "measured", ids)}
    floor = {s: r for s in splits for r in _rows(track, s, "mean-shape")}
    rows = [
        [
            method,
            backbone,
            next(str(measured[method, backbone, s].seeds) for s in splits if (method, backbone, s) in measured),
            *(_of(measured.get((method, backbone, s))) for s in splits),
            *(_of(reported.get((method, backbone, s))) for s in paper_splits),
        ]
        for backbone in BACKBONES
        for method in METHODS
        if any((method, backbone, s) in measured for s in splits)
    ]
    if floor:
        rows.append(["mean shape", "–", "–", *(_of(floor.get(s)) for s in splits), *("–" for _ in paper_splits)])
    return _table(["method", "backbone", "seeds", *splits, *(f"{s}, *reported*" for s in paper_splits)], rows)


def _trained(track: str, split: str) -> list[pd.Series]:
    """Return the rows of this repository's trainers; those of few trainings where their method has no other."""
    whole = _rows(track, split, "measured")
    known = {(r.method, r.backbone) for r in whole}
    few = [r for r in _rows(track, split, "measured", FEW) if (r.method, r.backbone) not in known]
    return sorted([*whole, *few], key=_order)


def _recipe(track: str, name: str) -> str:
    """Return which recipe of ``small`` one of these submissions was trained with."""
    return "earlier" if track == "phantom" and name in EARLIER else "today's"


def _with_people(track: str, split: str, ids: Collection[str] | None = None) -> list[pd.Series]:
    """Return the rows of ``ids``, or what :func:`_trained` does, then the floor and the annotators."""
    trained = _trained(track, split) if ids is None else _rows(track, split, "measured", ids)
    return [*trained, *_rows(track, split, "mean-shape"), *_rows(track, split, "annotator")]


def _named(row: pd.Series) -> tuple[str, str]:
    """Return a row's method, marked where it has few trainings, and its backbone, where it has one."""
    name = f"{row.method} ({FEW[row.id]})" if row.id in FEW else row.method
    return name, row.backbone if row.kind == "measured" else "–"


def _rows(track: str, split: str, kind: str, ids: Collection[str] | None = None) -> list[pd.Series]:
    """Return rows in the paper's order of methods, then by name.

    Measured ones of ``ids`` only; where that is None, of IDS, on the phantom without EARLIER: no table mixes recipes.
    """
    if ids is None:
        ids = IDS - EARLIER if track == "phantom" else IDS
    table = results()
    found = table[(table.track == track) & (table.split == split) & (table.kind == kind)]
    if kind == "measured":
        found = found[found.id.isin(ids)]
    return sorted((row for _, row in found.iterrows()), key=_order)


def _order(row: pd.Series) -> tuple[int, int, str]:
    place = PAPER_METHODS.index(row.method) if row.method in PAPER_METHODS else 9
    return BACKBONES.index(row.backbone) if row.backbone in BACKBONES else 9, place, row.id


@cache
def _errors(split: str, name: str) -> ErrorsTable:
    return find_record(ROOT, split, name).named(name)


@cache
def _record_of(track: str, split: str, name: str) -> ErrorsTable | None:
    """Return the verified errors of any row, annotators too; None where there are none."""
    path = record_path(ROOT, track, name, split)
    return read_record(path).errors if path.is_file() else None


def _held(track: str, split: str, name: str) -> str:
    """Return the share of points within radii that promise 90 % on the track's validation split."""
    calibration, errors = (_record_of(track, s, name) for s in (get_track(track).validation, split))
    if calibration is None or errors is None:
        return "–"
    held = held_percent(calibration.errors_mm, errors.errors_mm)
    return "–" if held is None else f"{held:.0f}"


def _of(row: pd.Series | None) -> str:
    return "–" if row is None else _value(row.mre_mm, row.mre_std)


def _with_interval(row: pd.Series | None) -> str:
    return "–" if row is None else f"{_of(row)} ({_interval(row)})"


def _interval(row: pd.Series) -> str:
    return f"{row.ci95_low_mm:.2f} … {row.ci95_high_mm:.2f}"


def _value(mean: float, std: float, digits: int = 2) -> str:
    return mean_std(*(None if pd.isna(v) else v for v in (mean, std)), digits)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return "*Nothing yet.*\n"
    return "\n".join([*table_head(heads), *map(table_row, rows)]) + "\n"


def main() -> None:
    """Fill in and write."""
    for page in PAGES:
        path = ROOT / page
        write_text(path, filled(path.read_text("utf-8")))
        print(f"wrote {path}")


if __name__ == "__main__":
    main()
