from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dgmld_bench.errors import DataError
from dgmld_bench.obtaining.downloading import download_source
from dgmld_bench.obtaining.importing import NothingUsableError, import_source
from dgmld_bench.sources.aariz import read_annotation, read_devices
from dgmld_bench.splits import load_split
from dgmld_bench.storage.download import Patience
from tests import trees
from tests.servers import Figshare, serve_figshare
from tests.test_archives import tree, zipped

FILMS = {
    "cks2ip8fq2a0j0yufdfssbc09": ("png", "Rotograph Evo", "0.1"),
    "b": ("jpg", "Orthophos XG", "0.125"),
    "7": ("bmp", "", "0.11"),
}
SENIORS = "test/Annotations/Cephalometric Landmarks/Senior Orthodontists"


def messages(register: Any) -> dict[str, list[str]]:
    found = defaultdict(list)
    for problem in register.problems:
        found[problem.where].append(problem.message)
    return found


def test_every_film_has_its_own_pixel_size_and_device(tmp_path: Path) -> None:
    truth = trees.aariz(tmp_path / "deep/Aariz", FILMS)
    trees.aariz(tmp_path / "deep/Aariz/more", {"t": ("png", "x", "0.1")}, part="train")  # not of the split
    (tmp_path / "deep/Aariz/more/cephalogram_machine_mappings.csv").unlink()
    register = import_source("aariz", tmp_path / "deep", data_dir=tmp_path)
    cases = load_split("aariz", references=True, data_dir=tmp_path)
    assert list(cases.ids) == ["7", "b", "cks2ip8fq2a0j0yufdfssbc09"]
    for case in cases:
        np.testing.assert_array_equal(case.landmarks, truth[case.id] + np.array([0.5, 0]))  # the mean, not rounded
        assert list(case.annotations) == ["senior", "junior"] and case.image.ndim == 2
        assert case.mm_per_unit == float(FILMS[case.id][2])
        assert case.centre == (FILMS[case.id][1] or "unknown device")
    found = messages(register)
    assert found["aariz/7"] == ["cephalogram_machine_mappings.csv names no device"]
    assert found["aariz"] == ["3 of the 150 cases of the split are complete"]


def change(path: Path, edit: Any) -> None:
    value = json.loads(path.read_text())
    edit(value)
    path.write_text(json.dumps(value))


def test_landmarks_are_found_by_title_and_then_by_symbol(tmp_path: Path) -> None:
    truth = trees.aariz(tmp_path, {"b": FILMS["b"]})["b"]
    path = tmp_path / SENIORS / "b.json"

    def rename(value: Any) -> None:
        for entry in value["landmarks"]:
            if entry["title"] == "Labrale superius":
                entry["title"] = "Upper lip, most forward point"  # a title that nobody knows: by its symbol
            elif entry["title"] == "Soft Tissue Pogonion":
                entry["title"], entry["symbol"] = "soft-tissue pogonion ", "Pos"
            elif entry["title"] == "Condylion":
                entry["symbol"] = "S"  # of another landmark, which has its title

    change(path, rename)
    np.testing.assert_array_equal(read_annotation(path), truth)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda v: v.update(ceph_id="other"), "is of film 'other', expected 'b'"),
        (lambda v: v["landmarks"].append(dict(v["landmarks"][0], title="Sella")), "sella 2 times"),
        (lambda v: v.update(landmarks=[e for e in v["landmarks"] if e["title"] != "Gonion"]), "no gonion"),
        (lambda v: v["landmarks"][0]["value"].update(x="left"), "not an annotation of Aariz"),
        (lambda v: v["landmarks"][0].pop("value"), "no 'value'"),
        (lambda v: v.update(landmarks=3), "not an annotation of Aariz"),
    ],
)
def test_annotations_that_cannot_be_used(tmp_path: Path, edit: Any, message: str) -> None:
    trees.aariz(tmp_path, {"b": FILMS["b"], "c": FILMS["b"]})
    change(tmp_path / SENIORS / "b.json", edit)
    register = import_source("aariz", tmp_path, data_dir=tmp_path / "data")
    assert [c.id for c in register.cases] == ["c"]
    assert message in messages(register)["aariz/b"][0]


def test_films_without_pixel_size_or_doctor_are_named(tmp_path: Path) -> None:
    trees.aariz(tmp_path, dict.fromkeys(("a", "b", "c", "d", "e"), FILMS["b"]))
    table = tmp_path / "cephalogram_machine_mappings.csv"
    lines = table.read_text(encoding="utf-8").splitlines(keepends=True)
    table.write_text("".join(line for line in lines if not line.startswith("a,")), encoding="utf-8")
    (tmp_path / SENIORS / "b.json").unlink()
    (tmp_path / "test/Cephalograms/c.jpg").write_bytes(b"<html>")
    films = tmp_path / "test/Cephalograms"
    (films / "d.png").write_bytes((films / "d.jpg").read_bytes())
    (films / "Thumbs.db").touch()
    register = import_source("aariz", tmp_path, data_dir=tmp_path / "data")
    found = messages(register)
    assert [c.id for c in register.cases] == ["e"]
    assert found["aariz/a"] == ["no pixel size: it is not in cephalogram_machine_mappings.csv"]
    assert "no such file" in found["aariz/b"][0] and "not a readable image" in found["aariz/c"][0]
    assert found["aariz/d"] == ["2 films of one id: d.jpg, d.png"]
    assert "unknown: not a png" in found["Cephalograms/Thumbs.db"][0]
    table.unlink()
    with pytest.raises(NothingUsableError, match=r"cephalogram_machine_mappings\.csv: not below"):
        import_source("aariz", tmp_path, data_dir=tmp_path / "other")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("b,D,wide,png,L", "line 2: 'b,D,wide,png,L'"),
        ("b,D,0,png,L", "mm per pixel"),
        ("b,D,7.5,png,L", "mm per pixel"),
        ("b", "mm per pixel"),
        ("b,D,0.1,png,L\nb,E,0.1,png,L", "line 3: film 'b' is there twice"),
    ],
)
def test_a_hostile_table_of_devices(tmp_path: Path, row: str, message: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f"\ufeffcephalogram_id,machine,pixel_size,image_format,mode\n{row}\n", encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_devices(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="not a table"):
        read_devices(path)
    path.write_text("film,size\n1,2\n")
    with pytest.raises(DataError, match="cephalogram_id, machine, pixel_size missing"):
        read_devices(path)


def test_the_article_arrives_packed(tmp_path: Path) -> None:
    trees.aariz(tmp_path / "Aariz", {"b": FILMS["b"]})
    site = Figshare(
        {"Aariz.zip": zipped({f"Aariz/{n}": d for n, d in tree(tmp_path / "Aariz").items()})}, number=27986417
    )
    quick = Patience(attempts=2, first_wait_s=0.001, timeout_s=5)
    with serve_figshare(site):
        got = download_source("aariz", data_dir=tmp_path / "data", mirror=site.url, patience=quick)
        assert got.fetched and got.manifest.origin["kind"] == "figshare" and got.manifest.origin["version"] == 2
        assert not download_source("aariz", data_dir=tmp_path / "data", mirror=site.url, patience=quick).fetched
        site.version = 3  # a newer version of the article
        assert download_source("aariz", data_dir=tmp_path / "data", mirror=site.url, patience=quick).fetched
    assert load_split("aariz", data_dir=tmp_path / "data")[0].centre == "Orthophos XG"
