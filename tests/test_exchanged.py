"""Centres with their roles exchanged, on the real atlases."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest

from baselines.exchanged import exchanged
from baselines.predict import predict
from dgmld_bench.errors import UsageError
from dgmld_bench.files import read_json
from dgmld_bench.obtaining.importing import import_source
from tests.command import run_script

REAL = os.environ.get("DGMLD_BENCH_REAL_DATA", "")


@pytest.mark.skipif(not REAL, reason="DGMLD_BENCH_REAL_DATA is not set")
def test_every_centre_is_trained_on_once_and_tested_on_by_all(monkeypatch, capsys, tmp_path):
    import_source("atlases", Path(REAL) / "atlas", data_dir=tmp_path / "data")
    place = ["--out", tmp_path / "out", "--data-dir", tmp_path / "data"]
    arguments = ["--methods", "baseline", "--preset", "smoke", *place]
    assert run_script(monkeypatch, exchanged, *arguments) == 0
    first = capsys.readouterr()
    anatomy, errors = first.out.split("Average MRE by tested centre, mm")
    lines = [line.split() for line in anatomy.splitlines() if line.strip()]
    assert [line[-7] for line in lines[2:5]] == ["18", "13", "15"]
    drawn = re.search(r"from CRL: (\d+) % have a ratio within the range of spina bifida", anatomy)
    assert drawn and 0 < int(drawn[1]) < 100
    assert float(lines[4][-3]) > float(lines[2][-1])  # every spina bifida cerebellum is higher for its width
    rows = [line.split() for line in errors.splitlines() if line.strip()]
    assert [row[1] for row in rows[1:]] == ["CRL", "CRL", "Chinese", "Chinese", "spina", "spina"]
    assert errors.count("(") == 6
    as_is, matched = (np.array([float(v.strip("()")) for v in row[-3:]]) for row in (rows[1], rows[2]))
    assert (as_is != matched).all()
    assert run_script(monkeypatch, exchanged, *arguments) == 0
    again = capsys.readouterr()
    assert again.out == first.out and "epoch" not in again.err  # nothing is trained twice
    folder = tmp_path / "out/smoke/baseline/spina-bifida/seed-0"
    assert read_json(folder / "checkpoint.json")["training_data"] == ["open-sb"]
    with pytest.raises(UsageError, match="was trained on split 'open-sb'"):
        predict(folder, "open-sb", tmp_path / "x.json", device="cpu", data_dir=tmp_path / "data")


def test_an_unknown_method_is_a_usage_error(monkeypatch, capsys):
    assert run_script(monkeypatch, exchanged, "--methods", "basline") == 2
    assert "did you mean 'baseline'" in capsys.readouterr().err
