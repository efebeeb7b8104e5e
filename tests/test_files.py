"""Files appear whole or not at all, and what is no file is not replaced by one."""

import os
import stat
import threading
from pathlib import Path

import pytest

from dgmld_bench.errors import DataError
from dgmld_bench.files import atomic_write, new_folder, read_json, safe_path, write_json, write_text


def test_a_failure_keeps_the_old_file_and_leaves_nothing(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, [1])
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, float("nan"))
    with pytest.raises(KeyboardInterrupt), atomic_write(path) as stream:
        stream.write(b"half")
        raise KeyboardInterrupt
    assert read_json(path) == [1]
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_others_may_read_what_the_user_lets_them_read(tmp_path, monkeypatch):
    before = os.umask(0o027)
    monkeypatch.setattr(os, "umask", lambda mask: pytest.fail("it is the umask of all threads"))
    try:
        write_text(tmp_path / "a.txt", "x")
        folder = new_folder(tmp_path, "files-")
    finally:
        monkeypatch.undo()
        os.umask(before)
    assert (stat.S_IMODE((tmp_path / "a.txt").stat().st_mode), stat.S_IMODE(folder.stat().st_mode)) == (0o640, 0o750)


def test_a_link_keeps_pointing_at_what_it_names(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "real")
    for text in ("old", "new"):
        write_text(tmp_path / "link", text)
        assert (tmp_path / "link").is_symlink() and (tmp_path / "real").read_text() == text


def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path):
    pipe, got = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_text()))
    reader.start()
    write_text(pipe, "±")
    reader.join()
    assert got == ["±"] and stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_folder_in_place_of_a_file_is_named(tmp_path):
    with pytest.raises(IsADirectoryError, match="is a folder, expected the name of a file"):
        write_text(tmp_path, "x")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc, a folder in which nobody may write")
def test_a_folder_that_takes_no_file_is_told_of_the_file_that_was_asked_for():
    with pytest.raises(OSError, match=r"'/proc/scores\.json'"):
        write_text(Path("/proc/scores.json"), "x")


@pytest.mark.parametrize("name", ["a\ud800b", "x/\udfff.txt"])
def test_a_name_with_half_a_character_cannot_be_stored(name):
    with pytest.raises(DataError, match="cannot be stored"):
        safe_path(name)


def test_numbers_of_thousands_of_digits_are_refused_in_words_for_a_user(tmp_path):
    (tmp_path / "a.json").write_text("9" * 5000)
    with pytest.raises(DataError, match="digits") as error:
        read_json(tmp_path / "a.json")
    assert "set_int_max_str_digits" not in str(error.value)
