"""Predictions as people have them: tables, data frames, ids that are file names."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dgmld_bench.case_ids import match_ids
from dgmld_bench.errors import DataError, UsageError
from dgmld_bench.export.run import export
from dgmld_bench.landmarks import CEPHALOMETRIC, CEREBELLUM
from dgmld_bench.scoring.predictions import Predictions
from dgmld_bench.scoring.predictions_files import read_predictions
from dgmld_bench.scoring.score import score
from dgmld_bench.splits import get_split, load_split
from tests.test_cli_score import program


@pytest.mark.parametrize(
    ("given", "known", "case"),
    [
        ("151.bmp", ["151", "15"], "151"),
        ("007", ["7", "70"], "7"),
        ("7", ["007"], "007"),
        ("images/151.PNG", ["151"], "151"),
        (r"C:\films\007.nii.gz", ["7"], "7"),
        ("phantom-feta-1", ["1", "11"], "1"),
        ("harvardsta21_study1", ["HarvardSTA21_Study1"], "HarvardSTA21_Study1"),
        ("7", ["07", "007"], None),
        ("a", ["A", "a"], "a"),
        ("A", ["aA", "b"], None),
        ("1511", ["151"], None),
    ],
)
def test_an_id_is_matched_when_exactly_one_case_fits(given: str, known: list[str], case: str | None) -> None:
    match = match_ids([given], known, "phantom-feta")
    assert match.cases.get(given) == case and match.strange == ([given] if case is None else [])


def table(path: Path, rows: list[list[object]], delimiter: str = ",") -> Path:
    with path.open("w", newline="") as stream:
        csv.writer(stream, delimiter=delimiter).writerows(rows)
    return path


def nnlandmark_output(exported: Path, folder: Path, splits: list[str]) -> dict[str, float]:
    """Write what nnLandmark writes of an export, each point at its nearest voxel; return the mean error by split."""
    names = json.loads((exported / "name_to_label.json").read_text())
    spacing = json.loads((exported / "spacing.json").read_text())
    points = json.loads((exported / "all_landmarks_voxel.json").read_text())
    errors: dict[str, list[float]] = {split: [] for split in splits}
    folder.mkdir()
    for key, of_case in points.items():
        split = next((s for s in splits if key.rpartition("-")[0] == s), None)
        if split is None:
            continue
        nearest = {name: np.rint(place) for name, place in of_case.items()}
        written = {
            str(names[n]): {"coordinates": p.astype(int).tolist(), "likelihood": 0.9} for n, p in nearest.items()
        }
        (folder / f"{key}.json").write_text(json.dumps(written))
        size_mm = np.array(spacing[key]["image_spacing"])
        errors[split] += [float(np.linalg.norm((p - of_case[n]) * size_mm)) for n, p in nearest.items()]
    (folder / "plans.json").write_text('{"dataset_name": "Dataset737_DGMLD"}')
    (folder / "prediction_all_landmark_voxel.json").write_text("{}")
    (folder / "summary_voxel.json").write_text('{"MRE_micro": 0.3}')
    return {split: float(np.mean(values)) for split, values in errors.items()}


def test_what_nnlandmark_predicts_of_an_export_comes_straight_back(brains: Path, tmp_path: Path) -> None:
    export(["atlas", "lfc-val", "lfc"], "nnlandmark", tmp_path / "raw", references=True, data_dir=brains)
    expected = nnlandmark_output(tmp_path / "raw", tmp_path / "out", ["lfc", "lfc-val"])
    for split, mean_mm in expected.items():  # cases lfc-1 and lfc-val-1 lie in one folder
        result = score(tmp_path / "out", split, data_dir=brains)
        assert result.mre_mm == pytest.approx(mean_mm) and result.coverage == 1
        assert any(f"'{split}-" in note for note in result.notes)
    done = program("score", tmp_path / "out", "--split", "lfc", "--data-dir", brains)
    assert done.returncode == 0 and f"{expected['lfc']:.3f}" in done.stdout, done.stderr


def test_a_folder_that_is_not_nnlandmarks_and_labels_unknown_to_it_are_refused(brains, films, tmp_path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    with pytest.raises(DataError, match="none of its files is one"):
        score(folder, "lfc", data_dir=brains)
    path = folder / "1.json"
    for written, words in (
        ({"7": {"coordinates": [1, 2, 3]}}, "1.json: unknown label '7'; expected 1 to 6"),
        ({"1": {"coordinates": [1, 2]}}, r"label 1: expected three coordinates, got \[1, 2\]"),
        ({"1": {"coordinates": [None, None, None], "likelihood": 0.0}}, "incomplete"),
        ({"1": {"coordinates": ["a", 2, 3]}}, "case '1'"),
    ):
        path.write_text(json.dumps(written))
        with pytest.raises(DataError, match=words):
            score(folder, "lfc", data_dir=brains)
    with pytest.raises(UsageError, match="in space 'voxel'"):
        score(folder, "lfc", data_dir=brains, space="lps_mm")
    with pytest.raises(UsageError, match="predictions of volumes"):
        score(folder, "isbi", data_dir=films)


@pytest.fixture
def files(films: Path, tmp_path: Path) -> list[Path]:
    """The same predictions of split ``isbi`` in every form."""
    cases = list(load_split("isbi", references=True, data_dir=films))
    points = {c.id: c.landmarks + 3.0 for c in cases}
    names = CEPHALOMETRIC.names
    long = [[f"{i}.bmp", n, *p] for i, a in points.items() for n, p in zip(names, a.tolist(), strict=True)]
    wide = [[f"0{i}", *a.ravel().tolist()] for i, a in points.items()]
    bare = tmp_path / "bare.json"
    bare.write_text(json.dumps({f"isbi-{i}": a.tolist() for i, a in points.items()}))
    return [
        table(tmp_path / "long.csv", [["case", "landmark", "x", "y"], *long]),
        table(tmp_path / "long.tsv", [["case", "landmark", "x", "y"], *long], "\t"),
        table(tmp_path / "wide.csv", [["case", *(f"{n}_{a}" for n in names for a in "xy")], *wide]),
        table(tmp_path / "numbered.csv", [["case", *(f"{a}{n}" for n in range(1, 20) for a in "xy")], *wide]),
        bare,
    ]


def test_every_form_gives_the_same_score_and_says_what_was_matched(files: list[Path], films: Path) -> None:
    for file in files:
        result = score(file, "isbi", data_dir=films)
        assert result.per_seed_mm == pytest.approx([0.3 * 2**0.5]), file
        assert result.notes[0].startswith("matched: 2 cases are written otherwise in the predictions, as '"), file


def test_every_command_takes_a_table(files: list[Path], films: Path, tmp_path: Path) -> None:
    at = ("--split", "isbi", "--data-dir", films)
    compared = program("compare", files[0], files[2], *at, COLUMNS="200")
    assert compared.returncode == 0, compared.stderr
    shown = program("show", "151", *at, "--predictions", files[1], "--out", tmp_path / "a.png")
    assert shown.returncode == 0, shown.stderr
    validated = program("validate", files[2], "--split", "isbi")
    assert validated.returncode == 1 and "148 of 150 cases are missing" in validated.stdout


def test_two_files_of_one_method_are_told_apart_by_their_names(files: list[Path], films: Path, tmp_path: Path) -> None:
    copy = tmp_path / "other" / files[0].name
    copy.parent.mkdir()
    copy.write_bytes(files[0].read_bytes())
    result = program("compare", files[0], copy, "--split", "isbi", "--data-dir", films, "--json", "-")
    names = [json.loads(result.stdout)[m]["name"] for m in "ab"]
    assert names == [f"long · unknown ({path})" for path in (files[0], copy)]


def test_two_ids_of_one_case_are_refused(films: Path, tmp_path: Path) -> None:
    rows = [[i, n, 1, 2] for i in ("151", "151.bmp") for n in CEPHALOMETRIC.names]
    path = table(tmp_path / "p.csv", [["case", "landmark", "x", "y"], *rows])
    with pytest.raises(DataError, match=r"'151' and '151.bmp' are both case '151'"):
        score(path, "isbi", data_dir=films)


def test_a_missing_file_is_said_before_missing_data(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none.json: no such file"):
        score(tmp_path / "none.json", "feta", data_dir=tmp_path)


def test_the_space_of_a_table(tmp_path: Path) -> None:
    rows = [["7", n, 1, 2, 3] for n in CEREBELLUM.names]
    plain = table(tmp_path / "a.csv", [["case", "landmark", "x", "y", "z"], *rows])
    stated = table(tmp_path / "b.csv", [["case", "landmark", "x", "y", "z", "space"], *([*r, "LPS"] for r in rows)])
    split = get_split("feta")
    for space in (None, "lps_mm", "voxel"):
        read = read_predictions(plain, split, CEREBELLUM, space)
        assert read.space == (space or "ras_mm") and read.array(0, "feta", ["7"])[0, 0].tolist() == [1, 2, 3]
    read = read_predictions(stated, split, CEREBELLUM)
    assert read.space == "ras_mm" and read.array(0, "feta", ["7"])[0, 0].tolist() == [-1, -2, 3]
    with pytest.raises(UsageError, match="has a column 'space'"):
        read_predictions(stated, split, CEREBELLUM, "lps_mm")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.csv", "case,landmark,x,y,z,annotator\n7,TCD1,1,2,3,ann\n", "'annotator' belongs to reference points"),
        ("a.csv", "case,landmark,x,y,z\n", "the table has no row"),
        ("a.fcsv", "# Markups fiducial file version = 4.11\n", "'CoordinateSystem' says the space"),
        ("a.dcm", "DICM", "an image, not predictions"),
    ],
)
def test_what_is_no_table_of_predictions(tmp_path: Path, name: str, text: str, words: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=words):
        read_predictions(tmp_path / name, get_split("feta"), CEREBELLUM)


def test_a_data_frame_with_several_runs_and_an_own_centre() -> None:
    points = np.arange(36.0).reshape(2, 6, 3)
    frame = pd.DataFrame(
        {"case": "7", "landmark": n, "x": p[0], "y": p[1], "z": p[2], "seed": seed}
        for seed in (0, 3)
        for n, p in zip(CEREBELLUM.names, points[seed // 3].tolist(), strict=True)
    )
    read = Predictions.from_frame(frame, split="phantom-feta", method="mine")
    assert read.seeds == [0, 3] and read.array(3, "phantom-feta", ["7"])[0].tolist() == points[1].tolist()
    # A column of a CSV file with an empty cell is one of floats, and rows without a seed are not left out.
    frame["seed"] = frame["seed"].astype(float)
    assert Predictions.from_frame(frame, split="phantom-feta", method="mine").seeds == [0, 3]
    for value in (np.nan, 0.5, np.inf):
        frame.loc[frame["seed"] == 3, "seed"] = value
        with pytest.raises(DataError, match=r"column seed: 6 rows have .*; expected a whole number"):
            Predictions.from_frame(frame, split="phantom-feta", method="mine")
        frame["seed"] = [0.0] * 6 + [3.0] * 6
    wide = pd.DataFrame([range(18)], index=["7"], columns=[f"{a}{n}" for n in range(6) for a in "xyz"])
    own = Predictions.from_frame(wide, split="own/clinic", method="mine", landmarks="cerebellum")
    assert own.array(0, "own/clinic", ["7"])[0].tolist() == points[0].tolist()
    with pytest.raises(UsageError, match="is of no track"):
        Predictions.from_frame(wide, split="own/clinic", method="mine")
