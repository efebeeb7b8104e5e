"""The command line that every method's ``run.py`` shares: ``main(METHOD)``."""

from __future__ import annotations

import functools
import inspect
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from baselines.common.config import Precision
from baselines.common.method import Method
from baselines.common.versions import missing_packages, training_modules
from dgmld_bench.cli import guarded
from dgmld_bench.cli.app import Command, reflow
from dgmld_bench.cli.options import DataDir
from dgmld_bench.errors import UsageError
from dgmld_bench.tracks import TrackName


def main(method: Method | Callable[..., Method]) -> None:
    """Run a method's command line; a function's ``Literal`` parameters become options of their own."""
    build = method if callable(method) else None
    extra = list(inspect.signature(build, eval_str=True).parameters.values()) if build else []

    def run(
        track: Annotated[TrackName, typer.Option(help="What to train for.")] = "dgmld",
        backbone: Annotated[Literal["unet", "vitpose"], typer.Option(help="The network.")] = "unet",
        preset: Annotated[
            Literal["paper", "small", "smoke"],
            typer.Option(help="paper: the paper's sizes, for a GPU. small: minutes on a CPU. smoke: a test."),
        ] = "paper",
        seeds: Annotated[str, typer.Option(help="Seeds, separated by commas: one trained network each.")] = "0,1,2",
        out: Annotated[
            Path | None,
            typer.Option(help="Where results go. Default: runs/TRACK/METHOD-BACKBONE-PRESET.", show_default=False),
        ] = None,
        select: Annotated[
            Literal["target-val", "source-val"],
            typer.Option(
                help="Choose the epoch on the track's validation split, as the paper does, or on withheld cases of "
                "the training centre (every fifth): strict domain generalisation."
            ),
        ] = "target-val",
        device: Annotated[
            str | None, typer.Option(help="cpu, cuda, cuda:1, mps. Default: a GPU where there is one.")
        ] = None,
        precision: Annotated[
            Precision | None,
            typer.Option(help="Default: bf16 on a GPU that has it, else the preset's.", show_default=False),
        ] = None,
        refine: Annotated[
            bool | None,
            typer.Option(
                "--refine/--no-refine",
                help="Decode heatmaps below the voxel, or by plain argmax. Default: below the voxel; argmax, as "
                "published, for preset paper in 3D.",
                show_default=False,
            ),
        ] = None,
        edges: Annotated[
            Path | None,
            typer.Option(help="2D: a folder of edge maps, CASE.png. Default: a built-in detector.", show_default=False),
        ] = None,
        data_dir: DataDir = None,
        **options: Any,
    ) -> None:
        from baselines.common.running import run_method

        chosen = build(**options) if build else method
        assert isinstance(chosen, Method)
        run_method(
            chosen,
            track=track,
            backbone=backbone,
            preset=preset,
            seeds=parse_seeds(seeds),
            out=out,
            select=select,
            device=device,
            precision=precision,
            refine=refine,
            edges=edges,
            data_dir=data_dir,
            command="python " + shlex.join(_shown_arguments()),
        )

    parameters = [p for p in inspect.signature(run, eval_str=True).parameters.values() if p.name != "options"]
    added = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in extra]
    run.__signature__ = inspect.Signature([*parameters, *added])  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in [*parameters, *added]}
    example = build() if build else method
    assert isinstance(example, Method)
    run.__doc__ = _help(example)
    run_app(run)


def run_app(function: Callable[..., None]) -> None:
    """Run one function as a command line; a user's mistake ends in one message and its exit code."""
    # Threads that wait without spinning: beside any other work on the machine, spinning ones make every step many
    # times slower. Must be set before PyTorch loads.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    app = typer.Typer(
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @functools.wraps(function)
    def interruptible(*arguments: Any, **options: Any) -> None:
        try:
            function(*arguments, **options)
        except KeyboardInterrupt:
            print("\ninterrupted; the same command goes on where this one stopped", file=sys.stderr)
            raise typer.Exit(130) from None
        except ModuleNotFoundError as error:
            if error.name not in training_modules():
                raise
            raise missing_packages([training_modules()[error.name]]) from None

    app.command(cls=Command, help=reflow(function.__doc__ or ""))(interruptible)
    guarded(app)


def parse_seeds(text: str) -> list[int]:
    """Read ``0,1,2``.

    >>> parse_seeds("0,2")
    [0, 2]
    """
    try:
        seeds = [int(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(f"--seeds takes whole numbers separated by commas, got '{text}'") from None
    if len(set(seeds)) != len(seeds) or min(seeds) < 0 or max(seeds) >= 2**31:
        raise UsageError(f"--seeds takes different numbers from 0 to 2147483647, got '{text}'")
    return seeds


def _shown_arguments() -> list[str]:
    """The command as typed, with the script's place relative to the repository and no folders of this machine."""
    script = Path(sys.argv[0])
    shown = [str(Path(*script.parts[-3:]))]
    skip = False
    for argument in sys.argv[1:]:
        if skip:
            skip = False
        elif argument in {"--out", "--data-dir", "--edges"}:
            skip = True
        elif not argument.startswith(("--out=", "--data-dir=", "--edges=")):
            shown.append(argument)
    return shown


def _help(method: Method) -> str:
    return (
        f"Train [bold]{method.name}[/] on a track's source centre and predict its test splits.\n\n"
        f"{method.title}. {method.authors.rstrip('.')}. {method.venue}.\n\n"
        "Writes OUT/predictions.json (what [bold]dgmld-bench score[/] reads and a pull request adds), OUT/run.json "
        "(how it was made) and OUT/seed-N/ (checkpoint, log, curve). An interrupted run goes on with the same command. "
        "The phantom is generated when it is missing; for other tracks see [bold]dgmld-bench datasets[/]."
    )
