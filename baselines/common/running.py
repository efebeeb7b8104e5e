"""One run of a method: every seed trained or resumed, validation and test splits predicted once, results written."""

from __future__ import annotations

import csv
import platform
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from baselines.common.config import Precision, Preset, get_preset
from baselines.common.method import Method
from baselines.common.progress import TrainingProgress, console, make_progress, preparing
from baselines.common.versions import require_training, versions
from dgmld_bench.errors import DataError, UsageError
from dgmld_bench.files import atomic_write, read_json, write_json
from dgmld_bench.scoring.predictions import Predictions, Run
from dgmld_bench.sources import get_source
from dgmld_bench.splits import CaseList, Track, get_split, get_track, load_split
from dgmld_bench.storage.register import has_register
from dgmld_bench.terminal import make_console
from dgmld_bench.text import mean_std

if TYPE_CHECKING:
    from rich.progress import Progress
    from torch import nn

    from baselines.common.data import TrainingSet
    from baselines.common.recipe import Boundaries, Settings
    from baselines.common.trainer import Epoch


def run_method(
    method: Method,
    *,
    track: str,
    backbone: str,
    preset: Preset | str,
    seeds: list[int],
    out: Path | None,
    select: str,
    device: str | None,
    precision: Precision | None,
    edges: Path | None,
    data_dir: Path | None,
    command: str,
    refine: bool | None = None,
    show_scores: bool = True,
) -> Path:
    """Train, predict and score; returns the folder with the results. See ``run.py --help``."""
    the_track = get_track(track)
    the_preset = get_preset(preset, the_track.landmarks.dimension) if isinstance(preset, str) else preset
    if refine is not None:
        the_preset = replace(the_preset, refine=refine)
    pretraining = method.pretraining_for(the_preset.dimension)  # refuses what cannot be trained, before anything long
    method.augmentation_for(the_preset.dimension)
    require_training(pretraining.packages if pretraining else ())
    ensure_phantom(the_track, data_dir)
    predicted = splits_on_disk((the_track.validation, *the_track.tests), data_dir)
    if not predicted:
        raise DataError(f"no split of track '{track}' is on disk to be predicted; `dgmld-bench datasets` says more")

    from baselines.common.data import selection_splits
    from baselines.common.predicting import load_network
    from baselines.common.preflight import rehearse
    from baselines.common.recipe import Settings, claim
    from baselines.common.runtime import choose_device, training_precision

    validation_split, selection = selection_splits(the_track, select)
    the_device = choose_device(device)
    settings = Settings(
        method=method,
        track=track,
        backbone=backbone,
        preset=the_preset,
        selection=selection,
        device=the_device,
        precision=precision or training_precision(the_preset, the_device),
        edges=None if edges is None else str(edges),
    )
    if edges is not None and settings.needs != "boundary":
        raise UsageError(f"--edges: {method.name} has no use for edge maps in {the_preset.dimension}D")
    boundary = _boundaries(settings)
    folder = out or Path("runs") / track / f"{method.name.lower()}-{backbone}-{the_preset.name}"
    places = {seed: folder / f"seed-{seed}" for seed in seeds}
    training = load_split(the_track.train, data_dir=data_dir)
    cases = {the_track.train: len(training)} | {name: len(opened) for name, opened in predicted.items()}
    # Results that are all there may be collected on another machine than that which trained.
    untrained = [seed for seed, place in places.items() if not (place / "predictions.json").is_file()]
    identity = claim(
        folder, settings.card() | {"cases": cases}, but=("cases", *(() if untrained else ("device", "precision")))
    )
    identity = _with_later_splits(folder, identity, cases)
    results = Predictions(
        track=track,
        method=method.name,
        backbone=backbone,
        selection=selection,
        training_data=settings.training_data,
        authors=method.authors,
        paper=method.paper,
    )
    records: dict[str, Any] = {}
    with make_progress() as progress, _saying_what_is_kept(folder):
        if untrained:
            data = _load(settings, training, validation_split, predicted, progress)
            with preparing(progress) as on_case:
                rehearse(settings, untrained, list(predicted.values()), folder, results, on_case)
        for seed, place in places.items():
            if seed in untrained:
                network = _train(settings, seed, data, boundary, place, progress)
                _predict(network, settings, seed, list(predicted.values()), place, progress, results)
                for state in place.glob("*.state"):  # only now: until here an interruption costs nothing
                    state.unlink()
            run = Predictions.load(place / "predictions.json").run(seed)
            if later := [opened for name, opened in predicted.items() if name not in run.predictions]:
                network = load_network(place, settings.runtime)[0]
                _predict(network, settings, seed, later, place, progress, results, earlier=run)
                run = Predictions.load(place / "predictions.json").run(seed)
            results.runs.append(run)
            records[str(seed)] = read_json(place / "checkpoint.json")["record"]
    results.save(folder / "predictions.json")
    sidecar = folder / "run.json"
    measured = {"inference": read_json(sidecar).get("inference")} if sidecar.is_file() else {}  # by predict.py --time
    write_json(sidecar, _sidecar(command, identity, records) | {k: v for k, v in measured.items() if v})
    if show_scores:
        print_scores(results, predicted, data_dir)
        make_console(soft_wrap=True).print(f"wrote {folder / 'predictions.json'}")
    return folder


