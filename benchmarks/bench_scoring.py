"""Scoring, metrics and statistics against the clock: the command against its own imports, the rest against goals."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np

from dgmld_bench.landmarks import CEPHALOMETRIC
from dgmld_bench.obtaining.importing import import_source
from dgmld_bench.scoring import metrics
from dgmld_bench.scoring.predictions import Predictions
from dgmld_bench.scoring.ranking import rank_methods
from dgmld_bench.splits import get_split

IMPORTS = "import numpy, pandas, scipy.stats, pydantic, rich, typer"
REPEATS = 7


def seconds(work: Callable[[], object]) -> float:
    """Return the median time of a piece of work."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return median(times)


def program(*arguments: str) -> Callable[[], object]:
    """Return a call that runs this Python with these arguments."""
    return lambda: subprocess.run([sys.executable, *arguments], check=True, capture_output=True)


def films(folder: Path) -> Path:
    """Register 150 films of split ``isbi`` (tiny pictures, made-up points) and write predictions for them."""
    from PIL import Image

    rng = np.random.default_rng(0)
    ids = get_split("isbi").case_ids or ()
    predictions = Predictions(track="ceph", method="bench", backbone="none")
    release = folder / "release"
    for case in ids:
        film = release / "RawImage" / "Test1Data" / f"{case}.png"
        film.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (387, 480)).save(film)
        points = rng.integers(100, 1800, size=(len(CEPHALOMETRIC), 2))
        for doctor in ("senior", "junior"):
            text = release / "AnnotationsByMD" / f"400_{doctor}" / f"{case}.txt"
            text.parent.mkdir(parents=True, exist_ok=True)
            text.write_text("".join(f"{x},{y}\n" for x, y in points))
        predictions.add(seed=0, split="isbi", case=case, landmarks=points + rng.normal(scale=10, size=points.shape))
    import_source("isbi", release, data_dir=folder)
    predictions.save(folder / "predictions.json")
    return folder / "predictions.json"


def main() -> None:
    """Print seconds, and the ratio to the imports that the goal names."""
    with tempfile.TemporaryDirectory() as name:
        path = films(Path(name))
        command = ["-m", "dgmld_bench", "score", str(path), "--split", "isbi", "--data-dir", name]
        imports, scoring = seconds(program("-c", IMPORTS)), seconds(program(*command))
        start_up = seconds(program("-m", "dgmld_bench", "--help"))
        loading = seconds(lambda: Predictions.load(path))
    print(f"score 150x19: {scoring:.2f} s, {scoring / imports:.2f} of the imports' {imports:.2f} s (goal 2.5)")
    print(f"dgmld-bench --help: {start_up:.2f} s")
    print(f"loading 150x19 predictions: {1e3 * loading:.0f} ms")

    rng = np.random.default_rng(0)
    predicted, reference = rng.normal(size=(1000, 120, 6, 3)), rng.normal(size=(120, 6, 3))

    def all_metrics() -> None:
        errors = metrics.radial_errors(predicted, reference)
        metrics.mean_radial_error(errors)
        metrics.success_rates(errors)

    print(f"metrics, 1,000 runs x 120 cases x 6 landmarks: {seconds(all_metrics):.2f} s (goal 1)")
    methods = [rng.gamma(2, size=(3, 120, 6)) + i / 10 for i in range(30)]
    ranking = seconds(lambda: rank_methods(methods))
    print(f"ranking 30 methods x 120 cases: {1e3 * ranking:.0f} ms (goal 2 s)")


if __name__ == "__main__":
    main()
