"""The board on a small repository: what is measured, kept, ranked, refused, and noticed by the check."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dgmld_bench.errors import DataError, UsageError
from dgmld_bench.landmarks import CEREBELLUM
from dgmld_bench.leaderboard.build import build_board
from dgmld_bench.leaderboard.check import find_differences
from dgmld_bench.leaderboard.figures import panels
from dgmld_bench.leaderboard.placing import place_submission
from dgmld_bench.leaderboard.publish import publish
from dgmld_bench.leaderboard.records import Record, read_record, write_record
from dgmld_bench.leaderboard.reported import read_reported
from dgmld_bench.leaderboard.site import render
from dgmld_bench.leaderboard.submissions import find_faults, slug
from dgmld_bench.leaderboard.tables import readme, results_csv
from dgmld_bench.leaderboard.views import SplitView
from dgmld_bench.scoring.errors_table import ErrorsTable
from dgmld_bench.scoring.metrics import mean_over_cases, mean_radial_error
from dgmld_bench.splits import load_split
from tests.submissions import ROOT, make_repository, submission


@pytest.fixture
def data(isbi_films):
    return isbi_films


@pytest.fixture
def repository(tmp_path, data):
    return make_repository(tmp_path / "repository", data)


def rows(board, split="isbi"):
    (found,) = [s for t in board.tracks for s in t.splits if s.split.name == split]
    return {r.id: r for r in found.rows}


def everything(root):
    return {p.relative_to(root): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def test_rows_are_measured_ranked_by_protocol_and_flagged(repository, data):
    found = rows(build_board(repository, data))
    good, bad, strict = found["good-unet"], found["bad-unet"], found["strict-unet"]
    assert good.average.mean == pytest.approx(0.7) and good.average.std == pytest.approx(np.sqrt(2 / 3) / 10)
    assert (good.rank.rank, good.rank.group, bad.rank.rank, bad.rank.group) == (1, 1, 2, 2)
    assert strict.rank.rank == 1 and strict.flags == ("one-training", "in-training") and good.flags == ("in-training",)
    assert good.kind == "measured" and good.reference_sha256
    assert found["annotator"].kind == "annotator" and found["annotator"].rank is None
    assert good.unseen.mean == pytest.approx(0.1 * (6 + 131 / 130))  # without the 20 films: see test_cli_score
    assert sum(r.kind == "reported" for r in found.values()) == 3


def test_the_same_inputs_give_the_same_bytes_and_the_check_agrees(repository, data):
    publish(repository, data)
    first = everything(repository)
    publish(repository, data)
    assert everything(repository) == first
    assert find_differences(repository, data) == []


def test_the_check_knows_what_the_board_says_of_the_project(repository, data):
    (repository / "CITATION.cff").write_text('authors:\n  - name: Us\nrepository-code: "https://example.org/me"\n')
    publish(repository, data)
    assert "https://example.org/me" in (repository / "leaderboard/site/index.html").read_text("utf-8")
    assert find_differences(repository, data) == []


def test_without_the_reference_the_last_verified_errors_are_kept(repository, data, tmp_path):
    publish(repository, data)
    before = (repository / "leaderboard/results.csv").read_bytes()
    publish(repository, tmp_path / "no data")
    assert (repository / "leaderboard/results.csv").read_bytes() == before
    changed = submission(data, "Good", 6)
    changed.save(repository / "submissions/ceph/good-unet.json")
    found = rows(build_board(repository, tmp_path / "no data"))
    assert found["good-unet"].kind == "awaiting" and found["good-unet"].flags == ("awaiting", "in-training")
    assert found["bad-unet"].kind == "measured"


def test_records_hold_errors_and_no_coordinates(repository, data):
    publish(repository, data)
    path = repository / "leaderboard/errors/ceph/good-unet/isbi.json"
    record = read_record(path)
    assert record.errors.errors_mm.shape == (3, 150, 19)
    np.testing.assert_allclose(
        record.errors.errors_mm[1, record.errors.cases.index("151")], 0.1 * (5 + 1 + 151 % 3), atol=1e-6
    )
    value = json.loads(path.read_text())
    assert len(value["errors_mm"][0]["151"]) == 19
    parts = record.errors.parts
    squares = (record.errors.errors_mm**2).mean(axis=(0, 1))
    np.testing.assert_allclose(parts.by_landmark_mm2.sum(axis=-1), squares, atol=1e-4)
    write_record(path, record)
    assert json.loads(path.read_text()) == value
    del value["parts"]["offset_mm"][0][0]
    path.with_name("short.json").write_text(json.dumps(value))
    with pytest.raises(DataError, match="not a record"):
        read_record(path.with_name("short.json"))
    del value["parts"]
    path.with_name("short.json").write_text(json.dumps(value))
    assert read_record(path.with_name("short.json")).errors.parts is None  # as before parts were kept
    path.write_text(path.read_text().replace('"seeds"', '"other"'))
    with pytest.raises(DataError, match="not a record"):
        read_record(path)


def test_the_check_sees_what_vanished_moved_and_went_stale(repository, data):
    publish(repository, data)
    results = repository / "leaderboard/results.csv"
    text = results.read_text()
    line = next(x for x in text.splitlines() if ",good-unet," in x)
    elsewhere = line.replace(",isbi,", ",pku,")
    results.write_text(text.replace(line, line.replace(",0.7", ",0.6", 1)) + elsewhere + "\n")
    problems = find_differences(repository, data)
    assert any(p.startswith("row vanished: ceph / pku / good-unet") for p in problems)
    assert any(p.startswith("score moved: ceph / isbi / good-unet") for p in problems)
    assert any(p.startswith("stale: leaderboard/results.csv") for p in problems)


def test_the_check_misses_records_that_are_gone_or_old(repository, data):
    publish(repository, data)
    errors = repository / "leaderboard/errors/ceph"
    (errors / "good-unet/isbi.json").unlink()
    (errors / "old-unet").mkdir()
    (errors / "old-unet/isbi.json").write_text("{}")
    gone, old = find_differences(repository, data)
    assert gone.startswith("stale: leaderboard/errors/ceph/good-unet/isbi.json")
    assert old == "stale: leaderboard/errors/ceph/old-unet/isbi.json is of an earlier board"


@pytest.mark.parametrize(
    "damage", [b"<<<<<<< HEAD\n", b"\xff\0,\r", b"ceph,isbi,measured,good-unet,a,b,c,d\n", b"9" * 200_000]
)
def test_the_check_reads_a_damaged_table(repository, data, damage):
    publish(repository, data)
    results = repository / "leaderboard/results.csv"
    text = results.read_bytes()
    for damaged in (damage + text, text + damage, text.replace(b",0.7", b",abc" + damage)):
        results.write_bytes(damaged)
        assert any(p.startswith("stale: leaderboard/results.csv") for p in find_differences(repository, data))


def test_a_perfect_submission_is_shown(repository, data):
    for path in (repository / "submissions/ceph").iterdir():
        path.unlink()
    exact = submission(data, "Exact", 0, seeds=(0,))
    for cases in exact.runs[0].predictions.values():
        for case in load_split("isbi", references=True, data_dir=data):
            cases[case.id] = dict(zip(case.landmark_set.names, case.landmarks.tolist(), strict=True))
    exact.save(repository / "submissions/ceph/exact-unet.json")
    publish(repository, data)
    assert rows(build_board(repository, data))["exact-unet"].average.mean == 0.0


def test_another_row_of_a_method_carries_its_tag_and_takes_not_its_place(repository, data):
    submission(data, "Good", 3).save(repository / "submissions/ceph/good-unet-mine.json")  # the better one
    submission(data, "MeanShape", 50, backbone="none").save(repository / "submissions/ceph/meanshape-none-mine.json")
    board = publish(repository, data)
    assert "| Good (mine) | unet |" in (repository / "leaderboard/README.md").read_text()
    assert rows(board)["meanshape-none-mine"].kind == "measured"
    (split,) = [s for t in board.tracks for s in t.splits if s.split.name == "isbi"]
    (panel,) = [p for p in panels(split) if p.backbone == "unet"]
    assert "good-unet" in {r.id for r in panel.rows} and "good-unet-mine" not in {r.id for r in panel.rows}
    assert SplitView(split, board.tracks[2]).labels["good-unet-mine"] == "Good · unet (mine)"


def test_names_that_are_nearly_alike_have_pages_and_pictures_of_their_own(repository, data):
    for name, backbone in (("a+b", "unet"), ("a-b", "unet"), ("a-b", "UNet-2"), ("c", "UNET"), ("c", "unet 2")):
        one = submission(data, name, 3, backbone=backbone)
        one.save(repository / f"submissions/ceph/{slug(name)}-{slug(backbone)}{'-x' * (backbone == 'UNET')}.json")
    publish(repository, data)
    site = repository / "leaderboard/site"
    assert len(list((site / "submissions/ceph").iterdir())) == 3 + 5
    assert len(list((site / "figures").iterdir())) == 4


def test_hostile_submissions_are_refused_in_one_line_each(repository, data):
    folder = repository / "submissions/ceph"
    good = json.loads((folder / "good-unet.json").read_text())

    def write(name, **changes):
        value = {**good, **changes}
        (folder / name).write_text(json.dumps(value))
        return folder / name

    def fault(path):
        faults = find_faults(path, repository)
        assert faults and all("\n" not in f for f in faults)
        return " ".join(faults)

    assert "file name: expected good-unet.json" in fault(write("other-unet.json"))
    (repository / "submissions/open").mkdir()
    assert "its track is 'ceph'" in fault(write("../open/good-unet.json"))
    assert "unknown key" in fault(write("good-unet-b.json", shell="rm"))
    assert "not beginning with reported-" in fault(write("reported-2-unet.json", method="Reported", backbone="2-unet"))
    assert "'training_data' is missing" in fault(write("good-unet-c.json", training_data=[]))
    del good["selection"]
    assert "'selection' is missing" in fault(write("good-unet-a.json"))
    (folder / "good-unet-d.json").symlink_to(folder / "good-unet.json")
    assert "not a plain file" in fault(folder / "good-unet-d.json")
    (folder / "good-unet-e.json").write_text(" " * 2_000_001)
    assert "at most 2,000,000" in fault(folder / "good-unet-e.json")
    write("good-unet-f.json", selection="none")
    (folder / "good-unet-f.run.json").write_text('{"parameters": "many"}')
    assert "'parameters'" in fault(folder / "good-unet-f.json")
    assert "not below submissions/" in fault(repository / "leaderboard/reported.csv")
    with pytest.raises(DataError, match="submissions at fault"):
        build_board(repository, data)


def test_names_in_file_names():
    assert slug("../../etc/passwd") == "etc-passwd" and slug("<script>") == "script"


def test_the_papers_landmark_means_average_to_the_printed_average():
    tables = [r for r in read_reported(ROOT) if r.table == 2]
    assert len(tables) == 20
    for one in tables:
        mean = np.mean([one.values[n].mean for n in CEREBELLUM.names])
        assert mean == pytest.approx(one.values["Average"].mean, abs=0.01), one.method


def test_numbers_from_other_sources_stand_apart_with_what_they_were_trained_and_selected_on(repository, data):
    elsewhere = [r for r in read_reported(ROOT) if r.table is None]
    assert {(r.split, r.method): r.values["Average"].mean for r in elsewhere}["feta", "ViTPose"] == 10.32
    assert all(r.source and r.training_data and r.selection and r.remark for r in elsewhere)
    board = build_board(repository, data)
    for track in board.tracks:
        for split in (*track.splits, track.validation):
            assert len(split.elsewhere) == sum(r.split == split.split.name for r in elsewhere)
            assert {r.method for r in split.rows}.isdisjoint({"DeLR", "APGA", "Hourglass"})
    assert "DeLR" not in results_csv(board)
    text = readme(board)
    ranks, apart = text.index("### Ranks on `isbi`"), text.index("| isbi | DeLR | unknown | 1.12 | isbi-train | isbi |")
    assert ranks < text.index("### Reported elsewhere", ranks) < apart
    page = dict(render(board))["splits/isbi.html"]
    assert page.index('id="elsewhere"') < page.index("DeLR") and page.count("DeLR") == 2  # its name and its source


def test_submit_puts_predictions_in_their_place_once(repository, data, tmp_path):
    source = tmp_path / "run"
    submission(data, "My Model", 1, seeds=(0,)).save(source / "predictions.json")

    def submit(*extra):
        command = [sys.executable, "-m", "dgmld_bench", "submit", source / "predictions.json", "--root", repository]
        return subprocess.run([*map(str, command), *extra], capture_output=True, text=True, check=False)

    (source / "run.json").write_text("[]")
    faulty = submit("--tag", "x")
    assert faulty.returncode == 1 and "run.json: expected a JSON object, got an array" in faulty.stderr
    (source / "run.json").write_text(json.dumps({"parameters": 7, "training_seconds": 1.5, "finished": "now"}))
    first = submit("--tag", "x")
    assert first.returncode == 0, first.stderr
    assert "git add submissions/ceph/my-model-unet-x.json submissions/ceph/my-model-unet-x.run.json" in first.stdout
    assert rows(build_board(repository, data))["my-model-unet-x"].submission.parameters == 7
    refused = submit("--tag", "y", "--selection", "none")
    assert refused.returncode == 2 and "the file says 'selection' is 'target-val'" in refused.stderr
    assert submit("--tag", "y", "--code", "javascript:alert(1)").returncode == 2
    bare = submission(data, "Bare", 50, seeds=(0,), selection=None, training_data=None)
    bare.save(source / "predictions.json")
    lacking = submit()
    assert lacking.returncode == 1 and "'selection' is missing" in lacking.stderr
    assert not (repository / "submissions/ceph/bare-unet.json").exists()
    filled = submit(
        "--selection", "none", "--training-data", "isbi-trian", "--training-data", "mine", "--authors", "Me"
    )
    assert filled.returncode == 0, filled.stderr
    assert filled.stdout.startswith("note: training data 'isbi-trian' is no split of the benchmark; is 'isbi-train'")
    assert filled.stdout.count("note:") == 1
    assert rows(build_board(repository, data))["bare-unet"].flags == ("one-training", "other-data", "in-training")
    submission(data, "My Model", 1, seeds=(0,)).save(source / "predictions.json")
    assert submit("--tag", "x").returncode == 0  # the same once more
    submission(data, "My Model", 2, seeds=(0,)).save(source / "predictions.json")
    second = submit("--tag", "x")
    assert second.returncode == 2 and "is there already" in second.stderr


def test_of_four_submissions_at_once_with_one_name_one_is_placed(repository, data, tmp_path):
    command = [sys.executable, "-m", "dgmld_bench", "submit", "--root", str(repository)]
    running = []
    for n in range(4):
        submission(data, "New", n).save(tmp_path / f"{n}/predictions.json")
        (tmp_path / f"{n}/run.json").write_text(json.dumps({"parameters": n}))
        one = subprocess.Popen([*command, str(tmp_path / f"{n}/predictions.json")], stderr=subprocess.PIPE, text=True)
        running.append(one)
    errors = [one.communicate()[1] for one in running]
    codes = [one.returncode for one in running]
    assert sorted(codes) == [0, 2, 2, 2] and sum("is there already" in e for e in errors) == 3, errors
    placed = (repository / "submissions/ceph/new-unet.json").read_bytes()
    winner = codes.index(0)
    assert placed == (tmp_path / f"{winner}/predictions.json").read_bytes()
    sidecar = json.loads((repository / "submissions/ceph/new-unet.run.json").read_text())
    assert sidecar == {"parameters": winner}


def test_a_record_with_a_number_that_no_float_holds_is_none(tmp_path):
    record = next((ROOT / "leaderboard/errors/phantom").glob("meanshape-none/*.json"))
    value = json.loads(record.read_text())
    next(iter(value["errors_mm"][0].values()))[0] = 10**400
    (tmp_path / "r.json").write_text(json.dumps(value))
    with pytest.raises(DataError, match="not a record of verified errors"):
        read_record(tmp_path / "r.json")


def test_what_is_no_submission_never_lies_among_them(repository, data, tmp_path, monkeypatch):
    def look(staged, root):
        assert not (repository / "submissions/ceph/new-unet.json").exists()
        return ["a fault"]

    monkeypatch.setattr("dgmld_bench.leaderboard.placing.find_faults", look)
    before = everything(repository / "submissions")
    with pytest.raises(DataError, match="a fault"):
        place_submission(repository, submission(data, "New", 1), "new-unet", {"parameters": 1})
    after = everything(repository / "submissions")
    after.pop(Path(".lock"), None)  # filelock before 4.0 takes it away
    assert after == before


def test_submit_corrects_what_is_not_committed_and_nothing_else(repository, data, tmp_path):
    commit_all(repository)

    def submit(shift):
        submission(data, "Mine", shift, seeds=(0,)).save(tmp_path / "predictions.json")
        command = [sys.executable, "-m", "dgmld_bench", "submit", tmp_path / "predictions.json", "--root", repository]
        return subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)

    place = repository / "submissions/ceph/mine-unet.json"
    twin = submit(6)  # the points of the run of Good with seed 1
    assert twin.returncode == 0 and "the same points as one of good-unet\n" in twin.stdout
    corrected = submit(1)
    assert corrected.returncode == 0 and "the same points" not in corrected.stdout
    first = place.read_bytes()
    corrected = submit(2)
    assert corrected.returncode == 0, corrected.stderr
    second = place.read_bytes()
    assert second != first and second == (tmp_path / "predictions.json").read_bytes()
    commit_all(repository)
    assert submit(2).returncode == 0  # the same once more changes nothing
    refused = submit(3)
    assert refused.returncode == 2 and "only what is not committed" in refused.stderr
    assert place.read_bytes() == second


def test_validate_says_what_submit_says(repository, data, tmp_path):
    bad = submission(data, "Mine", 1, seeds=(0, 1), selection=None, training_data=None)
    bad.runs[1].predictions["isbi"] = bad.runs[0].predictions["isbi"]
    del bad.runs[0].predictions["isbi"]["300"]
    bad.save(tmp_path / "predictions.json")
    (tmp_path / "run.json").write_text('{"parameters": "many"}')

    def run(*arguments):
        command = [sys.executable, "-m", "dgmld_bench", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    (validated,) = json.loads(run("validate", tmp_path / "predictions.json", "--json", "-").stdout)
    said = [*validated["problems"], *validated["to_submit"]]
    submitted = run("submit", tmp_path / "predictions.json", "--root", repository)
    assert submitted.returncode == 1 and len(said) == 6
    told = " ".join(submitted.stderr.split())
    assert all(" ".join(fault.split()).removeprefix("run.json: ") in told for fault in said), (said, submitted.stderr)
    assert submitted.stderr.count("\n  ") == len(said)


def test_the_repositorys_own_board_is_current(tmp_path):
    assert find_differences(ROOT, tmp_path / "no data") == []


def test_rows_of_the_board_are_compared_without_reference_data(repository, data, tmp_path):
    publish(repository, data)

    def compare(*arguments):
        command = [sys.executable, "-m", "dgmld_bench", "compare", *arguments, "--split", "isbi"]
        command += ["--root", repository, "--data-dir", tmp_path / "no data", "--json", "-"]
        return subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)

    values = json.loads(compare("good-unet", "bad-unet").stdout)
    assert values["difference_mm"] == pytest.approx(-2.0) and values["a"]["name"] == "good-unet"
    assert sum(values["parts"]["squared_error_mm2"]["difference"].values()) == pytest.approx(0.503 - 7.303, abs=0.01)
    assert values["parts"]["mre_without_offset_mm"]["paired"] is None
    assert compare("annotator", "good-unet").returncode == 2  # its errors are not to the reference
    unknown = compare("goood-unet", "bad-unet")
    assert unknown.returncode == 2 and "did you mean 'good-unet'?" in unknown.stderr
    file = compare(repository / "submissions/ceph/good-unet.json", "bad-unet")
    assert file.returncode == 1 and "isbi" in file.stderr
    path = repository / "leaderboard/errors/ceph/bad-unet/isbi.json"
    value = json.loads(path.read_text())
    path.write_text(json.dumps({**value, "reference_sha256": "0" * 64}))
    other = compare("good-unet", "bad-unet")
    assert other.returncode == 1 and "measured against different references" in other.stderr
    path.write_text(json.dumps({**value, "protocol": 0}))
    old = compare("good-unet", "bad-unet")
    assert old.returncode == 1 and "are of scoring protocol 0, not" in old.stderr


def test_a_record_made_and_the_same_record_read_have_the_same_means(tmp_path):
    names, differ = ("a", "b", "c"), 0
    for errors in np.random.default_rng(0).uniform(0, 3, (20, 1, 40, 3)).round(6):
        cases = tuple(map(str, range(40)))
        made = Record(
            "isbi",
            "0",
            1,
            ErrorsTable((0,), cases, names, np.asfortranarray(errors), "0", errors[0] > -1),
            names,
            errors,
        )
        write_record(tmp_path / "record.json", made)
        means = mean_over_cases(read_record(tmp_path / "record.json").errors.errors_mm)
        np.testing.assert_array_equal(mean_over_cases(made.errors.errors_mm), means)
        differ += bool((mean_over_cases(np.asfortranarray(errors)) != means).any())
    assert differ  # the order in memory does make a difference


def test_errors_of_different_references_are_not_ranked_together(repository, data, tmp_path):
    publish(repository, data)
    path = repository / "leaderboard/errors/ceph/good-unet/isbi.json"
    value = json.loads(path.read_text())
    path.write_text(json.dumps({**value, "reference_sha256": "0" * 64}))
    with pytest.raises(DataError, match=r"split 'isbi': .* were verified against different references"):
        build_board(repository, tmp_path / "no data")


def commit_all(repository):
    who = ("-c", "user.name=t", "-c", "user.email=t")
    for arguments in (("init", "-q"), ("add", "."), ("commit", "-qm", "base")):
        subprocess.run(["git", "-C", str(repository), *who, *arguments], check=True, capture_output=True)


def test_the_check_also_asks_the_board_of_another_commit(repository, data):
    publish(repository, data)
    commit_all(repository)
    assert find_differences(repository, data, "HEAD") == []
    (repository / "submissions/ceph/bad-unet.json").unlink()  # withdrawn
    submission(data, "Good", 6).save(repository / "submissions/ceph/good-unet.json")  # what changed may move
    publish(repository, data)
    assert find_differences(repository, data, "HEAD") == []
    results = repository / "leaderboard/results.csv"
    results.write_text(results.read_text().replace(",1.1", ",1.2"))
    commit_all(repository)
    publish(repository, data)
    moved = find_differences(repository, data, "HEAD")
    assert moved and all(p.startswith("score moved: ") for p in moved)
    with pytest.raises(UsageError, match="no commit 'nowhere'"):
        find_differences(repository, data, "nowhere")


def test_a_first_score_is_no_move_and_a_lost_one_is_said(repository, data, tmp_path):
    publish(repository, tmp_path / "no data")
    commit_all(repository)
    publish(repository, data)
    assert find_differences(repository, data, "HEAD") == []
    commit_all(repository)
    corrected = submission(data, "Good", 5).model_copy(update={"authors": "Somebody else"})
    corrected.save(repository / "submissions/ceph/good-unet.json")
    publish(repository, tmp_path / "no data")
    (lost,) = find_differences(repository, tmp_path / "no data", "HEAD")
    assert lost.startswith("score lost: ceph / isbi / good-unet") and "build where the reference is" in lost


@pytest.mark.parametrize(("split", "n_cases", "mm"), [("isbi", 150, 2.363), ("hamedan", 145, 1.658)])
def test_the_distance_of_two_doctors_on_the_board(split, n_cases, mm):
    """That of ISBI-2015 is the published one; that of Hamedan was worked out from the files by another reader."""
    record = read_record(ROOT / f"leaderboard/errors/ceph/annotator/{split}.json")
    assert record.errors.errors_mm.shape == (1, n_cases, 19)
    assert float(mean_radial_error(record.errors.errors_mm).mean()) == pytest.approx(mm, abs=5e-4)


def test_a_case_that_the_reference_does_not_have_is_said_and_stops_no_other_row(repository, data, monkeypatch):
    path = repository / "submissions/ceph/good-unet.json"
    path.write_text(path.read_text().replace('"300":', '"x":'))
    monkeypatch.setattr("dgmld_bench.leaderboard.submissions.find_problems", lambda predictions: [])  # ids not known
    board = build_board(repository, data)
    (fault,) = board.faults
    assert fault.startswith("submissions/ceph/good-unet.json: ") and "1 case id is not of this split: 'x'" in fault
    found = rows(board)
    assert found["good-unet"].average is None and "unscorable" in found["good-unet"].flags
    assert found["bad-unet"].rank.rank == 1