@contextmanager
def _saying_what_is_kept(folder: Path) -> Iterator[None]:
    """Say how to go on when training stops for want of room or memory, or because a file cannot be written."""
    from torch.cuda import OutOfMemoryError

    try:
        yield
    except (OSError, OutOfMemoryError) as error:
        if list(folder.glob("seed-*/*.state")):
            console.print(f"What was trained is kept in {folder}: the same command goes on from there.", soft_wrap=True)
        if isinstance(error, OutOfMemoryError):
            raise DataError(f"the device is out of memory ({str(error).splitlines()[0]})") from None
        raise


def ensure_phantom(track: Track, data_dir: Path | None) -> None:
    """Generate the small phantom where its track is asked for and there is none."""
    source = get_source(get_split(track.train).source)
    if not source.is_generated or has_register(source.name, data_dir):
        return
    console.print("The phantom is not on disk yet: generating the small one.")
    with make_progress() as progress:
        task = progress.add_task(source.name, total=None, note="")
        source.generate(
            data_dir, size="small", progress=lambda done, total: progress.update(task, completed=done, total=total)
        )


def splits_on_disk(names: tuple[str, ...], data_dir: Path | None) -> dict[str, CaseList]:
    """Open the splits that can be predicted; says which cannot, and why."""
    found = {}
    for name in names:
        try:
            if len(opened := load_split(name, data_dir=data_dir)):
                found[name] = opened
                continue
            console.print(f"[yellow]split '{name}' is not predicted:[/] no case of it is on disk")
        except DataError as error:
            console.print(f"[yellow]split '{name}' is not predicted:[/] {error}", soft_wrap=True)
    return found


def _load(
    settings: Settings,
    training: CaseList,
    validation_split: str | None,
    opened: dict[str, CaseList],
    progress: Progress,
) -> tuple[TrainingSet, TrainingSet]:
    from baselines.common.data import load_training_set, withhold_fifths

    with preparing(progress) as on_case:
        prepared = load_training_set(
            training, settings.preset, masks=settings.masks, labels=settings.labels, progress=on_case
        )
        if validation_split is None:
            return withhold_fifths(prepared)
        # one that is not on disk says here how to get it
        validation = opened.get(validation_split) or load_split(validation_split, data_dir=training.data_dir)
        return prepared, load_training_set(validation, settings.preset, progress=on_case)


def _with_later_splits(folder: Path, identity: dict[str, Any], cases: dict[str, int]) -> dict[str, Any]:
    """Return the identity with the splits that came to disk since the folder was begun, which it then holds too.

    Raises
    ------
    UsageError
        When a split that the folder knows has another number of cases now.
    """
    known: dict[str, int] = identity["cases"]
    if changed := [f"{name} {known[name]}, now {n}" for name, n in cases.items() if known.get(name, n) != n]:
        raise UsageError(
            f"{folder} holds results of other data (cases of {'; '.join(changed)}); choose another --out or delete it"
        )
    identity = identity | {"cases": known | cases}
    if identity["cases"] != known:
        write_json(folder / "settings.json", identity)
    return identity


