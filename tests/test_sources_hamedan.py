from __future__ import annotations

import hashlib
import json
import os
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from dgmld_bench.errors import DataError
from dgmld_bench.formats.labelme import read_labelme
from dgmld_bench.obtaining.downloading import download_source
from dgmld_bench.obtaining.importing import NothingUsableError, import_source
from dgmld_bench.obtaining.upkeep import verify_source
from dgmld_bench.scoring.agreement import measure_agreement
from dgmld_bench.sources import hamedan
from dgmld_bench.splits import get_split, load_split
from dgmld_bench.storage.download import Patience, RemoteFile
from tests import trees
from tests.servers import Site, serve
from tests.test_archives import tree

needs_real_data = pytest.mark.skipif(
    "DGMLD_BENCH_REAL_DATA" not in os.environ, reason="DGMLD_BENCH_REAL_DATA is not set"
)
FIRST, SECOND = trees.HAMEDAN_DOCTORS


def test_films_of_any_size_and_both_doctors(tmp_path: Path) -> None:
    truth = trees.hamedan(tmp_path / "deep/er", [1, 2, 150])  # film 1 is a JPEG file named .tif
    register = import_source("hamedan", tmp_path / "deep", data_dir=tmp_path)
    assert [c.id for c in register.cases] == ["1", "2", "150"]
    case = load_split("hamedan", references=True, data_dir=tmp_path)[1]
    assert case.id == "2" and case.spacing_mm == 0.144 and case.image.shape == (418, 335)
    assert list(case.annotations) == ["mollabashi", "farhadifar"]
    np.testing.assert_array_equal(case.landmarks, truth["2"] + [1, 0])
    np.testing.assert_allclose(case.affine @ [417.5, 334.5, 1], [1339.5, 1670.5, 1], atol=0.6)  # 335 x 418 is 1/4
    assert register.problems[-1].message.startswith("142 cases are missing or incomplete: 3, 4,")


def test_a_doubled_or_missing_label_is_no_measurement(tmp_path: Path) -> None:
    truth = trees.hamedan(tmp_path, [5])["5"]
    labels = {f"l{n}": [(float(x), float(y))] for n, (x, y) in enumerate(truth, 1)}
    labels["l11"].append((labels["l11"][0][0] + 40, labels["l11"][0][1]))  # 40 px apart: neither is taken
    labels["l12"].append((labels["l12"][0][0] + 0.5, labels["l12"][0][1]))  # half a pixel: they agree
    del labels["l16"]
    labels["l20"] = [(1.0, 1.0)]
    trees.labelme(tmp_path / FIRST / "005.json", labels)
    register = import_source("hamedan", tmp_path, data_dir=tmp_path / "data")
    said = [p.message for p in register.problems if p.where == "hamedan/5"]
    assert said == [
        "mollabashi: l11 (lower_incisor_tip) stands 2 times, 40 px apart: none is taken",
        "mollabashi: l16 (soft_tissue_pogonion) is missing",
        "mollabashi: unknown label l20",
    ]
    reference = load_split("hamedan", references=True, data_dir=tmp_path / "data")[0].landmarks
    expected = truth + np.array([1, 0])
    expected[[10, 15]] = truth[[10, 15]] + [2, 0]  # the other doctor's alone
    expected[11] = truth[11] + [1.125, 0]  # the mean of (0 + 0.5) / 2 and 2
    np.testing.assert_allclose(reference, expected)


def test_what_is_incomplete_or_not_in_the_split_is_named(tmp_path: Path) -> None:
    trees.hamedan(tmp_path, [1, 2, 3, 4, 5, 123, 151])
    (tmp_path / FIRST / "001.json").unlink()
    (tmp_path / SECOND / "002.json").write_text('{"shapes": [{"label": "l1", "points": [[1, 2], [3, 4]]}]}')
    value = json.loads((tmp_path / FIRST / "003.json").read_text())
    (tmp_path / FIRST / "003.json").write_text(json.dumps(value | {"imageWidth": 670}))
    for doctor in (FIRST, SECOND):
        trees.labelme(tmp_path / doctor / "004.json", {f"l{n}": [(float(n), 5.0)] for n in range(1, 19)})
    register = import_source("hamedan", tmp_path, data_dir=tmp_path / "data")
    assert [c.id for c in register.cases] == ["5"]
    found = defaultdict(list)
    for problem in register.problems:
        found[problem.where].append(problem.message)
    assert "001.json: no such file" in found["hamedan/1"][0]
    assert "'l1' is a shape of several points" in found["hamedan/2"][0]
    assert "made on an image of 670x1671, expected 1340x1671" in found["hamedan/3"][0]
    assert found["hamedan/4"] == ["no doctor set articulare"]
    assert found["hamedan/123"] == ["not in the split: the second doctor's file is that of film 122, byte for byte"]
    assert "no film of this source" in found["hamedan/151"][0]


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{}",
        '{"shapes": [{"label": "l1", "points": [["x", 1]]}], "imagePath": "", "imageWidth": 1, "imageHeight": 1}',
        '{"shapes": [{"label": "l1", "points": [[1e999, 1]]}], "imagePath": "", "imageWidth": 1, "imageHeight": 1}',
        '{"shapes": [{"label": "l1", "points": [[1, 2, 3]]}], "imagePath": "", "imageWidth": 1, "imageHeight": 1}',
        '{"shapes": 7, "imagePath": "", "imageWidth": 1, "imageHeight": 1}',
    ],
)
def test_a_hostile_annotation_is_a_data_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "1.json").write_text(text)
    with pytest.raises(DataError, match=r"1\.json: not an annotation of points by LabelMe"):
        read_labelme(tmp_path / "1.json")


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    trees.hamedan(tmp_path, [1])
    (tmp_path / SECOND).rename(tmp_path / "elsewhere")
    with pytest.raises(NothingUsableError, match=r"no folder 'annotated by … farhadifar'"):
        import_source("hamedan", tmp_path, data_dir=tmp_path / "data")


