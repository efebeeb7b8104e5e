"""``dgmld-bench compare``: which of two methods is better, and is that sure?"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dgmld_bench.cli.options import DataDir, JsonPath, emit_json, refuse_overwriting
from dgmld_bench.cli.score import print_doubts
from dgmld_bench.terminal import echo, make_console, print_whole

if TYPE_CHECKING:
    from rich.console import Console

    from dgmld_bench.scoring.comparison import Comparison
    from dgmld_bench.scoring.errors_table import ErrorsTable
    from dgmld_bench.scoring.groups import DifferenceByGroup
    from dgmld_bench.scoring.statistics import PairedDifference
    from dgmld_bench.splits import Split


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(compare)


def compare(
    a: Annotated[
        str, typer.Argument(help="The first method: a predictions JSON, or its name on the board.", show_default=False)
    ],
    b: Annotated[str, typer.Argument(help="The second method.", show_default=False)],
    split: Annotated[str, typer.Option(help="The split to compare on, for example feta.", show_default=False)],
    by: Annotated[
        str | None,
        typer.Option(
            help="The difference by centre, device, age or pathology too, and whether it depends on the group.",
            show_default=False,
        ),
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the paired errors into this PNG.", show_default=False)] = None,
    root: Annotated[Path, typer.Option("--root", help="The repository, for names on the board.")] = Path(),
    json: JsonPath = None,
    data_dir: DataDir = None,
) -> None:
    """Compare two methods case by case on one split.

    Prints the difference of their Averages with a 95 % interval over cases and
    trainings, its p, an effect size, and the same per landmark. Both files must
    predict every case. Names on the board (bapdg-unet) need no reference data: its
    verified errors are compared, and all its methods say how much trainings differ.
    Which part of the errors the difference is (offset, spread or misses) is said where
    both are known.

    Examples:

        dgmld-bench compare bapdg.json baseline.json --split feta --plot paired.png

        dgmld-bench compare bapdg-unet baseline-unet --split open-sb
    """
    from dgmld_bench.errors import DataError
    from dgmld_bench.leaderboard.contestants import is_row
    from dgmld_bench.scoring.comparison import compare as compare_methods
    from dgmld_bench.scoring.comparison import draw_comparison
    from dgmld_bench.splits import find_split

    refuse_overwriting([Path(a), Path(b)], json, plot)
    if gone := [m for m in dict.fromkeys((a, b)) if not is_row(m) and not Path(m).exists()]:
        raise DataError(f"no such file: {', '.join(gone)}")
    first, second = (_errors(m, split, data_dir, root) for m in (a, b))
    if first.name == second.name and a != b:
        first, second = (replace(m, name=f"{m.name} ({given})") for m, given in ((first, a), (second, b)))
    spread = None
    if all(map(is_row, (a, b))):
        from dgmld_bench.leaderboard.records import board_spread

        spread = board_spread(root, split)
    result = compare_methods(first, second, spread)
    grouped = None if by is None else _by(result, by, split, data_dir)
    emit_json({**result.to_dict(), **({} if grouped is None else {"by": grouped.to_dict()})}, json)
    if plot is not None:
        from dgmld_bench.drawing import save_figure

        save_figure(draw_comparison(result), plot)
    if str(json) != "-":
        _print(result, find_split(split, data_dir))
        if grouped is not None:
            from dgmld_bench.cli.grouped import print_difference_by_group

            print_difference_by_group(make_console(), grouped)
        if plot is not None:
            echo(f"wrote {plot}")


def _by(result: Comparison, by: str, split: str, data_dir: Path | None) -> DifferenceByGroup:
    """Return the difference by group; what a case belongs to is known where the split is on disk."""
    from dgmld_bench.scoring.groups import difference_by_group, group_cases
    from dgmld_bench.splits import load_split

    cases = load_split(split, data_dir=data_dir)
    there = set(result.a.cases)
    grouping = group_cases((case for case in cases if case.id in there), by, cases.split)
    return difference_by_group(result.a, result.b, grouping)


def _errors(method: str, split: str, data_dir: Path | None, root: Path) -> ErrorsTable:
    """Return a method's errors; doubts about its file are printed."""
    from dgmld_bench.leaderboard.contestants import find_contestant

    found = find_contestant(method, split, root, data_dir)
    print_doubts(make_console(stderr=True), found.doubts, f"{Path(method)}: doubt")
    return found.errors


