"""What a notebook shows of the package's objects, cell by cell."""

from __future__ import annotations

import numpy as np
import pytest

import dgmld_bench as db
from dgmld_bench.export.run import export
from dgmld_bench.obtaining.downloading import download_source
from dgmld_bench.obtaining.importing import import_source
from dgmld_bench.sources import get_source
from tests.test_cli_score import program


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    folder = tmp_path_factory.mktemp("phantom")
    get_source("phantom").generate(folder, size="small")
    return folder


@pytest.fixture
def predictions(phantom):
    made = db.Predictions(track="phantom", method="<mean>", backbone="none")
    for case in db.load_split("phantom-feta", data_dir=phantom):
        made.add(seed=0, split="phantom-feta", case=case.id, landmarks=np.zeros((6, 3)))
    return made


def test_a_split_says_what_it_is_and_is_read_by_id(phantom):
    cases = db.load_split("phantom-feta", data_dir=phantom)
    assert isinstance(cases, db.CaseList)
    assert repr(cases) == "CaseList(split='phantom-feta', 8 cases: '1', '2', '3', …, '8')".replace("…, ", "…, ")
    assert cases["7"].id == cases[6].id == "7"
    assert "8 cases" in cases._repr_html_() and repr(cases[:2]).count("'") == 6
    with pytest.raises(KeyError, match="no case '70' in CaseList"):
        cases["70"]


def test_a_case_shows_its_shape_and_with_a_reference_a_picture(phantom):
    withheld = db.load_split("phantom-feta", data_dir=phantom)["7"]
    assert repr(withheld).endswith("landmarks withheld)") and "shape" not in repr(withheld)
    assert "<img" not in withheld._repr_html_() and "spacing" in withheld._repr_html_()
    assert f"shape={withheld.image.shape}" in repr(withheld)
    shown = db.load_split("phantom-feta", references=True, data_dir=phantom)["7"]._repr_html_()
    assert '<img alt="Case(' in shown and "data:image/png;base64," in shown


def test_a_case_draws_predictions_of_either_kind(phantom, predictions):
    case = db.load_split("phantom-feta", references=True, data_dir=phantom)["7"]
    title = case.plot(predictions)._suptitle.get_text()
    expected = np.linalg.norm(case.landmarks, axis=1).mean()
    assert f"mean radial error {expected:.2f} mm" in title and "reference: simulated" in title
    assert case.plot(np.zeros((6, 3)))._suptitle.get_text() == title
    assert "radial" not in case.plot()._suptitle.get_text()
    with pytest.raises(db.DataError, match=r"shape \(6, 3\), got \(5, 3\)"):
        case.plot(np.zeros((5, 3)))
    other = db.load_split("phantom-lfc", references=True, data_dir=phantom)["7"]
    with pytest.raises(db.DataError, match="hold no case '7' of split 'phantom-lfc'"):
        other.plot(predictions)


def test_a_withheld_case_draws_no_reference(phantom):
    case = db.load_split("phantom-feta", data_dir=phantom)["7"]
    figure = case.plot(np.zeros((6, 3)))
    labels = {c.get_label() for ax in figure.axes for c in ax.collections}
    assert labels == {"prediction"}


def test_predictions_and_score_are_tables(phantom, predictions):
    assert "<td>8 cases</td>" in predictions._repr_html_() and "<mean>" not in predictions._repr_html_()
    score = db.score(predictions, "phantom-feta", data_dir=phantom)
    assert isinstance(score, db.Score)
    assert f"mre_mm={score.mre_mm:.3f}" in repr(score)
    assert score.mre_mm == pytest.approx(score.to_frame()["radial_error_mm"].mean())
    assert "TCD1" in score._repr_html_() and "simulated" in score._repr_html_() and "<mean>" not in score._repr_html_()


