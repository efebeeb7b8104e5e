"""One attempt with a hostile input: how it ended, against how it may end."""

from __future__ import annotations

import signal
import sys
import time
import traceback
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from dgmld_bench.errors import DgmldBenchError
from tests.robustness.tally import Tally

Expected = Literal["accept", "refuse", "either"]
HANGS_AFTER_S = 30


class Hang(BaseException):
    """It took too long; no handler of errors may swallow this."""


class TimeIsUp(BaseException):
    """What was begun took longer than the whole run may."""


@dataclass(frozen=True)
class Clock:
    """When to stop, in seconds of :func:`time.monotonic`, which all processes of a machine share.

    Attributes
    ----------
    enough : float
        No round but the first is begun after it.
    end : float
        A round of commands and kills is broken off at it, and does not count; any other ends by itself within
        :data:`HANGS_AFTER_S`.
    """

    enough: float
    end: float


@contextmanager
def limited(seconds: float, stop: type[BaseException]) -> Iterator[None]:
    """Raise ``stop`` in this thread when the block takes longer."""

    def raise_it(number: int, frame: types.FrameType | None) -> None:
        raise stop

    def report(unraisable: sys.UnraisableHookArgs) -> None:
        if unraisable.exc_type is not stop:
            shown(unraisable)

    # again every second: raised where Python can only print and go on, in a finaliser say, the first is lost
    before, shown = signal.signal(signal.SIGALRM, raise_it), sys.unraisablehook
    sys.unraisablehook = report
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-3), 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        sys.unraisablehook = shown


def attempt(tally: Tally, what: str, expected: Expected, act: Callable[[], object]) -> None:
    """Do something with a hostile input and count how it ended.

    ``act`` returns a sentence when it was accepted and what came of it is wrong; it raises what a command shows as one
    message, or anything else, which a command would show as a traceback.
    """
    try:
        with limited(HANGS_AFTER_S, Hang):
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


def rounds(tally: Tally, number: int, clock: Clock) -> Iterator[int]:
    """Yield the numbers of the rounds of a kind until there are enough or the time is up; the first in any case."""
    tally.planned = number
    for n in range(number):
        if n and time.monotonic() > clock.enough:
            return
        yield n
        tally.reached += 1