def _train(
    settings: Settings,
    seed: int,
    data: tuple[TrainingSet, TrainingSet],
    boundary: Boundaries | None,
    place: Path,
    progress: Progress,
) -> nn.Module:
    from baselines.common.plots import draw_training
    from baselines.common.recipe import train_seed

    shown = TrainingProgress(progress, settings, f"{settings.method.name} · seed {seed}", len(data[0]))
    log: list[tuple[str, Epoch]] = []

    def on_epoch(stage: str, epoch: Epoch) -> None:
        shown.on_epoch(stage, epoch)
        log.append((stage, epoch))
        write_log(place / "log.csv", log)

    network, record = train_seed(
        settings, seed, *data, place, boundary=boundary, on_epoch=on_epoch, on_step=shown.on_step
    )
    draw_training(record, place / "curve.png", title=f"{settings.method.name} · {settings.backbone} · seed {seed}")
    return network


def _predict(
    network: nn.Module,
    settings: Settings,
    seed: int,
    splits: list[CaseList],
    place: Path,
    progress: Progress,
    header: Predictions,
    *,
    earlier: Run | None = None,
) -> None:
    """Predict splits and write ``predictions.json`` of a seed, beside what was predicted ``earlier``."""
    from baselines.common.data import prepare
    from baselines.common.predicting import predict_points

    one = header.model_copy(update={"runs": [earlier] if earlier else []}, deep=True)
    with preparing(progress) as on_case:
        for opened in splits:
            cases = prepare(opened, settings.preset, progress=on_case)
            for case, points in zip(
                cases, predict_points(network, cases, settings.preset, settings.runtime), strict=True
            ):
                one.add(seed=seed, split=case.split, case=case.id, landmarks=points)
    one.save(place / "predictions.json")


def write_log(path: Path, epochs: Iterable[tuple[str, Epoch]]) -> None:
    """Write the course of a training, one row an epoch; it can be read at any time of the training."""
    with atomic_write(path, "w") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["stage", "epoch", "loss", "validation_mre_mm", "seconds"])
        writer.writerows((s, e.number + 1, e.loss, e.validation_mm, round(e.seconds, 3)) for s, e in epochs)


def _boundaries(settings: Settings) -> Boundaries | None:
    if settings.needs != "boundary":
        return None
    from baselines.common.edges import boundary_provider

    return boundary_provider(settings.edges, settings.preset)


def print_scores(results: Predictions, splits: Iterable[str], data_dir: Path | None) -> None:
    """Print the scores of splits, one row each."""
    from rich.table import Table

    from dgmld_bench.scoring.score import score

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1))
    for heading in ("split", "domain", "cases", r"MRE \[mm]", "95 % interval", "SDR@2", "SDR@4"):
        table.add_column(heading, justify="left" if heading in {"split", "domain"} else "right", no_wrap=True)
    notes: dict[str, None] = {}
    for split in splits:
        value = score(results, split, data_dir=data_dir).to_dict()
        ci = value["mre_mm"]["ci95"]
        table.add_row(
            split,
            "out" if get_split(split).out_of_domain else "in",
            str(value["cases"]),
            mean_std(value["mre_mm"]["mean"], value["mre_mm"]["std"]),
            "–" if ci is None else f"{ci[0]:.2f} – {ci[1]:.2f}",
            f"{value['sdr_percent']['2.0']['mean']:.1f}",
            f"{value['sdr_percent']['4.0']['mean']:.1f}",
        )
        notes |= dict.fromkeys(value["notes"])
    out = make_console(soft_wrap=True)
    out.print(table)
    for note in notes:
        out.print(f"[yellow]note:[/] {note}")


def _sidecar(command: str, identity: dict[str, Any], records: dict[str, Any]) -> dict[str, Any]:
    """What changes from run to run, kept out of the predictions: command, machine, time."""
    stages = [s for r in records.values() for s in r["stages"].values()]
    return {
        "command": command,
        "settings": identity,
        "devices": sorted({r["device"] for r in records.values() if "device" in r}),
        "parameters": next(iter(records.values()))["parameters"] if records else None,
        "training_seconds": sum(s["seconds"] for s in stages) / max(len(records), 1),
        "selected": {
            seed: {"epoch": r["selected_epoch"], "validation_mre_mm": r["validation_mre_mm"]}
            for seed, r in records.items()
        },
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "versions": versions(),
    }
