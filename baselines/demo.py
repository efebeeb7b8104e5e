"""``make demo``: the whole benchmark on generated data, in minutes on a CPU."""

from __future__ import annotations

import shlex
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

sys.path.insert(0, str(Path(__file__).parents[1]))  # runs from a checkout, installed or not

import typer
from rich.table import Table

from baselines.common.command import DataDir, run_app
from baselines.common.registry import methods
from baselines.common.running import ensure_phantom, run_method
from baselines.meanshape.run import predict as predict_mean_shape
from dgmld_bench.scoring.predictions import Predictions
from dgmld_bench.scoring.score import Score, score
from dgmld_bench.splits import get_split, get_track
from dgmld_bench.terminal import make_console

# Sized for minutes on any two cores, those without bfloat16 too: a coarse grid decoded below the voxel, and few epochs.
# Small batches give more steps, and a learning rate that falls to zero gets the most out of them.
GRID, PRETRAIN_EPOCHS, EPOCHS, ENDLESS_STEPS, BATCH_SIZE = 48, 6, 14, 200, 2


def demo(
    out: Annotated[Path, typer.Option(help="Where results go; run again to see them at once.")] = Path("demo"),
    data_dir: DataDir = None,
) -> None:
    """Train every method on one simulated centre, score it on centres never seen, and print the table."""
    from baselines.common.config import get_preset

    start = time.monotonic()
    folder = data_dir or out / "data"
    track = get_track("phantom")
    ensure_phantom(track, folder)
    small = get_preset("small", 3)
    preset = replace(
        small,
        name="demo",
        grid_shape=(GRID,) * 3,
        sigma_vox=small.sigma_vox * GRID / small.grid_shape[0],
        pretrain_epochs=PRETRAIN_EPOCHS,
        epochs=EPOCHS,
        endless_steps=ENDLESS_STEPS,
        batch_size=BATCH_SIZE,
    )
    rows: dict[str, Predictions] = {"mean shape": predict_mean_shape("phantom", folder)}
    console = make_console()
    for name, method in methods().items():
        result = run_method(
            method,
            track="phantom",
            backbone="unet",
            preset=preset,
            seeds=[0],
            out=out / name,
            select="source-val",
            device=None,
            precision=None,
            edges=None,
            data_dir=folder,
            command="make demo",
            show_scores=False,
        )
        rows[method.name] = Predictions.load(result / "predictions.json")
    console.print(
        _table({n: [score(p, s, data_dir=folder) for s in track.tests] for n, p in rows.items()}, track.tests)
    )
    console.print(
        "\nEach method was trained and selected on one simulated centre, and scored on unseen cases of it and of two "
        "others: the further a row grows to the right, the less its method generalises.\n"
        "One seed and a few simulated cases say nothing about real images; the real tracks are in the README.\n"
        f"[dim]{(time.monotonic() - start) / 60:.1f} minutes; predictions, checkpoints and curves are in {out}/[/]\n"
    )
    make_console(soft_wrap=True, markup=False).print(next_steps(track.tests[-1], out, folder, console.width))


def next_steps(test: str, out: Path, folder: Path, width: int) -> str:
    """Return what to type next: commands that fit the terminal and can be pasted as they stand."""
    program = Path(sys.executable).with_name("dgmld-bench")
    if program.is_relative_to(Path.cwd()):
        program = program.relative_to(Path.cwd())
    ours, theirs = out / "baseline/predictions.json", out / "bapdg/predictions.json"
    at = ("--split", test, "--data-dir", folder)
    steps = {
        "look at a case": ("show", 7, "--predictions", ours, *at),
        "is one method surely better?": ("compare", ours, theirs, *at),
        "your own points (docs/your-model.md makes YOUR.json)": ("score", "YOUR.json", *at),
        "the board": ("leaderboard", "serve"),
    }
    lines = ["What to type next:"]
    for title, arguments in steps.items():
        lines += [f"# {title}", *_broken([str(program), *map(str, arguments)], width)]
    return "\n".join(lines)


def _broken(words: list[str], width: int) -> list[str]:
    """Return a command as lines that fit, where each but the last ends in a backslash."""
    lines = [shlex.quote(words[0])]
    for word in map(shlex.quote, words[1:]):
        if len(lines[-1]) + len(word) + 3 <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(f"    {word}")
    return [f"{line} \\" for line in lines[:-1]] + lines[-1:]


def _table(scores: dict[str, list[Score]], tests: tuple[str, ...]) -> Table:
    table = Table(title=r"Mean radial error \[mm], 95 % interval below", box=None, padding=(0, 2), title_justify="left")
    table.add_column("")
    for split in tests:
        table.add_column(f"{split}\n{get_split(split).domain}", justify="right")
    for name, of_splits in scores.items():
        cells = []
        for result in of_splits:
            interval = result.interval_mm
            text = f"{result.per_seed_mm.mean():.2f}"
            cells.append(text if interval is None else f"{text}\n[dim]{interval[0]:.2f} – {interval[1]:.2f}[/]")
        table.add_row(name, *cells)
    return table


if __name__ == "__main__":
    run_app(demo)
