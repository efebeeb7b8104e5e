"""Defects planted in simulated heads and drawn films, and found: those, and nothing else."""

from __future__ import annotations

import json
import os
import shutil
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from PIL import Image
from scipy import fft, ndimage
from scipy.spatial.transform import Rotation
from typer.testing import CliRunner

from dgmld_bench import geometry
from dgmld_bench.audit import Audit, audit, checks, copies, shapes
from dgmld_bench.audit.findings import Place
from dgmld_bench.audit.report import write_report
from dgmld_bench.cases import mean_of_annotators
from dgmld_bench.cli.app import build_app
from dgmld_bench.errors import DataError, UsageError
from dgmld_bench.formats import markups, volumes
from dgmld_bench.landmarks import CEPHALOMETRIC, CEREBELLUM
from dgmld_bench.obtaining.importing import import_source
from dgmld_bench.phantom import simulate
from dgmld_bench.sources import hamedan
from dgmld_bench.splits import get_split, load_split
from dgmld_bench.storage.register import CaseFiles, Register, read_register, write_register
from tests import trees

HOSTILE = "<img src=x onerror=alert(1)>"
SPLITS = {"atlas": "phantom-train", "lfc": "phantom-source"}
COUNT = 9


def reported(result: Audit) -> dict[str, set[str]]:
    """Return check -> the cases (first case of a pair) or else the split that it reports, notes left out."""
    cases: dict[str, set[str]] = defaultdict(set)
    for finding in result.findings:
        if finding.level != "note":
            cases[finding.check].add(str(finding.cases[0]) if finding.cases else finding.message.split(":")[0])
    return dict(cases)


def write_case(folder: Path, entry: CaseFiles, image: np.ndarray, affine: np.ndarray, points: np.ndarray) -> None:
    volumes.write_volume(folder / entry.image, image, affine)
    markups.write_landmarks(folder / Path(entry.landmarks[0]).parent, points, CEREBELLUM)


