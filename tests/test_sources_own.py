from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dgmld_bench import geometry
from dgmld_bench.errors import DataError, ReferenceWithheldError, UsageError
from dgmld_bench.formats import markups, volumes
from dgmld_bench.landmarks import CEPHALOMETRIC, CEREBELLUM
from dgmld_bench.obtaining.importing import import_source
from dgmld_bench.scoring.predictions import Predictions
from dgmld_bench.scoring.score import score
from dgmld_bench.splits import find_split, load_split
from dgmld_bench.storage.register import Register, read_register
from tests.films import film
from tests.trees import affines, paint, write_mrk

IDS = ["1", "2", "10", "sub-07"]


def volumes_of_a_centre(root: Path, ids: list[str] = IDS) -> dict[str, np.ndarray]:
    """Write ``images/`` with every kind of affine; return the landmarks in RAS mm."""
    truth = {}
    for case_id, affine in zip(ids, affines(), strict=False):
        volume, truth[case_id] = paint(affine)
        volumes.write_volume(root / "images" / f"{case_id}.nii.gz", volume, affine)
    return truth


def films_of_a_centre(root: Path, ids: list[str]) -> dict[str, np.ndarray]:
    """Write ``images/`` with small films, spacing 1 mm; return the points in pixels."""
    truth = {}
    (root / "images").mkdir(parents=True)
    for number, case_id in enumerate(ids):
        image, points = film(number)
        Image.fromarray(image).save(root / "images" / f"{case_id}.png")
        truth[case_id] = np.round((points + 0.5) / 10 - 0.5, 2)  # of the small film, a tenth of the original
    return truth


