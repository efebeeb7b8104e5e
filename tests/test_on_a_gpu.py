"""The script for a GPU that is at hand for minutes: its commands, their order, and that they are commands."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from baselines.sweep import sweep
from benchmarks.precisions import main
from dgmld_bench.files import write_json
from tests.command import run_script

ROOT = Path(__file__).parents[1]
RECORDER = """#!{python}
import pathlib, shlex, sys
with open({log!r}, "a") as log:
    log.write(shlex.join(sys.argv[1:]) + "\\n")
out = sys.argv[sys.argv.index("--out") + 1] if "sweep.py" in sys.argv[1] else None
if sys.argv[1:3] == ["-m", "benchmarks"]:
    print("a step takes a while")
elif out and "unet" in sys.argv:  # the first of the sweeps leaves a result
    run = pathlib.Path(out, "phantom", "bapdg-unet-paper")
    run.mkdir(parents=True)
    (run / "run.json").write_text("{{}}")
    (run / "predictions.json").touch()
elif "--time" in sys.argv:
    pathlib.Path(sys.argv[sys.argv.index("--checkpoint") + 1], "run.json").write_text('{{"inference": {{}}}}')
"""


@pytest.mark.skipif(shutil.which("sh") is None, reason="no shell")
def test_the_script_measures_first_and_runs_in_order(monkeypatch, capsys, tmp_path):
    log, python = tmp_path / "log", tmp_path / "python"
    python.write_text(RECORDER.format(python=sys.executable, log=str(log)))
    python.chmod(0o755)
    out = tmp_path / "out"
    environment = {**os.environ, "PYTHON": str(python)}
    for name in ("PRESET", "SIZE", "JOBS"):
        environment.pop(name, None)
    command = ["sh", str(ROOT / "benchmarks/on_a_gpu.sh"), str(out)]
    shown = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    commands = [shlex.split(line) for line in log.read_text().splitlines()]
    assert commands[0] == ["-m", "dgmld_bench", "download", "phantom", "--size", "full"]
    assert commands[1] == ["-m", "benchmarks", "train"] and "a step takes a while" in shown
    timed = [c for c in commands if "--time" in c]
    assert len(timed) == 1 and commands.index(timed[0]) == 3  # once, as soon as there is something to time
    assert shown.splitlines()[-1] == f"  dgmld-bench submit {out}/phantom/bapdg-unet-paper/predictions.json --tag paper"
    cells, exact = [], []
    for one in [c for c in commands if c[0] == "baselines/sweep.py"]:
        assert run_script(monkeypatch, sweep, *one[1:], "--dry-run") == 0
        precise = "fp32" in one
        assert precise == one[one.index("--out") + 1].endswith("fp32")
        for line in capsys.readouterr().out.splitlines():
            words = shlex.split(line)
            (exact if precise else cells).append(
                (words[1].split("/")[1], words[words.index("--backbone") + 1], words[words.index("--seeds") + 1])
            )
    papers = ["bapdg", "baseline", "segdg", "edgedg", "augdg"]
    assert cells[:10] == [(m, b, "0") for b in ("unet", "vitpose") for m in papers]
    assert set(cells[10:]) == {(m, b, s) for m in [*papers, "synthdg"] for b in ("unet", "vitpose") for s in "012"}
    assert [c[0] for c in cells[-6:]] == ["synthdg"] * 6
    assert exact == [(m, "unet", s) for m in papers for s in "012"]
    assert commands[-1] == ["-m", "benchmarks.precisions", f"{out}/fp32", str(out)]


def test_precisions_are_compared_over_the_seeds_that_both_have(capsys, tmp_path):
    errors = {"fp32": {"a": [1.0, 2.0, 9.0], "b": [4.0, 4.0]}, "bf16": {"a": [1.5, 2.7], "b": [2.0, 2.0], "c": [1.0]}}
    for precision, runs in errors.items():
        for name, values in runs.items():
            selected = {str(seed): {"epoch": 1, "validation_mre_mm": value} for seed, value in enumerate(values)}
            write_json(tmp_path / precision / "phantom" / name / "run.json", {"selected": selected})
    main([str(tmp_path / "fp32"), str(tmp_path / "bf16")])
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    # a: differences 0.5 and 0.7, mean 0.6, standard error 0.1
    assert rows[2] == ["phantom/a", "2", "1.500", "±", "0.500", "2.100", "±", "0.600", "+0.600", "+6.0"]
    assert rows[3] == ["phantom/b", "2", "4.000", "±", "0.000", "2.000", "±", "0.000", "-2.000", "–"]
    assert rows[4][-1] == "another"  # a, b by the first; b, a by the second: 2.0 and 2.1
    assert len(rows) == 5
