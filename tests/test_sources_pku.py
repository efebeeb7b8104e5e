from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from dgmld_bench.cli.app import build_app
from dgmld_bench.errors import DataError, UsageError
from dgmld_bench.landmarks import CEPHALOMETRIC
from dgmld_bench.obtaining.downloading import download_source
from dgmld_bench.obtaining.importing import NothingUsableError, import_source
from dgmld_bench.splits import load_split
from dgmld_bench.storage.download import Patience
from dgmld_bench.storage.figshare import FigshareArticle, read_article
from tests.servers import Figshare, Site, instead, serve, serve_figshare
from tests.test_archives import tree, zipped

NAMES = CEPHALOMETRIC.names


def rows(case: str, annotator: str, shift: float = 0.0) -> str:
    """Return 19 points at the left of a film, sella and nasion as far apart as is usual at 0.1 mm per pixel."""
    return "".join(f"{case},{name},{n + shift},{450 * (n % 2)},{annotator}\n" for n, name in enumerate(NAMES))


def layout(root: Path, table: str, films: tuple[str, ...]) -> Path:
    (root / "images").mkdir(parents=True)
    for film in films:
        Image.linear_gradient("L").resize((300, 500)).save(root / "images" / film)
    (root / "landmarks.csv").write_text("case,landmark,x,y,annotator\n" + table)
    return root


def test_mean_of_annotators_and_given_spacing(tmp_path: Path) -> None:
    layout(tmp_path / "a/pku", rows("p1", "ann") + rows("p1", "bob", 1), ("p1.png",))
    register = import_source("pku", tmp_path / "a", data_dir=tmp_path, spacing_mm=0.125)
    case = load_split("pku", references=True, data_dir=tmp_path)[0]
    assert case.spacing_mm == case.mm_per_unit == 0.125 and case.image.shape == (500, 300)
    np.testing.assert_array_equal(case.landmarks[:, 0], np.arange(19) + 0.5)
    assert sorted(case.annotations) == ["ann", "bob"]
    assert [p.message for p in register.problems] == ["1 of the 102 cases of the split are complete"]


def test_spacing_is_never_assumed(tmp_path: Path) -> None:
    layout(tmp_path / "pku", rows("p1", "ann"), ("p1.png",))
    with pytest.raises(UsageError, match="spacing_mm="):
        import_source("pku", tmp_path / "pku", data_dir=tmp_path)
    for spacing_mm in (0.0, -0.1, float("nan"), 50.0):
        with pytest.raises(UsageError, match="expected millimetres per pixel"):
            import_source("pku", tmp_path / "pku", data_dir=tmp_path, spacing_mm=spacing_mm)


def test_everything_incomplete_is_named(tmp_path: Path) -> None:
    table = rows("ok", "a") + rows("film_only_table", "a") + rows("gap", "a").replace("gap,gonion,9.0,450,a\n", "")
    layout(tmp_path / "p", table + rows("broken", "a"), ("ok.bmp", "gap.png", "no_points.tif", "broken.jpg"))
    (tmp_path / "p/images/broken.jpg").write_text("<html>")
    (tmp_path / "p/images/read.me").touch()
    register = import_source("pku", tmp_path / "p", data_dir=tmp_path, spacing_mm=0.1)
    assert [c.id for c in register.cases] == ["ok"]
    found = {p.where: p.message for p in register.problems}
    assert found["pku/gap"] == "annotator 'a' has no gonion in landmarks.csv"
    assert found["pku/no_points"] == "no points in landmarks.csv"
    assert found["pku/film_only_table"] == "no film in images/"
    assert "not a readable image" in found["pku/broken"]
    assert "unknown" in found["images/read.me"]