def test_errors_speak_python(phantom, predictions):
    del predictions.runs[0].predictions["phantom-feta"]["3"]
    with pytest.raises(db.DataError, match="allow_missing=True") as error:
        db.score(predictions, "phantom-feta", data_dir=phantom)
    assert "--" not in str(error.value)


def test_a_split_of_ones_own_is_found_by_its_name(tmp_path):
    assert db.get_split("feta").n_cases == 55
    with pytest.raises(db.UsageError, match="unknown split 'own/clinic'"):
        db.get_split("own/clinic")


def test_errors_of_import_and_export_speak_python_and_the_command_line_its_own(phantom, tmp_path):
    clinic = tmp_path / "clinic"
    (clinic / "images").mkdir(parents=True)
    calls = {
        "spacing_mm=S": lambda: import_source("pku", clinic, data_dir=tmp_path),
        "spacing_mm=-1": lambda: import_source("pku", clinic, spacing_mm=-1, data_dir=tmp_path),
        "landmarks=SET": lambda: import_source("own/clinic", clinic, data_dir=tmp_path),
        "no option spacing_mm=": lambda: import_source("isbi", clinic, spacing_mm=1, data_dir=tmp_path),
        "predictions=FILE": lambda: export("phantom-feta", "slicer", tmp_path / "out", data_dir=phantom),
        "seed=N": lambda: export("phantom-feta", "parquet", tmp_path / "out", seed=3, data_dir=phantom),
        "mirror=nowhere": lambda: download_source("hamedan", mirror="nowhere", data_dir=tmp_path),
    }
    for words, call in calls.items():
        with pytest.raises(db.UsageError, match=words) as error:
            call()
        assert "--" not in str(error.value), words
    for arguments, words in (
        (("import", "pku", clinic), "needs --spacing-mm S, the edge"),
        (("import", "isbi", clinic, "--spacing-mm", 1), "has no option --spacing-mm"),
        (
            ("export", "phantom-feta", "--format", "slicer", "--out", tmp_path / "out"),
            "unless asked for with --references",
        ),
    ):
        done = program(*arguments, "--data-dir", phantom)
        assert done.returncode == 2 and words in done.stderr, done.stderr


CELLS = (
    "%matplotlib inline\nimport numpy as np\nimport dgmld_bench as db",
    "cases = db.load_split('phantom-feta', references=True)\ncases",
    "cases['7']",
    "made = db.Predictions(track='phantom', method='mean', backbone='none')\n"
    "for case in cases:\n"
    "    made.add(seed=0, split='phantom-feta', case=case.id, landmarks=case.landmarks + [0.6, 0.8, 0.0])\n"
    "made",
    "score = db.score(made, split='phantom-feta')\nscore",
    "score.to_frame().groupby('landmark')['radial_error_mm'].mean()",
    "cases['7'].plot(predictions=made)",
    "made.add(seed=0, split='phantom-feta', case='56', landmarks=np.zeros((6, 3)))",
)


def test_a_real_notebook_shows_tables_and_pictures_and_a_plain_error(phantom, tmp_path, monkeypatch):
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    monkeypatch.setenv("DGMLD_BENCH_DATA", str(phantom))
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    nbclient.NotebookClient(notebook, timeout=250, allow_errors=True).execute(cwd=str(tmp_path))
    shown = [cell.outputs for cell in notebook.cells]
    assert shown[0] == []
    htmls = ["8 cases", "<img", "<td>8 cases</td>", "<th>radial error, mm</th>"]
    for outputs, html in zip(shown[1:5], htmls, strict=True):
        (output,) = outputs
        assert html in output.data["text/html"] and output.data["text/plain"]
    assert "mre_mm=1.000" in shown[4][0].data["text/plain"]  # every point is off by (0.6, 0.8, 0) mm
    assert "TCD1" in shown[5][0].data["text/plain"]
    assert [o.data["image/png"][:5] for o in shown[6]] == ["iVBOR"]  # one picture, not two
    (error,) = shown[7]
    assert error.ename == "DataError" and "no case '56'" in error.evalue
