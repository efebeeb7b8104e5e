"""How long a case and a step take: measured by commands, kept beside results, shown on the board."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from baselines import predict as predict_command
from baselines.baseline.run import METHOD as BASELINE
from baselines.common.checkpoint import save_checkpoint
from baselines.common.config import get_preset
from baselines.common.meter import forget_peak, peak_mib
from baselines.common.recipe import Settings
from benchmarks import bench_train
from dgmld_bench.files import read_json
from dgmld_bench.leaderboard.submissions import Provenance, quote_faults, quote_run

CPU = torch.device("cpu")
SMOKE = get_preset("smoke", 3)


def checkpoint(folder: Path) -> Path:
    """Keep a network that has learnt nothing."""
    settings = Settings(BASELINE, "dgmld", "vitpose", SMOKE, "none")
    save_checkpoint(folder, settings.new_network(), settings.checkpoint_card(0, {}) | {"preset": asdict(SMOKE)})
    return folder


def test_the_time_of_a_case_goes_into_the_runs_sidecar(
    tmp_path: Path, brains: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = checkpoint(tmp_path / "run" / "seed-0")
    alone = tmp_path / "elsewhere" / "lfc.json"
    predict_command.predict(place, "lfc", alone, device="cpu", time=True, data_dir=brains)
    assert read_json(alone.with_name("run.json"))["inference"]["ms_per_case"] > 0
    sidecar = tmp_path / "run" / "run.json"
    sidecar.write_text(json.dumps({"parameters": 7}))
    for folder in (place, place.parent):
        predict_command.predict(folder, "lfc", tmp_path / "lfc.json", device="cpu", time=True, data_dir=brains)
        assert not (tmp_path / "run.json").exists()
    shown = capsys.readouterr().out
    assert "ms a case" in shown and "fp32" in shown and str(sidecar) in shown
    quoted = Provenance.model_validate(quote_run(sidecar))
    assert quoted.parameters == 7 and quoted.inference is not None
    assert quoted.inference.ms_per_case == read_json(sidecar)["inference"]["ms_per_case"]
    assert quoted.inference.device.endswith("fp32")
    two = ["H200, bf16", "A40, bf16"]
    for devices, shown_as in ((two[:1], "H200, bf16"), (two, "H200, bf16; A40, bf16"), ([], "cuda"), (7, "cuda")):
        sidecar.write_text(json.dumps({"devices": devices, "settings": {"device": "cuda"}}))
        assert quote_run(sidecar)["device"] == shown_as
    sidecar.write_text(json.dumps({"devices": [7]}))
    assert "'device'" in quote_faults(sidecar)[0]
    before = sidecar.read_bytes()
    predict_command.predict(place, "lfc", tmp_path / "lfc.json", device="cpu", data_dir=brains)
    assert sidecar.read_bytes() == before


def test_the_peak_of_memory_starts_anew() -> None:
    if peak_mib(CPU) is None:
        pytest.skip("the peak of a processor's memory is read from /proc")
    big = bytearray(200 << 20)
    peak = peak_mib(CPU)
    del big
    forget_peak(CPU)
    assert peak is not None and (after := peak_mib(CPU)) is not None and after < peak - 150


def test_traffic_counts_what_operations_read_and_write_but_not_views() -> None:
    with bench_train.Traffic() as traffic:
        a = torch.zeros(10)
        assert traffic.bytes == 40
        (a.view(2, 5) + 1.0).sum()
    assert traffic.bytes == 40 + (40 + 40) + (40 + 4)


def test_a_step_has_parts_operations_and_a_length_of_a_run() -> None:
    settings = Settings(BASELINE, "phantom", "unet", replace(SMOKE, grid_shape=(16, 16, 16)), "none")
    found = bench_train.steps(settings, bench_train.noise(settings, 4), 1)
    assert all(found[name] > 0 for name in ("step", "flops", "bytes", "predict", *bench_train.PARTS))
    found = {"step": 1000.0, "predict": 100.0}
    settings = replace(settings, preset=replace(SMOKE, epochs=2, pretrain_epochs=3, batch_size=4, validate_every=1))
    track_sizes = {"training": 40, "validation": 60, "tests": 40 + 120 + 55}  # of the full phantom
    steps = track_sizes["training"] // 4
    predicted = track_sizes["validation"] * (2 + 1) + track_sizes["tests"]
    assert bench_train.run_seconds(settings, found, pretrained=False) == pytest.approx(2 * steps + 0.1 * predicted)
    assert bench_train.run_seconds(settings, found, pretrained=True) == pytest.approx(5 * steps + 0.1 * predicted)
