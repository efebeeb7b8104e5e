"""Commands about data: ``import`` and ``datasets``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dgmld_bench.cli.options import DataDir, JsonPath, emit_json
from dgmld_bench.sources import source_names
from dgmld_bench.terminal import make_console, print_whole, progress_bars

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from dgmld_bench.obtaining.possible import Possible
    from dgmld_bench.scoring.agreement import Agreement
    from dgmld_bench.storage.register import Register


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("datasets")(datasets)
    app.command("import")(import_)


def datasets(data_dir: DataDir = None, json: JsonPath = None) -> None:
    """Show each source: its splits, what of them is on disk, its licence, how to get it, and what is possible now."""
    from dgmld_bench.obtaining.inventory import describe_sources
    from dgmld_bench.obtaining.possible import possible_of_track
    from dgmld_bench.splits import TRACKS
    from dgmld_bench.storage import folders

    found = [p for track in TRACKS.values() if (p := possible_of_track(track, data_dir)).scored or p.training]
    value = {
        "data_dir": str(folders.data_dir(data_dir)),
        "sources": describe_sources(data_dir),
        "possible": [p.to_dict() for p in found],
    }
    emit_json(value, json)
    if json is None or str(json) != "-":
        _show_sources(value)
        _show_possible(make_console(), found)


def import_(
    source: Annotated[str, typer.Argument(help=f"{', '.join(source_names())} or own.", show_default=False)],
    path: Annotated[
        Path,
        typer.Argument(
            help="The folder that holds the data, at any depth, or an archive.",
            show_default=False,
            readable=False,
        ),
    ],
    copy: Annotated[bool, typer.Option("--copy", help="Copy the files; otherwise they stay where they are.")] = False,
    spacing_mm: Annotated[
        float | None,
        typer.Option("--spacing-mm", help="Films: the edge of one pixel in millimetres.", show_default=False),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="own: what to call your centre; the split is own/NAME.", show_default=False)
    ] = None,
    landmarks: Annotated[
        str | None,
        typer.Option(help="own: cerebellum (3D) or cephalometric (2D).", show_default=False),
    ] = None,
    space: Annotated[
        str | None,
        typer.Option(help="own: RAS or LPS, for a landmarks.csv of volumes without column space.", show_default=False),
    ] = None,
    data_dir: DataDir = None,
    json: JsonPath = None,
) -> None:
    """Verify a folder that you have and register its cases.

    The source's files are found wherever they lie below PATH, also in
    archives (zip, tar, rar), which are unpacked into the data folder;
    of pku and own, PATH itself may be an archive.
    Every case that is incomplete, changed or unknown is named.
    Complete cases are registered in the data folder.

    \b
    Examples:
      dgmld-bench import dgmld   ~/LFC_release
      dgmld-bench import atlases ~/data/fetal_brain_atlases
      dgmld-bench import isbi    ~/ISBI2015 --copy
      dgmld-bench import pku     ~/PKU --spacing-mm S   # millimetres per pixel, which the release does not state
      dgmld-bench import hamedan ~/hamedan_university_dataset
      dgmld-bench import own     ~/clinic --name clinic --landmarks cerebellum

    A centre of your own: images in PATH/images, points in PATH/landmarks.csv
    (case,landmark,x,y[,z][,annotator]) or in .mrk.json files of 3D Slicer.

    Exit code: 0 when a split became usable, 1 when none did, 2 for a wrong call.
    """
    from dataclasses import asdict

    from dgmld_bench.obtaining.importing import NothingUsableError, import_source
    from dgmld_bench.obtaining.inventory import describe_splits
    from dgmld_bench.obtaining.possible import possible_of_source

    source = _source_name(source, name)
    console = make_console(stderr=json is not None and str(json) == "-")
    try:
        with progress_bars(console) as report:
            found = import_source(
                source,
                path,
                copy=copy,
                data_dir=data_dir,
                progress=report,
                spacing_mm=spacing_mm,
                landmarks=landmarks,
                space=space,
            )
    except NothingUsableError as error:
        emit_json({"source": source, "splits": [], "problems": [asdict(p) for p in error.problems]}, json)
        raise
    agreement = _agreement(source, data_dir) if name else None
    splits = describe_splits(source, found, data_dir)
    possible = possible_of_source(tuple(s["name"] for s in splits), data_dir)
    value = {
        "source": source,
        "folder": str(found.folder),
        "copied": copy,
        "splits": splits,
        "problems": [asdict(p) for p in found.problems],
        "possible": [p.to_dict() for p in possible],
    }
    emit_json(value | ({"agreement": agreement and agreement.to_dict()} if name else {}), json)
    _show_import(console, found, splits)
    _show_possible(console, possible)
    if agreement:
        _show_agreement(console, agreement)
    if name:
        from shlex import quote

        from rich.markup import escape

        _say(console, escape(f"Next: dgmld-bench show {quote(found.cases[0].id)} --split {source}"), 0)


def _source_name(source: str, name: str | None) -> str:
    """Return the source's full name: ``own`` has one per centre."""
    from dgmld_bench.errors import UsageError
    from dgmld_bench.sources import get_source

    if source == "own" and name is None:
        raise UsageError("'own' needs --name NAME, what to call your centre; its split will be own/NAME")
    if source == "own":
        return f"own/{name}"
    if source.startswith("own/"):
        raise UsageError(f"a centre of your own is imported by `import own PATH --name {source.partition('/')[2]}`")
    get_source(source, offered=(*source_names(), "own"))
    if name is not None:
        raise UsageError(f"--name is for a centre of your own, `import own`; '{source}' has its name")
    return source


