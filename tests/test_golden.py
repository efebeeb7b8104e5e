"""Published figures on the real ISBI-2015 files, to every digit that was printed."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import dgmld_bench as db
from dgmld_bench.obtaining.importing import import_source
from dgmld_bench.scoring import metrics

REAL = os.environ.get("DGMLD_BENCH_REAL_DATA", "")
pytestmark = pytest.mark.skipif(
    not REAL, reason="DGMLD_BENCH_REAL_DATA is not set: the real ISBI-2015 files are not here"
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("isbi")
    import_source("isbi", Path(REAL) / "isbi2015", data_dir=folder)
    return folder


@pytest.mark.parametrize(
    ("name", "split", "mre", "sdr"),
    [
        ("test1", "isbi", "1.124", ["87.12", "92.53", "96.11", "98.39"]),
        ("test2", "isbi-val", "1.463", ["74.74", "83.47", "88.84", "94.63"]),
    ],
)
def test_published_predictions_score_to_every_published_digit(data, name, split, mre, sdr):
    path = Path(REAL) / "isbi2015_published_predictions" / f"{name}_predictions.json"
    value = db.score(path, split, data_dir=data).to_dict()
    assert f"{value['mre_mm']['mean']:.3f}" == mre
    assert [f"{v:.2f}" for v in value["runs"][0]["sdr_percent"].values()] == sdr
    assert value["complete"] is True and value["coverage"] == 1 and value["cases"] == value["cases_expected"]


def doctors(data: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Senior and junior doctor's points in pixels, ``(case, landmark, xy)``."""
    cases = db.load_split(split, references=True, data_dir=data)
    return tuple(np.stack([c.annotations[who] for c in cases]) for who in ("senior", "junior"))  # type: ignore[return-value]


@pytest.mark.parametrize(("split", "mre"), [("isbi", "2.363"), ("isbi-val", "1.514")])
def test_senior_against_junior_doctor(data, split, mre):
    senior, junior = doctors(data, split)
    assert f"{metrics.mean_radial_error(metrics.radial_errors(junior, senior) * 0.1):.3f}" == mre


@pytest.mark.parametrize("strict", [False, True])
def test_ties_at_twenty_pixels_are_decided_as_integers_decide_them(data, strict):
    senior, junior = doctors(data, "isbi")
    quarter_px2 = ((2 * senior - 2 * junior).astype(np.int64) ** 2).sum(axis=-1)  # exact: points lie on half pixels
    for limit_mm in metrics.SDR_THRESHOLDS_MM:
        limit = int((limit_mm * 20) ** 2)  # (2 * 10 px/mm * limit)²
        exact = 100 * np.mean(quarter_px2 < limit if strict else quarter_px2 <= limit)
        ours = metrics.success_rates(metrics.radial_errors(junior, senior) * 0.1, [limit_mm], strict=strict)
        assert ours.item() == pytest.approx(exact, abs=1e-9)
    if not strict:
        at_2mm = metrics.success_rates(metrics.radial_errors(junior, senior) * 0.1, [2.0]).item()
        in_millimetres = metrics.success_rates(metrics.radial_errors(junior * 0.1, senior * 0.1), [2.0]).item()
        assert f"{at_2mm:.2f}" == "55.54" and in_millimetres < at_2mm  # measured in mm, ties fall to either side
