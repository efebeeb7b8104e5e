"""What is seen of a training: a bar that moves within an epoch, or a line an epoch, never both and nothing twice."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from baselines.bapdg.run import METHOD as BAPDG
from baselines.common import progress
from baselines.common.progress import StageProgress, make_progress
from baselines.common.trainer import Epoch


def shown(monkeypatch: pytest.MonkeyPatch, *, terminal: bool, before: int = 0) -> tuple[str, list[float]]:
    """Show two epochs of two steps, the first ``before`` of them done earlier; return the text and the bar's places."""
    console = Console(file=StringIO(), force_terminal=terminal, force_interactive=terminal, width=200)
    monkeypatch.setattr(progress, "console", console)
    places = []
    with make_progress() as bars:
        stage = StageProgress(bars, "stage", 2, remark="mind the loss")
        for number in range(2):
            for done in (1, 2) if number >= before else ():
                stage.on_step(number, done, 2)
                places.append(bars.tasks[0].completed)
            stage.on_epoch(Epoch(number, 1.0, None, 0.5))
    return console.file.getvalue(), places  # type: ignore[attr-defined]


def test_a_bar_moves_with_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    text, places = shown(monkeypatch, terminal=True)
    assert places == [0.5, 1.0, 1.5, 2.0]
    assert "epoch" not in text and text.count("mind the loss") == 1


def test_a_log_has_one_line_an_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    text, _ = shown(monkeypatch, terminal=False)
    lines = ["stage: mind the loss", "stage · epoch 1/2 · loss 1 · 0.5 s", "stage · epoch 2/2 · loss 1 · 0.5 s"]
    assert text.splitlines() == lines


def test_a_log_does_not_repeat_what_was_before_an_interruption(monkeypatch: pytest.MonkeyPatch) -> None:
    text, _ = shown(monkeypatch, terminal=False, before=1)
    assert text.splitlines()[1:] == ["stage goes on after epoch 1/2", "stage · epoch 2/2 · loss 1 · 0.5 s"]
    assert shown(monkeypatch, terminal=False, before=2)[0] == ""


def test_a_loss_that_changes_its_kind_is_said_to_rise() -> None:
    assert all("expected to rise" in pretraining.remark for pretraining in BAPDG.pretraining.values())
