"""The grid methods x backbones x seeds: one ``run.py`` command per cell, on this machine or as jobs of a Slurm cluster.

On a machine with several GPUs each runs cells of its own, one or several at a time.

A cell is nothing but a command that a user could type. Commands resume what was interrupted and return at once where
their results are there, so that the same sweep again goes on where it stopped. In the end each method's seeds are
collected into one ``predictions.json``, by the same command with all seeds.
"""

from __future__ import annotations

import io
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

sys.path.insert(0, str(Path(__file__).parents[1]))  # runs from a checkout, installed or not

import typer

from baselines.common.command import DataDir, TrackName, parse_seeds, run_app
from baselines.common.config import Precision
from baselines.common.networks import BACKBONES
from baselines.common.registry import methods as all_methods
from baselines.common.running import ensure_phantom
from dgmld_bench.errors import DataError, UsageError, unknown_name
from dgmld_bench.files import read_json, write_json
from dgmld_bench.splits import get_track
from dgmld_bench.terminal import echo

if TYPE_CHECKING:
    from submitit import Job

#: What the sweep says to every command.
_OWN = ("--track", "--preset", "--select", "--precision", "--data-dir", "--seeds", "--out", "--backbone", "--device")
ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Cell:
    """One command: a method with its options, a backbone, some seeds."""

    method: str
    backbone: str
    seeds: tuple[int, ...]
    folder: Path
    options: tuple[str, ...]

    @property
    def name(self) -> str:
        """What to call it in tables and logs."""
        return f"{self.method} · {self.backbone} · seed {', '.join(map(str, self.seeds))}"

    @property
    def arguments(self) -> list[str]:
        """The command, from the repository's root, without the interpreter."""
        name, *own = shlex.split(self.method)
        seeds = ",".join(map(str, self.seeds))
        place = ["--seeds", seeds, "--out", str(self.folder)]
        return [f"baselines/{name}/run.py", "--backbone", self.backbone, *place, *own, *self.options]


