"""The grid of methods, backbones and seeds: its commands, here and on a real Slurm."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from baselines import sweep as sweep_module
from baselines.sweep import Cell, chosen_devices, environment_for, run_beside, sweep
from dgmld_bench.errors import UsageError
from dgmld_bench.scoring.predictions import Predictions
from tests import slurm
from tests.command import run_script

ROOT = Path(__file__).parents[1]


def test_a_dry_run_prints_every_command_once(monkeypatch, capsys, tmp_path):
    monkeypatch.delenv("DGMLD_BENCH_DATA", raising=False)
    arguments = ["--track", "open", "--preset", "small", "--methods", "bapdg, bapdg --loss mse", "--seeds", "0,2"]
    arguments += ["--backbones", "unet,vitpose", "--precision", "fp32", "--out", tmp_path, "--dry-run"]
    assert run_script(monkeypatch, sweep, *arguments) == 0
    commands = capsys.readouterr().out.splitlines()
    assert len(commands) == len(set(commands)) == 2 * 2 * 2
    place = tmp_path / "open" / "bapdg-loss-mse-vitpose-small"
    assert commands[-1] == (
        f"python baselines/bapdg/run.py --backbone vitpose --seeds 2 --out {place} --loss mse "
        "--track open --preset small --select target-val --precision fp32"
    )


def test_methods_are_by_default_those_that_the_track_can_train(monkeypatch, capsys):
    for track, methods in (("ceph", 5), ("open", 6)):  # SegDG regresses masks, and films have none
        assert run_script(monkeypatch, sweep, "--track", track, "--seeds", "0", "--dry-run") == 0
        commands = capsys.readouterr().out.splitlines()
        assert len(commands) == methods and any("segdg" in c for c in commands) is (track == "open")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--methods", "bapgd"], "did you mean 'bapdg'"),
        (["--backbones", "unet,unet"], "different names"),
        (["--methods", ","], "different names"),
        (["--seeds", "x"], "whole numbers"),
        (["--methods", "bapdg --loss 'mse"], "No closing quotation"),
        (["--track", "ceph", "--methods", "baseline,segdg"], "segdg cannot be trained on track 'ceph'"),
        (["--methods", "bapdg --select=source-val"], "--select=source-val is an option of the sweep"),
    ],
)
def test_a_wrong_grid_is_a_usage_error(monkeypatch, capsys, arguments, message):
    assert run_script(monkeypatch, sweep, *arguments) == 2
    assert message in capsys.readouterr().err


@pytest.fixture
def three_gpus(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_every_gpu_is_used_unless_some_are_named(three_gpus, monkeypatch):
    assert chosen_devices(None) == ["0", "1", "2"] and chosen_devices("2, 0") == ["2", "0"]
    assert chosen_devices("cpu") == ["cpu"]
    for wrong, message in (("3", "GPUs 0 to 2 here; got '3'"), ("x", "got 'x'"), ("0,0", "different devices")):
        with pytest.raises(UsageError, match=message):
            chosen_devices(wrong)
    import torch

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert chosen_devices(None) == [""]
    with pytest.raises(UsageError, match="no GPU here; got '0'"):
        chosen_devices("0")


def test_a_job_sees_its_own_gpu_alone(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert "CUDA_VISIBLE_DEVICES" not in environment_for("")
    assert [environment_for(d)["CUDA_VISIBLE_DEVICES"] for d in ("cpu", "1")] == ["", "1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")  # a cluster's choice: numbers count within it
    assert [environment_for(d)["CUDA_VISIBLE_DEVICES"] for d in ("cpu", "1", "")] == ["", "6", "4,6"]


def test_jobs_run_beside_each_other_as_many_as_there_are_places(monkeypatch, capsys, tmp_path):
    """Each job waits until as many run as may, and says which GPU it sees; one fails."""
    script = tmp_path / "job.py"
    script.write_text(
        "import os, sys, time, pathlib\n"
        "name, place = sys.argv[1], pathlib.Path(sys.argv[2])\n"
        "(place / name).write_text(os.environ['CUDA_VISIBLE_DEVICES'])\n"
        "for _ in range(600):\n"
        "    if len(list(place.iterdir())) > 1: break\n"
        "    time.sleep(0.1)\n"
        "print('this is', name)\n"
        "sys.exit(name == 'b')\n"
    )
    seen = tmp_path / "seen"
    seen.mkdir()
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(Cell, "arguments", property(lambda cell: [str(script), cell.method, str(seen)]))
    cells = [Cell(name, "unet", (0,), tmp_path / name, ()) for name in "abc"]
    failed = run_beside(cells, ["0", "1"], tmp_path / "logs")
    assert failed == [cells[1]]
    assert {name: (seen / name).read_text() for name in "ab"} == {"a": "0", "b": "1"}
    assert (tmp_path / "logs" / "c-seed-0.log").read_text() == "this is c\n"
    shown = capsys.readouterr().err
    assert "3 runs, 2 at a time" in shown and "[3/3]" in shown
    assert f"b · unet · seed 0: failed, see {tmp_path / 'logs' / 'b-seed-0.log'}" in shown


def test_a_cluster_is_asked_for_what_gres_says(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(sweep_module, "run_on_slurm", lambda cells, folder, resources: asked.append(resources) or cells)
    monkeypatch.setattr(sweep_module, "ensure_phantom", lambda *_: None)
    grid = ["--track", "phantom", "--methods", "baseline", "--seeds", "0", "--slurm", "--out", tmp_path]
    for more in ([], ["--gres", "gpu:h100:1"], ["--gpus", "0"]):
        assert run_script(monkeypatch, sweep, *grid, *more) == 1  # nothing was run
    wanted = [{k: v for k, v in a.items() if k.startswith("g")} for a in asked]
    assert wanted == [{"gpus_per_node": 1}, {"gres": "gpu:h100:1"}, {}]
    assert run_script(monkeypatch, sweep, *grid, "--devices", "0") == 2


@pytest.mark.skipif(find_spec("submitit") is None, reason="submitit is not installed (extra 'cluster')")
def test_what_a_cluster_refuses_is_said_in_its_words(tmp_path):
    for name in ("srun", "sbatch"):
        program = tmp_path / name
        program.write_text("#!/bin/sh\necho 'sbatch: error: invalid partition: x' >&2\necho 'sbatch: no' >&2\nexit 1\n")
        program.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    grid = ["--track", "dgmld", "--methods", "baseline", "--seeds", "0", "--slurm", "--partition", "x"]
    command = [sys.executable, ROOT / "baselines" / "sweep.py", *grid, "--out", tmp_path / "runs"]
    # in a process of its own: submitit configures logging, which shuts what pytest writes to
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    said = done.stderr
    assert done.returncode == 2 and said.startswith(
        "error: --slurm: the cluster takes no job with --time=240 --cpus-per-task=4 --mem=16GB "
    )
    assert " --partition=x: sbatch: error: invalid partition: x sbatch: no (sinfo " in said and said.count("\n") == 1


@pytest.mark.heavy
@pytest.mark.skipif(bool(slurm.why_not()), reason=slurm.why_not())
def test_jobs_on_slurm_give_the_predictions_of_a_local_run(monkeypatch, capfd, tmp_path, brains):
    pytest.importorskip("submitit")
    grid = ["--track", "dgmld", "--preset", "smoke", "--methods", "baseline", "--seeds", "0,1", "--data-dir", brains]
    cluster = ["--slurm", "--cpus", 1, "--memory-gb", 1, "--minutes", 10, "--gres"]
    here, there = tmp_path / "here", tmp_path / "there"
    assert run_script(monkeypatch, sweep, *grid, "--out", here) == 0
    (tmp_path / "slurm").mkdir()
    with slurm.running(tmp_path / "slurm"):
        capfd.readouterr()
        for absent in ("gpu:toy:2", "gpu:h100:1", "tpu:1"):
            assert run_script(monkeypatch, sweep, *grid, *cluster, absent, "--out", there) == 2
            said = capfd.readouterr().err
            assert f" --gres={absent}: sbatch: error: " in said and said.count("\n") == 1
        assert run_script(monkeypatch, sweep, *grid, *cluster, slurm.CARD, "--out", there) == 0
        book = json.loads((there / "dgmld" / "jobs" / "jobs.json").read_text())
        first, second = sorted(map(slurm.shown, book.values()), key=lambda job: job["StartTime"])
        assert first["TresPerNode"] == second["TresPerNode"] == f"gres:{slurm.CARD}"
        assert first["EndTime"] <= second["StartTime"]  # room for both, and one card
        (there / "dgmld" / "baseline-unet-smoke" / "settings.json").unlink()  # another sweep's results, say
        broken = json.loads((here / "dgmld" / "baseline-unet-smoke" / "settings.json").read_text()) | {"track": "open"}
        (there / "dgmld" / "baseline-unet-smoke" / "settings.json").write_text(json.dumps(broken))
        capfd.readouterr()
        assert run_script(monkeypatch, sweep, *grid, *cluster, slurm.CARD, "--out", there) == 1
    assert "seed 1: failed, see" in capfd.readouterr().err
    again = json.loads((there / "dgmld" / "jobs" / "jobs.json").read_text())
    assert len(set(book.values())) == 2 and all("--preset smoke" in command for command in book)
    assert not set(book.values()) & set(again.values())
    paths = [p / "dgmld" / "baseline-unet-smoke" / "predictions.json" for p in (here, there)]
    assert Predictions.load(paths[0]).seeds == [0, 1] and paths[0].read_bytes() == paths[1].read_bytes()
