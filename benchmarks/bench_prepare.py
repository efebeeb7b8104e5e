"""Preparing volumes and loading them from the cache, against nibabel, scikit-image and NumPy one volume at a time.

Reads the real atlases: set ``DGMLD_BENCH_REAL_DATA`` to a folder that holds ``atlas/``.
"""

from __future__ import annotations

import os
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np

from baselines.common.prepare import FULL_SCALE, Cache, window
from dgmld_bench.importing import import_source

GRID = (128, 128, 128)
SPLITS = ("open-train", "open-val", "open-wu", "open-sb")


def reference(file: Path) -> np.ndarray:
    """Return a volume stored RAS on the grid, as one would write it with the usual libraries."""
    import nibabel
    from skimage.transform import resize

    volume = nibabel.load(file).get_fdata(dtype=np.float32)
    return window(resize(volume, GRID, order=3))


def seconds(work: Callable[[], object]) -> float:
    """Return how long a piece of work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def load(array: np.ndarray) -> np.ndarray:
    """Return a cached image as what a batch is made of: float32 in memory."""
    return array.astype(np.float32)


def main() -> None:
    """Print seconds and ratios; the differences are in parts of the range [0, 1]."""
    real = os.environ.get("DGMLD_BENCH_REAL_DATA")
    if not real:
        print("prepare: skipped, DGMLD_BENCH_REAL_DATA is not set")
        return
    with tempfile.TemporaryDirectory() as folder:
        register = import_source("atlases", Path(real) / "atlas", data_dir=folder)
        files = {c.id: register.path(c.image) for split in SPLITS for c in register.cases_of(split)}
        cache = Cache(GRID, folder)
        reference(next(iter(files.values())))  # imports and the file system's own cache

        peak_before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        preparing = seconds(lambda: [cache.prepare(split) for split in SPLITS])
        grown_mib = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak_before) / 1024
        prepared = {c.id: c.image for split in SPLITS for c in cache.prepare(split)}

        reading, loading, difference = [], [], 0.0
        for case_id, file in files.items():
            start = time.perf_counter()
            expected = reference(file)
            reading.append(time.perf_counter() - start)
            image = prepared[case_id]
            loading.append(median(seconds(lambda image=image: load(image)) for _ in range(5)))
            difference = max(difference, float(np.abs(load(image) / FULL_SCALE - expected).max()))

    print(
        f"preparing {len(files)} volumes at 128³: {preparing:.2f} s, one by one with scikit-image {sum(reading):.2f} s"
    )
    print(f"  {sum(reading) / preparing:.1f} times faster (goal 5); greatest difference {difference:.1e} (goal 1e-3)")
    print(f"  memory grew by {grown_mib:.0f} MiB over {len(files)} volumes")
    print(f"loading one from the cache: {1e3 * median(loading):.2f} ms, reading and preparing {median(reading):.2f} s")
    print(f"  {median(reading) / median(loading):.0f} times faster (goal 100)")


if __name__ == "__main__":
    main()
