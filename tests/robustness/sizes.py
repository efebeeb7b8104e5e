"""Files of 64 MB that hold rubbish: each is refused in one message, for less than 1 GiB and 10 s of a processor."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.robustness.attempt import Clock, rounds
from tests.robustness.tally import Tally

BYTES = 64 * 1000**2
MOST_BYTES = 1024**3
MOST_SECONDS = 10
HANGS_AFTER_S = 120


def _repeated(text: str) -> Callable[[np.random.Generator], bytes]:
    return lambda rng: text.encode() * (BYTES // len(text.encode()))


#: Name of the file, and what it holds.
FILES: dict[str, Callable[[np.random.Generator], bytes]] = {
    "rows of rubbish.csv": lambda rng: b"case,landmark,x,y,z\n" + _repeated("1,TCD1,x,y,z\n")(rng),
    "rows of no case.csv": lambda rng: b"case,landmark,x,y,z\n" + _repeated("nobody,TCD1,1,2,3\n")(rng),
    "the same row.csv": lambda rng: b"case,landmark,x,y,z\n" + _repeated("1,TCD1,1,2,3\n")(rng),
    "a case a row.csv": lambda rng: (
        b"case,landmark,x,y,z\n"
        + b"".join(b"case-%016d,TCD1,12.345678,12.345678,12.345678\n" % n for n in range(1_150_000))
    ),
    "a point twice.csv": lambda rng: (
        b"case,landmark,x,y,z\n"
        + b"".join(b"%020d,TCD1,12.345678,12.345678,12.345678\n" % (n % 180) for n in range(1_150_000))
    ),
    "long fields.csv": lambda rng: b"case,landmark,x,y,z\n" + _repeated("x" * 130_000 + ",")(rng),
    "one line.csv": lambda rng: _repeated("1,")(rng),
    "empty lines.csv": lambda rng: b"case,landmark,x,y,z\n" + _repeated("\n")(rng),
    "one quote.csv": lambda rng: b'case,landmark,x,y,z\n"' + _repeated("1,TCD1,1,2,3\n")(rng),
    "bytes.csv": lambda rng: rng.bytes(BYTES),
    "a case of numbers.json": lambda rng: b'{"1":[' + b"1234567," * 7_900_000 + b"1]}",
    "one text.json": lambda rng: b'["' + _repeated("\u00e9")(rng) + b'"]',
    "numbers.json": lambda rng: b"[" + _repeated("1,")(rng) + b"1]",
    "brackets.json": lambda rng: _repeated("[")(rng),
    "objects.json": lambda rng: b"[" + _repeated('{"a":[]},')(rng) + b"1]",
    "bytes.json": lambda rng: rng.bytes(BYTES),
}


def large_files(scratch: Path, number: int, clock: Clock, rng: np.random.Generator) -> Tally:
    """Hand each of them in as predictions."""
    tally = Tally("64 MB of rubbish")
    names = [str(name) for name in rng.permutation(list(FILES))]
    for n in rounds(tally, min(number // 30, len(names)), clock):  # each costs seconds
        path = scratch / names[n]
        path.write_bytes(FILES[names[n]](rng))
        tally.note(*_outcome(path))
        path.unlink()
    return tally


def _outcome(path: Path) -> tuple[str | None, str]:
    command = [sys.executable, "-m", "dgmld_bench", "validate", str(path), "--split", "lfc"]
    log = path.with_suffix(".txt")
    with log.open("wb") as stream:
        pid = subprocess.Popen(command, stdout=stream, stderr=stream).pid
    end = time.monotonic() + HANGS_AFTER_S
    done = 0
    while not done:
        if time.monotonic() > end:
            os.kill(pid, signal.SIGKILL)
        done, status, used = os.wait4(pid, os.WNOHANG)
        time.sleep(0.02)
    said = log.read_text("utf-8", "replace")
    cost = f"{path.name}: {used.ru_maxrss / 1024:.0f} MiB, {used.ru_utime + used.ru_stime:.1f} s: {said[:300]}"
    if os.WIFSIGNALED(status) or used.ru_utime + used.ru_stime > MOST_SECONDS:
        return "hang", cost
    if "Traceback (most recent call last)" in said:
        return "traceback", cost
    wrong = os.waitstatus_to_exitcode(status) == 0 or used.ru_maxrss * 1024 > MOST_BYTES
    return ("wrongly accepted" if wrong else None), cost
