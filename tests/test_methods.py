"""Every method with both backbones, in 3D and 2D: trains, selects, predicts every case, at smoke size."""

from dataclasses import replace

import numpy as np
import pytest

from baselines.common.config import get_preset
from baselines.common.registry import method_of, methods
from baselines.common.running import run_method
from dgmld_bench.scoring.predictions import Predictions
from dgmld_bench.splits import load_split


@pytest.mark.parametrize("backbone", ["unet", "vitpose"])
@pytest.mark.parametrize("dimension", [3, 2])
@pytest.mark.parametrize("name", methods())
def test_every_method_runs(name, dimension, backbone, tmp_path, brains, films):
    method = method_of(name)
    if method.pretraining and dimension not in method.pretraining:
        pytest.skip(f"{method.name} does not pre-train in {dimension}D; its refusal is tested in test_bapdg")
    track, data, split = ("dgmld", brains, "lfc") if dimension == 3 else ("ceph", films, "isbi")
    folder = run_method(
        method,
        track=track,
        backbone=backbone,
        preset=replace(get_preset("smoke", dimension), pretrain_epochs=1, epochs=1),
        seeds=[0],
        out=tmp_path / "run",
        select="target-val",
        device="cpu",
        precision=None,
        edges=None,
        data_dir=data,
        command="test",
        show_scores=False,
    )
    predictions = Predictions.load(folder / "predictions.json")
    ids = load_split(split, data_dir=data).ids
    assert np.isfinite(predictions.array(0, split, ids)).all()
    log = (folder / "seed-0" / "log.csv").read_text()
    assert ("pretrain" in log) == bool(method.pretraining)
