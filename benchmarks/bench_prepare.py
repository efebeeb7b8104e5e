"""Preparing volumes and loading them from the cache, against nibabel, scikit-image and NumPy one volume at a time.

Reads the real atlases: set ``DGMLD_BENCH_REAL_DATA`` to a folder that holds ``atlas/``. Reference and package take
turns, split by split, so that what else the machine does falls on both.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np

from baselines.common.prepare import FULL_SCALE, Cache, PreparedCase, preprocess, window
from dgmld_bench.obtaining.importing import import_source
from dgmld_bench.splits import load_split
from dgmld_bench.storage.register import Register, read_register, write_register

GRID = (128, 128, 128)
SPLITS = ("open-train", "open-val", "open-wu", "open-sb")
EVERY = 5  # of the cases, for the memory of a few


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


def load(prepared: PreparedCase) -> np.ndarray:
    """Return a cached image as what a batch is made of: opened anew, float32 in memory."""
    return np.load(prepared.image.filename, mmap_mode="c").astype(np.float32)


def peak_mib(data_dir: Path) -> float:
    """Return the peak memory of a fresh process that prepares what a data folder registers (Linux)."""
    command = [sys.executable, "-m", "benchmarks.bench_prepare", str(data_dir)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout)


def memory(register: Register, folder: Path) -> tuple[float, float]:
    """Return the peak memory in MiB of preparing a few cases of all centres, and all cases."""
    peaks = []
    for cases in (register.cases[::EVERY], register.cases):
        place = folder / f"memory-{len(cases)}"
        absolute = tuple(replace(c, landmarks=(), image=str(register.path(c.image))) for c in cases)
        write_register(replace(register, folder=place / "atlases", cases=absolute))
        peaks.append(peak_mib(place))
    return peaks[0], peaks[1]


def main() -> None:
    """Print seconds and ratios; the differences are in parts of the range [0, 1]."""
    from rich.progress import track
    from threadpoolctl import threadpool_limits

    real = os.environ.get("DGMLD_BENCH_REAL_DATA")
    if not real:
        print("prepare: skipped, DGMLD_BENCH_REAL_DATA is not set")
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        register = import_source("atlases", Path(real) / "atlas", data_dir=folder)
        few, many = memory(register, folder)
        n = len(register.cases)
        n_few = len(register.cases[::EVERY])
        print(f"peak memory of preparing {n_few} volumes {few:.0f} MiB, {n} volumes {many:.0f} MiB", flush=True)
        cache = Cache(GRID, folder)
        reference(register.path(register.cases[0].image))  # imports and the file system's own cache

        one_by_one = preparing = difference = 0.0
        processor_one_by_one = processor_preparing = 0.0  # all threads together: what a busy machine changes least
        own, loading = [], []
        for split in SPLITS:
            cases = load_split(split, data_dir=folder)
            processor_start = time.process_time()
            preparing += seconds(lambda cases=cases: cache.prepare(cases))
            processor_preparing += time.process_time() - processor_start
            prepared = cache.prepare(cases)
            for case, cached in track(list(zip(cases, prepared, strict=True)), split, transient=True):
                start, processor_start = time.perf_counter(), time.process_time()
                expected = reference(cases.paths(case.id)[0])
                one_by_one += time.perf_counter() - start
                processor_one_by_one += time.process_time() - processor_start
                with threadpool_limits(1, user_api="blas"):  # as the cache does it
                    own.append(seconds(lambda case=case: preprocess(case, GRID)))
                loading.append(median(seconds(lambda cached=cached: load(cached)) for _ in range(5)))
                difference = max(difference, float(np.abs(load(cached) / FULL_SCALE - expected).max()))
    print(
        f"preparing {n} volumes at 128³, in parallel: {preparing:.2f} s; scikit-image, one by one: {one_by_one:.2f} s"
    )
    print(
        f"  {one_by_one / preparing:.1f} times faster (goal 5), {processor_one_by_one / processor_preparing:.1f} times "
        f"in processor time; greatest difference {difference:.1e} (goal 1e-3)"
    )
    print(
        f"loading a volume from the cache: {1e3 * median(loading):.2f} ms, reading and preprocessing it: "
        f"{1e3 * median(own):.0f} ms here, {1e3 * one_by_one / n:.0f} ms with scikit-image"
    )
    ratios = (median(own) / median(loading), one_by_one / n / median(loading))
    print(f"  {ratios[0]:.0f} and {ratios[1]:.0f} times faster (goal 100)")


if __name__ == "__main__":
    for present in SPLITS:
        if read_register("atlases", sys.argv[1]).count(present):
            Cache(GRID, sys.argv[1]).prepare(load_split(present, data_dir=sys.argv[1]))
    # the high-water mark of this program; getrusage would count the process that started it too
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    print(int(status["VmHWM"].split()[0]) / 1024)
