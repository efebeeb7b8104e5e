"""``dgmld-bench score``: predictions against the reference of a split."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dgmld_bench.cli.options import DataDir, JsonPath, emit_json, file_argument, refuse_overwriting
from dgmld_bench.errors import UsageError
from dgmld_bench.terminal import make_console, print_whole, width_of

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

    from dgmld_bench.scoring.groups import ByGroup
    from dgmld_bench.scoring.readings import Doubt
    from dgmld_bench.scoring.score import MeanStd, Score


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(score)


def score(
    file: Annotated[
        Path, file_argument("Predictions JSON, a bare file of one split (JSON, CSV, TSV), or nnLandmark's folder.")
    ],
    split: Annotated[
        str | None,
        typer.Option(
            help="The split to score on, for example feta. Without it, the splits that FILE predicts are named.",
            show_default=False,
        ),
    ] = None,
    space: Annotated[
        str | None,
        typer.Option(
            help="Space of a bare file: ras_mm, lps_mm, voxel or px. Default: the track's.", show_default=False
        ),
    ] = None,
    read_as: Annotated[
        str | None,
        typer.Option(
            help="Read the numbers otherwise than the file says: lps_mm, voxel, zyx or yx, 2.5x2.5 (the pixels of a "
            "reduced film), TCD1=TCD2,TCD2=TCD1 (as written = as meant), or several, separated by commas.",
            show_default=False,
        ),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="SDR counts errors < t instead of <= t.")] = False,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Count missing predictions as misses instead of refusing them.")
    ] = False,
    without_leaked: Annotated[
        bool,
        typer.Option("--without-leaked", help="isbi: leave out the 20 test films that are training films too."),
    ] = False,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain",
            help="Take the errors apart: offset, spread and misses, people beside them, what the seeds know of them.",
        ),
    ] = False,
    by: Annotated[
        str | None,
        typer.Option(help="Errors by group of cases too: centre, device, age or pathology.", show_default=False),
    ] = None,
    json: JsonPath = None,
    csv: Annotated[
        Path | None, typer.Option(help="Write every radial error to a CSV file.", show_default=False)
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Score predictions against the reference of a split.

    Prints the radial error of each landmark and their Average, SDR, and in 3D
    the errors of the three lengths: mean ± standard deviation over seeds, and a
    95 % interval over cases and trainings; of one run, of this training.

    Examples:

        dgmld-bench score preds.json --split feta --json result.json

        dgmld-bench score points.json --split lfc --space lps_mm

        dgmld-bench score preds.json --split isbi --explain

        dgmld-bench score preds.json --split phantom-feta --by pathology

    A doubt is printed where another reading of the numbers fits the reference far better: another space or order of
    coordinates, exchanged landmarks, pixels of a reduced film. --read-as applies it; nothing else does.
    """
    from dgmld_bench.cli.explained import print_explanation, print_short
    from dgmld_bench.scoring.explanation import Explanation
    from dgmld_bench.scoring.score import score as score_predictions

    if str(csv) == "-":
        raise UsageError("--csv takes the name of a file; --json - writes to standard output")
    refuse_overwriting([file], json, csv)
    if split is None:
        raise _no_split(file)
    result = score_predictions(
        file,
        split,
        data_dir=data_dir,
        space=space,
        read_as=read_as,
        strict=strict,
        allow_missing=allow_missing,
        without_leaked=without_leaked,
    )
    if csv is not None:
        from dgmld_bench.files import write_text

        write_text(csv, result.to_frame().to_csv(index=False, lineterminator="\n"))
    grouped = None if by is None else _by(result, by)
    explanation = Explanation(result, data_dir)
    if explain or json is not None:
        values = explanation.to_dict()
        if json is not None:
            emit_json(result.to_dict() | values, json)
    if str(json) == "-":
        return
    console = make_console()
    _print(result, console)
    if explain:
        landmark_set = result.reference.landmark_set
        print_explanation(console, values, dict(zip(landmark_set.names, landmark_set.titles, strict=True)))
    else:
        print_short(console, explanation)
    if grouped is not None:
        from dgmld_bench.cli.grouped import print_groups

        print_groups(console, grouped)


def _no_split(file: Path) -> UsageError:
    """Return the error that a split is to be named, with those that a file predicts; of one split, any may be meant."""
    from dgmld_bench.errors import DataError
    from dgmld_bench.scoring.predictions import Predictions

    try:
        held = ", ".join(Predictions.load(file).splits) or "none"
        return UsageError(f"name the split with --split; {file} predicts: {held}")
    except DataError:
        return UsageError("name the split with --split")


