"""Whether the precision of training changes the order of methods: ``python -m benchmarks.precisions FP32 BF16``.

Two folders of ``baselines/sweep.py``, trained with ``--precision fp32`` and ``--precision bf16``. Prints each method's
error on the validation split at the epoch that it selected: mean and standard deviation over seeds, the mean
difference, and that difference over its standard error by seeds.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dgmld_bench.files import read_json

Array = NDArray[np.float64]
Pair = tuple[Array, Array]


def validation_errors(folder: Path) -> dict[str, dict[int, float]]:
    """Return run -> seed -> error in millimetres, of all runs below a folder."""
    found = {}
    for file in sorted(folder.glob("*/*/run.json")):
        selected = read_json(file)["selected"]
        found[f"{file.parent.parent.name}/{file.parent.name}"] = {
            int(seed): value["validation_mre_mm"] for seed, value in selected.items()
        }
    return found


def in_common(first: dict[str, dict[int, float]], second: dict[str, dict[int, float]]) -> dict[str, Pair]:
    """Return the errors of both by the seeds that both have, of each run that has any."""
    found = {}
    for name in sorted(first.keys() & second.keys()):
        if seeds := sorted(first[name].keys() & second[name].keys()):
            a, b = (np.array([values[name][seed] for seed in seeds]) for values in (first, second))
            found[name] = a, b
    return found


def same_order(pairs: dict[str, Pair]) -> bool:
    """Whether the means of both order the runs alike."""
    orders = [sorted(pairs, key=lambda name, n=n: pairs[name][n].mean()) for n in (0, 1)]
    return orders[0] == orders[1]


def main(arguments: list[str]) -> None:
    """Print the table."""
    from rich.console import Console
    from rich.table import Table

    if len(arguments) != 2:
        sys.exit(__doc__)
    pairs = in_common(*(validation_errors(Path(folder)) for folder in arguments))
    table = Table("run", "seeds", *arguments, "difference", "in standard errors", box=None, padding=(0, 2))
    for name, (a, b) in sorted(pairs.items(), key=lambda item: item[1][0].mean()):
        difference = b - a
        error = np.std(difference, ddof=1) / math.sqrt(len(a)) if len(a) > 1 else 0.0
        cells = [f"{values.mean():.3f} ± {values.std():.3f}" for values in (a, b)]
        ratio = f"{difference.mean() / error:+.1f}" if error else "–"
        table.add_row(name, str(len(a)), *cells, f"{difference.mean():+.3f}", ratio)
    console = Console(soft_wrap=True, highlight=False, width=160)
    console.print("Validation MRE of the selected epoch, mm")
    console.print(table)
    console.print(f"the order of the means is {'the same' if same_order(pairs) else 'another'}")


if __name__ == "__main__":
    main(sys.argv[1:])
