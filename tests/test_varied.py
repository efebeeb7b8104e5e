"""One thing varied at a time."""

from __future__ import annotations

from pathlib import Path

from baselines.common.config import get_preset
from baselines.varied import VARIATIONS, varied
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


def test_an_unknown_variation_is_a_usage_error(monkeypatch, capsys):
    assert run_script(monkeypatch, varied, "--variations", "reach-halve") == 2
    assert "did you mean 'reach-half'" in capsys.readouterr().err