def _by(result: Score, by: str) -> ByGroup:
    from dgmld_bench.scoring.groups import by_group, group_cases

    reference = result.reference
    return by_group(result.errors, group_cases(reference.cases.values(), by, reference.split))


def _print(result: Score, console: Console) -> None:
    from rich.markup import escape

    split, n_cases = result.reference.split, len(result.reference.ids)
    cases = f"{n_cases}" if n_cases == split.n_cases else f"{n_cases} of {split.n_cases}"
    console.print(f"[bold]{escape(result.predictions.method)}[/] · {escape(result.predictions.backbone)}")
    console.print(
        f"[bold]{escape(split.name)}[/]: {escape(split.centre)}, {split.role}, "
        f"{split.domain}, {split.reference} reference, {cases} cases, "
        f"seed{'s' if len(result.seeds) > 1 else ''} {', '.join(map(str, result.seeds))}\n"
    )
    for bars, side_by_side in ((True, True), (False, True), (False, False)):
        layout = _layout(result, bars=bars, side_by_side=side_by_side)
        if width_of(console, layout) <= console.width:
            break
    print_whole(console, layout)
    if result.notes:
        console.print()
    for note in result.notes:
        said = f":[/] {escape(note.said)}" if note.said else "[/]"
        console.print(f"[yellow]{escape(note.about)}{said}")
    print_doubts(console, result.doubts)


def print_doubts(console: Console, doubts: Iterable[Doubt], name: str = "doubt") -> None:
    """Print which other readings of the predictions fit far better; nothing where none does."""
    from rich.markup import escape

    for doubt in doubts:
        console.print(f"[bold red]{escape(name)}:[/] {escape(str(doubt))}")


def _layout(result: Score, *, bars: bool, side_by_side: bool) -> Table:
    from rich.console import Group
    from rich.table import Table

    values = result.to_dict()
    n_cases = len(result.reference.ids)
    present = values["reference_points"]["present_per_landmark"].values()
    titles = [
        title if n == n_cases else f"{title} [dim]({n} of {n_cases})[/]"
        for title, n in zip(result.reference.landmark_set.titles, present, strict=True)
    ]
    errors = _block("Radial error, mm", zip(titles, values["mre_mm_per_landmark"].values(), strict=True), 3, bars=bars)
    errors.add_section()
    errors.add_row("[bold]Average[/]", f"[bold]{_cell(values['mre_mm'], 3)}[/]")
    if values["mre_mm"]["ci95"]:
        of = "" if len(result.seeds) > 1 else ", this training"
        errors.add_row(f"95 % interval{of}", "{:.3f} … {:.3f}".format(*values["mre_mm"]["ci95"]))
    if unseen := values["without_leaked"]:
        errors.add_row(f"Average of {unseen['cases']} unseen", _cell(unseen["mre_mm"], 3))
    rates = [(f"t = {float(t):g} mm", value) for t, value in values["sdr_percent"].items()]
    beside: list[RenderableType] = [_block(f"SDR, % of errors {'<' if result.strict else '≤'} t", rates, 2)]
    if values["biometric_error_mm"]:
        beside += ["", _block("Length error, mm", values["biometric_error_mm"].items(), 3)]
    layout = Table.grid(padding=(0, 4))
    if side_by_side:
        layout.add_row(errors, Group(*beside))
    else:
        layout.add_row(Group(errors, "", *beside))
    return layout


def _block(title: str, rows: Iterable[tuple[str, MeanStd]], digits: int, *, bars: bool = False) -> Table:
    """Return a titled table of values; with bars, each is drawn in proportion to the greatest."""
    from rich import box
    from rich.bar import Bar
    from rich.table import Table

    rows = list(rows)
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE, show_edge=False)
    table.show_header = table.pad_edge = False
    table.min_width = len(title)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    if bars:
        table.add_column(width=12)
    top = max((value["mean"] or 0.0 for _, value in rows), default=0.0) or 1.0
    for name, value in rows:
        bar = [Bar(top, 0, value["mean"] or 0.0, color="cyan")] if bars else []
        table.add_row(name, _cell(value, digits), *bar)
    return table


def _cell(value: MeanStd, digits: int) -> str:
    from dgmld_bench.text import mean_std

    return mean_std(value["mean"], value["std"], digits)
