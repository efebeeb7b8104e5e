from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest

from dgmld_bench import splits
from dgmld_bench.errors import DataError, ReferenceWithheldError, UsageError
from dgmld_bench.landmarks import CEPHALOMETRIC, CEREBELLUM
from dgmld_bench.obtaining.importing import NothingUsableError, import_source
from dgmld_bench.splits import find_split, get_split, load_split
from dgmld_bench.storage import folders
from dgmld_bench.storage.register import REGISTER, CaseFiles, Problem, Register, read_register, write_register
from tests.trees import dgmld_release, isbi


def test_data_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DGMLD_BENCH_DATA", str(tmp_path / "env"))
    assert folders.data_dir() == tmp_path / "env"
    assert folders.data_dir(tmp_path) == tmp_path
    monkeypatch.setenv("DGMLD_BENCH_DATA", "")
    assert folders.data_dir().name == "dgmld-bench"


def test_without_a_home_directory_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="no home directory here; name the data folder with data_dir=PATH"):
        folders.data_dir("~nobody-of-this-name/data")


def test_a_disk_without_locks_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def no_locks(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", no_locks)
    with pytest.raises(DataError, match=r"cannot be locked \(No locks available\)"), folders.locked(tmp_path / "isbi"):
        pass


def test_register_round_trip(tmp_path: Path) -> None:
    case = CaseFiles("10", "isbi", "/a/10.bmp", ("/a/s.txt", "/a/j.txt"), None, "c", {"age": 3})
    register = Register("isbi", tmp_path / "isbi", (case, CaseFiles("9", "isbi", "b")), (Problem("x", "y"),), {"o": 1})
    write_register(register)
    back = read_register("isbi", tmp_path)
    assert back == register
    assert [c.id for c in back.cases_of("isbi")] == ["9", "10"]
    assert back.path("b") == tmp_path / "isbi" / "b" and back.path("/a/10.bmp") == Path("/a/10.bmp")


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"format": "else"},
        {"source": "pku"},
        {"cases": [{"id": "1"}]},
        {"problems": 3},
        {"options": None},
    ],
)
def test_registers_of_another_kind(tmp_path: Path, change: dict) -> None:
    write_register(Register("isbi", tmp_path / "isbi", ()))
    path = tmp_path / "isbi" / REGISTER
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(DataError, match="import or download the source again"):
        read_register("isbi", tmp_path)


def test_what_is_absent_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="dgmld-bench import isbi PATH"):
        load_split("isbi", data_dir=tmp_path)
    with pytest.raises(UsageError, match=r"Your own centres in .*: none"):
        find_split("own/clinic", tmp_path)


@pytest.mark.parametrize("name", ["own", "own/", "own/../x", "own/A", "own/a/b", "isbi/x"])
def test_names_that_are_no_source(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="no name of a source"):
        folders.source_dir(name, tmp_path)


def test_references_of_test_splits_are_withheld(tmp_path: Path) -> None:
    dgmld_release(tmp_path / "release", {"lfc": ["1"], "lfc-val": ["39"]})
    import_source("dgmld", tmp_path / "release", data_dir=tmp_path)
    case = load_split("lfc", data_dir=tmp_path)[0]
    assert case.image.any() and case.withheld
    for what in ("landmarks", "annotations", "mask"):
        with pytest.raises(ReferenceWithheldError, match="references=True"):
            getattr(case, what)
        with pytest.raises(ReferenceWithheldError):  # asking whether it is there is no way around
            hasattr(case, what)
    assert load_split("lfc", references=True, data_dir=tmp_path)[0].landmarks.shape == (6, 3)
    assert load_split("lfc-val", data_dir=tmp_path)[0].landmarks.shape == (6, 3)


def test_an_opened_split_carries_what_it_is_and_where_its_files_lie(tmp_path: Path) -> None:
    dgmld_release(tmp_path / "release", {"lfc": ["1", "10"]})
    register = import_source("dgmld", tmp_path / "release", data_dir=tmp_path)
    cases = load_split("lfc", data_dir=tmp_path)
    assert cases.split == get_split("lfc") and cases.landmark_set is CEREBELLUM and cases.data_dir == tmp_path
    image = register.path(register.cases_of("lfc")[1].image)
    assert cases[1:].ids == ("10",) and cases[1:].paths("10") == (image, None)


