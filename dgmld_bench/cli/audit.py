"""``dgmld-bench audit``: what is wrong, repeated or implausible in the data on disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from dgmld_bench.cli.options import DataDir, JsonPath, emit_json

if TYPE_CHECKING:
    from rich.console import Console

    from dgmld_bench.audit import Audit, Finding

_COLOURS = {"error": "red", "warning": "yellow", "note": "cyan"}
_SHOWN = 4


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(audit)


def audit(
    track: Annotated[
        str | None,
        typer.Argument(help="dgmld, open, ceph, phantom or own/NAME. Default: all on disk.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for report.html and audit.json. Default: audit/TRACK in the data folder.", show_default=False
        ),
    ] = None,
    pictures: Annotated[int, typer.Option(help="Pictures in the report, at most so many per check.", min=0)] = 8,
    fail_on: Annotated[
        Literal["error", "warning"] | None,
        typer.Option("--fail-on", help="Exit with 1 when there is a finding of this level or worse."),
    ] = None,
    data_dir: DataDir = None,
    json: JsonPath = None,
) -> None:
    """Look at every case once and report what is wrong, repeated or implausible.

    Images that are in training and test twice, also turned or mirrored; the same
    landmarks twice; points outside, swapped or misplaced; lengths that do not go
    with the gestational age; spacing, orientation and grey values unlike the rest;
    annotators who disagree. Writes a report with pictures, which may show patients.

    \b
    Examples:
      dgmld-bench audit open
      dgmld-bench audit own/clinic --out ~/clinic-audit
      dgmld-bench audit dgmld --fail-on error --json audit.json

    Exit code: 0 when the audit ran, whatever it found; 1 when there is no data,
    or with --fail-on when it found something of that level; 2 for a wrong call.
    """
    from functools import partial

    from dgmld_bench.audit import audit as run_audit
    from dgmld_bench.audit import targets_on_disk
    from dgmld_bench.audit.report import REPORT_SHOWS, write_report
    from dgmld_bench.errors import DataError
    from dgmld_bench.files import refuse_checkout
    from dgmld_bench.storage import folders
    from dgmld_bench.terminal import make_console, progress_bars

    targets = [track] if track else targets_on_disk(data_dir)
    if not targets:
        raise DataError(
            f"there is no data in {folders.data_dir(data_dir)}; `dgmld-bench datasets` says how to get some"
        )
    quiet = json is not None and str(json) == "-"
    console = make_console(stderr=quiet)
    places = {t: _folder(t, out, len(targets), data_dir) for t in targets}
    for folder in places.values():
        refuse_checkout(folder, REPORT_SHOWS)
    audits = []
    for target, folder in places.items():
        with progress_bars(console) as report:
            found = run_audit(target, data_dir=data_dir, progress=report)
            path = write_report(found, folder, pictures=pictures, progress=partial(report, "Drawing"))
        audits.append(found)
        _show(console, found, path)
    values = [a.to_dict() for a in audits]
    emit_json(values[0] if track else values, json)
    levels = {"error": ("error",), "warning": ("error", "warning"), None: ()}[fail_on]
    if any(f.level in levels for a in audits for f in a.findings):
        raise typer.Exit(1)


def _folder(target: str, out: Path | None, count: int, data_dir: Path | None) -> Path:
    from dgmld_bench.storage import folders

    name = target.replace("/", "-")
    if out is None:
        return folders.data_dir(data_dir) / "audit" / name
    return out if count == 1 else out / name


def _show(console: Console, audit: Audit, path: Path) -> None:
    """Print what was found: the worst first, a few findings of each check."""
    from rich.markup import escape
    from rich.padding import Padding

    from dgmld_bench.audit.findings import CHECKS, LEVELS

    cases = sum(audit.splits.values())
    console.print(f"[bold]{escape(audit.target)}[/]: {cases} cases of {', '.join(audit.splits)}")
    if audit.absent:
        console.print(f"[dim]Not on disk: {', '.join(audit.absent)}[/]")
    for split, ids in audit.measured["test_cases_learnt_from"].items():
        total = audit.splits[split]
        console.print(f"[bold red]{len(ids)} of the {total} test cases of {escape(split)} are also learnt from.[/]")
    if not audit.findings:
        console.print("[green]Nothing was found.[/]")
    for level in LEVELS:
        for check, (title, _) in CHECKS.items():
            some = [f for f in audit.findings if (f.level, f.check) == (level, check)]
            if some:
                count = f"{len(some)} {level}{'s' * (len(some) != 1)}"
                console.print(f"[bold {_COLOURS[level]}]{count}[/]  [bold]{title}[/]{_share(audit, some)}")
            for finding in some[:_SHOWN]:
                console.print(Padding(_line(finding), (0, 0, 0, 2), expand=False))
            if len(some) > _SHOWN:
                console.print(f"  [dim]… and {len(some) - _SHOWN} more in the report[/]")
    console.print(f"Report: {escape(str(path))}", soft_wrap=True)


def _share(audit: Audit, findings: list[Finding]) -> str:
    """Say how much of each split is concerned, where the first case of a finding is what it is about."""
    from collections import Counter

    first = {f.cases[0] for f in findings if f.cases}
    counts = Counter(place.split for place in first)
    parts = [f"{counts[split]} of {total} in {split}" for split, total in audit.splits.items() if counts[split]]
    return f": {', '.join(parts)}" if parts else ""


def _line(finding: Finding) -> str:
    from rich.markup import escape

    from dgmld_bench.text import clean

    names = " = ".join(clean(str(p), 60) for p in finding.cases[:3])
    more = f" +{len(finding.cases) - 3}" if len(finding.cases) > 3 else ""
    message = clean(finding.message, 240)
    return escape(f"{names}{more}: {message}" if names else message)