@pytest.fixture(scope="module")
def heads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the track ``dgmld``, made of different simulated heads."""
    folder = tmp_path_factory.mktemp("heads") / "dgmld"
    cases = []
    for split, simulated in SPLITS.items():
        for n in range(1, COUNT + 1):
            head = simulate(simulated, n)
            place = Path(split) / str(n)
            lines = tuple(p.as_posix() for p in markups.landmark_paths(place / "landmarks", CEREBELLUM))
            info = {"gestational_age_weeks": head.gestational_age_weeks}
            entry = CaseFiles(str(n), split, f"{place}/image.nii.gz", lines, centre=split, info=info)
            write_case(folder, entry, head.render()[0], head.affine, head.landmarks)
            cases.append(entry)
    write_register(Register("dgmld", folder, tuple(cases)))
    return folder.parent


@pytest.fixture(scope="module")
def defects(heads: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with one defect of each kind."""
    data = tmp_path_factory.mktemp("defects")
    folder = data / "dgmld"
    shutil.copytree(heads / "dgmld", folder)
    register = read_register("dgmld", data)
    files = {(c.split, c.id): c for c in register.cases}

    def read(split: str, case: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        entry = files[split, case]
        image, affine = volumes.read_volume(folder / entry.image)
        return image, affine, markups.read_lines([folder / p for p in entry.landmarks], CEREBELLUM)

    write_case(folder, files["lfc", "1"], *read("atlas", "1"))  # the same image and landmarks

    image, affine, points = read("atlas", "2")  # turned by 50 degrees, brighter, with noise of its own
    turn = Rotation.from_rotvec(np.deg2rad(50) * np.array([0.6, 0.0, 0.8])).as_matrix()
    middle = (np.array(image.shape) - 1) / 2
    turned = ndimage.affine_transform(image.astype(float), turn, offset=middle - turn @ middle, order=1)
    noisy = 1.4 * turned + np.random.default_rng(0).normal(0, 15, image.shape)
    index = (geometry.world_to_index(affine, points) - middle) @ turn + middle
    write_case(folder, files["lfc", "2"], noisy.astype(np.float32), affine, geometry.index_to_world(affine, index))

    image, affine, points = read("lfc", "3")
    write_case(folder, files["lfc", "3"], image, affine, points[[1, 0, 2, 3, 4, 5]])

    image, affine, points = read("lfc", "4")
    points[2] += [0, 0, 300]
    write_case(folder, files["lfc", "4"], image, affine, points)

    image, affine, points = read("atlas", "5")  # a spacing read wrongly: everything twice as large
    double = np.diag([2.0, 2.0, 2.0, 1.0])
    write_case(folder, files["atlas", "5"], image, double @ affine, 2 * points)

    image, affine, points = read("atlas", "6")
    write_case(folder, files["atlas", "6"], np.full_like(image, 7), affine, points)

    image, affine, points = read("lfc", "7")
    points[5] += [8, 0, 0]
    write_case(folder, files["lfc", "7"], image, affine, points)

    path = folder / files["lfc", "8"].image
    path.write_bytes(path.read_bytes()[:20000])

    extra = replace(files["lfc", "9"], split="lfc-val", centre="lfc", image="extra.nii.gz")
    image, affine, _ = read("lfc", "9")
    volumes.write_volume(folder / extra.image, image[::-1].copy(), affine)  # mirrored: the same subject
    hostile = replace(files["lfc", "9"], id=HOSTILE, image="hostile.nii.gz")
    volumes.write_volume(folder / hostile.image, np.full_like(image, 7), affine)
    write_register(replace(register, cases=(*register.cases, extra, hostile)))
    return data


def test_nothing_is_found_in_different_sound_heads(heads: Path) -> None:
    assert audit("dgmld", data_dir=heads).findings == ()


def test_each_planted_defect_is_found(defects: Path) -> None:
    result = audit("dgmld", data_dir=defects)
    cases = reported(result)
    hostile = f"lfc/{HOSTILE}"
    assert cases.pop("unreadable") == {"lfc/8"}
    assert cases.pop("same-image") == {"lfc/1", hostile}
    assert cases.pop("copy") == {"lfc/9"}
    assert cases.pop("near-duplicate") == {"lfc/2"}  # turned by 50 degrees, with noise: alike, which is no proof
    assert cases.pop("repeated-id") == {"lfc/9"}
    assert cases.pop("same-landmarks") == {"lfc/1", "lfc/9"}
    assert cases.pop("swapped") == {"lfc/3"}
    assert cases.pop("outside") == {"lfc/4"}
    assert cases.pop("misplaced") == {"lfc/4", "lfc/7"}
    assert cases.pop("biometry") == {"lfc/4", "atlas/5"}
    assert cases.pop("grid") == {"atlas/5"}
    assert cases.pop("intensity") == {"atlas/6", hostile}
    assert cases == {}
    pairs = {f.cases[0].id: f for f in result.findings if f.check in ("copy", "near-duplicate")}
    assert pairs["2"].cases[1].split == "atlas" and pairs["2"].cases[1].id == "2"
    assert pairs["9"].cases[1].split == "lfc-val" and pairs["9"].values["pose"] == "mirrored"
    assert pairs["9"].level == "error" and pairs["2"].level == "warning" and "no copy" in pairs["2"].message
    assert result.measured["test_cases_learnt_from"] == {"lfc": ["1", "9", HOSTILE]}


def test_the_command_writes_a_report_that_hostile_ids_cannot_break(defects: Path, tmp_path: Path) -> None:
    arguments = ["audit", "dgmld", "--data-dir", str(defects), "--out", str(tmp_path / "out"), "--pictures", "1"]
    result = CliRunner().invoke(build_app(), [*arguments, "--json", str(tmp_path / "audit.json"), "--fail-on", "error"])
    assert result.exit_code == 1, result.output
    assert "The same image twice" in result.output and "lfc/1" in result.output
    html = (tmp_path / "out/report.html").read_text()
    assert HOSTILE not in html and "&lt;img src=x" in html
    assert html.count("data:image/png;base64,") >= 5
    value = json.loads((tmp_path / "audit.json").read_text())
    assert value == json.loads((tmp_path / "out/audit.json").read_text())
    assert value["counts"]["error"] > 0 and value["splits"]["atlas"] == COUNT


def test_headers_that_contradict_themselves_and_points_at_one_position(tmp_path: Path) -> None:
    trees.dgmld_release(tmp_path / "release", {"lfc": [], "lfc-val": [], "atlas": ["1", "2"], "feta": ["7"]})
    import_source("dgmld", tmp_path / "release", data_dir=tmp_path / "data")
    register = read_register("dgmld", tmp_path / "data")
    cases = {f"{c.split}/{c.id}": c for c in register.cases}
    image = nib.load(cases["atlas/1"].image)
    image.set_qform(image.affine @ np.diag([2, 2, 2, 1]), code=1)
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj), None, image.header), cases["atlas/1"].image)
    line = Path(cases["feta/7"].landmarks[1])
    ends = markups.read_line(line)
    trees.write_mrk(line, ends[[0, 0]], "RAS")
    found = audit("dgmld", data_dir=tmp_path / "data")
    assert reported(found)["header"] == {"atlas/1"} and reported(found)["one-position"] == {"feta/7"}
    (header,) = [f for f in found.findings if f.check == "header"]
    assert "sform (voxels of 0.8 x 0.8 x 0.8 mm, used)" in header.message and "1.6 x 1.6 x 1.6 mm" in header.message
    (position,) = [f for f in found.findings if f.check == "one-position"]
    assert position.level == "warning" and "reference has HDV1, HDV2 at one position, (" in position.message
    again = import_source("dgmld", tmp_path / "release", data_dir=tmp_path / "data")
    said = "\n".join(map(str, again.problems))
    assert "HDV1 and HDV2 are at one position, (" in said and "1: 1.nii.gz: its sform" in said


