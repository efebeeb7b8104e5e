"""Commands about what is on the user's disk: ``download``, ``verify`` and ``remove``."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from dgmld_bench.cli.options import DataDir, JsonPath, emit_json
from dgmld_bench.sources import all_sources
from dgmld_bench.terminal import make_console, progress_bars

if TYPE_CHECKING:
    from rich.console import Console

    from dgmld_bench.obtaining.upkeep import Checked, Contents
    from dgmld_bench.sources.base import Source
    from dgmld_bench.storage.download import Report, Transfer
    from dgmld_bench.storage.register import Register


_CAN_BE_HAD = ", ".join(source.name for source in all_sources() if source.can_be_had)


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command()(download)
    app.command()(verify)
    app.command()(remove)


def download(
    sources: Annotated[
        list[str] | None,
        typer.Argument(help=f"{_CAN_BE_HAD}. Default: dgmld.", show_default=False),
    ] = None,
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", help="Accept licence and terms without being asked, in scripts.")
    ] = False,
    revision: Annotated[
        str | None,
        typer.Option(help="dgmld: a branch, tag or commit. Default: main.", show_default=False),
    ] = None,
    mirror: Annotated[
        str | None,
        typer.Option(
            help="Where to fetch from instead: what stands before each path. dgmld: another hub, it gets your token.",
            show_default=False,
        ),
    ] = None,
    spacing_mm: Annotated[
        float | None,
        typer.Option("--spacing-mm", help="pku: the edge of one pixel in millimetres.", show_default=False),
    ] = None,
    size: Annotated[
        Literal["full", "small"], typer.Option(help="phantom: 315 cases, or the first 46 of them for a try.")
    ] = "full",
    data_dir: DataDir = None,
    json: JsonPath = None,
) -> None:
    """Get a source's data and register its cases.

    Licence and terms are shown once, and asked for. An interrupted download goes on where it stopped when the same
    command runs again. Every file is checked before it counts; nothing is placed by halves.

    \b
    Examples:
      dgmld-bench download                     # the authors' release, from the Hugging Face hub
      dgmld-bench download atlases isbi
      dgmld-bench download pku --spacing-mm S   # millimetres per pixel, yours to know: none is stated
      dgmld-bench download phantom             # generated here, nothing is fetched
      dgmld-bench download atlases --accept-licence --data-dir /data/dgmld

    Exit code: 0 when all is there, 1 when something could not be had, 2 for a wrong call.
    """
    from dgmld_bench.errors import DataError, DgmldBenchError, UsageError
    from dgmld_bench.obtaining.downloading import where_to_fetch
    from dgmld_bench.sources import get_source

    names = list(dict.fromkeys(sources or ["dgmld"]))
    found = [get_source(name, offered=tuple(_CAN_BE_HAD.split(", "))) for name in names]
    _refuse_what_none_takes(found, spacing_mm, size)
    console = make_console(stderr=json is not None and str(json) == "-")
    wanted, failed = [], []
    for source in found:
        try:
            if not source.is_generated:
                where_to_fetch(source.name, revision, mirror)
                source.checked_options({"spacing_mm": spacing_mm} if "spacing_mm" in source.options else {})
                _agree(console, source, accept_licence, data_dir, mirror)
            wanted.append(source)
        except UsageError:
            raise
        except DataError as error:
            failed.append(_of_source(source, error))
    results = []
    for source in wanted:
        try:
            results.append(
                _generate(console, source, size, data_dir)
                if source.is_generated
                else _fetch(console, source.name, data_dir, revision, mirror, spacing_mm)
            )
        except DgmldBenchError as error:
            elsewhere = f"Or fetch it elsewhere and run `dgmld-bench import {source.name} PATH`"
            other = f"{elsewhere}, or name another server by --mirror."
            said = _of_source(source, error)
            failed.append(said if source.is_generated else f"{said}\n{other}")
    emit_json({"downloaded": results, "failed": failed}, json)
    if failed:
        raise DataError("\n".join(failed))


def _refuse_what_none_takes(sources: Sequence[Source], spacing_mm: float | None, size: str) -> None:
    from dgmld_bench.errors import UsageError

    named = ", ".join(source.name for source in sources)
    if spacing_mm is not None and not any("spacing_mm" in source.options for source in sources):
        raise UsageError(f"--spacing-mm is the edge of a pixel of films that do not state it; {named}: takes none")
    if size != "full" and not any(source.is_generated for source in sources):
        raise UsageError(f"--size is for the phantom, which is generated; {named}: there is one size")


def verify(
    sources: Annotated[
        list[str] | None,
        typer.Argument(help="Sources to check. Default: all that are on disk.", show_default=False),
    ] = None,
    data_dir: DataDir = None,
    json: JsonPath = None,
) -> None:
    """Check every file on disk again.

    Downloaded and copied files are compared with the SHA-256 they were placed with, atlases that you linked with the
    published one. Other linked or generated data have no known hash: every case is read whole, which finds files that
    are gone, truncated or damaged, but not files that were exchanged for other valid ones.

    Exit code: 0 when all is well, 1 when a file is gone, changed or cannot be read.
    """
    from dataclasses import asdict

    from dgmld_bench.errors import DataError
    from dgmld_bench.obtaining.upkeep import sources_on_disk, verify_source

    console = make_console(stderr=json is not None and str(json) == "-")
    names = sources or sources_on_disk(data_dir)
    if not names:
        from dgmld_bench.storage.folders import data_dir as folder_of

        raise DataError(f"no source is in {folder_of(data_dir)}: nothing to verify. `dgmld-bench datasets` says more")
    checked, failed = [], []
    for name in names:
        try:
            with progress_bars(console) as progress:
                checked.append(verify_source(name, data_dir=data_dir, progress=progress))
        except DataError as error:
            failed.append(str(error))
        else:
            _show_checked(console, checked[-1])
    emit_json(
        {
            "ok": not failed and not any(c.problems for c in checked),
            "sources": [asdict(c) | {"folder": str(c.folder)} for c in checked],
            "failed": failed,
        },
        json,
    )
    wrong = sum(len(c.problems) for c in checked)
    if wrong:
        failed.append(f"{wrong} file{'s are' if wrong > 1 else ' is'} gone, changed or unreadable")
    if failed:
        raise DataError("\n".join(failed))


def remove(
    source: Annotated[
        str,
        typer.Argument(help="As `dgmld-bench datasets` lists them, or own/NAME.", show_default=False),
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    data_dir: DataDir = None,
    json: JsonPath = None,
) -> None:
    """Remove a source from the data folder.

    Deletes what was downloaded, copied, generated or derived there. Linked data, and anything that this program did
    not write, stay where they are.
    """
    from rich.filesize import decimal
    from rich.markup import escape

    from dgmld_bench.errors import DataError, UsageError
    from dgmld_bench.obtaining.upkeep import list_contents, remove_source

    console = make_console(stderr=json is not None and str(json) == "-")
    contents = list_contents(source, data_dir)
    console.print(f"[bold]{source}[/] in {escape(str(contents.folder))}: {decimal(contents.bytes)} will be deleted.")
    _show_staying(console, contents)
    if not yes:
        if not _can_ask():
            raise UsageError("there is no terminal to ask on; pass --yes to remove it")
        if not typer.confirm("Remove it?", err=console.stderr):
            raise DataError("nothing was removed")
    contents = remove_source(source, data_dir)
    emit_json({"removed": source, "folder": str(contents.folder), "bytes": contents.bytes}, json)
    console.print(f"Removed {source}.")


def _agree(console: Console, source: Source, accepted: bool, data_dir: Path | None, mirror: str | None) -> None:
    """Show licence and terms unless they were accepted before, and ask; UsageError where nobody can be asked."""
    from rich.markup import escape
    from rich.padding import Padding

    from dgmld_bench.errors import DataError, UsageError
    from dgmld_bench.obtaining.downloading import accept, is_accepted, licence_of

    licence = licence_of(source, mirror)
    if is_accepted(source, licence, data_dir):
        return
    console.print(f"[bold]{source.name}[/]  {escape(source.title)}")
    for text in (source.url, f"Licence: {licence}", source.terms and f"Terms: {source.terms}"):
        if text:
            console.print(Padding(escape(text), (0, 0, 0, 2), expand=False))
    if not accepted:
        if not _can_ask():
            raise UsageError(
                f"the licence and terms of '{source.name}' above need your consent, and there is no terminal to ask "
                "on; if you accept them, pass --accept-licence"
            )
        if not typer.confirm("Do you accept them?", err=console.stderr):
            raise DataError(f"licence and terms of '{source.name}' were not accepted; nothing was fetched")
    accept(source, licence, data_dir)


def _of_source(source: Source, error: Exception) -> str:
    """Return an error that names its source: several may be fetched at once."""
    said = str(error)
    return said if f"'{source.name}'" in said else f"'{source.name}': {said}"


def _can_ask() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


def _fetch(
    console: Console,
    name: str,
    data_dir: Path | None,
    revision: str | None,
    mirror: str | None,
    spacing_mm: float | None,
) -> dict[str, Any]:
    from rich.filesize import decimal
    from rich.markup import escape

    from dgmld_bench.obtaining.downloading import download_source
    from dgmld_bench.sources import get_source

    options: dict[str, Any] = {"spacing_mm": spacing_mm} if "spacing_mm" in get_source(name).options else {}
    console.print(f"Fetching [bold]{name}[/] …")
    try:
        with _transfer_bars(console, name) as (report, progress):
            got = download_source(
                name, data_dir=data_dir, revision=revision, mirror=mirror, report=report, progress=progress, **options
            )
    except KeyboardInterrupt:
        console.print("Stopped. What arrived is kept: run the same command again to go on from there.")
        raise
    size = sum(f.bytes for f in got.manifest.files.values())
    what = "fetched" if got.fetched else "here already, all intact"
    console.print(f"[bold]{name}[/]: {len(got.manifest.files)} files, {decimal(size)}, {what}.")
    counts = _show_counts(console, got.register)
    console.print(f"In {escape(str(got.register.folder))}")
    return {
        "source": name,
        "folder": str(got.register.folder),
        "fetched": got.fetched,
        "files": len(got.manifest.files),
        "bytes": size,
        "origin": got.manifest.origin,
        "cases": counts,
        "problems": [str(p) for p in got.register.problems],
    }


def _generate(
    console: Console, source: Source, size: Literal["full", "small"], data_dir: Path | None
) -> dict[str, Any]:
    from rich.markup import escape

    step = f"Generating the {source.name}"
    console.print(f"{step} …")
    try:
        with progress_bars(console) as progress:
            made = source.generate(data_dir, size=size, progress=lambda done, total: progress(step, done, total))
    except KeyboardInterrupt:
        console.print("Stopped. Complete cases are kept: run the same command again to go on from there.")
        raise
    console.print(f"{len(made.cases)} simulated cases are in {escape(str(made.folder))}", soft_wrap=True)
    counts = {split: made.count(split) for split in source.splits}
    return {"source": source.name, "folder": str(made.folder), "fetched": False, "cases": counts}


def _show_counts(console: Console, found: Register) -> dict[str, int]:
    """Print the cases of each split and what the import found; return the counts."""
    from rich.markup import escape
    from rich.padding import Padding

    from dgmld_bench.sources import get_source
    from dgmld_bench.splits import get_split

    counts = {split: found.count(split) for split in get_source(found.source).splits}
    cases = ", ".join(f"{split} {count}/{get_split(split).n_cases}" for split, count in counts.items())
    console.print(f"Cases: {cases}")
    for problem in found.problems:
        console.print(Padding(f"[yellow]{escape(str(problem))}[/]", (0, 0, 0, 2), expand=False))
    return counts


def _show_checked(console: Console, checked: Checked) -> None:
    from rich.markup import escape

    parts = [f"{checked.hashed} files compared with their SHA-256"] if checked.hashed else []
    if checked.read:
        parts.append(f"{checked.read} read whole (no SHA-256 of them is known, so nothing to compare with)")
    state = "[red]not intact[/]" if checked.problems else "[green]intact[/]"
    console.print(f"[bold]{checked.source}[/]: {state}; {', '.join(parts) or 'no file'}.", soft_wrap=True)
    for problem in checked.problems:
        console.print(f"  {escape(str(problem))}", soft_wrap=True)
    if checked.problems:
        console.print("  A download gets damaged files anew; linked data must be repaired where they lie.")


def _show_staying(console: Console, contents: Contents) -> None:
    from rich.markup import escape

    if contents.linked:
        console.print(f"  {contents.linked} linked files lie elsewhere and stay where they are.")
    if contents.unknown:
        more = f" and {len(contents.unknown) - 3} more" if len(contents.unknown) > 3 else ""
        named = ", ".join(str(p.relative_to(contents.folder)) for p in contents.unknown[:3])
        console.print(f"  Not known as written by this program, stays: {escape(named)}{more}.")


@contextmanager
def _transfer_bars(console: Console, name: str) -> Iterator[tuple[Report, Any]]:
    """Show one bar for all files and one for the file under way, then bars for what is done with them."""
    from rich.markup import escape
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    bars = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    with progress_bars(console) as steps, bars:
        total = bars.add_task(name, total=None, visible=False)
        current = bars.add_task("", total=None, visible=False)
        shown = [""]
        notes = _Notes(console)

        def report(transfer: Transfer) -> None:
            count = f"{name}: {transfer.files_done}/{transfer.files} files"
            bars.update(total, description=count, completed=transfer.done, total=transfer.bytes, visible=True)
            if transfer.file and transfer.file != shown[0]:
                name_of_file = f"  {escape(transfer.file[-48:])}"
                bars.reset(current, description=name_of_file, visible=True, completed=transfer.file_done)
                shown[0] = transfer.file
            if transfer.file:
                bars.update(current, completed=transfer.file_done, total=transfer.file_bytes)
            if transfer.note:
                notes.say(transfer.file, transfer.note)

        def progress(step: str, done: int, count: int) -> None:
            bars.update(total, visible=False)
            bars.update(current, visible=False)
            steps(step, done, count)

        try:
            yield report, progress
        finally:
            notes.end()


class _Notes:
    """Prints why a transfer waits; the same again, of this file or another, is counted and said in one line."""

    def __init__(self, console: Console) -> None:
        self._console, self._last, self._repeated = console, "", 0

    def say(self, file: str, note: str) -> None:
        from rich.markup import escape

        kind = re.sub(r"\d[\d.]*", "", note)
        if kind == self._last:
            self._repeated += 1
            return
        self.end()
        self._last = kind
        self._console.print(f"  {escape(file)} {escape(note)}".rstrip(), soft_wrap=True)

    def end(self) -> None:
        if self._repeated:
            self._console.print(f"  … the same {self._repeated} more time{'s' * (self._repeated > 1)}")
        self._last, self._repeated = "", 0