def _agreement(split: str, data_dir: Path | None) -> Agreement | None:
    from dgmld_bench.scoring.agreement import measure_agreement
    from dgmld_bench.splits import load_split

    return measure_agreement(load_split(split, references=True, data_dir=data_dir))


def _say(console: Console, text: str, indent: int = 2) -> None:
    """Print a line of markup; what does not fit goes on at the same indent."""
    from rich.padding import Padding

    console.print(Padding(text, (0, 0, 0, indent), expand=False))


def _cases_text(split: dict[str, Any]) -> str:
    colour = "green" if split["cases"] == split["cases_expected"] else "yellow" if split["cases"] else "dim"
    return f"[{colour}]{split['cases']}/{split['cases_expected']}[/]"


def _role_text(split: dict[str, Any]) -> str:
    from dgmld_bench.tracks import DOMAIN

    return split["role"] if split["role"] == "train" else f"{split['role']}, {DOMAIN[split['out_of_domain']]}"


def _table(*headings: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(*headings, box=box.SIMPLE, show_edge=False, pad_edge=False)
    table.columns[-1].justify = "right"
    return table


def _show_sources(value: dict[str, Any]) -> None:
    from rich.markup import escape

    from dgmld_bench.sources import how_to_get

    console = make_console()
    table = _table("Source", "Split", "Role", "Reference", "Cases")
    for source in value["sources"]:
        for n, split in enumerate(source["splits"]):
            table.add_row(
                "" if n else f"[bold]{source['name']}[/]",
                split["name"],
                _role_text(split),
                split["reference"],
                _cases_text(split),
                end_section=n == len(source["splits"]) - 1,
            )
    print_whole(console, table)
    console.print("\nCases: on disk / in the complete split.")
    console.print(f"Data folder: {escape(value['data_dir'])}", soft_wrap=True)
    for source in value["sources"]:
        console.print(f"\n[bold]{source['name']}[/]  {escape(source['title'])}")
        _say(console, f"[dim]{escape(source['url'])}[/]")
        _say(console, f"Licence: {escape(source['licence'])}")
        if source["fault"]:
            _say(console, f"[red]{escape(source['fault'])}[/]")
        moved = sum(s["cases_moved"] for s in source["splits"])
        if moved:
            cases = "1 registered case has" if moved == 1 else f"{moved} registered cases have"
            _say(console, f"[yellow]{cases} moved away: import the source again.[/]")
        if source["problems"]:
            _say(console, f"Findings of the import: {len(source['problems'])} (--json lists them).")
        if any(s["cases"] < s["cases_expected"] for s in source["splits"]):
            _say(console, f"How to get it: {escape(source['how_to_get'])}")
    console.print("\n[bold]own/NAME[/]  A centre of your own")
    _say(console, escape(how_to_get("own/NAME")))


def _show_import(console: Console, found: Register, splits: list[dict[str, Any]]) -> None:
    from rich.markup import escape

    table = _table("Split", "Role", "Reference", "Cases")
    for split in splits:
        table.add_row(split["name"], _role_text(split), split["reference"], _cases_text(split))
    n = len(found.cases)
    console.print(f"Registered {n} complete case{'s' * (n != 1)} of [bold]{found.source}[/].\n")
    print_whole(console, table)
    if found.problems:
        console.print(f"\n[yellow]{len(found.problems)} finding{'s' * (len(found.problems) != 1)}:[/]")
    for problem in found.problems:
        _say(console, escape(str(problem)))
    linked = any(found.path(c.image) == Path(c.image) for c in found.cases)
    how = "linked: they stay where they are and must not move (--copy copies them)" if linked else "in the data folder"
    console.print(f"\nFiles {how}.")
    console.print(f"Registered in {escape(str(found.folder))}", soft_wrap=True)


def _show_possible(console: Console, possible: Iterable[Possible]) -> None:
    """Print what the data on disk allow, by track."""
    from rich.markup import escape

    for one in possible:
        console.print(f"\n[bold]Possible now[/], {'own centre' if one.name == 'own' else f'track {one.name}'}:")
        for line in one.lines():
            _say(console, escape(line))


def _show_agreement(console: Console, agreement: Agreement) -> None:
    from rich.markup import escape

    case, landmark = agreement.max_at
    _say(
        console,
        f"{len(agreement.annotators)} annotators ({escape(', '.join(agreement.annotators))}), their mean is the "
        f"reference. On the {agreement.points} points that at least two of them set they are [bold]"
        f"{agreement.mean_mm:.3f} mm[/] apart on average (median {agreement.median_mm:.3f}, greatest "
        f"{agreement.max_mm:.2f}: {landmark} of case {escape(case)}).",
        0,
    )
