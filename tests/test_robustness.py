"""A small dose of what ``make robust`` tries: in every column that must be zero there is a zero."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dgmld_bench.errors import DataError
from tests.robustness.attack import KINDS
from tests.robustness.attempt import attempt
from tests.robustness.child import command_line, run
from tests.robustness.tally import FAILURES, Tally, table

ROOT = Path(__file__).parents[1]
#: Builds, exports, audits and trainings are killed by `make robust` alone.
QUICK = [k for k in KINDS if not k.startswith("killed: ")] + ["killed: import --copy again", "killed: submit"]


def attacked(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.robustness", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.timeout(900)
def test_a_small_dose() -> None:
    done = attacked("--dose", "small", *(f"--only={kind}" for kind in QUICK))
    assert done.returncode == 0, done.stdout + done.stderr
    total = next(line for line in done.stdout.splitlines() if line.startswith("all "))
    assert total.split()[-len(FAILURES) :] == ["0"] * len(FAILURES)


def test_no_test_sees_the_terminal_or_the_data_folder_of_whoever_runs_it() -> None:
    environment = os.environ | {"COLUMNS": "17", "LINES": "3", "FORCE_COLOR": "1", "DGMLD_BENCH_DATA": "/nowhere"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"{__file__}::test_environment"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_environment() -> None:
    assert os.environ["COLUMNS"] == "80" and "FORCE_COLOR" not in os.environ
    assert "DGMLD_BENCH_DATA" not in os.environ


def test_failures_are_seen_and_told_apart() -> None:
    tally = Tally("x")
    attempt(tally, "sound", "accept", lambda: None)
    attempt(tally, "refused as it must", "refuse", lambda: json_of("{"))
    attempt(tally, "refused", "accept", lambda: json_of("{"))
    attempt(tally, "accepted", "refuse", lambda: None)
    attempt(tally, "wrong", "either", lambda: "the points are others")
    attempt(tally, "broken", "either", lambda: [][0])
    assert (tally.tried, list(tally.counts.values())) == (6, [1, 0, 2, 1, 0]) and tally.failed == 4
    assert table([tally]).splitlines()[-1].split() == ["all", *["0", "of", "0", "6", "1", "0", "2", "1", "0"]]


def test_a_run_ends_by_the_clock_and_says_what_it_reached() -> None:
    start = time.monotonic()
    done = attacked("--only=killed: leaderboard build", "--only=killed: training", "--minutes=0.03")
    assert time.monotonic() - start < 100 and "Traceback" not in done.stderr
    assert done.returncode == 1 and "there was no time for: " in done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("killed: ")]
    assert len(lines) == 2 and all(" of 20 " in line and line.split()[-len(FAILURES) :] == ["0"] * 5 for line in lines)


def json_of(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError as error:
        raise DataError(str(error)) from None


def test_a_child_is_killed_before_the_change_that_was_chosen(tmp_path: Path) -> None:
    place = tmp_path / "place"

    def change() -> None:
        place.mkdir()
        (place / "a").write_text("1")
        (place / "a").rename(place / "b")

    assert run(change, tmp_path, below=place).changes == 3
    (place / "b").unlink()
    place.rmdir()
    killed = run(change, tmp_path, below=place, kill_at=3)
    assert (killed.code, killed.changes, [p.name for p in place.iterdir()]) == (None, 2, ["a"])
    assert run(lambda: 1 / 0, tmp_path, below=place).broke
    assert run(command_line("nonsense"), tmp_path, below=place).code == 2