def test_what_every_case_of_a_centre_has_wrong_is_told_and_nothing_of_other_splits(
    many_films: Path, tmp_path: Path
) -> None:
    films = tmp_path / "films"
    shutil.copytree(many_films, films)
    for number in range(1, 13):  # two definitions of one point, in the training split
        write_points(films, "junior", number, read_points(films, "junior", number) + 60 * (np.arange(19) == 3)[:, None])
    import_source("isbi", films, data_dir=tmp_path)
    rows = ["case,landmark,x,y"]
    (tmp_path / "own/images").mkdir(parents=True)
    for number in range(151, 157):
        name = f"{number:03d}.png"
        shutil.copy(films / "RawImage/Test1Data" / name, tmp_path / "own/images" / name)
        points = read_points(films, "senior", number) / 10 * [1, -1] + [0, 239]  # y counted from the bottom
        rows += [f"{number},{n},{x},{y}" for n, (x, y) in zip(CEPHALOMETRIC.names, points.tolist(), strict=True)]
    (tmp_path / "own/landmarks.csv").write_text("\n".join(rows))
    options = {"landmarks": "cephalometric", "spacing_mm": 1.0}
    imported = import_source("own/x", tmp_path / "own", data_dir=tmp_path, **options)
    assert any("menton lies above nasion in every case" in str(p) for p in imported.problems)
    found = audit("own/x", data_dir=tmp_path)
    assert reported(found)["throughout"] == {"own/x"} and "annotators" not in reported(found)
    assert any("was it counted from the bottom?" in f.message for f in found.findings)


def test_reports_stay_out_of_the_repository() -> None:
    here = Path(__file__).parents[1]
    if not (here / ".git").exists():
        pytest.skip("not in a checkout")
    with pytest.raises(UsageError, match="may show patients"):
        write_report(Audit("ceph", {}, (), (), {}), here / "docs" / "audit")


def test_no_data_and_unknown_tracks_are_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="download phantom"):
        audit("phantom", data_dir=tmp_path)
    with pytest.raises(UsageError, match="did you mean 'ceph'"):
        audit("cephs", data_dir=tmp_path)


def test_growth_chart_is_that_of_the_publication() -> None:
    expected = {20: 20.47, 30: 36.68, 40: 60.91}  # worked out by hand from the equation
    for weeks, length in expected.items():
        assert checks.tcd_expected_mm(weeks) == pytest.approx(length, abs=0.01)


def test_a_bad_point_does_not_pull_the_others_away() -> None:
    rng = np.random.default_rng(3)
    target = rng.normal(0, 20, (19, 2))
    turn = np.array([[0.98, -0.199], [0.199, 0.98]])
    shape = 1.2 * target @ turn.T + 40
    shape[4] += 60
    away = np.linalg.norm(shapes.fit(shape, target) - target, axis=1)
    assert away[4] > 40 and np.delete(away, 4).max() < 0.5
    shape[4] -= 60
    shape[[2, 9]] = shape[[9, 2]]
    assert shapes.exchanged(shape, target, np.full(19, 3.0), [2, 7, 9]) == (2, 9)


