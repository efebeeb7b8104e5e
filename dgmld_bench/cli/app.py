"""The typer application and the options that several commands share."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
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

_COMMAND_MODULES = ("data", "fetch", "show", "score", "compare", "validate", "board", "export", "derive", "audit")


def build_app() -> typer.Typer:
    """Assemble the application from the command modules, in the order of a user's way through them."""
    app = typer.Typer(
        name="dgmld-bench",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        context_settings={"help_option_names": ["-h", "--help"]},
        help="The benchmark for domain-generalised medical landmark detection: train on one centre, test on "
        "centres never seen.\n\nStart with [bold]dgmld-bench datasets[/bold].",
    )

    @app.callback(invoke_without_command=True)
    def top(
        version: Annotated[bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)] = False,
    ) -> None:
        if version:
            import dgmld_bench

            print(dgmld_bench.__version__)
            raise typer.Exit

    for name in _COMMAND_MODULES:
        import_module(f"dgmld_bench.cli.{name}").register(app)
    for group in (app, *(g.typer_instance for g in app.registered_groups if g.typer_instance)):
        for command in group.registered_commands:
            command.help = reflow(command.help or (command.callback and command.callback.__doc__) or "")
    return app


def reflow(text: str) -> str:
    r"""Join the lines of each paragraph, so that a terminal wraps it at its own width; examples stay as they are.

    >>> reflow("One.\n\n    Two\n    three.\n\n        $ four\n    ")
    'One.\n\nTwo three.\n\n\x08\n    $ four'
    """
    from inspect import cleandoc

    def flow(paragraph: str) -> str:
        if "\b" in paragraph:
            return paragraph
        if any(line.startswith(" ") for line in paragraph.splitlines()):
            return f"\b\n{paragraph}"
        return " ".join(paragraph.splitlines())

    return "\n\n".join(flow(p) for p in cleandoc(text).split("\n\n"))


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
