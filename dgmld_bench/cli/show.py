"""``dgmld-bench show``: look at a case."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from dgmld_bench.cli.options import DataDir
from dgmld_bench.terminal import echo


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(show)


def show(
    split: Annotated[str, typer.Option(help="The split that holds it, for example isbi.", show_default=False)],
    case: Annotated[str | None, typer.Argument(help="The case's id, for example 151.", show_default=False)] = None,
    predictions: Annotated[
        Path | None,
        typer.Option(
            help="Predictions JSON, or a bare file of the split, to draw too.", show_default=False, readable=False
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Which run of the predictions. Default: the first.", show_default=False)
    ] = None,
    worst: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=100,
            help="Draw the N cases that the predictions get most wrong, on one sheet.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The PNG to write. Default: show-SPLIT-CASE.png here.", show_default=False)
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Draw a case with its reference landmarks (green) and, if given, predicted ones (red), as a PNG.

    3D: sagittal, coronal and axial slices through the middle of each biometric. 2D: the film and the error of each
    landmark. Every point has its name, and a white line to its reference. Millimetres are as long across as up.

        dgmld-bench show 151 --split isbi --predictions preds.json

        dgmld-bench show --split isbi --predictions preds.json --worst 12
    """
    from dgmld_bench.drawing import save_figure
    from dgmld_bench.errors import DataError, UsageError
    from dgmld_bench.scoring.one_case import find_case, predicted_points
    from dgmld_bench.splits import load_split

    if worst is not None:
        if case is not None or predictions is None:
            raise UsageError("--worst draws the worst cases of --predictions: give a predictions file, and no case")
        _show_worst(predictions, split, worst, seed, out, data_dir)
        return
    if case is None:
        raise UsageError("name a case, or how many of the worst (--worst N, with --predictions)")
    cases = load_split(split, references=True, data_dir=data_dir)
    found = find_case(cases, case)
    predicted = None if predictions is None else predicted_points(predictions, cases, found, seed)
    if predicted is None and not found.annotations:
        raise DataError(f"case '{case}' of split '{split}' has no landmarks and no predictions were given")
    path = out or _picture(f"show-{split}-{case}")
    save_figure(found.plot(predicted), path)
    echo(f"wrote {path}")


def _show_worst(
    predictions: Path, split: str, n: int, seed: int | None, out: Path | None, data_dir: Path | None
) -> None:
    """Write the contact sheet of the worst cases, and say which they are."""
    from dgmld_bench.contact_sheet import draw_sheet, find_worst
    from dgmld_bench.drawing import save_figure
    from dgmld_bench.scoring.predictions import no_run
    from dgmld_bench.scoring.score import score

    result = score(predictions, split, data_dir=data_dir, allow_missing=True)
    if seed is not None and seed not in result.seeds:
        raise no_run(predictions, seed, result.seeds)
    found = find_worst(result, n, seed)
    path = out or _picture(f"worst-{split}-{result.predictions.method}")
    save_figure(draw_sheet(result, found), path)
    titles = result.reference.landmark_set.titles
    for one in found:
        echo(
            f"{one.case}: seed {result.seeds[one.run]}, mean {one.mean_mm:.3f} mm, "
            f"{titles[one.landmark]} {one.greatest_mm:.3f} mm"
        )
    echo(f"wrote {path}")


def _picture(name: str) -> Path:
    return Path(re.sub(r"[^A-Za-z0-9._-]+", "-", name) + ".png")
