"""One attempt with a hostile input: how it ended, against how it may end."""

from __future__ import annotations

import signal
import time
import traceback
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from dgmld_bench.errors import DgmldBenchError
from tests.robustness.tally import Tally

Expected = Literal["accept", "refuse", "either"]
HANGS_AFTER_S = 30


class Hang(BaseException):
    """It took too long; no handler of errors may swallow this."""


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    def stop(number: int, frame: types.FrameType | None) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def attempt(tally: Tally, what: str, expected: Expected, act: Callable[[], object]) -> None:
    """Do something with a hostile input and count how it ended.

    ``act`` returns a sentence when it was accepted and what came of it is wrong; it raises what a command shows as one
    message, or anything else, which a command would show as a traceback.
    """
    try:
        with _limited(HANGS_AFTER_S):
            wrong = act()
    except Hang:
        tally.note("hang", what)
    except (DgmldBenchError, OSError) as error:
        tally.note("wrongly refused" if expected == "accept" else None, f"{what}: {error}")
    except BaseException:
        tally.note("traceback", f"{what}: {traceback.format_exc(limit=-2)}")
    else:
        if expected == "refuse":
            tally.note("wrongly accepted", what)
        else:
            tally.note("wrongly accepted" if isinstance(wrong, str) else None, f"{what}: {wrong}")


def while_there_is_time(number: int, seconds: float) -> Iterator[int]:
    """Yield the numbers of attempts until there are enough, or the time is up."""
    end = time.monotonic() + seconds
    for n in range(number):
        if time.monotonic() > end:
            return
        yield n
