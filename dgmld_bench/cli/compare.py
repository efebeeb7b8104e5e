"""``dgmld-bench compare``: which of two methods is better, and is that sure?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dgmld_bench.cli.app import DataDir, JsonPath, emit_json

if TYPE_CHECKING:
    from dgmld_bench.comparison import Comparison, MethodErrors


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(compare)


def compare(
    a: Annotated[Path, typer.Argument(help="Predictions JSON of the first method.", show_default=False)],
    b: Annotated[Path, typer.Argument(help="Predictions JSON of the second method.", show_default=False)],
    split: Annotated[str, typer.Option(help="The split to compare on, for example feta.", show_default=False)],
    plot: Annotated[Path | None, typer.Option(help="Draw the paired errors into this PNG.", show_default=False)] = None,
    json: JsonPath = None,
    data_dir: DataDir = None,
) -> None:
    """Compare two methods case by case on one split.

    Prints the mean difference with its 95 % interval (bootstrap by case), a two-sided Wilcoxon signed-rank test on
    per-case means, the rank-biserial effect size, and the same per landmark with Holm's correction.

        dgmld-bench compare bapdg.json baseline.json --split feta --plot paired.png
    """
    from dgmld_bench.comparison import compare as compare_methods
    from dgmld_bench.comparison import draw_comparison

    result = compare_methods(_errors(a, split, data_dir), _errors(b, split, data_dir))
    emit_json(result.to_dict(), json)
    if plot is not None:
        from dgmld_bench.drawing import save_figure

        save_figure(draw_comparison(result), plot)
    if str(json) != "-":
        _print(result, split)
        if plot is not None:
            typer.echo(f"wrote {plot}")


def _errors(path: Path, split: str, data_dir: Path | None) -> MethodErrors:
    from dgmld_bench.comparison import MethodErrors
    from dgmld_bench.scoring import score

    result = score(path, split, data_dir=data_dir)
    name = f"{result.predictions.method} {result.predictions.backbone} ({path.stem})"
    return MethodErrors(name, result.reference.ids, result.reference.landmark_set.names, result.errors_mm)


def _print(result: Comparison, split: str) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    values = result.to_dict()
    console = Console(soft_wrap=True)
    for label in ("a", "b"):
        console.print(f"{label.upper()}: [bold]{escape(values[label]['name'])}[/], {values[label]['mre_mm']:.3f} mm")
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2))
    table.add_column(escape(split))
    for heading in ("A − B [mm]", "95 % interval", "p", "effect size"):
        table.add_column(heading, justify="right")
    for name, d in {**result.per_landmark, "all landmarks": result.overall}.items():
        table.add_row(
            name,
            f"{d.difference_mm:+.3f}",
            f"{d.ci95_mm[0]:+.3f} – {d.ci95_mm[1]:+.3f}",
            f"{d.p:.2g}",
            f"{d.effect_size:+.2f}",
            style="bold" if d is result.overall else "",
        )
    console.print(table)
    low, high = result.overall.ci95_mm
    better = result.a if high < 0 else result.b if low > 0 else None
    verdict = f"[bold]{escape(better.name)}[/] is better" if better else "these data do not tell the two methods apart"
    console.print(f"{result.overall.n_cases} cases: {verdict} (interval of the mean difference). p per landmark: Holm.")
