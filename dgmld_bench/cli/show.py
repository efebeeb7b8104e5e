"""``dgmld-bench show``: look at a case."""

from __future__ import annotations

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
    import re

    from dgmld_bench import drawing
    from dgmld_bench.errors import DataError, UsageError
    from dgmld_bench.scoring.predictions import read_predictions
    from dgmld_bench.scoring.score import check_landmark_set, world_landmarks
    from dgmld_bench.splits import load_split

    if worst is not None:
        if case is not None or predictions is None:
            raise UsageError("--worst draws the worst cases of --predictions: give a predictions file, and no case")
        _show_worst(predictions, split, worst, seed, out, data_dir)
        return
    if case is None:
        raise UsageError("name a case, or how many of the worst (--worst N, with --predictions)")
    cases = load_split(split, references=True, data_dir=data_dir)
    if case not in cases.ids:
        ids = cases.ids
        shown = ", ".join(ids[:8]) + (f", … {ids[-1]} ({len(ids)} cases)" if len(ids) > 8 else "")
        raise UsageError(f"split '{split}' has no case '{case}' on disk. Cases: {shown}")
    the_case = cases.by_id(case)
    predicted = None
    if predictions is not None:
        loaded = read_predictions(predictions, cases.split, cases.landmark_set)
        loaded, _ = loaded.with_ids(split, cases.ids)
        check_landmark_set(loaded, split, cases.landmark_set)
        runs = [run for run in loaded.runs if seed in (None, run.seed)]
        if not runs:
            held = ", ".join(map(str, loaded.seeds)) or "none"
            raise UsageError(f"{predictions} has no run{'' if seed is None else f' with seed {seed}'}; seeds: {held}")
        chosen = runs[0].seed
        if case not in runs[0].predictions.get(split, {}):
            raise DataError(f"{predictions} predicts nothing for case '{case}' of split '{split}' (seed {chosen})")
        predicted = world_landmarks(loaded, {case: the_case}, chosen, split)[0]
    if predicted is None and not the_case.annotations:
        raise DataError(f"case '{case}' of split '{split}' has no landmarks and no predictions were given")
    figure = the_case.plot(predicted)
    path = out or Path(re.sub(r"[^A-Za-z0-9._-]+", "-", f"show-{split}-{case}") + ".png")
    drawing.save_figure(figure, path)
    echo(f"wrote {path}")


def _show_worst(
    predictions: Path, split: str, n: int, seed: int | None, out: Path | None, data_dir: Path | None
) -> None:
    """Write the contact sheet of the worst cases, and say which they are."""
    import re

    from dgmld_bench.contact_sheet import draw_sheet, find_worst
    from dgmld_bench.drawing import save_figure
    from dgmld_bench.errors import UsageError
    from dgmld_bench.scoring.score import score

    result = score(predictions, split, data_dir=data_dir, allow_missing=True)
    if seed is not None and seed not in result.seeds:
        raise UsageError(f"{predictions} has no run with seed {seed}; seeds: {', '.join(map(str, result.seeds))}")
    found = find_worst(result, n, seed)
    path = out or Path(re.sub(r"[^A-Za-z0-9._-]+", "-", f"worst-{split}-{result.predictions.method}") + ".png")
    save_figure(draw_sheet(result, found), path)
    titles = result.reference.landmark_set.titles
    for one in found:
        echo(
            f"{one.case}: seed {result.seeds[one.run]}, mean {one.mean_mm:.3f} mm, "
            f"{titles[one.landmark]} {one.greatest_mm:.3f} mm"
        )
    echo(f"wrote {path}")
