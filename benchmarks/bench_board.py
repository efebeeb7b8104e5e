"""A board with many submissions: how long the build takes, whether that grows with their number, what pages weigh.

The submissions are synthetic: track ``dgmld``, three seeds, both test splits, references drawn at random.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from dgmld_bench.formats import volumes
from dgmld_bench.formats.markups import landmark_paths, write_landmarks
from dgmld_bench.landmarks import CEREBELLUM
from dgmld_bench.leaderboard.publish import SITE, publish
from dgmld_bench.leaderboard.reported import FILE as REPORTED
from dgmld_bench.scoring.predictions import Predictions
from dgmld_bench.splits import get_split
from dgmld_bench.storage.register import CaseFiles, Register, write_register

COUNTS = (50, 100, 200)
GOAL_S, GOAL_BYTES = 60, 1_500_000

Points = dict[str, dict[str, np.ndarray]]  # split -> case -> landmarks, (6, 3)


def write_references(folder: Path, rng: np.random.Generator) -> Points:
    """Register both test splits with tiny volumes and random landmarks; return the landmarks by split and case."""
    source = folder / "dgmld"
    points: Points = {}
    cases = []
    for name in ("lfc", "feta"):
        split = get_split(name)
        points[name] = {}
        for case in split.case_ids or [str(i) for i in range(1, split.n_cases + 1)]:
            place = Path(name) / case
            points[name][case] = rng.normal(scale=20, size=(6, 3))
            volumes.write_volume(source / place / "image.nii.gz", np.zeros((4, 4, 4), np.float32), np.eye(4))
            write_landmarks(source / place / "landmarks", points[name][case], CEREBELLUM)
            lines = tuple(p.as_posix() for p in landmark_paths(place / "landmarks", CEREBELLUM))
            cases.append(CaseFiles(case, name, str(place / "image.nii.gz"), lines))
    write_register(replace(Register("dgmld", source, ()), cases=tuple(cases)))
    return points


def write_submission(
    root: Path, number: int, points: dict[str, dict[str, np.ndarray]], rng: np.random.Generator
) -> None:
    """Write a submission whose errors are about 2 to 4 mm."""
    method = f"Method {number}"
    predictions = Predictions(
        track="dgmld", method=method, backbone="unet", selection="target-val", training_data=["atlas"]
    )
    for seed in range(3):
        for split, cases in points.items():
            for case, at in cases.items():
                moved = at + rng.normal(scale=1.2 + number / 200, size=at.shape)
                predictions.add(seed=seed, split=split, case=case, landmarks=moved.round(4))
    predictions.save(root / f"submissions/dgmld/method-{number}-unet.json")


def main() -> None:
    """Print seconds for growing boards, and the heaviest page of the largest."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        points = write_references(folder, rng)
        root = folder / "repository"
        (root / REPORTED).parent.mkdir(parents=True)
        shutil.copy(Path(__file__).parents[1] / REPORTED, root / REPORTED)
        written, times = 0, []
        for count in COUNTS:
            for number in range(written, count):
                write_submission(root, number, points, rng)
            written = count
            shutil.rmtree(root / "leaderboard/errors", ignore_errors=True)
            start, cpu = time.perf_counter(), time.process_time()
            publish(root, folder)
            wall, spent = time.perf_counter() - start, time.process_time() - cpu
            times.append(spent)
            print(f"board of {count} submissions, 3 seeds, 175 cases: {wall:.1f} s, {spent:.1f} s of processor time")
        slopes = [(b - a) / (m - n) for a, b, n, m in zip(times, times[1:], COUNTS, COUNTS[1:], strict=False)]
        said = ", ".join(f"{1e3 * s:.0f} ms" for s in slopes)
        print(f"  processor time per further submission: {said}; goal: 200 in {GOAL_S} s, linear")
        heaviest = max((root / SITE).rglob("*"), key=lambda p: p.stat().st_size if p.is_file() else 0)
        size = heaviest.stat().st_size
        print(
            f"  heaviest page: {heaviest.relative_to(root / SITE)}, {size / 1e6:.2f} MB (goal {GOAL_BYTES / 1e6:.1f})"
        )


if __name__ == "__main__":
    main()
