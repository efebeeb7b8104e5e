"""What killed processes leave is known for what it is and goes with the next command; what is at work stays."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dgmld_bench.errors import DataError
from dgmld_bench.files import atomic_write, write_text, written
from dgmld_bench.obtaining.importing import import_source
from dgmld_bench.obtaining.upkeep import list_contents, remove_source, verify_source
from dgmld_bench.temporary import find, is_temporary, sweep, sweep_noted, temporary_folder, temporary_name
from tests import trees

ROOT = Path(__file__).parents[1]
PROGRAM = """
import sys, time
from pathlib import Path
from dgmld_bench.files import atomic_write
from dgmld_bench.temporary import temporary_folder
place, data = map(Path, sys.argv[1:])
with temporary_folder(place, "export", data) as folder, atomic_write(place / "a.json") as stream:
    (folder / "patient.png").write_bytes(b"face")
    stream.write(b"half")
    print("at work", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def worker(tmp_path: Path) -> Callable[[], None]:
    """A process that writes a file and a folder in ``tmp_path / "place"``; call to kill it."""
    (tmp_path / "place").mkdir()
    (tmp_path / "data").mkdir()
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "place"), str(tmp_path / "data")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None and process.stdout.readline() == "at work\n"

    def kill() -> None:
        process.kill()
        process.wait()
        process.stdout.close()  # type: ignore[union-attr]

    return kill


def test_what_is_at_work_stays_and_what_is_left_over_goes(worker: Callable[[], None], tmp_path: Path) -> None:
    place = tmp_path / "place"
    assert sweep(place) == [] and len(find(place)) == 2
    worker()
    assert len(sweep(tmp_path, below=True)) == 2 and list(place.iterdir()) == []


def test_whoever_writes_there_next_removes_it(worker: Callable[[], None], tmp_path: Path) -> None:
    worker()
    write_text(tmp_path / "place/b.json", "x")
    assert [p.name for p in (tmp_path / "place").iterdir()] == ["b.json"]


def test_a_data_folder_knows_where_its_images_are_being_exported(worker: Callable[[], None], tmp_path: Path) -> None:
    assert sweep_noted(tmp_path / "data") == []
    worker()
    (removed,) = sweep_noted(tmp_path / "data")
    assert not removed.exists() and list((tmp_path / "data").iterdir()) == []


@pytest.mark.parametrize(
    "look", [lambda data: verify_source("isbi", data_dir=data), lambda data: remove_source("isbi", data)]
)
def test_verify_and_remove_take_what_a_killed_export_left_elsewhere(
    worker: Callable[[], None], tmp_path: Path, look: Callable[[Path], object]
) -> None:
    trees.isbi(tmp_path / "release", [1, 151], size=(97, 120))
    import_source("isbi", tmp_path / "release", data_dir=tmp_path / "data")
    look(tmp_path / "data")
    (export,) = [p for p in (tmp_path / "place").iterdir() if p.is_dir()]  # at work
    worker()
    import_source("isbi", tmp_path / "release", data_dir=tmp_path / "data")
    look(tmp_path / "data")
    assert not export.exists()


def test_names_of_others_are_left_alone(tmp_path: Path) -> None:
    for name in (".x.dgmld-tmp", "x.0123456789ab.dgmld-tmp", ".x.0123456789ab.dgmld-tmp.txt"):
        (tmp_path / name).touch()
    (tmp_path / ".x.0123456789ab.dgmld-tmp").symlink_to(tmp_path / "x.0123456789ab.dgmld-tmp")
    assert sweep(tmp_path) == [] and len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize("name", ["a", "é" * 127, "😀" * 63, ".hidden\n"])
def test_every_name_that_a_file_may_have_has_a_temporary_one(tmp_path: Path, name: str) -> None:
    assert is_temporary(temporary_name(name))
    write_text(tmp_path / name, "x")
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_git_ignores_them() -> None:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    names = [f"{place}/{temporary_name('x')}" for place in ("submissions", "leaderboard/errors/ceph/x-y", "anywhere")]
    ignored = subprocess.run(
        ["git", "check-ignore", *names, "submissions/.lock"], cwd=ROOT, capture_output=True, text=True
    )
    assert ignored.stdout.split() == [*names, "submissions/.lock"]


