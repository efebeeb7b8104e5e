"""What could fail at the end of a training fails before its first step, and a failure at the end costs nothing."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from baselines.common import recipe, versions
from dgmld_bench.errors import DataError, UsageError
from tests.test_runs import PRETRAINED, run


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was trained."""
    seen: list[Any] = []
    original = recipe.train

    def spy(network: Any, parameters: Any, stage: Any, *args: Any, **kwargs: Any) -> Any:
        def on_step(*at: Any) -> None:
            seen.append((stage.name, *at))

        return original(network, parameters, stage, *args, **kwargs | {"on_step": on_step})

    monkeypatch.setattr(recipe, "train", spy)
    return seen


def test_a_run_rehearses_leaves_nothing_of_it_and_tells_every_step(
    tmp_path: Path, brains: Path, steps: list[Any]
) -> None:
    run(tmp_path, brains)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["predictions.json", "run.json", "seed-0", "settings.json"]
    assert steps == [("finetune", epoch, done, 2) for epoch in (0, 1) for done in (1, 2)]  # six cases, batches of four


def test_a_disk_without_room_is_refused_before_the_first_step(small_disk: Path, brains: Path, steps: list[Any]) -> None:
    with pytest.raises(DataError, match=r"0 MiB free on its disk, and training here takes up to \d+ MiB"):
        run(small_disk / "run", brains)
    assert not steps


def test_what_an_end_needs_is_tried_before_the_first_step(
    tmp_path: Path, brains: Path, steps: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing_of_the_kind() -> None:
        raise DataError("no such package")

    monkeypatch.setattr(recipe, "versions", nothing_of_the_kind)
    with pytest.raises(DataError, match="no such package"):
        run(tmp_path, brains)
    assert not steps and not list(tmp_path.glob(".*"))


def test_a_package_that_is_too_old_is_named_first(
    tmp_path: Path, brains: Path, steps: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {"torch": "2.3.1+cu121"}
    monkeypatch.setattr(versions, "version", lambda package: found.get(package, "999"))
    with pytest.raises(
        UsageError, match=r"training needs torch 2\.\d+ or newer, got 2\.3\.1\+cu121; in the checkout: pip"
    ):
        run(tmp_path, brains)
    assert not steps and not list(tmp_path.iterdir())


def test_an_image_that_cannot_be_predicted_is_met_before_the_first_step(
    tmp_path: Path, brains: Path, steps: list[Any]
) -> None:
    shutil.copytree(brains, tmp_path / "data", ignore=shutil.ignore_patterns("cache"))
    image = tmp_path / "data" / "dgmld" / "lfc-10.nii.gz"
    image.write_bytes(image.read_bytes()[:1000])
    with pytest.raises(DataError, match=r"lfc-10\.nii\.gz"):
        run(tmp_path / "run", tmp_path / "data")
    assert not steps


@pytest.mark.parametrize("failing", ["baselines.common.running._predict", "baselines.common.plots.draw_training"])
def test_a_failure_while_results_are_written_costs_no_step(
    tmp_path: Path,
    brains: Path,
    steps: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    failing: str,
) -> None:
    whole = run(tmp_path / "whole", brains, method=PRETRAINED)
    wanted = len(steps)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "x")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space"):
        patch.setattr(failing, full)
        run(tmp_path / "cut", brains, method=PRETRAINED)
    assert "the same command goes on from there" in " ".join(capsys.readouterr().err.split())
    steps.clear()
    cut = run(tmp_path / "cut", brains, method=PRETRAINED)
    assert wanted and not steps
    shown = capsys.readouterr().err
    assert "epoch" not in shown  # what a log has said before it does not say again
    assert (cut / "predictions.json").read_bytes() == (whole / "predictions.json").read_bytes()


def test_a_device_that_runs_out_of_memory_is_said_in_one_message(
    tmp_path: Path, brains: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nGPU 0 has …")

    monkeypatch.setattr(recipe, "train", full)
    with pytest.raises(DataError, match=r"^the device is out of memory \(CUDA out of memory\. Tried .* 2\.00 GiB\.\)$"):
        run(tmp_path, brains)
