"""Run every ``bench_*.py`` beside this file, or those named: ``python -m benchmarks [NAME ...]``."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path


def main(names: list[str]) -> None:
    """Run benchmarks by name (``scoring`` is ``bench_scoring.py``), all of them without a name."""
    known = sorted(p.stem.removeprefix("bench_") for p in Path(__file__).parent.glob("bench_*.py"))
    if unknown := [n for n in names if n not in known]:
        sys.exit(f"unknown benchmark {unknown[0]!r}; there are: {', '.join(known)}")
    for name in names or known:
        print(f"-- {name}", flush=True)
        import_module(f"benchmarks.bench_{name}").main()


if __name__ == "__main__":
    main(sys.argv[1:])
