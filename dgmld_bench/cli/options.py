"""The options that several commands share, and what they do with them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from dgmld_bench.errors import UsageError

DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        envvar="DGMLD_BENCH_DATA",
        help="The data folder. Default: the platform's user data folder.",
        show_default=False,
    ),
]


def file_argument(help: str) -> Any:
    """Return a path that the command reads itself: whatever is wrong with the file is the file's fault, exit code 1."""
    return typer.Argument(help=help, show_default=False, readable=False)


JsonPath = Annotated[
    Path | None,
    typer.Option("--json", help="Write machine-readable output to PATH ('-': standard output).", show_default=False),
]


def refuse_overwriting(inputs: Sequence[Path | None], *outputs: Path | None) -> None:
    """Raise UsageError when a command would write over a file that it reads."""
    for out in outputs:
        if out is not None and out.exists() and any(i is not None and i.exists() and out.samefile(i) for i in inputs):
            raise UsageError(f"{out} is read by this command and would be overwritten; name another file to write")


def emit_json(value: Any, path: Path | None) -> None:
    """Write a command's machine-readable output where ``--json`` says; nothing where it is absent."""
    if path is None:
        return
    if str(path) == "-":
        import json

        any_text = "utf" in (sys.stdout.encoding or "utf-8").lower()
        print(json.dumps(value, indent=1, allow_nan=False, ensure_ascii=not any_text))
    else:
        from dgmld_bench.files import write_json

        write_json(path, value)