@pytest.fixture(scope="module")
def many_films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Films of noise with structure, all different, and points of one shape with two doctors."""
    from PIL import Image

    root = tmp_path_factory.mktemp("many-films")
    rng = np.random.default_rng(1)
    shape = rng.uniform([400, 400], [1500, 2000], (len(CEPHALOMETRIC), 2))
    shape[[0, 1, 7]] = [
        [700, 800],
        [1300, 700],
        [1250, 1900],
    ]  # sella, nasion, menton of a face that looks to the right
    for number in (*range(1, 13), *range(151, 163)):
        film = root / "RawImage" / ("TrainingData" if number < 151 else "Test1Data") / f"{number:03d}.png"
        film.parent.mkdir(parents=True, exist_ok=True)
        texture = ndimage.gaussian_filter(rng.normal(size=(240, 194)), 2)
        Image.fromarray(np.clip(128 + 300 * texture, 0, 255).astype(np.uint8)).save(film)
        points = shape + rng.normal(0, 15, shape.shape) + rng.normal(0, 40, 2)
        for doctor in ("senior", "junior"):
            write_points(root, doctor, number, points + rng.normal(0, 8, shape.shape))
    return root


def write_points(root: Path, doctor: str, number: int, points: np.ndarray) -> None:
    path = root / "AnnotationsByMD" / f"400_{doctor}" / f"{number:03d}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{x:.1f},{y:.1f}\n" for x, y in points))


def read_points(root: Path, doctor: str, number: int) -> np.ndarray:
    return np.loadtxt(root / "AnnotationsByMD" / f"400_{doctor}" / f"{number:03d}.txt", delimiter=",")


def test_films(many_films: Path, tmp_path: Path) -> None:
    import_source("isbi", many_films, data_dir=tmp_path / "sound")
    arguments = ["audit", "--data-dir", str(tmp_path / "sound"), "--json", "-", "--fail-on", "warning"]
    result = CliRunner().invoke(build_app(), arguments)
    assert result.exit_code == 0 and json.loads(result.stdout)[0]["findings"] == [], result.output
    assert (tmp_path / "sound/audit/ceph/report.html").is_file()

    from PIL import Image

    root = tmp_path / "planted"
    shutil.copytree(many_films, root)
    with Image.open(root / "RawImage/TrainingData/003.png") as film:
        brighter = np.clip(np.asarray(film).astype(float) * 0.8 + 30, 0, 255).astype(np.uint8)
    Image.fromarray(np.roll(brighter, 2, axis=0)).save(root / "RawImage/Test1Data/153.png")
    Image.fromarray(brighter[:, ::-1]).save(root / "RawImage/Test1Data/154.png")
    for doctor in ("senior", "junior"):
        points = read_points(root, doctor, 155)
        points[[2, 9]] = points[[9, 2]]
        write_points(root, doctor, 155, points)
        points = read_points(root, doctor, 156)
        points[5] = [-400, 300]
        write_points(root, doctor, 156, points)
    points = read_points(root, "senior", 157)
    points[0] += [0, 150]
    write_points(root, "senior", 157, points)
    write_points(root, "junior", 158, read_points(root, "senior", 158))
    for number in range(1, 13):  # one doctor defines a point differently in one split
        points = read_points(root, "junior", number)
        points[7] += [60, 0]
        write_points(root, "junior", number, points)
    import_source("isbi", root, data_dir=tmp_path / "data")
    found = audit("ceph", data_dir=tmp_path / "data").findings
    systematic = [f for f in found if not f.cases]
    assert [f.values["landmark"] for f in systematic] == [CEPHALOMETRIC.names[7]]
    assert systematic[0].values["split"] == "isbi-train"
    cases: dict[str, set[str]] = defaultdict(set)
    for finding in found:
        for place in finding.cases[:1]:
            cases[finding.check].add(place.id)
    assert cases == {
        "copy": {"153", "154"},
        "swapped": {"155"},
        "outside": {"156"},
        "misplaced": {"156"},
        "annotators": {"157"},
        "same-landmarks": {"158"},
    }


def test_every_pair_of_annotators_is_compared_whatever_their_order() -> None:
    rng = np.random.default_rng(0)
    cases: Any = []
    for n in range(1, 10):
        points = rng.uniform(20, 200, (19, 2))
        third = points + np.where(np.arange(19) == 7, 5, 0)[:, None]  # defines menton differently
        annotations = {"ann": points, "bob": points + rng.normal(0, 0.1, (19, 2)), "cat": third}
        if n % 2:
            annotations = dict(reversed(annotations.items()))
        cases.append(SimpleNamespace(place=Place("own/x", str(n)), annotations=annotations, reference=None))
    found = [f for f in checks.annotators(cases, CEPHALOMETRIC) if not f.cases]
    assert len(found) == 2 and all("cat" in f.message and f.values["landmark"] == "menton" for f in found)
    cases[0].annotations["cat"] = cases[0].annotations["bob"]
    (copied,) = checks.same_landmarks(cases, {"own/x": "test"})
    assert "bob" in copied.message and "cat" in copied.message and "ann" not in copied.message


def two_doctors(count: int, dimension: int = 2) -> list[Any]:
    """Return cases of different shapes with two doctors who are about a millimetre apart."""
    rng = np.random.default_rng(5)
    cases = []
    for n in range(1, count + 1):
        points = rng.uniform(20, 200, (19, dimension))
        annotations = {d: points + rng.normal(0, 0.7, points.shape) for d in ("ann", "bob")}
        cases.append(SimpleNamespace(place=Place("own/x", str(n)), annotations=annotations))
    return cases


def with_references(cases: list[Any]) -> list[Any]:
    for case in cases:
        case.reference = np.nanmean(list(case.annotations.values()), axis=0)
    return cases


def test_annotations_of_two_images_are_found_on_every_point() -> None:
    cases = two_doctors(12)
    assert checks.annotators(cases, CEPHALOMETRIC) == []
    rng = np.random.default_rng(6)
    cases[3].annotations["bob"] = cases[3].annotations["ann"] + rng.normal(0, 6, (19, 2))
    cases[3].annotations["bob"][4] = np.nan  # and one point missing
    cases[7].annotations["ann"][11] += 25
    found = checks.annotators(cases, CEPHALOMETRIC)
    assert [(f.level, f.cases[0].id) for f in found] == [("error", "4"), ("warning", "8")]
    assert "one annotation is of another image" in found[0].message


def test_one_annotator_with_the_same_points_on_two_images_is_found() -> None:
    cases = two_doctors(4)
    cases[2].annotations["bob"] = cases[1].annotations["bob"].copy()
    (found,) = checks.same_landmarks(with_references(cases), {"own/x": "test"})
    assert (
        found.level == "error"
        and {p.id for p in found.cases} == {"2", "3"}
        and "bob has the same points" in found.message
    )
    cases[2].annotations["ann"] = cases[1].annotations["ann"].copy()  # both: then the references are the same
    (found,) = checks.same_landmarks(with_references(cases), {"own/x": "test"})
    assert found.message == "the same landmarks to 0.1 µm"


@pytest.mark.parametrize("dimension", [2, 3])
def test_a_copy_is_told_from_a_likeness(dimension: int) -> None:
    rng = np.random.default_rng(2)
    shape = (120, 90) if dimension == 2 else (40, 44, 36)
    smooth = ndimage.gaussian_filter(rng.normal(size=shape), 4)
    smooth = 128 + 40 * smooth / smooth.std()
    first = np.clip(smooth + rng.normal(0, 8, shape), 0, 255).astype(np.uint8)
    other_exposure = np.clip(smooth + rng.normal(0, 8, shape), 0, 255).astype(np.uint8)
    assert copies.is_copy(first, first) and not copies.is_copy(first, other_exposure)
    grey = (255 * (first / 255.0) ** 0.6).astype(np.uint16) * 200  # another curve, in 16 bits
    assert copies.is_copy(first, grey, upright=True)
    moved = np.roll(grey, 5, axis=0)[3:, :-2]  # shifted and cut: the sizes differ
    assert copies.is_copy(first, moved, upright=True)
    assert copies.is_copy(first, first[::-1]) and not copies.is_copy(first, first[::-1], upright=True)
    assert not copies.is_copy(first, np.full(shape, 7)) and not copies.is_copy(np.zeros(shape), np.zeros(shape))
    assert not copies.is_copy(first, first[..., None])


REAL = os.environ.get("DGMLD_BENCH_REAL_DATA")


@pytest.mark.skipif(not REAL, reason="DGMLD_BENCH_REAL_DATA is not set")
def test_the_film_with_another_films_annotation_is_found_among_real_ones() -> None:
    folder = Path(str(REAL)) / "hamedan"
    doctors = {"mollabashi": "annotated by  Dr.mollabashi", "farhadifar": "annotated by Dr.farhadifar"}
    cases = [
        SimpleNamespace(
            place=Place("own/x", str(n)),
            annotations={
                name: hamedan.doctors_points(folder / place / f"{n:03d}.json")[0] * hamedan.SPACING_MM
                for name, place in doctors.items()
            },
        )
        for n in range(1, 151)
    ]
    errors = [f for f in checks.annotators(cases, CEPHALOMETRIC) if f.level == "error"]  # type: ignore[arg-type]
    assert [f.cases[0].id for f in errors] == ["123"]
    for case in cases:
        case.reference = mean_of_annotators(case.annotations)
    repeated = [f for f in checks.same_landmarks(cases, {"own/x": "test"}) if f.level == "error"]  # type: ignore[arg-type]
    assert [{p.id for p in f.cases} for f in repeated] == [{"122", "123"}]


@pytest.mark.skipif(not REAL, reason="DGMLD_BENCH_REAL_DATA is not set")
@pytest.mark.heavy
def test_real_atlases_of_equal_age_are_alike_and_no_copies(tmp_path: Path) -> None:
    import_source("atlases", Path(str(REAL)) / "atlas", data_dir=tmp_path)
    result = audit("open", data_dir=tmp_path)
    partners = defaultdict(set)
    for finding in result.findings:
        if finding.check == "near-duplicate" and finding.level == "warning":
            case, partner = finding.cases
            partners[case.split, case.id] |= {partner.id, *finding.values["others"]}
    for weeks in range(22, 35):
        assert f"HarvardSTA{weeks}_Study1" in partners["open-wu", f"Chinese{weeks}_Study1"]
    assert "open-sb" not in {split for split, _ in partners}  # spina bifida resembles no training case
    assert not [f for f in result.findings if f.check == "copy"] and result.measured["test_cases_learnt_from"] == {}
    nearer_to_testing = ("open-val", "HarvardSTA23_Study1")  # is most like a Chinese volume, and yet like this one
    (found,) = (
        f
        for f in result.findings
        if f.check == "near-duplicate" and len(f.cases) == 2 and (f.cases[0].split, f.cases[0].id) == nearer_to_testing
    )
    assert (found.level, found.cases[1].split, found.cases[1].id) == ("warning", "open-train", "HarvardSTA22_Study1")


@pytest.mark.skipif(not REAL, reason="DGMLD_BENCH_REAL_DATA is not set")
@pytest.mark.heavy
def test_real_films_that_are_tested_on_and_trained_on_are_found(tmp_path: Path) -> None:
    import_source("isbi", Path(str(REAL)) / "isbi2015", data_dir=tmp_path)
    result = audit("ceph", data_dir=tmp_path)
    leaks = [f for f in result.findings if f.check in ("same-image", "copy") and f.level == "error"]
    assert tuple(result.measured["test_cases_learnt_from"]["isbi"]) == get_split("isbi").in_training
    assert len(leaks) == 20
    assert all({p.split for p in f.cases} == {"isbi-train", "isbi"} for f in leaks)
    by_hash = _pairs_of_equal_hash(tmp_path)
    assert {(f.cases[0].id, f.cases[1].id) for f in leaks} == by_hash


def _pairs_of_equal_hash(data_dir: Path) -> set[tuple[str, str]]:
    """Find films of the test set in the training set by another method: signs of low frequencies of the grey ranks."""
    hashes = {}
    for split in ("isbi", "isbi-train"):
        for case in load_split(split, data_dir=data_dir):
            small = np.asarray(Image.fromarray(case.image).resize((96, 120), Image.Resampling.BOX))
            ranks = small.ravel().argsort().argsort().reshape(small.shape)
            low = fft.dctn(ranks)[:16, :16].ravel()[1:]
            hashes[split, case.id] = low > np.median(low)
    tested, trained = ([key for key in hashes if key[0] == split] for split in ("isbi", "isbi-train"))
    differing = np.array([[np.count_nonzero(hashes[a] != hashes[b]) for b in trained] for a in tested])
    # of 255 bits, copies differ in 6 at most and any other two films in 22 at least
    assert not np.any((differing > 6) & (differing < 22))
    return {(tested[i][1], trained[j][1]) for i, j in np.argwhere(differing <= 6)}
