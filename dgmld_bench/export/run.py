"""Exporting: gather splits and predictions, write beside the output, put it in place when complete."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from dgmld_bench.errors import DataError, UsageError, unknown_name
from dgmld_bench.export.job import Job
from dgmld_bench.export.note import export_note
from dgmld_bench.files import Progress, refuse_checkout, write_text
from dgmld_bench.scoring.predictions import no_run
from dgmld_bench.scoring.predictions_files import read_predictions
from dgmld_bench.sources import how_to_get
from dgmld_bench.splits import load_split
from dgmld_bench.storage import folders
from dgmld_bench.temporary import sweep, sweep_noted, temporary_folder

FORMATS = ("hf", "parquet", "nnlandmark", "slicer")
"""The formats by name; each is a module of this package."""

NOTE = "README.md"


def export(
    splits: str | Sequence[str],
    format: str,
    out: Path | str,
    *,
    references: bool = False,
    predictions: Path | str | None = None,
    seed: int | None = None,
    data_dir: Path | str | None = None,
    progress: Progress = lambda step, done, total: None,
) -> Job:
    """Write splits in the layout of another tool.

    Everything is written beside ``out`` and takes its place when it is complete, so an error, an interrupt or a full
    disk leaves nothing behind. A folder that is there may be a mount or a link, whose place nothing can take: then
    everything is written inside and moved up when it is complete, the note last.

    Parameters
    ----------
    splits : str or sequence of str
        Of one landmark set.
    format : {"hf", "parquet", "nnlandmark", "slicer"}
    out : path
        A folder that does not exist or is empty; for ``parquet`` also a file name that ends in ``.parquet``.
    references : bool
        Export landmarks and masks of *test* splits. Those of training and validation splits always are.
    predictions : path, optional
        A predictions file, for the formats that have a place for it.
    seed : int, optional
        The run of the predictions. Default: all runs.
    data_dir : path, optional
        The data folder; else ``DGMLD_BENCH_DATA``, else the platform's user data folder.
    progress : callable
        Called with (step, done, total).

    Returns
    -------
    Job
        What was written; ``notes`` says what had to be left out.

    Raises
    ------
    UsageError
        For an unknown split or format, splits that do not go together, an output that is not empty or, unless the
        splits are simulated, in a checkout of this package, or what the format cannot hold.
    DataError
        When a split is not on disk, a file cannot be read, or a library that the format needs is not installed.
    """
    if format not in FORMATS:
        raise unknown_name("format", format, FORMATS)
    module = import_module(f"dgmld_bench.export.{format}")
    out = Path(out).expanduser().absolute()
    data = folders.data_dir(data_dir)
    sweep(out)
    sweep_noted(data)
    _check_output(out)
    job = _gather([splits] if isinstance(splits, str) else list(splits), references, predictions, seed, data_dir)
    job.progress = progress
    module.check(job)
    if any(split.reference != "simulated" for split in job.splits):
        refuse_checkout(out, "an export holds images or landmarks that may not be passed on")
    there = out.is_dir()
    single_file = not there and out.suffix == getattr(module, "SUFFIX", None)
    with temporary_folder(out if there else out.parent, out.name, data) as staging:
        place = staging / "export"
        place.mkdir()
        module.write(job, place)
        if single_file:
            (place / f"{module.NAME}{module.SUFFIX}").replace(out)
        else:
            write_text(place / NOTE, export_note(job, module.ABOUT))
            if there:
                for part in sorted(place.iterdir(), key=lambda p: p.name == NOTE):
                    part.replace(out / part.name)
            else:
                place.replace(out)
    return job


def _check_output(out: Path) -> None:
    if out.is_dir() and not any(out.iterdir()):
        return
    if out.exists() or out.is_symlink():
        what = "is not empty" if out.is_dir() else "exists already"
        raise UsageError(f"{out} {what}; nothing was written. Name a new folder, or remove it first")


def _gather(
    names: list[str], references: bool, predictions: Path | str | None, seed: int | None, data_dir: Path | str | None
) -> Job:
    if not names or len(set(names)) < len(names):
        raise UsageError("name each split once" if names else "name at least one split")
    cases = {name: load_split(name, references=references, data_dir=data_dir) for name in names}
    sets = dict.fromkeys(opened.landmark_set.name for opened in cases.values())
    if len(sets) > 1:
        raise UsageError(f"these splits have different landmarks ({', '.join(sets)}); export them one by one")
    if empty := [opened.split for opened in cases.values() if not len(opened)]:
        raise DataError(f"no case of split '{empty[0].name}' is on disk. {how_to_get(empty[0].source)}")
    job = Job(cases, references)
    keys = Counter(job.key(opened.split, case_id) for opened in cases.values() for case_id in opened.ids)
    if repeated := [key for key, n in keys.items() if n > 1]:
        raise UsageError(f"files of two cases would be called '{repeated[0]}'; export these splits one by one")
    if predictions is not None:
        job.predictions = read_predictions(predictions, job.splits[0], job.landmark_set)
        if seed is not None and seed not in job.predictions.seeds:
            raise no_run(predictions, seed, job.predictions.seeds)
        job.seeds = tuple(job.predictions.seeds) if seed is None else (seed,)
        _check_predictions(job, predictions)
    elif seed is not None:
        raise UsageError("seed=N chooses a run of predictions=FILE, which is not given")
    return job


def _check_predictions(job: Job, file: Path | str) -> None:
    assert job.predictions is not None
    if job.predictions.landmark_set != job.landmark_set:
        raise UsageError(f"{file} is of track '{job.predictions.track}', which has other landmarks")
    for split in job.splits:
        if split.name not in job.predictions.splits:
            has = ", ".join(job.predictions.splits) or "none"
            raise DataError(f"{file} has no predictions for split '{split.name}'; it has: {has}")