def test_the_download_keeps_no_copy_of_a_film_in_its_annotation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trees.hamedan(tmp_path / "there", [1, 2])
    files = tree(tmp_path / "there")
    published = tuple(RemoteFile(n, (), len(d), hashlib.sha256(d).hexdigest()) for n, d in files.items())
    monkeypatch.setattr(hamedan, "published_files", lambda: published)
    patience = Patience(attempts=2, first_wait_s=0.001)
    with serve(Site(dict(files))) as site:
        got = download_source("hamedan", data_dir=tmp_path / "data", mirror=site.url, patience=patience)
        assert got.fetched and got.register.count("hamedan") == 2
        (place,) = (tmp_path / "data/hamedan").glob("files-*")
        kept = place / FIRST / "001.json"
        assert kept.stat().st_size < len(files[f"{FIRST}/001.json"]) - 3900
        assert read_labelme(kept) == read_labelme(tmp_path / "there" / FIRST / "001.json")
        assert not verify_source("hamedan", data_dir=tmp_path / "data").problems
        site.requests.clear()
        again = download_source("hamedan", data_dir=tmp_path / "data", mirror=site.url, patience=patience)
        assert not again.fetched and not site.requests


def test_a_copy_keeps_none_either(tmp_path: Path) -> None:
    trees.hamedan(tmp_path / "there", [1])
    register = import_source("hamedan", tmp_path / "there", copy=True, data_dir=tmp_path / "data")
    (case,) = register.cases
    assert all("QkFTRTY0" not in register.path(f).read_text() for f in case.landmarks)
    assert (tmp_path / "there" / FIRST / "001.json").read_text().count("QkFTRTY0")  # the user's own stays


def test_the_embedded_list_is_what_the_split_needs() -> None:
    wanted = {f.path for f in hamedan.Hamedan().remote()}
    assert len(wanted) == 3 * 145 and all(f.bytes and len(f.sha256 or "") == 64 for f in hamedan.published_files())
    assert f"{FIRST}/001.json" in wanted and f"{FIRST}/123.json" not in wanted
    url = next(f.urls[0] for f in hamedan.published_files() if f.path == f"{FIRST}/001.json")
    assert url.endswith("/hamedan_university_dataset/annotated%20by%20%20Dr.mollabashi/001.json")


def test_the_split_follows_from_the_rule_and_the_published_hashes() -> None:
    """No film twice, none with another film's annotation: decided by which published files are equal."""
    same: dict[str, list[str]] = defaultdict(list)
    for file in hamedan.published_files():
        same[file.sha256 or ""].append(file.path)
    equal = sorted([p.split("/")[-1] for p in paths] for paths in same.values() if len(paths) > 1)
    films = [["014.tif", "087.tif"], ["057.tif", "134.tif"], ["075.tif", "129.tif"], ["109.tif", "144.tif"]]
    assert equal == sorted([*films, ["122.json", "123.json"]])
    ids = set(get_split("hamedan").case_ids or ())
    assert ids.isdisjoint(hamedan.LEFT_OUT) and ids | hamedan.LEFT_OUT.keys() == {str(n) for n in range(1, 151)}
    for one, two in films:
        assert len(ids & {str(int(one[:3])), str(int(two[:3]))}) == 1
    assert "123" not in ids and "122" in ids


@needs_real_data
def test_real_hamedan(tmp_path: Path) -> None:
    root = Path(os.environ["DGMLD_BENCH_REAL_DATA"]) / "hamedan"
    register = import_source("hamedan", root, data_dir=tmp_path)
    assert register.count("hamedan") == 145
    where = [p.where for p in register.problems if "not in the split" not in p.message]
    assert where == [f"hamedan/{n}" for n in (2, 2, 2, 9, 10, 64, 86, 98, 137, 140)]
    agreement = measure_agreement(load_split("hamedan", references=True, data_dir=tmp_path))
    assert agreement is not None and round(agreement.mean_mm, 2) == 1.66
    assert f"{agreement.mean_mm:.2f} mm apart" in " ".join(hamedan.SOURCE.cautions)
    for gone, stays in ((87, 14), (134, 57), (129, 75), (109, 144)):  # of a pair the film goes that is less complete
        doubts = {
            n: sum(len(hamedan.doctors_points(root / d / f"{n:03d}.json")[1]) for d in (FIRST, SECOND))
            for n in (gone, stays)
        }
        assert (doubts[stays], stays) < (doubts[gone], gone)
