"""Nothing that strangers wrote reaches a terminal as something that it obeys."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from io import StringIO
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from rich.progress import Progress
from rich.table import Table

from dgmld_bench.terminal import echo, make_console
from dgmld_bench.text import inert

HOSTILE = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202e\u2066\x08\x7f"


def harmless(text: str) -> bool:
    return all(character.isprintable() or character in "\n\t" for character in text)


@given(st.text())
def test_inert_text_is_printable_and_as_long(text: str) -> None:
    assert harmless(inert(text)) and len(inert(text)) == len(text)
    assert inert(inert(text)) == inert(text)
    if harmless(text):
        assert inert(text) == text


def test_a_console_lets_nothing_through_but_its_own_styles() -> None:
    stream = StringIO()
    console = make_console()
    console.file = stream
    table = Table("name")
    table.add_row("kept" + HOSTILE)
    console.print(table)
    console.print(HOSTILE + "line")
    with Progress(console=console) as progress:
        progress.add_task("bar" + HOSTILE, total=1)
    shown = stream.getvalue()
    assert harmless(shown) and all(word in shown for word in ("kept", "line", "bar"))


def test_a_console_keeps_its_own_styles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    console = make_console()
    console.file = stream = StringIO()
    console.print(f"[bold]{HOSTILE}ours[/]")
    shown = stream.getvalue()
    assert shown.startswith("\x1b[1m") and "\x1b[2J" not in shown and "\x07" not in shown


def test_libraries_say_nothing_of_damaged_files_beside_our_message(tmp_path: Path) -> None:
    Image.new("L", (30, 40), 7).save(tmp_path / "a.tif")
    film = bytearray((tmp_path / "a.tif").read_bytes())
    (start,) = struct.unpack_from("<I", film, 4)
    for entry in range(struct.unpack_from("<H", film, start)[0]):
        place = start + 2 + 12 * entry
        if struct.unpack_from("<H", film, place)[0] == 278:  # rows of a strip
            struct.pack_into("<I", film, place + 4, 10**6)
    (tmp_path / "a.tif").write_bytes(film)
    (tmp_path / "a.nii").write_bytes(
        bytes(4) + nib.Nifti1Image(np.zeros((2, 2, 2), np.uint8), np.eye(4)).to_bytes()[4:]
    )
    program = (
        "import sys; from dgmld_bench.cli import guarded; from dgmld_bench.formats import films, volumes\n"
        "name = sys.argv[1]; guarded(lambda: films.read_film(name) if name[-1] == 'f' else volumes.read_volume(name))"
    )
    for name in ("a.tif", "a.nii"):
        command = [sys.executable, "-c", program, tmp_path / name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.stderr == "" or (done.stderr.startswith("error: ") and done.stderr.count("\n") == 1)


def test_echo(capsys: pytest.CaptureFixture[str]) -> None:
    echo(HOSTILE)
    echo("two\nlines", err=True)
    out, err = capsys.readouterr()
    assert harmless(out) and err == "two\nlines\n"


def run(*arguments: object) -> str:
    command = [sys.executable, "-m", "dgmld_bench", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, check=False)
    text = (done.stdout + done.stderr).decode()
    assert "Traceback" not in text
    return text


@pytest.mark.parametrize("command", ["score", "validate", "compare"])
def test_predictions_with_hostile_names(tmp_path: Path, isbi_films: Path, command: str) -> None:
    predictions = {
        "format": "dgmld-bench/predictions",
        "version": 1,
        "track": "ceph",
        "method": "m" + HOSTILE,
        "backbone": HOSTILE,
        "space": "px",
        HOSTILE: 1,
        "runs": [{"seed": 0, "predictions": {"isbi": {HOSTILE: {HOSTILE: [1, 2]}}}}],
    }
    file = tmp_path / "p.json"
    file.write_text(json.dumps(predictions))
    others = [file, tmp_path / f"{HOSTILE.replace('/', '')}.json"][: 2 if command == "compare" else 1]
    more = [] if command == "validate" else ["--split", "isbi", "--data-dir", isbi_films]
    assert harmless(run(command, *others, *more))
    del predictions[HOSTILE]
    file.write_text(json.dumps(predictions))
    assert harmless(run(command, *others, *more))


def test_names_of_splits_and_sources_with_hostile_characters(tmp_path: Path) -> None:
    assert harmless(run("show", HOSTILE, "--split", HOSTILE, "--data-dir", tmp_path))
    assert harmless(run("import", "isbi", tmp_path / HOSTILE, "--data-dir", tmp_path))


def test_credentials_of_a_mirror_are_never_shown(tmp_path: Path) -> None:
    shown = run(
        "download", "hamedan", "--accept-licence", "--mirror", "http://me:secret@127.0.0.1:9/x", "--data-dir", tmp_path
    )
    assert "127.0.0.1:9/x" in shown and "secret" not in shown
    assert "secret" not in run("download", "hamedan", "--mirror", "ftp://me:secret@h/x", "--data-dir", tmp_path)
