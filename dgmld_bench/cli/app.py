"""The typer application, assembled from the commands."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from dgmld_bench.version import __version__

_COMMAND_MODULES = (
    "data",
    "fetch",
    "show",
    "score",
    "combine",
    "compare",
    "validate",
    "board",
    "export",
    "derive",
    "audit",
)


class _FlagsAreFlags:
    """``--help`` names no type beside an option that takes no value."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters, with nothing to write after a flag."""
        parameters: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for parameter in parameters:
            if getattr(parameter, "is_flag", False):
                parameter.metavar = ""
        return parameters


class Command(_FlagsAreFlags, TyperCommand):
    """A command whose flags are shown as flags."""


class Group(_FlagsAreFlags, TyperGroup):
    """A group of commands whose flags are shown as flags."""


def build_app() -> typer.Typer:
    """Assemble the application from the command modules, in the order of a user's way through them."""
    app = typer.Typer(
        name="dgmld-bench",
        no_args_is_help=True,
        cls=Group,
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
            print(__version__)
            raise typer.Exit

    for name in _COMMAND_MODULES:
        import_module(f"dgmld_bench.cli.{name}").register(app)
    for group in (app, *(g.typer_instance for g in app.registered_groups if g.typer_instance)):
        for command in group.registered_commands:
            command.cls = Command
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