def _print(result: Comparison, split: Split) -> None:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    from dgmld_bench.scoring.notes import split_notes

    values = result.to_dict()
    console = make_console()
    methods = Table.grid(padding=(0, 2))
    for label, method in (("a", result.a), ("b", result.b)):
        seeds = f"{len(method.errors_mm)} seed" + ("s" if len(method.errors_mm) > 1 else "")
        mre = f"Average {values[label]['mre_mm']:.3f} mm"
        methods.add_row(label.upper(), f"[bold]{escape(method.name)}[/]", mre, f"[dim]{seeds}[/]")
    print_whole(console, methods)
    table = Table(box=box.SIMPLE, show_edge=False, show_footer=True, pad_edge=False, header_style="bold")
    total = result.overall
    for heading, cell in zip(
        (escape(split.name), "A − B, mm", "95 % interval", "p (Holm)", "effect size"),
        ("Average", *_cells(total)),
        strict=True,
    ):
        table.add_column(
            heading, footer=f"[bold]{cell}[/]", justify="left" if heading == escape(split.name) else "right"
        )
    for name, difference in result.per_landmark.items():
        table.add_row(name, *_cells(difference))
    console.print()
    print_whole(console, table)
    console.print()
    console.print(_verdict(result))
    _print_parts(console, result)
    console.print(
        f"[dim]{total.n_cases} of {split.n_cases} cases. Interval and p: over cases and trainings; p of the landmarks "
        "corrected for their number. Effect size: rank-biserial, −1 where A is better in every case.[/]"
    )
    for note in split_notes(split):
        console.print(f"[yellow]note:[/] {note}")


def _print_parts(console: Console, result: Comparison) -> None:
    """Print which part of the errors the difference is; nothing where that is not known."""
    if result.parts is None:
        return
    from dgmld_bench.text import signed

    values = result.parts.to_dict()
    rest, difference = values["mre_without_offset_mm"], values["squared_error_mm2"]["difference"]
    named = ", ".join(
        f"[bold]{part} {signed(mm2, 2)}[/]" if part == values["most"] else f"{part} {signed(mm2, 2)}"
        for part, mm2 in difference.items()
    )
    console.print(f"Squared error, A − B in mm²: {named}; mostly {values['most']}.", soft_wrap=True)
    text = f"Without the offset of the other cases: A {rest['a']:.3f} mm, B {rest['b']:.3f} mm"
    if result.parts.rest is not None:
        _, interval, p, _ = _cells(result.parts.rest)
        text += f", A − B {signed(rest['difference'], 3)} ({interval}, p {p if p.startswith('<') else f'= {p}'})"
    console.print(f"{text}.", soft_wrap=True)


def _cells(difference: PairedDifference) -> tuple[str, str, str, str]:
    from dgmld_bench.text import p_value, signed

    limits = difference.ci95_mm
    interval = "–" if limits is None else f"{signed(limits[0], 3)} … {signed(limits[1], 3)}"
    return signed(difference.difference_mm, 3), interval, p_value(difference.p, 4), signed(difference.effect_size, 2)


def _verdict(result: Comparison) -> str:
    from rich.markup import escape

    better = result.better
    if better is None:
        if result.is_of_equals:
            return "[yellow]A and B have the same error at every point: these are the same predictions.[/]"
        if min(result.overall.n_trainings) == 1:
            return (
                "[yellow]One training says nothing of the next, so neither is surely better:[/] "
                "interval and p are of these trainings alone."
            )
        return "[yellow]These cases and trainings do not tell the two methods apart.[/]"
    label = "A" if better is result.a else "B"
    return f"[green]{label} is better:[/] [bold]{escape(better.name)}[/] ({abs(result.overall.difference_mm):.3f} mm)."
