"""Whole runs at smoke size: both backbones in 3D and 2D, repeated, interrupted, and without the test references."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from baselines import predict as predict_command
from baselines.baseline.run import METHOD as BASELINE
from baselines.common import command, recipe, running, trainer
from baselines.common.config import get_preset
from baselines.common.data import load_training_set, selection_splits, withhold_fifths
from baselines.common.method import PEAK, Augmentation, Method, Pretraining
from baselines.common.running import run_method
from baselines.meanshape.run import predict as predict_mean_shape
from dgmld_bench.errors import DataError, ReferenceWithheldError, UsageError
from dgmld_bench.files import read_json
from dgmld_bench.geometry import NetworkGrid
from dgmld_bench.scoring.predictions import Predictions
from dgmld_bench.splits import get_track, load_split

PRETRAINED = Method(
    name="Toy",
    title="t",
    authors="a",
    venue="v",
    paper="https://example.org",
    pretraining={
        3: Pretraining("mask", lambda s: PEAK * s.mask.astype(np.float32)),  # type: ignore[union-attr]
        2: Pretraining("image", lambda s: PEAK * s.image_on_heatmap_grid),
    },
)


def run(out: Path, data: Path, **changes: Any) -> Path:
    options: dict[str, Any] = {
        "method": BASELINE,
        "track": "dgmld",
        "backbone": "unet",
        "preset": "smoke",
        "seeds": [0],
        "select": "target-val",
        "device": "cpu",
        "precision": None,
        "edges": None,
        "command": "test",
        "show_scores": False,
    }
    return run_method(**(options | changes), out=out, data_dir=data)


@pytest.mark.parametrize("backbone", ["unet", "vitpose"])
@pytest.mark.parametrize("dimension", [3, 2])
def test_a_run_leaves_what_it_promises(
    tmp_path: Path, brains: Path, films: Path, backbone: str, dimension: int
) -> None:
    track, data = ("dgmld", brains) if dimension == 3 else ("ceph", films)
    splits = {"lfc-val": 2, "lfc": 3} if dimension == 3 else {"isbi-val": 2, "isbi": 2}
    run(tmp_path, data, method=PRETRAINED, track=track, backbone=backbone, seeds=[0, 3], show_scores=True)
    predictions = Predictions.load(tmp_path / "predictions.json")
    assert (predictions.method, predictions.backbone, predictions.selection) == ("Toy", backbone, "target-val")
    assert predictions.training_data == [get_track(track).train] and predictions.seeds == [0, 3]
    for one in predictions.runs:
        assert {split: len(cases) for split, cases in one.predictions.items()} == splits
    sidecar = read_json(tmp_path / "run.json")
    assert len(sidecar["devices"]) == 1 and sidecar["devices"][0].endswith("fp32")
    assert sidecar["parameters"] > 0 and set(sidecar["versions"]) >= {"torch", "dgmld-bench"}
    for seed in (0, 3):
        place = tmp_path / f"seed-{seed}"
        names = {p.name for p in place.iterdir()}
        assert names == {"checkpoint.safetensors", "checkpoint.json", "log.csv", "curve.png", "predictions.json"}
        log = (place / "log.csv").read_text().splitlines()
        assert [row.split(",")[0] for row in log] == ["stage", "pretrain", "pretrain", "finetune", "finetune"]


def test_the_same_command_gives_the_same_bytes_and_another_seed_others(tmp_path: Path, brains: Path) -> None:
    files = [run(tmp_path / str(n), brains, method=PRETRAINED, seeds=[s]) for n, s in enumerate((0, 0, 1))]
    first, again, other = ((f / "predictions.json").read_bytes() for f in files)
    assert first == again
    assert first != other.replace(b'"seed": 1', b'"seed": 0')


@pytest.mark.parametrize("interrupted_at", [("pretrain", 0), ("finetune", 0), ("finetune", 1)])
def test_an_interrupted_run_goes_on_to_the_same_bytes(
    tmp_path: Path, brains: Path, monkeypatch: pytest.MonkeyPatch, interrupted_at: tuple[str, int]
) -> None:
    monkeypatch.setattr(trainer, "SECONDS_BETWEEN_STATES", -1.0)
    options: dict[str, Any] = {"method": PRETRAINED, "backbone": "vitpose"}  # stochastic depth draws numbers too
    whole = run(tmp_path / "whole", brains, **options)
    original = recipe.train

    def interrupt(network: Any, parameters: Any, stage: Any, *args: Any, **kwargs: Any) -> Any:
        report = kwargs.pop("on_epoch")

        def on_epoch(epoch: Any) -> None:
            report(epoch)
            if (stage.name, epoch.number) == interrupted_at:
                raise KeyboardInterrupt

        return original(network, parameters, stage, *args, on_epoch=on_epoch, **kwargs)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(recipe, "train", interrupt)
        run(tmp_path / "parts", brains, **options)
    parts = run(tmp_path / "parts", brains, **options)
    for name in ("predictions.json", "seed-0/checkpoint.safetensors"):
        assert (parts / name).read_bytes() == (whole / name).read_bytes()


def test_a_run_interrupted_while_it_predicts_does_not_train_again(
    tmp_path: Path, brains: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(tmp_path / "whole", brains)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):

        def interrupt(*_: Any, **__: Any) -> None:
            raise KeyboardInterrupt

        patch.setattr(running, "_predict", interrupt)
        run(tmp_path / "parts", brains)
    epochs: list[Any] = []
    original = recipe.validation_mre
    monkeypatch.setattr(recipe, "validation_mre", lambda *a: epochs.append(1) or original(*a))
    parts = run(tmp_path / "parts", brains)
    assert not epochs
    assert (parts / "predictions.json").read_bytes() == (whole / "predictions.json").read_bytes()


def test_a_finished_run_is_not_trained_again(tmp_path: Path, brains: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path, brains)
    before = (tmp_path / "predictions.json").read_bytes()
    monkeypatch.setattr(running, "_train", None)
    monkeypatch.setattr(running, "_predict", None)
    run(tmp_path, brains)
    assert (tmp_path / "predictions.json").read_bytes() == before


def test_a_folder_of_other_settings_is_refused(tmp_path: Path, brains: Path) -> None:
    run(tmp_path, brains)
    with pytest.raises(UsageError, match=r"holds results of other settings \(backbone differ\)"):
        run(tmp_path, brains, backbone="vitpose")


def test_a_split_that_came_later_is_predicted_with_the_kept_network(
    tmp_path: Path, brains: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path / "whole", brains)
    shutil.copytree(brains, tmp_path / "data")
    register = tmp_path / "data" / "dgmld" / "register.json"
    content = json.loads(register.read_text())
    without = [case for case in content["cases"] if case["split"] != "feta"]
    register.write_text(json.dumps(content | {"cases": without}))
    run(tmp_path / "run", tmp_path / "data")
    assert "feta" not in Predictions.load(tmp_path / "run" / "predictions.json").splits
    register.write_text(json.dumps(content))
    monkeypatch.setattr(running, "_train", None)
    run(tmp_path / "run", tmp_path / "data")
    files = [tmp_path / name / "predictions.json" for name in ("whole", "run")]
    whole, later = (Predictions.load(file).run(0).predictions for file in files)
    assert later == whole
    assert read_json(tmp_path / "run" / "settings.json") == read_json(tmp_path / "whole" / "settings.json")
    register.write_text(json.dumps(content | {"cases": content["cases"][1:]}))
    with pytest.raises(UsageError, match="holds results of other data"):
        run(tmp_path / "run", tmp_path / "data")


def test_results_are_collected_where_another_device_trained(tmp_path: Path, brains: Path) -> None:
    run(tmp_path, brains, seeds=[0])
    before = (tmp_path / "predictions.json").read_bytes()
    settings = tmp_path / "settings.json"
    settings.write_text(settings.read_text().replace('"device": "cpu"', '"device": "cuda"'))
    run(tmp_path, brains, seeds=[0])
    assert (tmp_path / "predictions.json").read_bytes() == before
    assert read_json(tmp_path / "run.json")["settings"]["device"] == "cuda"
    with pytest.raises(UsageError, match=r"other settings \(device differ\)"):
        run(tmp_path, brains, seeds=[0, 1])
    settings.write_text("[]")
    with pytest.raises(DataError, match="expected a JSON object, got an array"):
        run(tmp_path, brains, seeds=[0])


def test_a_track_without_anything_to_predict_is_refused_before_training(tmp_path: Path, brains: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(brains, data, ignore=shutil.ignore_patterns("cache"))
    register = data / "dgmld" / "register.json"
    value = read_json(register)
    value["cases"] = [c for c in value["cases"] if c["split"] == "atlas"]
    register.write_text(json.dumps(value))
    with pytest.raises(DataError, match="no split of track 'dgmld' is on disk to be predicted"):
        run(tmp_path / "run", data, select="source-val")


def test_data_that_may_only_be_read_is_prepared_elsewhere(
    tmp_path: Path, brains: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    before = len(list((brains / "cache").glob("*")))
    data = load_training_set(
        load_split("atlas", data_dir=brains), replace(get_preset("smoke", 3), grid_shape=(24, 24, 24))
    )
    assert len(data) == 6 and len(list((brains / "cache").glob("*"))) == before
    assert len(list((tmp_path / "cache").rglob("*.npy"))) == 6


@pytest.mark.parametrize("content", [bytes(range(256)) * 20, b"", "state"])
def test_a_damaged_state_is_said_to_be_one(tmp_path: Path, brains: Path, content: bytes | str) -> None:
    (tmp_path / "seed-0").mkdir()
    file = tmp_path / "seed-0" / "finetune.state"
    if isinstance(content, str):
        torch.save({"network": 1}, file)
    else:
        file.write_bytes(content)
    with pytest.raises(DataError, match=r"finetune\.state: not a training state .*delete it to train from the start"):
        run(tmp_path, brains)


def test_training_needs_no_reference_of_a_test_split(tmp_path: Path, brains: Path) -> None:
    blind = tmp_path / "data"
    shutil.copytree(brains, blind, ignore=shutil.ignore_patterns("lfc-[0-9]*.mrk.json", "lfc-[0-9]*-mask*", "cache"))
    for n in (1, 10, 15):
        shutil.rmtree(blind / "dgmld" / f"lfc-{n}")
    with pytest.raises(DataError):
        _ = load_split("lfc", data_dir=blind, references=True)[0].landmarks
    results = [run(tmp_path / name, data, method=PRETRAINED) for name, data in (("a", brains), ("b", blind))]
    assert (results[0] / "predictions.json").read_bytes() == (results[1] / "predictions.json").read_bytes()


def test_a_test_split_cannot_be_trained_or_selected_on(brains: Path) -> None:
    with pytest.raises(ReferenceWithheldError):
        load_training_set(load_split("lfc", data_dir=brains), get_preset("smoke", 3))


def test_selection() -> None:
    assert selection_splits(get_track("dgmld"), "target-val") == ("lfc-val", "target-val")
    assert selection_splits(get_track("dgmld"), "source-val") == (None, "source-val")
    for select in ("target-val", "source-val"):
        assert selection_splits(get_track("open"), select) == ("open-val", "source-val")


def test_source_validation_withholds_every_fifth_case_from_both_stages(
    tmp_path: Path, brains: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training, validation = withhold_fifths(
        load_training_set(load_split("atlas", data_dir=brains), get_preset("smoke", 3))
    )
    assert [c.id for c in training.cases] == ["1", "2", "3", "4", "6"]
    assert [c.id for c in validation.cases] == ["5"] and len(validation.world) == 1
    with pytest.raises(DataError, match="4 training cases: too few"):
        withhold_fifths(training.subset([0, 1, 2, 3]))
    seen: dict[str, int] = {}
    original = recipe.train

    def spy(network: Any, parameters: Any, stage: Any, n_items: int, *args: Any, **kwargs: Any) -> Any:
        seen[stage.name] = n_items
        return original(network, parameters, stage, n_items, *args, **kwargs)

    monkeypatch.setattr(recipe, "train", spy)
    run(tmp_path, brains, method=PRETRAINED, select="source-val")
    assert seen == {"pretrain": 5, "finetune": 5}
    assert Predictions.load(tmp_path / "predictions.json").selection == "source-val"


def test_a_method_changes_examples_in_its_own_way(
    tmp_path: Path, brains: Path, films: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    def half_black(images: Any, points: Any, labels: Any, generator: Any) -> Any:
        seen.append((tuple(images.shape[2:]), points, labels))
        images[:, :, : images.shape[2] // 2] = 0
        return images, points

    own = replace(BASELINE, augmentation={d: Augmentation(half_black, d == 3, endless=True) for d in (2, 3)})
    run(tmp_path / "3", brains, method=own)
    steps = get_preset("smoke", 3).endless_steps  # of two batches an epoch
    assert len((tmp_path / "3" / "seed-0" / "log.csv").read_text().splitlines()) == 1 + steps // 2
    shape, points, labels = seen[0]
    assert shape == (32, 32, 32) and labels.shape[1:] == shape and set(labels.unique().tolist()) > {0, 5}
    middle = points.mean(dim=1).round().long()  # of the cerebellum, on the grid of its labels
    assert all(labels[n][tuple(at)] == 5 for n, at in enumerate(middle))
    seen.clear()
    run(tmp_path / "2", films, method=own, track="ceph")
    shape, points, labels = seen[0]
    assert labels is None and shape == (96, 80)
    whole = load_training_set(load_split("isbi-train", data_dir=films), get_preset("smoke", 2))
    grid = [case.grid.to_grid(world) for case, world in zip(whole.cases, whole.world, strict=True)]
    assert all(min(np.abs(p.numpy() - g).max() for g in grid) < 1e-9 for p in points)


def test_predicting_with_a_checkpoint_gives_what_the_run_predicted(tmp_path: Path, brains: Path) -> None:
    run(tmp_path / "run", brains, seeds=[0, 1])
    for checkpoint, seeds in (("run", [0, 1]), ("run/seed-1", [1])):
        predict_command.predict(tmp_path / checkpoint, "lfc", tmp_path / "again.json", device="cpu", data_dir=brains)
        again = Predictions.load(tmp_path / "again.json")
        whole = Predictions.load(tmp_path / "run" / "predictions.json")
        assert again.seeds == seeds
        assert all(again.run(s).predictions["lfc"] == whole.run(s).predictions["lfc"] for s in seeds)


def test_a_checkpoint_of_other_landmarks_is_refused(tmp_path: Path, brains: Path, films: Path) -> None:
    run(tmp_path, brains)
    with pytest.raises(UsageError, match="landmarks 'cephalometric', the checkpoint predicts 'cerebellum'"):
        predict_command.predict(tmp_path, "isbi", tmp_path / "x.json", device="cpu", data_dir=films)
    with pytest.raises(DataError, match="no checkpoint here"):
        predict_command.predict(tmp_path / "seed-7", "lfc", tmp_path / "x.json", device="cpu", data_dir=brains)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--seeds", "0,x"], 2, "whole numbers separated by commas"),
        (["--seeds", "1,1"], 2, "different numbers"),
        (["--track", "open"], 1, "the data of source 'atlases' is not in"),
        (["--device", "nonsense"], 2, "--device nonsense cannot be used here"),
        (["--device", "meta"], 2, "--device meta cannot be used here: expected cpu, cuda, mps"),
        (["--seeds", "99999999999999999999"], 2, "different numbers from 0 to"),
        (["--edges", "/nowhere"], 2, "--edges: Baseline has no use for edge maps in 3D"),
        (["--out", "/dev/null"], 2, "/dev/null: is a file, expected the name of a folder"),
        (["--preset", "huge"], 2, "huge"),
    ],
)
def test_a_users_mistake_ends_in_one_message(
    tmp_path: Path,
    brains: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    place = ["--data-dir", str(brains), "--out", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", ["baselines/baseline/run.py", *place, *arguments])
    with pytest.raises(SystemExit) as stop:
        command.main(BASELINE)
    assert stop.value.code == code
    shown = " ".join(capsys.readouterr().err.split())
    assert message in shown and "Traceback" not in shown


def test_an_interrupt_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def long_work() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sys, "argv", ["work.py"])
    with pytest.raises(SystemExit) as stop:
        command.run_app(long_work)
    assert stop.value.code == 130 and "interrupted; the same command goes on" in capsys.readouterr().err


def test_the_mean_shape_lies_at_the_same_share_of_every_image(brains: Path) -> None:
    predictions = predict_mean_shape("dgmld", brains)
    shares = []
    for case in load_split("atlas", data_dir=brains):
        index = NetworkGrid(case.affine, case.image.shape, case.image.shape).to_grid(case.landmarks)
        shares.append((index + 0.5) / case.image.shape)
    case = load_split("lfc", data_dir=brains)[0]
    grid = NetworkGrid(case.affine, case.image.shape, case.image.shape)
    expected = grid.to_world(np.mean(shares, axis=0) * case.image.shape - 0.5)
    points = predictions.run(0).predictions["lfc"]["1"]
    assert np.allclose(list(points.values()), expected, atol=1e-9)
    assert (predictions.method, predictions.backbone, predictions.splits) == ("MeanShape", "none", ["lfc"])