def test_an_opened_centre_of_ones_own_reads_its_register_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "own" / "clinic"
    files = CaseFiles("a", "own/clinic", "a.png", ("points.csv",))
    write_register(Register("own/clinic", folder, (files,), options={"landmarks": "cephalometric", "spacing_mm": 0.1}))
    read = []
    monkeypatch.setattr(splits, "read_register", lambda *given: read.append(given) or read_register(*given))
    cases = load_split("own/clinic", data_dir=tmp_path)
    assert len(read) == 1 and cases.landmark_set is CEPHALOMETRIC
    assert cases.split == find_split("own/clinic", tmp_path) and cases.split.case_ids == ("a",)
    assert cases.paths("a") == (folder / "a.png", None)


def tree(path: Path) -> set[str]:
    return {p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file()}


def test_copy_outlives_its_source_and_old_copies_go(tmp_path: Path) -> None:
    truth = isbi(tmp_path / "source", [151, 152])
    for _ in range(2):
        import_source("isbi", tmp_path / "source", copy=True, data_dir=tmp_path / "data")
    assert len(list((tmp_path / "data/isbi").glob("files-*"))) == 1
    (tmp_path / "source").rename(tmp_path / "gone")
    case = load_split("isbi", references=True, data_dir=tmp_path / "data").by_id("151")
    np.testing.assert_array_equal(case.annotations["senior"], truth["151"])
    assert case.image.shape == (480, 387)
    import_source("isbi", tmp_path / "gone", data_dir=tmp_path / "data")
    assert tree(tmp_path / "data/isbi") <= {"register.json", ".lock"}


def test_a_release_in_two_folders_is_imported_one_after_the_other(tmp_path: Path) -> None:
    dgmld_release(tmp_path / "a", {"lfc": ["1", "10"], "lfc-val": ["39"]})
    dgmld_release(tmp_path / "b", {"feta": ["1", "2", "3"]})
    for _ in range(2):  # importing again changes nothing
        import_source("dgmld", tmp_path / "a", copy=True, data_dir=tmp_path / "data")
        register = import_source("dgmld", tmp_path / "b", copy=True, data_dir=tmp_path / "data")
        assert [register.count(s) for s in ("atlas", "lfc-val", "lfc", "feta")] == [0, 1, 2, 3]
        notes = [str(p) for p in register.problems if "earlier import" in p.message]
        assert [n.partition(" of an")[0] for n in notes] == ["lfc: 2 cases", "lfc-val: 1 case"]
        assert not any("no folder" in p.message and p.split == "lfc" for p in register.problems)
    for split in ("lfc", "feta"):
        assert load_split(split, data_dir=tmp_path / "data")[0].image.any()
    register = import_source("dgmld", tmp_path / "a", data_dir=tmp_path / "data")  # a split found again is replaced
    assert register.count("lfc") == 2 and Path(register.cases_of("lfc")[0].image).is_relative_to(tmp_path / "a")


def test_failure_leaves_what_was_registered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    isbi(tmp_path / "source", [151])
    import_source("isbi", tmp_path / "source", copy=True, data_dir=tmp_path / "data")
    before = tree(tmp_path / "data")
    (tmp_path / "empty").mkdir()
    with pytest.raises(NothingUsableError, match="nothing was registered"):
        import_source("isbi", tmp_path / "empty", data_dir=tmp_path / "data")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "/disk/x")

    monkeypatch.setattr("shutil.copyfile", full)
    with pytest.raises(DataError, match="/disk/x: No space left on device; nothing was registered"):
        import_source("isbi", tmp_path / "source", copy=True, data_dir=tmp_path / "data")
    assert tree(tmp_path / "data") == before
    assert load_split("isbi", data_dir=tmp_path / "data")[0].image.any()


def test_two_imports_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from filelock import FileLock

    isbi(tmp_path / "source", [151])
    (tmp_path / "isbi").mkdir()
    monkeypatch.setattr("dgmld_bench.storage.folders.LOCK_TIMEOUT_S", 0.05)
    with FileLock(tmp_path / "isbi/.lock"), pytest.raises(DataError, match="is at work there; wait"):
        import_source("isbi", tmp_path / "source", data_dir=tmp_path)


def test_calls_that_are_wrong(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'isbi'"):
        import_source("isby", tmp_path)
    with pytest.raises(UsageError, match="'isbi' has no option spacing_mm="):
        import_source("isbi", tmp_path, spacing_mm=0.1)
    with pytest.raises(DataError, match="no such folder"):
        import_source("isbi", tmp_path / "absent")
    (tmp_path / "a.zip").touch()
    with pytest.raises(DataError, match="damaged, or not what its name says"):
        import_source("isbi", tmp_path / "a.zip")
