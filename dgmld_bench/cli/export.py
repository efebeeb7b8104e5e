"""``dgmld-bench export``: a split in the layout of another tool."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dgmld_bench.cli.options import DataDir, JsonPath, emit_json, refuse_overwriting


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(export)


def export(
    splits: Annotated[
        list[str],
        typer.Argument(help="One split, or several of one landmark set.", show_default=False),
    ],
    format: Annotated[str, typer.Option("--format", help="hf, parquet, nnlandmark or slicer.", show_default=False)],
    out: Annotated[
        Path,
        typer.Option(
            help="The folder to write: new or empty. parquet also takes a file name that ends in .parquet.",
            show_default=False,
        ),
    ],
    references: Annotated[
        bool,
        typer.Option("--references", help="Export landmarks and masks of test splits too; else they are withheld."),
    ] = False,
    predictions: Annotated[
        Path | None, typer.Option(help="Predictions JSON, for parquet and slicer.", show_default=False)
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Which run of the predictions. Default: all.", show_default=False)
    ] = None,
    data_dir: DataDir = None,
    json: JsonPath = None,
) -> None:
    """Write a split in the layout of another tool, with its licence.

    \b
    hf          a Hugging Face datasets.Dataset, for load_from_disk
    parquet     a table of landmarks, of the reference and of predictions
    nnlandmark  raw data for nnLandmark, a fork of nnU-Net; volumes only
    slicer      a 3D Slicer scene per case: image, reference, predictions

    Images are written losslessly, with the geometry that scoring uses.
    The output takes its place when it is complete; an error leaves nothing behind.

    \b
    Examples:
      dgmld-bench export open-train --format hf --out open-train-hf
      dgmld-bench export atlas lfc-val lfc --references --format nnlandmark --out Dataset737_DGMLD
      dgmld-bench export feta --format slicer --predictions preds.json --out scenes
      dgmld-bench export isbi --format parquet --references --out isbi.parquet
    """
    from rich.markup import escape

    from dgmld_bench.export import export as write_export
    from dgmld_bench.export.note import provenance
    from dgmld_bench.terminal import make_console, progress_bars

    refuse_overwriting([predictions], json, out)
    console = make_console(stderr=json is not None and str(json) == "-")
    with progress_bars(console) as report:
        job = write_export(
            splits,
            format,
            out,
            references=references,
            predictions=predictions,
            seed=seed,
            data_dir=data_dir,
            progress=report,
        )
    described = provenance(job)
    emit_json({"out": str(out), "format": format, "splits": described, "notes": job.notes}, json)
    for entry in described:
        console.print(
            f"[bold]{escape(entry['split'])}[/]: {entry['cases']} cases, reference landmarks: {entry['reference']}"
        )
        if entry["reference"] == "withheld":
            console.print("  landmarks and masks of a test split are withheld; --references exports them")
    for note in job.notes:
        console.print(f"[yellow]{escape(note)}[/]")
    for licence in dict.fromkeys(entry["licence"] for entry in described):
        console.print(f"Licence, which goes along with every copy: {escape(licence)}")
    console.print(f"wrote {escape(str(out))}", soft_wrap=True)
