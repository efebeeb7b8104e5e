"""``dgmld-bench derive-landmarks``: end points from label maps, for volumes that nobody annotated."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from dgmld_bench.cli.options import JsonPath, emit_json
from dgmld_bench.terminal import make_console, print_whole, progress_bars

if TYPE_CHECKING:
    from rich.console import Console

    from dgmld_bench.obtaining.label_maps import DerivedCase
    from dgmld_bench.storage.register import Problem


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("derive-landmarks")(derive_landmarks)


def derive_landmarks(
    path: Annotated[
        Path,
        typer.Argument(help="A folder with label maps (.nii.gz, .nii), any depth.", show_default=False),
    ],
    out: Annotated[
        Path | None, typer.Option(help="Where to write. Default: landmarks/ in the folder.", show_default=False)
    ] = None,
    numbering: Annotated[
        Literal["fidon", "feta"] | None,
        typer.Option(
            help="Cerebellum is 3 (fidon) or 5 (feta). Default: detected by its shape and place.",
            show_default=False,
        ),
    ] = None,
    cerebellum: Annotated[
        str | None,
        typer.Option(
            help="The labels of the cerebellum in maps of any other numbering: 6, or 5,8 where the vermis is apart.",
            show_default=False,
        ),
    ] = None,
    pattern: Annotated[
        str | None,
        typer.Option(help="Only files that match, such as '*_dseg.nii.gz'.", show_default=False),
    ] = None,
    json: JsonPath = None,
) -> None:
    """Derive TCD, HDV and ADV from the cerebellum in label maps.

    Writes OUT/<case>/TCD.mrk.json, HDV.mrk.json and ADV.mrk.json for 3D Slicer and
    `import own`, and prints the three lengths. The points are mask-derived: useful
    where nobody annotated a volume, and no ground truth. Lines that somebody drew
    or corrected are never overwritten.

    \b
    Examples:
      dgmld-bench derive-landmarks ~/feta_2.1 --pattern '*mial*_dseg.nii.gz' --out ~/derived
      dgmld-bench derive-landmarks ~/dhcp --cerebellum 6      # DrawEM's tissue maps
      dgmld-bench derive-landmarks ~/clinic/labels --out ~/clinic/landmarks

    Exit code: 0 when something was derived, 1 when nothing was, 2 for a wrong call.
    """
    from dataclasses import asdict

    from dgmld_bench.errors import DataError, UsageError
    from dgmld_bench.obtaining.label_maps import derive_folder

    if cerebellum is not None and numbering is not None:
        raise UsageError("--numbering and --cerebellum say the same thing; leave one out")

    console = make_console(stderr=json is not None and str(json) == "-")
    folder = path / "landmarks" if out is None else out
    with progress_bars(console) as report:
        cases, problems = derive_folder(
            path,
            folder,
            numbering=numbering,
            cerebellum=_labels(cerebellum),
            pattern=pattern,
            progress=report,
        )
    value = {"path": str(path), "out": str(folder), "cases": [c.to_dict() for c in cases]}
    emit_json(value | {"problems": [asdict(p) for p in problems]}, json)
    if not cases:
        raise DataError("nothing was derived:" + "".join(f"\n  {p}" for p in problems))
    _print(console, cases, problems, path, folder)


def _labels(text: str | None) -> tuple[int, ...] | None:
    """Return the labels of ``5,8``; UsageError for anything else."""
    from dgmld_bench.errors import UsageError

    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and 0 < int(part) < 65536 for part in parts):
        raise UsageError(f"--cerebellum {text}: expected labels between commas, such as 6 or 5,8")
    return tuple(dict.fromkeys(map(int, parts)))


def _print(console: Console, cases: list[DerivedCase], problems: list[Problem], root: Path, folder: Path) -> None:
    from rich import box
    from rich.markup import escape
    from rich.padding import Padding
    from rich.table import Table

    table = Table(box=box.SIMPLE, show_edge=False, pad_edge=False)
    table.add_column("Case")
    for name in cases[0].lengths_mm:
        table.add_column(f"{name}, mm", justify="right")
    table.add_column("Numbering")
    table.add_column("Label map, below PATH")
    for case in cases:
        lengths = (f"{mm:.1f}" for mm in case.lengths_mm.values())
        table.add_row(escape(case.id), *lengths, case.numbering, escape(str(case.label_map.relative_to(root))))
    print_whole(console, table)
    if problems:
        console.print(f"\n[yellow]{len(problems)} finding{'s' * (len(problems) != 1)}:[/]")
    for problem in problems:
        console.print(Padding(escape(str(problem)), (0, 0, 0, 2), expand=False))
    n = len(cases)
    console.print(f"\nMask-derived landmarks of {n} case{'s' * (n != 1)} are in {escape(str(folder))}", soft_wrap=True)