def test_points_that_do_not_fit_their_film_are_named(tmp_path: Path) -> None:
    turned = "".join(f"turned,{name},{400 + n},{n},a\n" for n, name in enumerate(NAMES))
    larger = "".join(f"larger,{name},{4000 + n},{5000 + n},reference\n" for n, name in enumerate(NAMES))
    films = ("cut.png", "empty.png", "larger.png", "ok.png", "turned.png")
    layout(tmp_path / "p", rows("cut", "a") + rows("empty", "a") + rows("ok", "a") + turned + larger, films)
    (tmp_path / "p/images/cut.png").write_bytes((tmp_path / "p/images/ok.png").read_bytes()[:-200])
    Image.new("L", (300, 500), 7).save(tmp_path / "p/images/empty.png")
    register = import_source("pku", tmp_path / "p", data_dir=tmp_path, spacing_mm=2.0)
    assert [c.id for c in register.cases] == ["ok"]
    found = {p.where: p.message for p in register.problems}
    assert "cut.png: not a readable image" in found["pku/cut"] and found["pku/empty"] == "empty.png: every pixel is 7"
    assert "annotator 'a': 19 of 19 points" in found["pku/turned"] and "x and y exchanged" in found["pku/turned"]
    assert "were the images made smaller after they were annotated?" in found["pku/larger"]
    general = [p.message for p in register.problems if p.where == "pku"]
    assert "900 mm apart in every case" in general[0] and "check the size given for a pixel" in general[0]
    assert general[1] == "1 of the 102 cases of the split are complete"


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no folder with images/ beside annotations"):
        import_source("pku", tmp_path, data_dir=tmp_path, spacing_mm=0.1)
    layout(tmp_path / "p", "", ("a.png",))
    with pytest.raises(NothingUsableError, match=r"no points in landmarks\.csv"):
        import_source("pku", tmp_path, data_dir=tmp_path, spacing_mm=0.1)


def test_table_that_changed_after_the_import(tmp_path: Path) -> None:
    layout(tmp_path / "p", rows("p1", "ann"), ("p1.png",))
    import_source("pku", tmp_path / "p", data_dir=tmp_path, spacing_mm=0.1)
    (tmp_path / "p/landmarks.csv").write_text("case,landmark,x,y\n")
    with pytest.raises(DataError, match="import the source again"):
        _ = load_split("pku", references=True, data_dir=tmp_path)[0].landmarks


def published(root: Path, names: tuple[str, ...], suffix: str = "jpg") -> dict[str, np.ndarray]:
    """Write films and both doctors' points as the article's archive has them; return the first doctor's points."""
    truth = {}
    for n, name in enumerate(names):
        film = root / "images" / f"{name}.{suffix}"
        film.parent.mkdir(parents=True, exist_ok=True)
        Image.linear_gradient("L").resize((1000 + n, 1200)).save(film)
        points = np.random.default_rng(n).integers(50, 900, (19, 2)).astype(float)
        points[:2] = [[100, 300], [700, 300]]
        for doctor, shift in (("orthodontist-1", 0), ("orthodontist-2", 1)):
            text = root / "annotations" / doctor / f"{name}.txt"
            text.parent.mkdir(parents=True, exist_ok=True)
            lines = [f"{x + shift:g},{y:g}" for x, y in points] + (["1"] * 3 if n % 2 else [])  # some have more lines
            text.write_text("\n".join(lines))
        truth[name] = points
    return truth


def test_the_published_layout(tmp_path: Path) -> None:
    truth = published(tmp_path / "deep/dental-cepha-dataset", ("p-1", "p 2", "3"))
    (tmp_path / "deep/dental-cepha-dataset/annotations/orthodontist-2/3.txt").unlink()
    register = import_source("pku", tmp_path / "deep", data_dir=tmp_path, spacing_mm=0.1)
    assert [c.id for c in register.cases] == ["p 2", "p-1"]
    case = load_split("pku", references=True, data_dir=tmp_path).by_id("p 2")
    np.testing.assert_array_equal(case.landmarks, truth["p 2"] + np.array([0.5, 0]))
    assert list(case.annotations) == ["orthodontist-1", "orthodontist-2"]
    assert any("3.txt: no such file" in p.message for p in register.problems if p.where == "pku/3")