def write_rows(root: Path, rows: list[list[Any]]) -> None:
    with (root / "landmarks.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)


def write_long(root: Path, truth: dict[str, np.ndarray], names: tuple[str, ...], space: str | None = None) -> None:
    axes = ["x", "y", "z"][: len(next(iter(truth.values()))[0])]
    rows = [["case", "landmark", *axes, *(["space"] if space else [])]]
    for case_id, points in truth.items():
        for name, point in zip(names, points, strict=True):
            rows.append([case_id, name, *map(repr, point.tolist()), *([space] if space else [])])
    write_rows(root, rows)


def own(path: Path, **options: Any) -> Register:
    """Import as the 3D centre ``clinic`` into a data folder beside it, unless told otherwise."""
    options = {"landmarks": "cerebellum", "data_dir": path.parent / "data"} | options
    return import_source("own/clinic", path, **options)


def check(path: Path, truth: dict[str, np.ndarray]) -> None:
    cases = load_split("own/clinic", references=True, data_dir=path.parent / "data")
    assert list(cases.ids) == [i for i in IDS if i in truth]
    for case in cases:
        np.testing.assert_allclose(case.landmarks, truth[case.id], atol=1e-5)
        index = np.rint(geometry.world_to_index(case.affine, case.landmarks)).astype(int)
        assert case.image[tuple(index.T)].tolist() == [1, 2, 3, 4, 5, 6]  # the painted voxels


def test_ids_that_differ_in_their_unicode_form_only_are_one(tmp_path: Path) -> None:
    ids = ["Zo\u00eb", "Rene\u0301", "3"]
    truth = volumes_of_a_centre(tmp_path / "centre", ids)
    given_ids = dict(zip(["Zoe\u0308", "Ren\u00e9", "3"], truth.values(), strict=True))
    write_long(tmp_path / "centre", given_ids, CEREBELLUM.names, "RAS")
    register = own(tmp_path / "centre")
    assert [c.id for c in register.cases_of("own/clinic")] == ["3", "Rene\u0301", "Zo\u00eb"]


def test_of_two_images_whose_names_look_the_same_none_is_taken(tmp_path: Path) -> None:
    truth = volumes_of_a_centre(tmp_path / "centre", ["Zo\u00eb", "Zoe\u0308", "3"])
    write_long(tmp_path / "centre", truth, CEREBELLUM.names, "RAS")
    register = own(tmp_path / "centre")
    assert [c.id for c in register.cases] == ["3"]
    assert r"images/Zoe\u0308.nii.gz and images/Zo\xeb.nii.gz look the same" in messages(register)


def test_points_that_were_not_set_are_no_reference(tmp_path: Path) -> None:
    truth = volumes_of_a_centre(tmp_path / "centre")
    truth["2"][[0, 1, 2, 3, 4]] = truth["2"][0]
    truth["1"][1] = truth["1"][0]
    write_long(tmp_path / "centre", truth, CEREBELLUM.names, "RAS")
    register = own(tmp_path / "centre")
    assert [c.id for c in register.cases] == ["1", "10", "sub-07"]
    assert "own/clinic/2: 5 of 6 points are at (" in messages(register)
    assert "case '1': TCD1 and TCD2 are at one position, (" in messages(register)


def messages(register: Register) -> str:
    return "\n".join(map(str, register.problems))


@pytest.mark.parametrize("space", ["RAS", "lps_mm"])
def test_volumes_with_a_table(tmp_path: Path, space: str) -> None:
    truth = volumes_of_a_centre(tmp_path / "in")
    flip = geometry.flip_ras_lps if space == "lps_mm" else np.asarray
    write_long(tmp_path / "in", {c: flip(p) for c, p in truth.items()}, CEREBELLUM.names, space)
    register = own(tmp_path / "in")
    check(tmp_path / "in", truth)
    assert register.problems == () or "expected 10 to 120 mm" in messages(register)
    assert find_split("own/clinic", tmp_path / "data").reference == "expert"


def test_the_space_of_a_table_may_be_an_option(tmp_path: Path) -> None:
    truth = volumes_of_a_centre(tmp_path / "in")
    write_long(tmp_path / "in", {c: geometry.flip_ras_lps(p) for c, p in truth.items()}, CEREBELLUM.names)
    assert "RAS or LPS" not in messages(own(tmp_path / "in", space="LPS"))
    check(tmp_path / "in", truth)


def test_ras_is_never_assumed_in_silence(tmp_path: Path) -> None:
    write_long(tmp_path / "in", volumes_of_a_centre(tmp_path / "in"), CEREBELLUM.names)
    assert "does not say whether it is RAS or LPS, and was read as RAS" in messages(own(tmp_path / "in"))


@pytest.mark.parametrize("layout", ["folders", "beside the images", "deep"])
def test_lines_of_slicer(tmp_path: Path, layout: str) -> None:
    truth = volumes_of_a_centre(tmp_path / "in")
    for case_id, points in truth.items():
        for n, (start, end) in enumerate(CEREBELLUM.biometric_indices()):
            name = CEREBELLUM.biometrics[n].name
            file = {
                "folders": f"landmarks/{case_id}/{name}.mrk.json",
                "beside the images": f"images/{case_id}_{name.lower()}.mrk.json",
                "deep": f"readers/anna/{case_id}/{n}-{name}.mrk.json",
            }[layout]
            write_mrk(tmp_path / "in" / file, points[[start, end]], "LPS" if n % 2 else "RAS")
    own(tmp_path / "in")
    check(tmp_path / "in", truth)


def test_point_lists_of_slicer(tmp_path: Path) -> None:
    truth = volumes_of_a_centre(tmp_path / "in")
    for case_id, points in truth.items():
        names = [n.lower() for n in CEREBELLUM.names]
        controls = [{"label": n, "position": p} for n, p in zip(names, (points * [-1, -1, 1]).tolist(), strict=True)]
        markup = {"type": "Fiducial", "coordinateSystem": "LPS", "controlPoints": controls[::-1]}
        path = tmp_path / "in/landmarks" / f"{case_id}.mrk.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"markups": [markup]}))
    own(tmp_path / "in")
    check(tmp_path / "in", truth)


def test_mask_derived_markups_make_a_mask_derived_split(tmp_path: Path) -> None:
    truth = volumes_of_a_centre(tmp_path / "in")
    for case_id, points in truth.items():
        folder = tmp_path / "in/landmarks" / case_id
        markups.write_landmarks(folder, points, CEREBELLUM, description=markups.MASK_DERIVED)
    own(tmp_path / "in")
    check(tmp_path / "in", truth)
    assert find_split("own/clinic", tmp_path / "data").reference == "mask-derived"


def test_films_with_several_annotators_and_missing_points(tmp_path: Path) -> None:
    truth = films_of_a_centre(tmp_path / "in", ["007", "8", "9"])
    names = ["case", "annotator"] + [f"{n}_{a}" for n in CEPHALOMETRIC.names for a in "xy"]
    rows: list[list[Any]] = [names]
    for case_id, written in (("7", "007"), ("8.png", "8")):  # zeros lost to a spreadsheet; a file name
        points = truth[written]
        for shift, annotator in ((1, "anna"), (-1, "ben")):
            cells = (points + np.array([shift, 0])).tolist()
            if written == "8":
                cells[0] = ["", ""]
                cells[1] = ["", ""] if annotator == "ben" else cells[1]
            rows.append([case_id, annotator, *[v for cell in cells for v in cell]])
    write_rows(tmp_path / "in", rows)
    register = own(tmp_path / "in", landmarks="cephalometric", spacing_mm=1.0)
    text = messages(register)
    assert "1 image has no landmarks: 9" in text and "ids taken for file names: 7 for 007" in text
    assert "no reference for 1 of 38 points, which scores leave out: sella 1" in text
    cases = load_split("own/clinic", references=True, data_dir=tmp_path / "data")
    assert list(cases.ids) == ["007", "8"] and list(cases[0].annotations) == ["anna", "ben"]
    np.testing.assert_allclose(cases[0].landmarks, truth["007"])
    assert np.isnan(cases[1].landmarks[0]).all()
    np.testing.assert_allclose(cases[1].landmarks[1], truth["8"][1] + [1, 0])  # who set it, not half of it
    with pytest.raises(ReferenceWithheldError, match="withheld"):
        _ = load_split("own/clinic", data_dir=tmp_path / "data")[0].landmarks


def test_missing_points_are_scored_over_what_exists_and_counted(tmp_path: Path) -> None:
    truth = volumes_of_a_centre(tmp_path / "in")
    rows = [["case", "landmark", "x", "y", "z", "space"]]
    for case_id, points in truth.items():
        for name, point in zip(CEREBELLUM.names, points, strict=True):
            if not name.startswith("ADV") and (case_id, name) != ("10", "TCD1"):
                rows.append([case_id, name, *map(repr, point.tolist()), "RAS"])
    write_rows(tmp_path / "in", rows)
    own(tmp_path / "in")
    predictions = Predictions(track="dgmld", method="m", backbone="b")
    for n, case in enumerate(load_split("own/clinic", data_dir=tmp_path / "data")):
        moved = truth[case.id] + [0, 0, n]  # 0, 1, 2 and 3 mm off; case 10 is the third
        named = dict(zip(CEREBELLUM.names[:4], moved, strict=False))  # ADV is nowhere in the reference
        predictions.add(seed=0, split="own/clinic", case=case.id, landmarks=named)
    value = score(predictions, "own/clinic", data_dir=tmp_path / "data").to_dict()
    assert value["complete"] and value["coverage"] == 1
    assert value["reference_points"] == {
        "present": 15,
        "missing": 9,
        "present_per_landmark": {"TCD1": 3, "TCD2": 4, "HDV1": 4, "HDV2": 4, "ADV1": 0, "ADV2": 0},
    }
    per_landmark = value["runs"][0]["mre_mm_per_landmark"]
    assert per_landmark["TCD1"] == pytest.approx(4 / 3) and per_landmark["TCD2"] == pytest.approx(1.5)
    assert per_landmark["ADV1"] is None
    assert value["mre_mm"]["mean"] == pytest.approx((4 / 3 + 3 * 1.5) / 4)
    assert value["runs"][0]["sdr_percent"]["2.0"] == pytest.approx(100 * (2 + 3 * 3) / 15)
    assert any(n.startswith("missing in the reference: 9 of 24 points") for n in value["notes"])
    assert any(n.endswith("the Average is without ADV1, ADV2") for n in value["notes"])
    json.dumps(value, allow_nan=False)


def test_what_does_not_fit_together_is_named(tmp_path: Path) -> None:
    truth = volumes_of_a_centre(tmp_path / "in")
    affine = np.diag([0.8, 0.8, 0.8, 1.0])
    affine[:2, 3] = 50
    volume, far_points = paint(affine)
    volumes.write_volume(tmp_path / "in/images/far.nii.gz", volume, affine)
    write_long(
        tmp_path / "in",
        {
            "1": truth["1"],
            "2": truth["2"] + [200, 0, 0],  # outside
            "far": geometry.flip_ras_lps(far_points),
            "9" * 65: far_points,
            "77": truth["1"],
        },
        CEREBELLUM.names,
        "RAS",
    )
    (tmp_path / "in/images/notes.txt").touch()
    write_mrk(tmp_path / "in/landmarks/far/TCD.mrk.json", far_points[:2], "RAS")
    long = "9" * 65
    volumes.write_volume(tmp_path / f"in/images/{long}.nii.gz", volume, affine)
    (tmp_path / "in/images/1.nii.gz").rename(tmp_path / "in/images/01.nii.gz")
    register = own(tmp_path / "in")
    assert [c.id for c in register.cases] == ["01"]
    text = messages(register)
    assert f"2 cases of landmarks.csv have no image in images/: {long}, 77" in text
    assert f"at most 64 printable characters, got '{long}'" in text
    assert "1 file of 3D Slicer is not used: the points are in landmarks.csv" in text
    assert "2 images have no landmarks: 10, sub-07" in text
    assert "images/notes.txt is not used: expected .nii or .nii.gz" in text
    assert "own/clinic/2: 6 of 6 points lie outside the image" in text
    assert "own/clinic/far: " in text and "read as LPS all lie inside: they seem to be LPS" in text


def test_broken_and_empty_images_are_named(tmp_path: Path) -> None:
    truth = volumes_of_a_centre(tmp_path / "in")
    write_long(tmp_path / "in", truth, CEREBELLUM.names, "RAS")
    whole = (tmp_path / "in/images/1.nii.gz").read_bytes()
    (tmp_path / "in/images/1.nii.gz").write_bytes(whole[: len(whole) // 2])
    volumes.write_volume(tmp_path / "in/images/2.nii.gz", np.zeros((20, 24, 22), np.int16), list(affines())[1])
    register = own(tmp_path / "in")
    assert [c.id for c in register.cases] == ["10", "sub-07"]
    assert "own/clinic/1: " in messages(register) and "every voxel is 0" in messages(register)


def test_two_images_of_one_case(tmp_path: Path) -> None:
    truth = films_of_a_centre(tmp_path / "in", ["1", "2"])
    Image.open(tmp_path / "in/images/1.png").save(tmp_path / "in/images/1.bmp")
    write_long(tmp_path / "in", truth, CEPHALOMETRIC.names)
    register = own(tmp_path / "in", landmarks="cephalometric", spacing_mm=1.0)
    assert [c.id for c in register.cases] == ["2"]
    assert messages(register) == "own/clinic/1: 2 images: 1.bmp, 1.png"


def test_two_names_of_one_image_are_refused(tmp_path: Path) -> None:
    truth = films_of_a_centre(tmp_path / "in", ["001"])
    write_long(tmp_path / "in", {"1": truth["001"], "01": truth["001"]}, CEPHALOMETRIC.names)
    with pytest.raises(DataError, match=r"cases '1' and '01' are both of image 001\.png"):
        own(tmp_path / "in", landmarks="cephalometric", spacing_mm=1.0)


@pytest.mark.parametrize("where", ["column", "films.csv"])
def test_each_film_may_have_its_own_pixel_size(tmp_path: Path, where: str) -> None:
    truth = films_of_a_centre(tmp_path / "in", ["a", "b", "007"])
    write_long(tmp_path / "in", truth, CEPHALOMETRIC.names)
    sizes = {"a": "1", "b": "0.5", "007": ""} if where == "column" else {"a.png": "1", "b": "0.5", "7": "2"}
    if where == "column":
        with (tmp_path / "in/landmarks.csv").open(newline="") as stream:
            header, *rows = csv.reader(stream)
        write_rows(tmp_path / "in", [[*header, "spacing_mm"], *([*row, sizes[row[0]]] for row in rows)])
    else:
        lines = [f"{case};{size};{'XG' if case == 'b' else ''}" for case, size in sizes.items()]
        (tmp_path / "in/films.csv").write_text("\ufeffCase;spacing_mm;device\n" + "\n".join(lines), encoding="utf-8")
    spacing = {"spacing_mm": 2.0} if where == "column" else {}
    own(tmp_path / "in", landmarks="cephalometric", **spacing)
    cases = load_split("own/clinic", references=True, data_dir=tmp_path / "data")
    assert {c.id: c.mm_per_unit for c in cases} == {"007": 2.0, "a": 1.0, "b": 0.5}
    assert {c.id: c.centre for c in cases}["b"] == ("clinic" if where == "column" else "XG")
    for case in cases:  # the same points at another size of a pixel are other millimetres
        assert case.mm_per_unit * np.linalg.norm(case.landmarks[0] - case.landmarks[1]) == pytest.approx(
            case.mm_per_unit * np.linalg.norm(truth[case.id][0] - truth[case.id][1])
        )


def test_a_film_without_a_pixel_size_is_named_and_two_sizes_are_refused(tmp_path: Path) -> None:
    truth = films_of_a_centre(tmp_path / "in", ["a", "b"])
    write_long(tmp_path / "in", truth, CEPHALOMETRIC.names)
    with pytest.raises(UsageError, match="needs spacing_mm=S, the edge of one pixel in millimetres; it is never"):
        own(tmp_path / "in", landmarks="cephalometric")
    table = tmp_path / "in/films.csv"
    table.write_text("case,spacing_mm\na,1\nelsewhere,1\n")
    register = own(tmp_path / "in", landmarks="cephalometric")
    assert [c.id for c in register.cases] == ["a"]
    assert "own/clinic/b: no pixel size" in messages(register)
    assert "film of films.csv has no image: elsewhere" in messages(register)
    for text, message in (
        ("case,size\na,1\n", "expected case,spacing_mm"),
        ("case,spacing_mm\na,-1\n", "line 2: 'a,-1'"),
        ("case,spacing_mm\na\n", "line 2"),
        ("case,spacing_mm\na,1\na,1\n", "line 3: case 'a' is there twice"),
    ):
        table.write_text(text)
        with pytest.raises(DataError, match=message):
            own(tmp_path / "in", landmarks="cephalometric")
    table.write_text("case,spacing_mm\na,7\nb,1\n")
    with pytest.raises(UsageError, match="expected millimetres per pixel"):
        own(tmp_path / "in", landmarks="cephalometric")
    table.write_text("case,spacing_mm\na,1\nb,1\n")
    rows = (tmp_path / "in/landmarks.csv").read_text().splitlines()
    (tmp_path / "in/landmarks.csv").write_text("\n".join([rows[0] + ",spacing_mm", *(r + ",0.5" for r in rows[1:])]))
    with pytest.raises(DataError, match="case 'a' has two pixel sizes"):
        own(tmp_path / "in", landmarks="cephalometric")


def test_a_wrong_spacing_is_noticed(tmp_path: Path) -> None:
    truth = films_of_a_centre(tmp_path / "in", ["1", "2"])
    write_long(tmp_path / "in", truth, CEPHALOMETRIC.names)
    assert messages(own(tmp_path / "in", landmarks="cephalometric", spacing_mm=1.0)) == ""
    assert "check the size given for a pixel" in messages(
        own(tmp_path / "in", landmarks="cephalometric", spacing_mm=0.1)
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"landmarks": None}, "needs landmarks=SET, one of cerebellum, cephalometric"),
        ({"landmarks": "cephalometrics"}, "did you mean 'cephalometric'"),
        ({"landmarks": "cephalometric", "spacing_mm": 0.1, "space": "RAS"}, "points of films are pixels"),
        ({"landmarks": "cephalometric", "spacing_mm": float("nan")}, "spacing_mm=nan"),
        ({"spacing_mm": 0.1}, "NIfTI volumes state their own"),
        ({"space": "LAS"}, "unknown space 'LAS'"),
    ],
)
def test_wrong_calls(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    truth = volumes_of_a_centre(tmp_path / "in", ["1"])
    write_long(tmp_path / "in", truth, CEREBELLUM.names)
    with pytest.raises(UsageError, match=message):
        own(tmp_path / "in", **options)


@pytest.mark.parametrize("name", ["own/", "own/Clinic", "own/a/b", "own/..", "own/" + "a" * 61])
def test_names_that_cannot_be_folders_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(UsageError, match="own/NAME with NAME of lower-case letters"):
        import_source(name, tmp_path / "in", landmarks="cerebellum", data_dir=tmp_path / "data")


def test_missing_parts_are_named(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(DataError, match=r"no folder images/; expected it beside landmarks\.csv or \.mrk\.json files"):
        own(tmp_path / "in")
    (tmp_path / "in/images").mkdir()
    with pytest.raises(DataError, match=r"no volume \(\.nii\.gz, \.nii\) in it"):
        own(tmp_path / "in")
    volumes_of_a_centre(tmp_path / "in", ["1"])
    with pytest.raises(DataError, match=r"neither landmarks\.csv nor files of 3D Slicer"):
        own(tmp_path / "in")


def test_what_was_registered_stays_when_an_import_fails(tmp_path: Path) -> None:
    truth = volumes_of_a_centre(tmp_path / "in")
    write_long(tmp_path / "in", truth, CEREBELLUM.names, "RAS")
    own(tmp_path / "in")
    write_long(tmp_path / "in", {c: p + 1000 for c, p in truth.items()}, CEREBELLUM.names, "RAS")
    with pytest.raises(DataError, match="nothing was registered"):
        own(tmp_path / "in")
    check(tmp_path / "in", truth)
    shifted = {c: p + np.array([0.01, 0, 0]) for c, p in truth.items()}
    write_long(tmp_path / "in", shifted, CEREBELLUM.names, "RAS")
    register = own(tmp_path / "in")
    check(tmp_path / "in", shifted)
    assert len(list(register.folder.glob("files-*"))) == 1  # the older table is gone


def test_copies_stand_alone(tmp_path: Path) -> None:
    truth = volumes_of_a_centre(tmp_path / "in")
    write_long(tmp_path / "in", truth, CEREBELLUM.names, "RAS")
    own(tmp_path / "in", copy=True)
    (tmp_path / "in").rename(tmp_path / "elsewhere")
    check(tmp_path / "in", truth)
    register = read_register("own/clinic", tmp_path / "data")
    assert register.options == {"landmarks": "cerebellum"}
