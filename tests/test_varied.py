"""One thing varied at a time."""

from __future__ import annotations

from pathlib import Path

import pytest

from baselines.common.config import get_preset
from baselines.common.registry import method_of
from baselines.varied import VARIATIONS, varied
from dgmld_bench.errors import UsageError
from tests.command import run_script


def test_a_variation_changes_what_it_names_of_the_preset():
    small = get_preset("small", 3)
    for name, variation in VARIATIONS.items():
        changed = variation.preset(small)
        differ = [k for k in vars(small) if getattr(small, k) != getattr(changed, k)]
        assert set(differ) == {*variation.factors, *variation.values}, name
        assert type(changed.epochs) is type(changed.pretrain_epochs) is int
    assert VARIATIONS["reach-double"].preset(small).range_vox == 5.0
    assert VARIATIONS["pretrain-half"].preset(small).pretrain_epochs == 25


def test_parts_of_a_method_are_varied_only_where_it_has_them():
    without = VARIATIONS["without-shape"]
    assert without.method("baseline") is None and without.method("synthdg").name == "SynthDG-without-shape"
    pretrained = VARIATIONS["pretrained"]
    assert pretrained.method("bapdg") is None
    method, synthdg, bapdg = pretrained.method("synthdg"), method_of("synthdg"), method_of("bapdg")
    assert method.pretraining == bapdg.pretraining and method.augmentation == synthdg.augmentation
    assert method.name not in (synthdg.name, bapdg.name)  # or its network would be taken for one of theirs


def test_two_variations_at_once():
    both = VARIATIONS["epochs-quarter"] + VARIATIONS["without-shape"]
    assert both.preset(get_preset("small", 3)).endless_steps == get_preset("small", 3).endless_steps // 4
    assert both.method("synthdg").name == "SynthDG-without-shape"
    with pytest.raises(UsageError, match="both change endless_steps, epochs"):
        both + VARIATIONS["epochs-half"]


def smoke(brains: Path, out: Path) -> list[object]:
    return ["--track", "dgmld", "--preset", "smoke", "--out", out, "--data-dir", brains]


def test_every_cell_is_trained_once_and_a_variation_comes_to_something_else(monkeypatch, capsys, brains, tmp_path):
    arguments = ["--variations", "none,reach-double", *smoke(brains, tmp_path)]
    assert run_script(monkeypatch, varied, *arguments) == 0
    first = capsys.readouterr()
    plain, doubled = (line.split()[-2:] for line in first.out.splitlines()[2:])
    assert doubled[0] == "–" and float(plain[0]) > 0  # no distance map in Baseline
    assert float(doubled[1]) != float(plain[1])
    assert run_script(monkeypatch, varied, *arguments) == 0
    again = capsys.readouterr()
    assert again.out == first.out and "epoch" not in again.err  # nothing is trained twice


def test_a_network_of_other_settings_is_refused(monkeypatch, capsys, brains, tmp_path):
    arguments = ["--methods", "baseline", "--backbone", "vitpose", "--variations", "none", *smoke(brains, tmp_path)]
    assert run_script(monkeypatch, varied, *arguments) == 0
    card = next(tmp_path.rglob("settings.json"))
    text = card.read_text()
    card.write_text(text.replace('"selection": "target-val"', '"selection": "source-val"'))
    assert run_script(monkeypatch, varied, *arguments) == 2
    assert "holds results of other settings (selection differ)" in capsys.readouterr().err
    card.write_text(text.replace('"withheld": [', '"withheld": ["0", '))
    assert run_script(monkeypatch, varied, *arguments) == 2
    assert "holds results of other settings (cases differ)" in capsys.readouterr().err


def test_an_ablation_has_a_row_for_each_part(monkeypatch, capsys, brains, tmp_path):
    arguments = ["--methods", "synthdg", "--variations", "none,epochs-half+without-shape", *smoke(brains, tmp_path)]
    assert run_script(monkeypatch, varied, *arguments) == 0
    plain, other = capsys.readouterr().out.splitlines()[2:]
    assert other.startswith("half as many epochs of landmarks, without shape  ")
    assert float(plain.split()[-1]) > 0 and float(other.split()[-1]) > 0


@pytest.mark.parametrize("names", ["reach-halve", "none+reach-halve"])
def test_an_unknown_variation_is_a_usage_error(monkeypatch, capsys, names):
    assert run_script(monkeypatch, varied, "--variations", names) == 2
    assert "did you mean 'reach-half'" in capsys.readouterr().err
