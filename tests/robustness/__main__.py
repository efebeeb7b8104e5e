"""Try to break it, and print what held: ``python -m tests.robustness [--dose small|full] [--only WORD]``."""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from tests.robustness.attack import DOSES, KINDS, SHARES, attack
from tests.robustness.tally import table


def main() -> int:
    """Try every kind on two cores; the exit code is 1 where anything did not hold, or was not tried at all."""
    parser = argparse.ArgumentParser(prog="python -m tests.robustness", description=__doc__)
    parser.add_argument("--dose", choices=DOSES, default="full")
    parser.add_argument("--only", action="append", help="a word of the kinds that are tried; all where it is not given")
    parser.add_argument("--seed", type=int, default=0, help="another one tries other inputs")
    parser.add_argument("--minutes", type=float, help="how long at most; the dose says where it is not given")
    options = parser.parse_args()
    number, n_kills, seconds = DOSES[options.dose]
    total = seconds if options.minutes is None else 60 * options.minutes
    kinds = [k for k in KINDS if not options.only or any(w in k for w in options.only)]
    start = time.monotonic()
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        later = [sum(SHARES.get(k, 1.0) for k in kinds[n + 1 :]) for n in range(len(kinds))]
        running = [
            pool.submit(attack, k, rest, number, n_kills, start + total, options.seed)
            for k, rest in zip(kinds, later, strict=True)
        ]
        tallies = [r.result() for r in running]
    print(table(tallies))
    print(f"{time.monotonic() - start:.0f} s of {total:.0f}, seed {options.seed}")
    for example in (e for t in tallies for e in t.examples):
        print(example, file=sys.stderr)
    if untried := [t.kind for t in tallies if not t.reached]:
        print(f"there was no time for: {', '.join(untried)}", file=sys.stderr)
    return int(bool(untried) or any(t.failed for t in tallies))


if __name__ == "__main__":
    sys.exit(main())