def test_verify_and_remove_know_them(tmp_path: Path) -> None:
    trees.isbi(tmp_path / "release", [1, 151], size=(97, 120))
    import_source("isbi", tmp_path / "release", copy=True, data_dir=tmp_path / "data")
    left = tmp_path / "data/isbi" / temporary_name("register.json")
    left.write_bytes(b"half")
    assert (
        left in list_contents("isbi", tmp_path / "data").paths and not list_contents("isbi", tmp_path / "data").unknown
    )
    assert verify_source("isbi", data_dir=tmp_path / "data").problems == () and not left.exists()
    left.write_bytes(b"half")
    remove_source("isbi", tmp_path / "data")
    assert list((tmp_path / "data").iterdir()) == []


def test_a_copy_that_was_being_removed_is_no_damage(tmp_path: Path) -> None:
    trees.isbi(tmp_path / "release", [1, 151], size=(97, 120))
    import_source("isbi", tmp_path / "release", copy=True, data_dir=tmp_path / "data")
    (place,) = (tmp_path / "data/isbi").glob("files-*")
    old = place.with_name("files-0123456789ab")
    shutil.copytree(place, old)
    next(old.rglob("*.bmp")).unlink()  # as after a kill in the middle
    assert verify_source("isbi", data_dir=tmp_path / "data").problems == ()
    (place / "RawImage/Test1Data/151.bmp").unlink()
    assert len(verify_source("isbi", data_dir=tmp_path / "data").problems) == 1


@pytest.fixture
def full_disk() -> Callable[[Callable[[], object]], BaseException]:
    """Call something where no file may grow beyond 4 kB; returns its error."""

    def call(function: Callable[[], object]) -> BaseException:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
        try:
            function()
        except (OSError, DataError) as error:
            return error
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            signal.signal(signal.SIGXFSZ, handler)
        raise AssertionError("it found room")

    return call


def test_a_full_disk_names_the_file_that_could_not_be_written(
    tmp_path: Path, full_disk: Callable[[Callable[[], object]], BaseException]
) -> None:
    error = full_disk(lambda: write_text(tmp_path / "a.json", "x" * 9000))
    assert isinstance(error, OSError) and (error.errno, error.filename) == (errno.EFBIG, str(tmp_path / "a.json"))
    assert list(tmp_path.iterdir()) == []


def test_an_import_to_a_full_disk_names_the_copy_and_not_the_film(
    tmp_path: Path, full_disk: Callable[[Callable[[], object]], BaseException]
) -> None:
    trees.isbi(tmp_path / "release", [1, 151], size=(97, 120))
    error = full_disk(lambda: import_source("isbi", tmp_path / "release", copy=True, data_dir=tmp_path / "data"))
    assert str(error).startswith(f"{tmp_path}/data/isbi/files-") and "nothing was registered" in str(error)


def test_an_error_of_another_file_keeps_its_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as error, written(tmp_path / "a"):
        (tmp_path / "missing").read_bytes()
    assert error.value.filename == str(tmp_path / "missing")
    with pytest.raises(ZeroDivisionError), atomic_write(tmp_path / "a"):
        _ = 1 / 0
    with pytest.raises(OSError, match="No space") as full, written(tmp_path / "a"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "read", None, "copied to")
    assert full.value.filename == str(tmp_path / "a")


def test_a_folder_that_became_something_is_not_removed(tmp_path: Path) -> None:
    with temporary_folder(tmp_path, "x") as folder:
        (folder / "y").mkdir()
        (folder / "y").replace(tmp_path / "y")
    assert [p.name for p in tmp_path.iterdir()] == ["y"]
    assert sweep(tmp_path / "not there") == []
