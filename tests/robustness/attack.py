"""The kinds of attack, and one attack of a kind in a process and a folder of its own."""

from __future__ import annotations

import logging
import os
import tempfile
import time
import warnings
import zlib
from pathlib import Path

import numpy as np

from tests.robustness import checkpoints, downloads, inputs, kills, sizes
from tests.robustness.attempt import Clock
from tests.robustness.tally import Tally

INPUTS = {f.__name__: f for f in (*inputs.KINDS, sizes.large_files, downloads.downloads, checkpoints.checkpoints)}
#: How many inputs of each kind are tried and commands killed at most, and for how many seconds in all.
DOSES = {"small": (120, 4, 240.0), "full": (6000, 20, 840.0)}
#: The share of the time that a kind may take, where it is not 1: forks and training cost more.
SHARES = {"killed: training": 4.0, "killed: audit": 3.0, "killed: leaderboard build": 2.0, "checkpoints": 2.0}


KINDS = (*kills.SCENARIOS, *INPUTS)


def attack(kind: str, later: float, number: int, n_kills: int, end: float, seed: int) -> Tally:
    """Try one kind, in a folder of its own.

    Parameters
    ----------
    kind : str
    later : float
        The shares of the kinds that are begun after this one: of the time that is left on two cores, this one may take
        its own share of all of them.
    number, n_kills, seed : int
    end : float
        When the whole run ends, in seconds of :func:`time.monotonic`.
    """
    share = SHARES.get(kind, 1.0)
    left = end - time.monotonic()
    clock = Clock(time.monotonic() + left * min(1.0, 2 * share / (share + later)), end)
    if left <= 0:
        return Tally(kind, planned=number if kind in INPUTS else n_kills)
    import dgmld_bench.cli.app  # noqa: F401  # before any fork

    os.environ["DGMLD_BENCH_DATA"] = "/nowhere/dgmld-bench"  # nobody's data
    os.environ["COLUMNS"] = "100"
    warnings.simplefilter("ignore")
    logging.disable()
    with tempfile.TemporaryDirectory(prefix="dgmld-robust-") as name:
        if kind in INPUTS:
            rng = np.random.default_rng([seed, zlib.crc32(kind.encode())])
            return INPUTS[kind](Path(name), number, clock, rng)
        return kills.try_kills(kind, Path(name), n_kills, clock)
