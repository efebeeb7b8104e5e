"""A command in a process of its own that is forked from this one, so that it costs no start, and can be killed.

It is killed where it matters: just before its Nth change of a file below a folder, as at a power cut.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

_CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate"}
_WRITING = os.O_WRONLY | os.O_RDWR


@dataclass(frozen=True)
class Ended:
    """How a child ended. ``code`` is None where it was killed; ``changes`` counts those of files that it lived to."""

    code: int | None
    changes: int
    output: str
    hung: bool = False

    @property
    def broke(self) -> bool:
        """Whether an error came to the surface as a traceback."""
        return "Traceback (most recent call last)" in self.output


def run(
    command: Callable[[], object], scratch: Path, *, below: Path, kill_at: int | None = None, timeout_s: float = 120
) -> Ended:
    """Run a command in a child; ``kill_at`` is the number of the change before which it is killed."""
    log, counter = scratch / "output.txt", scratch / "changes.bin"
    counter.write_bytes(b"")
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if not pid:
        _be_the_child(command, log, counter, str(below), kill_at)
    try:
        status, hung = _wait(pid, timeout_s)
    except BaseException:  # the time of the whole run is up
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise
    code = None if os.WIFSIGNALED(status) else os.waitstatus_to_exitcode(status)
    return Ended(code, counter.stat().st_size, log.read_text("utf-8", "replace"), hung)


def _wait(pid: int, timeout_s: float) -> tuple[int, bool]:
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return status, False
        time.sleep(0.003)
    os.kill(pid, signal.SIGKILL)
    return os.waitpid(pid, 0)[1], True


def _be_the_child(command: Callable[[], object], log: Path, counter: Path, below: str, kill_at: int | None) -> NoReturn:
    code = 70
    try:
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        sys.stdout = open(1, "w", closefd=False, encoding="utf-8")  # noqa: SIM115
        sys.stderr = open(2, "w", closefd=False, encoding="utf-8")  # noqa: SIM115
        _count_changes(below, os.open(counter, os.O_WRONLY | os.O_APPEND), kill_at)
        command()
        code = 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _count_changes(below: str, counter: int, kill_at: int | None) -> None:
    """Write a byte for every change of a file below a folder, and die before one of them."""
    number = 0

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal number
        if event == "open":
            if not isinstance(arguments[2], int) or not arguments[2] & _WRITING:
                return
        elif event not in _CHANGES:
            return
        path = arguments[0]
        if isinstance(path, int):
            return
        path = os.fsdecode(path)
        if path.startswith("/") and not path.startswith(below):  # relative ones are of a removal, within a folder
            return
        number += 1
        if number == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        os.write(counter, b"x")

    sys.addaudithook(hook)


def command_line(*arguments: object) -> Callable[[], None]:
    """Return what runs ``dgmld-bench`` with these arguments."""

    def command() -> None:
        from dgmld_bench.cli import main

        sys.argv = ["dgmld-bench", *map(str, arguments)]
        main()

    return command
