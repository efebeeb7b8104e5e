"""Data folders that several tests share: small, generated, never changed by a test."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from dgmld_bench import geometry
from dgmld_bench.derive import cerebellum
from dgmld_bench.formats import volumes
from dgmld_bench.obtaining.importing import import_source
from dgmld_bench.storage.register import CaseFiles, Register, write_register
from tests.trees import affines, brain, isbi, write_labels

os.environ.pop("DGMLD_BENCH_DATA", None)  # no test may find somebody's data,
for _name in ("FORCE_COLOR", "NO_COLOR"):  # or another terminal than the next one
    os.environ.pop(_name, None)
os.environ |= {"COLUMNS": "80", "LINES": "24"}
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs, and their children, ignore Ctrl-C
settings.register_profile("any machine", deadline=None)  # a busy one is no fault
settings.load_profile("any machine")

CASES = {"atlas": ("1", "2", "3", "4", "5", "6"), "lfc-val": ("39", "43"), "lfc": ("1", "10", "15")}


@pytest.fixture(scope="session")
def brains(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the track ``dgmld``: brains with masks, moved about; no case of ``feta``."""
    folder = tmp_path_factory.mktemp("brains") / "dgmld"
    rng = np.random.default_rng(0)
    labels, affine = brain(), next(affines())
    box = np.argwhere(cerebellum(labels, affine))
    low, high, middle = box.min(axis=0), box.max(axis=0), box.mean(axis=0)
    points = np.repeat(middle[None], 6, axis=0)  # TCD1 TCD2 HDV1 HDV2 ADV1 ADV2
    for pair, axis in enumerate((0, 2, 1)):
        points[2 * pair, axis], points[2 * pair + 1, axis] = high[axis], low[axis]
    register = Register("dgmld", folder, ())
    for split, ids in CASES.items():
        for n in ids:
            shift = rng.integers(-3, 4, size=3)
            moved = np.roll(labels, shift, axis=(0, 1, 2))
            stem = f"{split}-{n}"
            image = moved * np.float32(10) + rng.normal(0, 1, moved.shape).astype(np.float32)
            volumes.write_volume(folder / f"{stem}.nii.gz", image, affine)
            volumes.write_volume(folder / f"{stem}-mask.nii.gz", moved, affine)
            write_labels(folder / stem, geometry.index_to_world(affine, points + shift), "LPS")
            lines = tuple(f"{stem}/L_{8 + place}.mrk.json" for place in (2, 4, 5))
            entry = CaseFiles(n, split, f"{stem}.nii.gz", lines, f"{stem}-mask.nii.gz")
            register = replace(register, cases=(*register.cases, entry))
    write_register(register)
    return folder.parent


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the track ``ceph``: a few films; no case of ``pku``."""
    folder = tmp_path_factory.mktemp("films")
    isbi(folder / "release", [*range(1, 6), 151, 152, 301, 302])
    import_source("isbi", folder / "release", data_dir=folder)
    return folder


@pytest.fixture(scope="session")
def isbi_films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the whole of split ``isbi``, in tiny films with made-up points."""
    folder = tmp_path_factory.mktemp("isbi-films")
    isbi(folder / "release", list(range(151, 301)))
    import_source("isbi", folder / "release", data_dir=folder)
    return folder


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("no program `mount` here, so no small disk to fill")
    if done.returncode:
        pytest.skip(f"a small disk to fill cannot be mounted here ({done.stderr.strip()})")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)
