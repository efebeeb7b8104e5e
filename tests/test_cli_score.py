"""The commands around predictions, as a user runs them: output, exit codes, no traceback, no torch."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest

from dgmld_bench.scoring.predictions import Predictions
from dgmld_bench.splits import load_split


@pytest.fixture(scope="module")
def perfect(brains, tmp_path_factory):
    """Predictions for split ``lfc`` of the generated brains: seed 0 exact, seed 1 off by 1 mm."""
    predictions = Predictions(track="dgmld", method="mine [b]", backbone="none")
    for case in load_split("lfc", references=True, data_dir=brains):
        for seed in (0, 1):
            predictions.add(seed=seed, split="lfc", case=case.id, landmarks=case.landmarks + np.array([0, 0, seed]))
    path = tmp_path_factory.mktemp("predictions") / "preds.json"
    predictions.save(path)
    return path


def program(*arguments, cwd=None, **environment):
    command = [sys.executable, "-m", "dgmld_bench", *map(str, arguments)]
    env = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, encoding="utf-8", check=False, cwd=cwd, env=env)


@pytest.mark.parametrize("json", [[], ["--json", "-"]])
def test_whoever_has_read_enough_makes_no_fault(perfect, brains, json):
    command = [sys.executable, "-m", "dgmld_bench", "score", perfect, "--split", "lfc", "--data-dir", brains, *json]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        running.stdout.close()
        assert (running.stderr.read(), running.wait()) == (b"", 0)


def test_score_prints_and_writes(perfect, brains, tmp_path):
    result = program(
        "score",
        perfect,
        "--split",
        "lfc",
        "--data-dir",
        brains,
        "--json",
        tmp_path / "s.json",
        "--csv",
        tmp_path / "s.csv",
    )
    assert result.returncode == 0, result.stderr
    assert "mine [b]" in result.stdout and "0.500" in result.stdout and "partial: 3 of" in result.stdout
    value = json.loads((tmp_path / "s.json").read_text())
    assert value["mre_mm"]["mean"] == pytest.approx(0.5) and value["mre_mm"]["std"] == pytest.approx(0.5)
    assert value["complete"] is False and value["protocol"] == 2
    lines = (tmp_path / "s.csv").read_text().splitlines()
    assert lines[0] == "seed,case,landmark,radial_error_mm" and len(lines) == 1 + 2 * 3 * 6


@pytest.mark.parametrize(
    "arguments",
    [
        ["score", "p.json", "--split", "lfc", "--csv", "p.json"],
        ["score", "p.json", "--split", "lfc", "--json", "./link.json"],
        ["compare", "p.json", "p.json", "--split", "lfc", "--json", "p.json"],
        ["validate", "p.json", "--json", "p.json"],
        ["export", "lfc", "--format", "parquet", "--predictions", "p.json", "--out", "o", "--json", "p.json"],
    ],
)
def test_no_command_writes_over_what_it_reads(perfect, brains, tmp_path, arguments):
    before = perfect.read_bytes()
    (tmp_path / "p.json").write_bytes(before)
    (tmp_path / "link.json").symlink_to("p.json")
    result = program(*arguments, cwd=tmp_path, DGMLD_BENCH_DATA=str(brains))
    assert result.returncode == 2 and "would be overwritten" in result.stderr
    assert (tmp_path / "p.json").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "entries"), [("score <(cat {0})", ("mre_mm", "mean")), ("compare {0} <(cat {0})", ("b", "mre_mm"))]
)
def test_a_pipe_is_read_as_a_file(perfect, brains, arguments, entries):
    command = f"{sys.executable} -m dgmld_bench {arguments.format(perfect)} --split lfc --data-dir {brains} --json -"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    value = json.loads(result.stdout)
    assert value[entries[0]][entries[1]] == pytest.approx(0.5)


def test_json_on_standard_output_is_nothing_but_json(perfect, brains):
    result = program("score", perfect, "--split", "lfc", "--data-dir", brains, "--json", "-")
    assert json.loads(result.stdout)["split"] == "lfc"


def test_scoring_never_imports_torch(perfect, brains):
    code = (
        "import sys; import dgmld_bench as db; "
        f"db.score({str(perfect)!r}, split='lfc', data_dir={str(brains)!r}).to_dict(); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["score", "none.json", "--split", "lfc"], 1, "none.json: no such file"),
        (["score", "PREDS", "--split", "lfcc"], 2, "did you mean 'lfc'"),
        (["score", "PREDS", "--split", "feta"], 1, "no case of split 'feta' is on disk"),
        (["score", "PREDS", "--split", "lfc", "--space", "lps_mm"], 2, "contradicts"),
        (["score", "PREDS"], 2, "--split"),
        (["score", "PREDS", "--split", "lfc", "--space", "ras"], 2, "did you mean 'ras_mm'"),
        (["score", "PREDS", "--split", "lfc", "--csv", "."], 1, "error: .: "),
        (["compare", "PREDS", "none.json", "--split", "lfc"], 1, "no such file"),
        (["score", "PREDS", "--split", "lfc", "--by", "age"], 2, "cannot be"),
        (["show", "99", "--split", "lfc"], 2, "no case '99'"),
        (["validate", "none.json"], 1, "no such file"),
    ],
)
def test_mistakes_end_in_one_message_and_their_exit_code(perfect, brains, tmp_path, arguments, code, words):
    arguments = [str(perfect) if a == "PREDS" else a for a in arguments]
    data = [] if arguments[0] == "validate" else ["--data-dir", brains]
    result = program(*arguments, *data, cwd=tmp_path)
    output = result.stdout + result.stderr
    assert result.returncode == code, output
    assert words in output and "Traceback" not in output


def test_compare_says_which_is_better_and_draws(perfect, brains, tmp_path):
    worse = Predictions.load(perfect)
    for run in worse.runs:
        for case in run.predictions["lfc"].values():
            for point in case.values():
                point[0] += 5.0
    worse.save(tmp_path / "worse.json")
    outputs = ["--plot", tmp_path / "c.png", "--json", tmp_path / "c.json"]
    result = program("compare", perfect, tmp_path / "worse.json", "--split", "lfc", "--data-dir", brains, *outputs)
    assert result.returncode == 0, result.stderr
    assert "is better" in result.stdout
    value = json.loads((tmp_path / "c.json").read_text())
    assert value["difference_mm"] < -4 and value["n_cases"] == 3
    assert (tmp_path / "c.png").read_bytes()[:4] == b"\x89PNG"


def test_show_draws_the_same_bytes_twice(perfect, brains, tmp_path):
    for name in ("a.png", "b.png"):
        result = program(
            "show", 1, "--split", "lfc", "--data-dir", brains, "--predictions", perfect, "--out", tmp_path / name
        )
        assert result.returncode == 0, result.stderr
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_show_draws_films(films, tmp_path):
    result = program("show", 151, "--split", "isbi", "--data-dir", films, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "show-isbi-151.png").is_file()


def test_every_point_has_its_name_and_a_line_to_its_reference(films):
    from dgmld_bench.drawing import draw_case
    from dgmld_bench.landmarks import CEPHALOMETRIC

    case = load_split("isbi", references=True, data_dir=films)[0]
    predicted = case.landmarks + 40.0
    predicted[0] = np.nan
    axis = draw_case(case, case.landmarks, predicted).axes[0]
    assert [t.get_text() for t in axis.texts] == [t.partition(" (")[0] for t in CEPHALOMETRIC.titles]
    assert len(axis.lines) == 18
    assert axis.lines[0].get_xydata() == pytest.approx(np.stack([case.landmarks[1], predicted[1]]))


def test_schema_is_json():
    assert json.loads(program("schema").stdout)["additionalProperties"] is False


def test_slices_are_true_to_the_millimetre():
    from dgmld_bench.cases import Case
    from dgmld_bench.drawing import draw_case
    from dgmld_bench.landmarks import CEREBELLUM

    affine = np.diag([0.5, 0.5, 2.0, 1.0])
    image = np.zeros((40, 40, 10), dtype=np.float32)
    image[20:24, 20:24, 5:7] = 1
    case = Case("1", "lfc", CEREBELLUM, image=lambda: image, affine=lambda: affine)
    axis = draw_case(case, np.full((6, 3), 10.0)).axes[0]  # sagittal: y across, z up
    left, right, bottom, top = axis.images[0].get_extent()
    assert right - left == pytest.approx(20) and top - bottom == pytest.approx(20) and axis.get_aspect() == 1


def test_a_narrow_terminal_cuts_no_number(perfect, brains):
    arguments = (perfect, "--split", "lfc", "--data-dir", brains)
    for result in (
        program("score", *arguments, COLUMNS="30"),
        program("compare", perfect, *arguments, COLUMNS="30"),
    ):
        assert result.returncode == 0, result.stderr
        assert not re.search(r"\d…|[−+]…", result.stdout), result.stdout
        assert re.search(r"^TCD1 .*0\.[05]00", result.stdout, re.MULTILINE)


def test_a_terminal_without_these_signs_shows_what_means_the_same(perfect, brains):
    result = program("score", perfect, "--split", "lfc", "--data-dir", brains, PYTHONIOENCODING="ascii")
    assert "0.500 +- 0.500" in result.stdout and "<= t" in result.stdout and "?" not in result.stdout
    result = program("compare", perfect, perfect, "--split", "lfc", "--data-dir", brains, PYTHONIOENCODING="ascii")
    assert re.search(r"TCD1.* -\d\.\d{3} \.\. \+\d", result.stdout)


def test_json_on_standard_output_loses_no_sign(brains, tmp_path):
    predictions = Predictions(track="dgmld", method="Méthode ü", backbone="none")
    for case in load_split("lfc", references=True, data_dir=brains):
        predictions.add(seed=0, split="lfc", case=case.id, landmarks=case.landmarks)
    predictions.save(tmp_path / "p.json")
    for encoding in ("ascii", "utf-8"):
        result = program(
            *("score", tmp_path / "p.json", "--split", "lfc", "--data-dir", brains, "--json", "-"),
            PYTHONIOENCODING=encoding,
        )
        assert json.loads(result.stdout)["method"] == "Méthode ü"


@pytest.mark.parametrize(("command", "redirection"), [("validate {} --json -", ">&-"), ("validate {}", "| true")])
def test_a_closed_output_is_no_traceback(perfect, command, redirection):
    line = f"{sys.executable} -m dgmld_bench {command.format(perfect)} {redirection}"
    result = subprocess.run(line, shell=True, capture_output=True, text=True, check=False)
    assert "Traceback" not in result.stderr and "Exception ignored" not in result.stderr


def test_show_takes_bare_files_and_says_what_does_not_fit(perfect, brains, films, tmp_path):
    case = load_split("lfc", references=True, data_dir=brains)[0]
    bare, picture = tmp_path / "bare.json", tmp_path / "a.png"
    bare.write_text(json.dumps({case.id: case.landmarks.tolist()}))
    for arguments, code, words in (
        (["1", "--split", "lfc", "--predictions", bare, "--data-dir", brains], 0, ""),
        (
            ["10", "--split", "lfc", "--predictions", bare, "--data-dir", brains],
            1,
            "nothing for case '10'",
        ),
        (["151", "--split", "isbi", "--predictions", perfect, "--data-dir", films], 1, "are for 'cerebellum'"),
        (["1", "--split", "lfc", "--out", tmp_path / "a.jpg", "--data-dir", brains], 2, "a name that ends in .png"),
    ):
        result = program("show", "--out", picture, *arguments)
        assert (result.returncode, words in result.stderr) == (code, True), result.stderr
    assert [p.name for p in tmp_path.glob("a.*")] == ["a.png"]


def test_what_the_predictions_call_a_case_is_printed_as_it_is(brains, tmp_path):
    bare = tmp_path / "bare.json"
    cases = load_split("lfc", references=True, data_dir=brains)
    bare.write_text(json.dumps({f"[/b]/{case.id}.nii.gz": case.landmarks.tolist() for case in cases}))
    result = program("score", bare, "--split", "lfc", "--data-dir", brains, "--allow-missing", COLUMNS="200")
    said = f"matched: 3 cases are written otherwise in the predictions, as '[/b]/{cases.ids[0]}.nii.gz' for"
    assert result.returncode == 0 and said in result.stdout, result.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_at_fault(tmp_path):
    (tmp_path / "p.json").write_text("{}")
    (tmp_path / "p.json").chmod(0)
    for command in (["score", tmp_path / "p.json", "--split", "lfc"], ["validate", tmp_path / "p.json"]):
        result = program(*command)
        assert result.returncode == 1 and "cannot be read" in result.stdout + result.stderr


def test_score_without_the_test_cases_that_are_training_cases_too(isbi_films, tmp_path):
    from tests.submissions import submission

    path, out = tmp_path / "p.json", tmp_path / "s.json"
    submission(isbi_films, "Good", 5).save(path)
    command = ("score", path, "--split", "isbi", "--data-dir", isbi_films, "--json", out)
    whole, whole_values = program(*command), json.loads(out.read_text())
    rest, values = program(*command, "--without-leaked"), json.loads(out.read_text())
    # 0 to 2 px by the id modulo 3: 150 px over the 150 films, of which 19 px over the 20
    all_mm, unseen_mm = 0.1 * (5 + 1 + 150 / 150), 0.1 * (5 + 1 + 131 / 130)
    assert whole_values["mre_mm"]["mean"] == pytest.approx(all_mm)
    assert whole_values["without_leaked"]["cases"] == 130
    assert whole_values["without_leaked"]["mre_mm"]["mean"] == pytest.approx(unseen_mm)
    assert "Average of 130 unseen" in whole.stdout
    assert values["mre_mm"] == whole_values["without_leaked"]["mre_mm"] and values["without_leaked"] is None
    assert values["cases"] == values["cases_expected"] == 130 and values["complete"]
    assert "without the 20 cases" in rest.stdout and "of the split's" not in rest.stdout
    result = program("score", path, "--split", "hamedan", "--data-dir", isbi_films, "--without-leaked")
    assert result.returncode == 1  # not on disk


def test_without_leaked_is_refused_where_nothing_leaked(perfect, brains):
    result = program("score", perfect, "--split", "lfc", "--data-dir", brains, "--without-leaked")
    assert result.returncode == 2 and "no case of split 'lfc' is known to be a training case too" in result.stderr


def test_score_explains_itself(isbi_films, tmp_path):
    from tests.submissions import submission

    path = tmp_path / "p.json"
    submission(isbi_films, "Good", 20).save(path)
    data = ("--split", "isbi", "--data-dir", isbi_films)
    short, long = (
        program("score", path, *data),
        program("score", path, *data, "--explain", "--json", tmp_path / "s.json"),
    )
    assert "Squared error: " in short.stdout and "Promised radii" not in short.stdout
    assert "offset forward" in long.stdout and "Promised radii: none" in long.stdout, long.stderr
    values = json.loads((tmp_path / "s.json").read_text())
    assert values["mre_mm"]["mean"] > 0 and {"parts", "people", "seed_spread", "conformal"} < set(values)
    submission(isbi_films, "Bad", 40).save(tmp_path / "bad.json")
    result = program("compare", path, tmp_path / "bad.json", *data)
    assert "Squared error, A − B in mm²: " in result.stdout, result.stdout + result.stderr
    assert "Without the offset of the other cases: A " in result.stdout and "p < " in result.stdout


def test_score_without_a_split_names_those_of_the_file(perfect, tmp_path):
    for file, words in ((perfect, f"name the split with --split; {perfect} predicts: lfc"), (tmp_path, "--split")):
        result = program("score", file)
        assert result.returncode == 2 and words in " ".join(result.stderr.split()), result.stderr


def test_compare_names_all_files_that_are_not_there(perfect):
    for one, gone in (("one.json", "one.json, two.json"), (perfect, "two.json")):
        result = program("compare", one, "two.json", "--split", "lfc")
        assert result.returncode == 1 and f"no such file: {gone}\n" in result.stderr


def test_combine_says_what_it_takes_and_writes_the_mean(films, tmp_path):
    one, two = tmp_path / "one.json", tmp_path / "two.json"
    for path, method, shifts in ((one, "One", (9, 90)), (two, "Two", (-8,))):
        predictions = Predictions(track="ceph", method=method, backbone="unet")
        for seed, shift in enumerate(shifts):
            for case in load_split("isbi-val", data_dir=films):
                points = case.landmarks + np.array([shift, 0])
                predictions.add(seed=seed, split="isbi-val", case=case.id, landmarks=points)
        predictions.save(path)
    result = program("combine", one, two, "--out", tmp_path / "all.json")
    assert result.returncode == 0 and "Mean of 3 trainings" in result.stdout, result.stderr
    best = ("combine", one, two, "--choose", "isbi-val", "--data-dir", films, "--out", tmp_path / "best.json")
    result = program(*best, "--name", "Best")
    assert result.returncode == 0, result.stderr
    assert "Two · unet, seed 0" in result.stdout and "1 more would not make it smaller" in result.stdout
    mean = Predictions.load(tmp_path / "best.json")
    assert mean.method == "Best" and mean.seeds == [0]
    alone = tmp_path / "alone.json"
    for arguments, code, words in (
        (("combine", tmp_path / "best.json", "--out", alone), 1, "at least two"),
        (("combine", one, two, "--out", two), 2, "would be overwritten"),
        (("combine", one, "--out", alone, "--choose", "isbi", "--data-dir", films), 2, "is a test split"),
        (("combine", one, "--out", alone, "--choose", "isbi-vla", "--data-dir", films), 2, "did you mean 'isbi-val'"),
        (("combine", one, "--out", alone, "--choose", "isbi-val", "--data-dir", films), 1, "no mean is better"),
    ):
        result = program(*arguments)
        assert result.returncode == code and words in result.stderr and "Traceback" not in result.stderr, result.stderr
        assert not alone.exists()


def test_show_worst_draws_one_sheet_and_names_the_cases(perfect, brains, films, tmp_path):
    arguments = ("show", "--split", "lfc", "--data-dir", brains)
    result = program(*arguments, "--predictions", perfect, "--worst", 2, "--out", tmp_path / "w.png")
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "w.png").read_bytes()[:4] == b"\x89PNG"
    assert len(re.findall(r"^\d+: seed 1, mean 1\.000 mm, TCD1 1\.000 mm$", result.stdout, re.MULTILINE)) == 2
    flat = tmp_path / "flat.json"
    points = {c.id: c.landmarks.tolist() for c in load_split("isbi", references=True, data_dir=films)}
    flat.write_text(json.dumps(points))
    result = program("show", "--split", "isbi", "--data-dir", films, "--predictions", flat, "--worst", 9, cwd=tmp_path)
    assert result.returncode == 0 and (tmp_path / "worst-isbi-flat.png").is_file(), result.stderr
    for wrong, words in (
        ((), "name a case"),
        (("--worst", 2), "give a predictions file"),
        (("1", "--predictions", perfect, "--worst", 2), "and no case"),
        (("--predictions", perfect, "--worst", 2, "--seed", 7), "no run with seed 7"),
    ):
        result = program(*arguments, *wrong)
        assert result.returncode == 2 and words in result.stderr, result.stderr
