"""Data cards and Croissant metadata: valid for mlcroissant, current, and as measured on the real images."""

from __future__ import annotations

import os
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dgmld_bench.cases import Case
from dgmld_bench.export.card import data_card, split_statistics
from dgmld_bench.files import read_json
from dgmld_bench.formats import volumes
from dgmld_bench.landmarks import CEPHALOMETRIC, CEREBELLUM
from dgmld_bench.sources import get_source, source_names
from dgmld_bench.splits import get_split, get_track

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs/data"
SOURCES = [name for name in source_names() if get_source(name).splits]


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "docs/make_data_cards.py"))


def test_statistics_by_hand() -> None:
    def volume(shape: tuple[int, int, int], affine: np.ndarray) -> Case:
        return Case("1", "lfc", CEREBELLUM, image=lambda: np.zeros(shape), affine=lambda: affine)

    ras = np.diag([0.5, 0.5, 1, 1])
    front_first = np.array([[0, -0.6, 0, 9], [0.7, 0, 0, 0], [0, 0, 2, 0], [0, 0, 0, 1.0]])
    values = split_statistics([volume((10, 20, 30), ras), volume((40, 12, 30), front_first)])
    assert values["cases"] == 2
    assert values["size"] == {"min": [10, 20, 30], "median": [11, 30, 30], "max": [12, 40, 30]}
    assert values["spacing_mm"] == {"min": [0.5, 0.5, 1], "median": [0.55, 0.6, 1.5], "max": [0.6, 0.7, 2]}
    assert values["extent_mm"] == {"min": [5, 10, 30], "median": [6.1, 19, 45], "max": [7.2, 28, 60]}


def test_a_film_counts_in_pixels_of_the_original() -> None:
    from dgmld_bench.geometry import film_affine

    case = Case(
        "1",
        "isbi",
        CEPHALOMETRIC,
        image=lambda: np.zeros((480, 387)),
        affine=lambda: film_affine((480, 387), (1935, 2400)),
        pixel_spacing_mm=0.1,
    )
    values = split_statistics([case])
    assert values["size"]["median"] == [1935, 2400] and values["extent_mm"]["median"] == [193.5, 240]  # type: ignore[index]


def test_the_committed_pages_are_current(script: dict[str, Any]) -> None:
    pages = script["pages"](read_json(FOLDER / "statistics.json"))
    stale = [name for name, text in pages.items() if (FOLDER / name).read_text(encoding="utf-8") != text]
    assert not stale, "run `python docs/make_data_cards.py`"
    assert {p.name for p in FOLDER.iterdir()} == set(pages)


@pytest.mark.parametrize("name", SOURCES)
def test_a_card_says_licence_counts_and_splits(name: str) -> None:
    source = get_source(name)
    card = data_card(source, {})
    assert source.licence in card and all(paper in card for paper in source.papers)
    for split in map(get_split, source.splits):
        assert f"| `{split.name}` | `{split.track}` | {split.role}" in card and f"| {split.n_cases} |" in card
    assert "Not measured here, the data were not on disk: `" in card


@pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning")  # mlcroissant's use of rdflib
@pytest.mark.parametrize("name", SOURCES)
def test_mlcroissant_accepts_the_metadata(name: str) -> None:
    mlc = pytest.importorskip("mlcroissant", reason="mlcroissant is not installed (extra 'dev')")
    dataset = mlc.Dataset(jsonld=read_json(FOLDER / f"{name}.croissant.json"))
    assert not dataset.metadata.ctx.issues.errors
    assert dataset.metadata.license == [get_source(name).licence]

    def text(value: object) -> object:
        return value.decode() if isinstance(value, bytes) else value

    rows = [{k.split("/")[1]: text(v) for k, v in row.items()} for row in dataset.records("splits")]
    assert [(r["name"], r["cases"]) for r in rows] == [(s, get_split(s).n_cases) for s in get_source(name).splits]
    names = [text(row["landmarks/name"]) for row in dataset.records("landmarks")]
    assert names == list(get_track(get_source(name).gives[0].track).landmarks.names)


def test_mlcroissant_knows_the_published_atlases_by_their_hashes() -> None:
    files = read_json(FOLDER / "atlases.croissant.json")["distribution"]
    assert len(files) == 92 and all(len(f["sha256"]) == 64 and "38cf1fb77b" in f["contentUrl"] for f in files)


def test_the_statistics_are_those_of_the_real_atlases() -> None:
    real = os.environ.get("DGMLD_BENCH_REAL_DATA")
    if not real:
        pytest.skip("DGMLD_BENCH_REAL_DATA is not set")

    def case(id: str) -> Case:
        path = Path(real) / "atlas/Neurotypical_Gholipour2017" / id / "srr.nii.gz"
        return Case(
            id,
            "open-val",
            CEREBELLUM,
            image=lambda: volumes.read_volume(path)[0],
            affine=lambda: volumes.read_affine_and_shape(path)[0],
        )

    measured = split_statistics([case(id) for id in get_split("open-val").case_ids or ()])
    assert measured == read_json(FOLDER / "statistics.json")["open-val"]
