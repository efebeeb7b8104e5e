"""``dgmld-bench score``: predictions against the reference of a split."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dgmld_bench.cli.app import DataDir, JsonPath, emit_json

if TYPE_CHECKING:
    from rich.table import Table

    from dgmld_bench.scoring import Score


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(score)


def score(
    file: Annotated[Path, typer.Argument(help="Predictions JSON, or a bare file of one split.", show_default=False)],
    split: Annotated[str, typer.Option(help="The split to score on, for example feta.", show_default=False)],
    space: Annotated[
        str | None,
        typer.Option(
            help="Space of a bare file: ras_mm, lps_mm, voxel or px. Default: the track's.", show_default=False
        ),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="SDR counts errors < t instead of <= t.")] = False,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Count missing predictions as misses instead of refusing them.")
    ] = False,
    json: JsonPath = None,
    csv: Annotated[
        Path | None, typer.Option(help="Write every radial error to a CSV file.", show_default=False)
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Score predictions against the reference of a split.

    Prints MRE per landmark, their Average, SDR and (3D) the errors of the biometrics; mean ± standard deviation over
    seeds, and a 95 % interval by resampling cases and seeds. Exit code 1 when predictions are incomplete or at fault.

        dgmld-bench score preds.json --split feta --json result.json
    """
    from dgmld_bench.scoring import score as score_predictions

    result = score_predictions(file, split, data_dir=data_dir, space=space, strict=strict, allow_missing=allow_missing)
    if csv is not None:
        from dgmld_bench.files import write_text

        write_text(csv, result.table().to_csv(index=False, lineterminator="\n"))
    emit_json(result.to_dict(), json)
    if str(json) != "-":
        _print(result)


def _print(result: Score) -> None:
    from rich.console import Console

    console = Console(soft_wrap=True)
    split = result.reference.split
    domain = "out of domain" if split.out_of_domain else "in domain"
    seeds = ", ".join(map(str, result.seeds))
    console.print(
        f"[bold]{_plain(result.predictions.method)}[/] · {_plain(result.predictions.backbone)} · split "
        f"[bold]{_plain(split.name)}[/] ({_plain(split.centre)}, {split.role}, {domain}) · "
        f"{len(result.reference.ids)} cases · seeds {seeds}"
    )
    console.print(_table(result))
    for note in result.notes:
        console.print(f"[yellow]note:[/] {note}")


def _table(result: Score) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2))
    table.add_column("")
    table.add_column("mean", justify="right")
    if len(result.seeds) > 1:
        table.add_column("± std over seeds", justify="right")
    table.add_column("95 % interval", justify="right")
    values = result.to_dict()

    def row(name: str, value: dict[str, float | None], digits: int, interval: str = "", style: str = "") -> None:
        cells = [_digits(value["mean"], digits)]
        if len(result.seeds) > 1:
            cells.append("± " + _digits(value["std"], digits))
        table.add_row(name, *cells, interval, style=style)

    def heading(text: str) -> None:
        table.add_row(f"[dim]{text}[/]")

    heading("radial error [mm]")
    titles = result.reference.landmark_set.titles
    for title, value in zip(titles, values["mre_mm_per_landmark"].values(), strict=True):
        row(title, value, 3)
    limits = values["mre_mm"]["ci95"]
    row("Average", values["mre_mm"], 3, "" if limits is None else f"{limits[0]:.3f} – {limits[1]:.3f}", "bold")
    table.add_section()
    heading(f"SDR [%], errors {'<' if result.strict else '≤'} t")
    for threshold, value in values["sdr_percent"].items():
        row(f"t = {float(threshold):g} mm", value, 2)
    if values["biometric_error_mm"]:
        table.add_section()
        heading("biometric length error [mm]")
        for name, value in values["biometric_error_mm"].items():
            row(name, value, 3)
    return table


def _digits(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)
