"""The command line: one module per family of commands, thin. Heavy imports stay inside the commands."""

from __future__ import annotations

import sys
from io import TextIOWrapper


def main() -> None:
    """Run ``dgmld-bench``; a user's mistake ends in one message and its exit code, never in a traceback."""
    from dgmld_bench.cli.app import build_app
    from dgmld_bench.errors import DgmldBenchError

    for stream in (sys.stdout, sys.stderr):  # a terminal that cannot show ± shows ? and no traceback
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        build_app()(prog_name="dgmld-bench")
    except DgmldBenchError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:  # a folder in place of a file, no permission, a full disk
        where = error.filename2 or error.filename
        print(f"error: {where}: {error.strerror}" if where else f"error: {error}", file=sys.stderr)
        sys.exit(1)