class Run:
    """A cell as a job. Where the cluster takes its machine away or its time is over, it is queued again."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self.arguments = list(arguments)

    def __call__(self) -> None:
        """Run the command; raises CalledProcessError when it fails."""
        subprocess.run([sys.executable, *self.arguments], cwd=ROOT, check=True)

    def checkpoint(self) -> Any:
        """Return what to queue again: the same command, which resumes."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def sweep(
    track: Annotated[TrackName, typer.Option(help="What to train for.")] = "dgmld",
    methods: Annotated[
        str | None,
        typer.Option(
            help="Separated by commas; each may have options of its own: 'bapdg,bapdg --loss mse'. Default: every "
            "method that can be trained on the track.",
            show_default=False,
        ),
    ] = None,
    backbones: Annotated[str, typer.Option(help="Separated by commas.")] = "unet",
    preset: Annotated[Literal["paper", "small", "smoke"], typer.Option(help="As for run.py.")] = "paper",
    seeds: Annotated[str, typer.Option(help="Separated by commas.")] = "0,1,2",
    select: Annotated[Literal["target-val", "source-val"], typer.Option(help="As for run.py.")] = "target-val",
    precision: Annotated[
        Precision | None,
        typer.Option(help="As for run.py. Say it where only some machines have bf16.", show_default=False),
    ] = None,
    out: Annotated[Path, typer.Option(help="Results go to OUT/TRACK/METHOD-BACKBONE-PRESET.")] = Path("runs"),
    devices: Annotated[
        str | None,
        typer.Option(help="GPUs by number, '0,1', or 'cpu'. Default: every GPU of this machine.", show_default=False),
    ] = None,
    jobs_per_device: Annotated[
        int, typer.Option(help="Runs at a time on each device, where one does not fill it.", min=1)
    ] = 1,
    slurm: Annotated[bool, typer.Option("--slurm", help="Queue one job per cell on this machine's cluster.")] = False,
    partition: Annotated[str | None, typer.Option(help="Slurm: the partition.", show_default=False)] = None,
    gpus: Annotated[int, typer.Option(help="Slurm: GPUs of a job.", min=0)] = 1,
    gres: Annotated[
        str | None, typer.Option(help="Slurm: in place of --gpus, as in gpu:h100:1.", show_default=False)
    ] = None,
    cpus: Annotated[int, typer.Option(help="Slurm: processors of a job.", min=1)] = 4,
    memory_gb: Annotated[int, typer.Option(help="Slurm: memory of a job.", min=1)] = 16,
    minutes: Annotated[int, typer.Option(help="Slurm: a job is queued again when it takes longer.", min=1)] = 240,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the commands and do nothing.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Train many methods: one command per method, backbone and seed, here or on a Slurm cluster.

    Run it again after an interruption: what is done is kept, what is queued is waited for, what failed is tried again.

        python baselines/sweep.py --track open --preset small --backbones unet,vitpose
        python baselines/sweep.py --track phantom --devices 0,1 --jobs-per-device 2
        python baselines/sweep.py --track dgmld --slurm --partition gpu --gres gpu:h100:1 --minutes 600
    """
    can = [name for name, method in all_methods().items() if get_track(track).landmarks.dimension in method.dimensions]
    chosen = can if methods is None else _checked(methods, tuple(all_methods()), "method")
    if cannot := [m for m in chosen if shlex.split(m)[0] not in can]:
        raise UsageError(f"--methods: {', '.join(cannot)} cannot be trained on track '{track}'; {', '.join(can)} can")
    options = ["--track", track, "--preset", preset, "--select", select]
    options += [] if precision is None else ["--precision", precision]
    options += [] if data_dir is None else ["--data-dir", str(data_dir.absolute())]
    whole = [
        Cell(m, b, tuple(parse_seeds(seeds)), (out / track / _folder(m, b, preset)).absolute(), tuple(options))
        for m in chosen
        for b in _checked(backbones, BACKBONES, "backbone")
    ]
    cells = [Cell(w.method, w.backbone, (s,), w.folder, w.options) for w in whole for s in w.seeds]
    if devices is not None:
        chosen_devices(devices)  # refuses those that are not there, before anything long
    if dry_run:
        for cell in cells:
            echo("python " + shlex.join(cell.arguments))
        return
    failed: list[Cell] = []
    logs = (out / track / "jobs").absolute()
    if slurm:
        if devices is not None:
            raise UsageError("--devices chooses GPUs of this machine; with --slurm, --gpus or --gres asks for them")
        ensure_phantom(get_track(track), data_dir)  # once, and not by every job at the same time
        resources = {
            "time": minutes,
            "cpus_per_task": cpus,
            "mem": f"{memory_gb}GB",
            **({"gres": gres} if gres else {"gpus_per_node": gpus} if gpus else {}),
            **({"partition": partition} if partition else {}),
        }
        failed = run_on_slurm(cells, logs, resources)
    elif len(places := chosen_devices(devices) * jobs_per_device) > 1 and len(cells) > 1:
        ensure_phantom(get_track(track), data_dir)
        failed = run_beside(cells, places, logs)
    # afterwards everything is there, and the command collects the seeds and prints the scores
    failed += run_here(
        [w for w in whole if not any(f.folder == w.folder for f in failed)],
        chosen_devices(devices)[0] if devices else "",
    )
    if failed:
        raise DataError("these failed; the same command tries them again:\n  " + "\n  ".join(c.name for c in failed))


def chosen_devices(names: str | None) -> list[str]:
    """Return the devices to use, ``"cpu"`` or the number of a GPU; one ``""`` where the command shall choose.

    Raises
    ------
    UsageError
        For a name that is neither, or a GPU that this machine does not have.
    """
    import torch

    there = torch.cuda.device_count()
    if names is None:
        return [str(n) for n in range(there)] if there > 1 else [""]
    devices = [name.strip() for name in names.split(",")]
    for device in devices:
        if device != "cpu" and not (device.isdecimal() and int(device) < there):
            has = f"GPUs 0 to {there - 1}" if there > 1 else "GPU 0" if there else "no GPU"
            raise UsageError(f"--devices takes 'cpu' or numbers of GPUs, and PyTorch finds {has} here; got '{device}'")
    if len(set(devices)) != len(devices):
        raise UsageError(f"--devices takes different devices, got '{names}'; --jobs-per-device runs several on each")
    return devices


def environment_for(device: str) -> dict[str, str]:
    """Return the environment in which a command sees this GPU alone, or none; all of them for ``""``.

    Numbers count the GPUs that this process sees, as ``CUDA_VISIBLE_DEVICES`` may have chosen them.
    """
    if not device:
        return dict(os.environ)
    seen = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    chosen = "" if device == "cpu" else seen[int(device)] if seen else device
    return os.environ | {"CUDA_VISIBLE_DEVICES": chosen}


def run_here(cells: Sequence[Cell], device: str = "") -> list[Cell]:
    """Run cells one after another on this machine; return those that failed."""
    failed = []
    for number, cell in enumerate(cells, start=1):
        echo(f"[{number}/{len(cells)}] {cell.name}", err=True)
        command = [sys.executable, *cell.arguments]
        if subprocess.run(command, cwd=ROOT, env=environment_for(device), check=False).returncode:  # it has said why
            failed.append(cell)
    return failed


def run_beside(cells: Sequence[Cell], places: Sequence[str], folder: Path) -> list[Cell]:
    """Run cells as many at a time as there are places, in order; return those that failed.

    Parameters
    ----------
    cells : sequence of Cell
    places : sequence of str
        A device for each job that runs at a time.
    folder : Path
        Gets a log for each cell: lines of several on one terminal could not be told apart.
    """
    folder.mkdir(parents=True, exist_ok=True)
    free, waiting, failed = list(places), list(cells), []
    running: dict[subprocess.Popen[bytes], tuple[Cell, str, float]] = {}
    echo(f"{len(cells)} runs, {len(places)} at a time; logs in {folder}", err=True)
    try:
        while waiting or running:
            while waiting and free:
                cell, device = waiting.pop(0), free.pop(0)
                running[_start(cell, device, log_of(cell, folder))] = cell, device, time.monotonic()
            time.sleep(0.2)
            for process in [p for p in running if p.poll() is not None]:
                cell, device, start = running.pop(process)
                free.append(device)
                outcome = f"failed, see {log_of(cell, folder)}" if process.returncode else "done"
                number = len(cells) - len(waiting) - len(running)
                echo(f"[{number}/{len(cells)}] {cell.name}: {outcome} ({time.monotonic() - start:.0f} s)", err=True)
                failed += [cell] if process.returncode else []
    finally:
        for process in running:  # after an interrupt: what they trained is kept
            process.terminate()
            process.wait()
    return failed


def _start(cell: Cell, device: str, log: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, *cell.arguments]
    with log.open("wb") as stream:
        return subprocess.Popen(command, cwd=ROOT, env=environment_for(device), stdout=stream, stderr=subprocess.STDOUT)


def log_of(cell: Cell, folder: Path) -> Path:
    """Return where the output of a cell goes that runs beside others."""
    return folder / f"{cell.folder.name}-seed-{'-'.join(map(str, cell.seeds))}.log"


def run_on_slurm(cells: Sequence[Cell], folder: Path, resources: dict[str, Any]) -> list[Cell]:
    """Queue cells as jobs and wait for them; return those that failed.

    Which job does what is kept in ``folder/jobs.json``: jobs that are still queued or running are waited for, also by
    a later call.

    Raises
    ------
    UsageError
        When submitit is not installed, there is no Slurm on this machine, or it refuses a job as it is asked for.
    """
    try:
        from submitit import SlurmExecutor
        from submitit.core.utils import FailedJobError
        from submitit.slurm.slurm import SlurmJob
    except ImportError:
        raise UsageError("--slurm needs submitit: pip install submitit") from None
    if SlurmExecutor.affinity() < 0:
        raise UsageError("--slurm: there is no Slurm on this machine (no srun on the path)")
    book = folder / "jobs.json"
    known: dict[str, str] = read_json(book) if book.is_file() else {}
    executor = SlurmExecutor(folder=folder, max_num_timeout=100)
    executor.update_parameters(job_name="dgmld-bench", **resources)
    jobs: dict[Cell, Job[None]] = {}
    for cell in cells:
        command = shlex.join(cell.arguments)
        job = SlurmJob[None](folder, known[command]) if command in known else None
        if job is None or job.done(force_check=True):
            try:
                with redirect_stderr(io.StringIO()):  # what sbatch says is said once, below
                    job = executor.submit(Run(cell.arguments))
            except FailedJobError as error:  # sbatch's own words: a resource, partition or limit that the cluster lacks
                asked = " ".join(f"--{name.replace('_', '-')}={value}" for name, value in resources.items())
                said = " ".join(str(error).split()) + " (sinfo -o '%P %G %c %m %l' says what it has)"
                raise UsageError(f"--slurm: the cluster takes no job with {asked}: {said}") from None
        jobs[cell] = job
        known[command] = job.job_id
        write_json(book, known)
    for cell, job in _as_they_end(jobs):
        echo(f"{cell.name}: {job.state.lower()}", err=True)
    failed = [cell for cell in cells if jobs[cell].exception() is not None]
    for cell in failed:
        echo(f"{cell.name}: failed, see {jobs[cell].paths.stderr}", err=True)
    return failed


def _as_they_end(jobs: dict[Cell, Job[None]]) -> Iterator[tuple[Cell, Job[None]]]:
    waiting = dict(jobs)
    echo(f"waiting for {len(waiting)} jobs; Ctrl-C leaves them queued", err=True)
    while waiting:
        for cell, job in list(waiting.items()):
            if job.done(force_check=True):
                yield cell, waiting.pop(cell)
        time.sleep(2 if waiting else 0)


def _checked(text: str, known: Sequence[str], kind: str) -> list[str]:
    entries = [" ".join(entry.split()) for entry in text.split(",") if entry.strip()]
    for entry in entries:
        try:
            name, *own = shlex.split(entry)
        except ValueError as error:
            raise UsageError(f"--{kind}s: {entry}: {error}") from None
        if name not in known:
            raise unknown_name(kind, name, list(known))
        if taken := [o for o in own if o.partition("=")[0] in _OWN]:
            raise UsageError(f"--{kind}s: {entry}: {taken[0]} is an option of the sweep, the same for all")
    if len(set(entries)) != len(entries) or not entries:
        raise UsageError(f"--{kind}s takes different names separated by commas, got '{text}'")
    return entries


def _folder(method: str, backbone: str, preset: str) -> str:
    name, *options = shlex.split(method)
    return "-".join([name, *(o.lstrip("-") for o in options), backbone, preset])


if __name__ == "__main__":
    run_app(sweep)
