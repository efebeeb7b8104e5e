"""The grid of methods, backbones and seeds: its commands, here and on a real Slurm."""

from __future__ import annotations

import json

import pytest

from baselines.sweep import sweep
from dgmld_bench.scoring.predictions import Predictions
from tests import slurm
from tests.command import run_script


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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--methods", "bapgd"], "did you mean 'bapdg'"),
        (["--backbones", "unet,unet"], "different names"),
        (["--methods", ","], "different names"),
        (["--seeds", "x"], "whole numbers"),
        (["--methods", "bapdg --loss 'mse"], "No closing quotation"),
        (["--methods", "bapdg --select=source-val"], "--select=source-val is an option of the sweep"),
    ],
)
def test_a_wrong_grid_is_a_usage_error(monkeypatch, capsys, arguments, message):
    assert run_script(monkeypatch, sweep, *arguments) == 2
    assert message in capsys.readouterr().err


@pytest.mark.heavy
@pytest.mark.skipif(bool(slurm.why_not()), reason=slurm.why_not())
def test_jobs_on_slurm_give_the_predictions_of_a_local_run(monkeypatch, capfd, tmp_path, brains):
    pytest.importorskip("submitit")
    grid = ["--track", "dgmld", "--preset", "smoke", "--methods", "baseline", "--seeds", "0,1", "--data-dir", brains]
    cluster = ["--slurm", "--gpus", 0, "--cpus", 1, "--memory-gb", 1, "--minutes", 10]
    here, there = tmp_path / "here", tmp_path / "there"
    assert run_script(monkeypatch, sweep, *grid, "--out", here) == 0
    (tmp_path / "slurm").mkdir()
    with slurm.running(tmp_path / "slurm"):
        assert run_script(monkeypatch, sweep, *grid, *cluster, "--out", there) == 0
        book = json.loads((there / "dgmld" / "jobs" / "jobs.json").read_text())
        (there / "dgmld" / "baseline-unet-smoke" / "settings.json").unlink()  # another sweep's results, say
        broken = json.loads((here / "dgmld" / "baseline-unet-smoke" / "settings.json").read_text()) | {"track": "open"}
        (there / "dgmld" / "baseline-unet-smoke" / "settings.json").write_text(json.dumps(broken))
        capfd.readouterr()
        assert run_script(monkeypatch, sweep, *grid, *cluster, "--out", there) == 1
    assert "seed 1: failed, see" in capfd.readouterr().err
    again = json.loads((there / "dgmld" / "jobs" / "jobs.json").read_text())
    assert len(set(book.values())) == 2 and all("--preset smoke" in command for command in book)
    assert not set(book.values()) & set(again.values())
    paths = [p / "dgmld" / "baseline-unet-smoke" / "predictions.json" for p in (here, there)]
    assert Predictions.load(paths[0]).seeds == [0, 1] and paths[0].read_bytes() == paths[1].read_bytes()