def test_a_table_may_state_the_size_of_some_films(tmp_path: Path) -> None:
    layout(tmp_path / "pku", rows("p1", "ann") + rows("p2", "ann"), ("p1.png", "p2.png"))
    lines = (tmp_path / "pku/landmarks.csv").read_text().splitlines()
    table = [lines[0] + ",spacing_mm", *(line + (",0.2" if line.startswith("p2") else ",") for line in lines[1:])]
    (tmp_path / "pku/landmarks.csv").write_text("\n".join(table))
    import_source("pku", tmp_path / "pku", data_dir=tmp_path, spacing_mm=0.125)
    assert [c.mm_per_unit for c in load_split("pku", data_dir=tmp_path)] == [0.125, 0.2]


def test_the_article_is_fetched_and_its_licence_shown_first(tmp_path: Path) -> None:
    published(tmp_path / "dental-cepha-dataset", ("1", "2"))
    archive = zipped(tree(tmp_path / "dental-cepha-dataset"))
    site = Figshare({"dental-cepha-dataset.zip": archive}, number=13265471, licence="CC BY-NC 9.9")
    with serve_figshare(site):
        arguments = ["download", "pku", "--mirror", site.url, "--data-dir", str(tmp_path / "data")]
        program = CliRunner()
        without = program.invoke(build_app(), [*arguments, "--accept-licence"])
        assert isinstance(without.exception, UsageError) and "spacing_mm=" in str(without.exception)
        assert not site.requests  # nothing is asked for that could not be used
        arguments += ["--spacing-mm", "0.1"]
        refused = program.invoke(build_app(), arguments)
        assert "Licence: CC BY-NC 9.9, https://creativecommons.org" in " ".join(refused.output.split())
        assert isinstance(refused.exception, UsageError) and "--accept-licence" in str(refused.exception)
        assert not site.asked("ndownloader/dental-cepha-dataset.zip")
        done = program.invoke(build_app(), [*arguments, "--accept-licence"])
        assert done.exit_code == 0, done.output
        assert load_split("pku", data_dir=tmp_path / "data")[0].mm_per_unit == 0.1
        site.requests.clear()
        again = program.invoke(build_app(), arguments)  # accepted, and here
        assert again.exit_code == 0 and "here already" in again.output and "Licence" not in again.output
        arguments[-1] = "0.125"  # another spacing: the films are here, the register is made anew
        changed = program.invoke(build_app(), arguments)
        assert changed.exit_code == 0 and not site.asked("ndownloader/dental-cepha-dataset.zip")
        assert load_split("pku", data_dir=tmp_path / "data")[0].mm_per_unit == 0.125
        site.licence = "all rights reserved"
        asked = program.invoke(build_app(), arguments)  # the licence changed: it is asked for again
        assert isinstance(asked.exception, UsageError) and "all rights reserved" in asked.output


def test_an_answer_that_is_none_of_figshares_is_a_data_error(tmp_path: Path) -> None:
    quick = Patience(attempts=1, first_wait_s=0.001, timeout_s=5)
    for answer in (b"[]", b"{}", b'{"license": {"name": "x", "url": "y"}, "version": 1, "files": []}', b"<html>"):
        with serve(Site({"articles/13265471": answer})) as site, pytest.raises(DataError, match="article"):
            read_article(FigshareArticle(13265471, site.url), patience=quick)


def test_a_file_that_is_not_the_articles_is_refused(tmp_path: Path) -> None:
    published(tmp_path / "p", ("1",))
    archive = zipped(tree(tmp_path / "p"))
    site = Figshare({"dental-cepha-dataset.zip": archive}, number=13265471)
    site.faults["dental-cepha-dataset.zip"] = [instead(archive[:-1] + b"x")] * 9
    quick = Patience(attempts=2, first_wait_s=0.001, timeout_s=5)
    with serve_figshare(site), pytest.raises(DataError, match="expected MD5"):
        download_source("pku", data_dir=tmp_path / "data", mirror=site.url, patience=quick, spacing_mm=0.1)
