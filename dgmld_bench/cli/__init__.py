"""The command line: one module per family of commands, thin: they parse, call and print.

It may import everything, what is heavy only inside the commands; of the benchmark nothing imports it.
"""

from __future__ import annotations

import codecs
import logging
import os
import re
import select
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from io import TextIOWrapper

_ARGUMENTS = (
    "allow_missing",
    "data_dir",
    "landmarks",
    "mirror",
    "predictions",
    "read_as",
    "references",
    "revision",
    "seed",
    "space",
    "spacing_mm",
)
"""Arguments of the Python interface that errors name, as ``argument=VALUE``, and the options that they are here."""
_PLAIN = {"−": "-", "–": "-", "·": "-", "…": "..", "±": "+-", "≤": "<=", "→": "->"}
_PLAIN |= dict.fromkeys("█▉▊▋", "#") | dict.fromkeys("▌▍▎▏", " ")


def main() -> None:
    """Run ``dgmld-bench``."""
    from dgmld_bench.cli.app import build_app

    guarded(lambda: build_app()(prog_name="dgmld-bench"))


def guarded(command: Callable[[], None]) -> None:
    """Run a command line; a user's mistake ends in one message and its exit code, never in a traceback."""
    from dgmld_bench.errors import DgmldBenchError
    from dgmld_bench.terminal import echo

    codecs.register_error("plain", _plain)
    warnings.filterwarnings("ignore", module=r"PIL\.")  # damaged files are told of in one message, ours
    logging.getLogger("nibabel.global").setLevel(logging.CRITICAL + 1)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by the caller, as `>&-` does
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115
        elif isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="plain")
    output = None
    with suppress(OSError):  # closed: nobody reads
        output = os.dup(1)  # rich puts another in its place when it breaks
    try:
        command()
    except DgmldBenchError as error:
        echo(f"error: {_as_options(str(error))}", err=True)
        sys.exit(error.exit_code)
    except SystemExit as done:  # click ends so at every broken pipe, that of a server too
        if not (isinstance(done.__context__, BrokenPipeError) and _reader_left(output)):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or the interpreter fails once more when it ends
    except (FileExistsError, NotADirectoryError) as error:
        echo(f"error: {error.filename2 or error.filename}: is a file, expected the name of a folder", err=True)
        sys.exit(2)
    except OSError as error:  # a folder in place of a file, no permission, a full disk
        where = error.filename2 or error.filename
        message = error.strerror or str(error)
        echo(f"error: {where}: {message}" if where else f"error: {message}", err=True)
        sys.exit(1)


def _reader_left(output: int | None) -> bool:
    """Whether this is a pipe that nobody reads any more: whoever reads has read enough."""
    if output is None:
        return False
    watched = select.poll()
    watched.register(output, select.POLLOUT)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in watched.poll(0))


def _as_options(message: str) -> str:
    """Say what Python calls an argument as the option that it is here.

    >>> _as_options("pass allow_missing=True")
    'pass --allow-missing'
    >>> _as_options("'pku' needs spacing_mm=S, the edge; it has no option space=")
    "'pku' needs --spacing-mm S, the edge; it has no option --space"
    """

    def option(match: re.Match[str]) -> str:
        return f"--{match[1].replace('_', '-')}" + ("" if match[2] else " " * bool(match[3]))

    return re.sub(rf"(?<![\w/'=])({'|'.join(_ARGUMENTS)})=(True\b)?(?=(\S?))", option, message)


def _plain(error: UnicodeError) -> tuple[str, int]:
    """Write for a stream that cannot show a character what means the same: a minus must not become a question mark."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_PLAIN.get(c, "?") for c in error.object[error.start : error.end]), error.end
