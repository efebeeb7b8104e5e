"""Verifying and removing what is on disk, downloaded, copied, linked or generated."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image

from dgmld_bench.errors import DataError, UsageError
from dgmld_bench.obtaining.downloading import INCOMING
from dgmld_bench.obtaining.importing import import_source
from dgmld_bench.obtaining.upkeep import Checked, list_contents, remove_source, sources_on_disk, verify_source
from dgmld_bench.sources.phantom import Phantom
from dgmld_bench.storage import folders
from dgmld_bench.storage.register import CaseFiles, Register, read_register, write_register
from tests import trees
from tests.test_archives import tree


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """Four films, as a user has them."""
    trees.isbi(tmp_path / "release", [1, 151, 152, 301], size=(97, 120))
    return tmp_path / "release"


def problems(checked: Checked) -> str:
    return "\n".join(map(str, checked.problems))


def verify(folder: Path, name: str = "isbi") -> Checked:
    return verify_source(name, data_dir=folder)


def test_copies_are_compared_with_their_hashes(release: Path, tmp_path: Path) -> None:
    import_source("isbi", release, copy=True, data_dir=tmp_path / "data")
    checked = verify(tmp_path / "data")
    assert (checked.hashed, checked.read, checked.problems) == (12, 0, ())
    (place,) = (tmp_path / "data/isbi").glob("files-*")
    film, points = place / "RawImage/Test1Data/151.bmp", place / "AnnotationsByMD/400_junior/001.txt"
    film.write_bytes(film.read_bytes()[:-1] + b"!")  # still a valid film
    points.unlink()
    checked = verify(tmp_path / "data")
    assert len(checked.problems) == 2 and checked.hashed == 11
    assert f"{film}: expected SHA-256" in problems(checked) and f"{points}: is gone" in problems(checked)


def test_linked_files_are_read_whole_since_nothing_is_known_of_them(release: Path, tmp_path: Path) -> None:
    import_source("isbi", release, data_dir=tmp_path / "data")
    checked = verify(tmp_path / "data")
    assert (checked.hashed, checked.read, checked.problems) == (0, 12, ())
    film = release / "RawImage/Test1Data/151.bmp"
    film.write_bytes(film.read_bytes()[:2000])
    (release / "AnnotationsByMD/400_junior/001.txt").write_text("1,2\n")
    (release / "RawImage/Test2Data/301.bmp").unlink()
    found = problems(verify(tmp_path / "data"))
    assert "151.bmp: not a readable image" in found and "001.txt: 1 lines, expected at least 19" in found
    assert "301.bmp: is gone" in found and len(found.splitlines()) == 3


def test_a_generated_phantom_that_lost_something(tmp_path: Path) -> None:
    phantom = Phantom()
    phantom.small = dict.fromkeys(phantom.splits, 0) | {"phantom-val": 1}  # type: ignore[misc]
    register = phantom.generate(tmp_path)
    checked = verify(tmp_path, "phantom")
    assert (checked.hashed, checked.read, checked.problems) == (0, 5, ())
    image = register.path(register.cases[0].image)
    image.write_bytes(image.read_bytes()[:-20])
    assert "image.nii.gz" in problems(verify(tmp_path, "phantom"))
    (register.folder / "register.json").unlink()  # as after an interrupt
    contents = remove_source("phantom", tmp_path)
    assert contents.linked == 0 and list(tmp_path.iterdir()) == []


def test_a_damaged_manifest_or_register_is_an_error(release: Path, tmp_path: Path) -> None:
    import_source("isbi", release, copy=True, data_dir=tmp_path / "data")
    (manifest,) = (tmp_path / "data/isbi").glob("files-*/manifest.json")
    for bad in ("{", '{"format": "x"}', manifest.read_text().replace("RawImage/Test1Data", "../..")):
        good = manifest.read_text()
        manifest.write_text(bad)
        with pytest.raises(DataError, match=r"manifest\.json"):
            verify(tmp_path / "data")
        manifest.write_text(good)
    with pytest.raises(DataError, match="is not in"):
        verify(tmp_path / "data", "atlases")


def test_removing_takes_what_was_copied_and_leaves_the_rest(release: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    import_source("isbi", release, copy=True, data_dir=data)
    before = tree(release)
    (data / "isbi" / INCOMING).mkdir()
    (data / "isbi" / INCOMING / "x.part").write_bytes(b"12345")
    (data / "isbi/notes.txt").write_text("mine")
    (data / "pku").mkdir()
    contents = list_contents("isbi", data)
    assert contents.linked == 0 and contents.unknown == (data / "isbi/notes.txt",)
    size = sum(f.stat().st_size for f in data.rglob("*") if f.is_file() and f.name != "notes.txt")
    assert contents.bytes == size
    remove_source("isbi", data)
    assert tree(data) == {"isbi/notes.txt": b"mine"} and tree(release) == before
    assert sources_on_disk(data) == []
    with pytest.raises(DataError, match="nothing of source 'isbi' is in"):
        remove_source("isbi", data)


def test_a_source_with_a_damaged_register_can_be_removed(release: Path, tmp_path: Path) -> None:
    import_source("isbi", release, copy=True, data_dir=tmp_path / "data")
    (tmp_path / "data/isbi/register.json").write_text("{")
    remove_source("isbi", tmp_path / "data")
    assert list((tmp_path / "data").iterdir()) == []


def test_removing_never_touches_linked_data(release: Path, tmp_path: Path) -> None:
    import_source("isbi", release, data_dir=tmp_path / "data")
    before = tree(release)
    contents = remove_source("isbi", tmp_path / "data")
    assert contents.linked == 12 and tree(release) == before
    assert list((tmp_path / "data").iterdir()) == []


def test_removing_leaves_data_that_lie_in_the_folder_of_the_source_itself(tmp_path: Path) -> None:
    own = tmp_path / "isbi/files-from-drive"  # the user's own tree is where the register goes
    trees.isbi(own, [1, 151, 152, 301], size=(97, 120))
    before = tree(tmp_path)
    import_source("isbi", tmp_path / "isbi", data_dir=tmp_path)
    trees.isbi(tmp_path / "others", [1], size=(97, 120))
    before |= {f"others/{name}": data for name, data in tree(tmp_path / "others").items()}
    import_source("isbi", tmp_path / "others", data_dir=tmp_path, copy=True)
    import_source("isbi", own, data_dir=tmp_path)
    remove_source("isbi", tmp_path)
    assert tree(tmp_path) == before


def test_removing_follows_no_link(release: Path, tmp_path: Path) -> None:
    data, other = tmp_path / "data", tmp_path / "other"
    import_source("isbi", release, copy=True, data_dir=data)
    other.mkdir()
    (other / "precious.txt").write_text("mine")
    (place,) = (data / "isbi").glob("files-*")
    (place / "link").symlink_to(other)
    (data / "isbi/files-0123456789ab").symlink_to(other)
    register = read_register("isbi", data)
    outside = os.path.relpath(other / "precious.txt", data / "isbi")
    case = CaseFiles("x", "isbi", outside)
    write_register(Register("isbi", data / "isbi", (*register.cases, case), (), {}))
    remove_source("isbi", data)
    assert tree(other) == {"precious.txt": b"mine"}
    data.joinpath("isbi").symlink_to(other)
    with pytest.raises(DataError, match="is a link to"):
        remove_source("isbi", data)
    with pytest.raises(UsageError):
        remove_source("own/../../other", data)
    with pytest.raises(UsageError, match="unknown source"):
        remove_source("other", tmp_path)
    assert tree(other) == {"precious.txt": b"mine"}


def test_removing_does_not_interfere(release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "LOCK_TIMEOUT_S", 0.05)
    data = tmp_path / "data"
    import_source("isbi", release, copy=True, data_dir=data)
    with FileLock(data / "isbi" / folders.LOCK), pytest.raises(DataError, match="is at work there; wait"):
        remove_source("isbi", data)
    assert verify(data).hashed == 12


def test_a_centre_of_ones_own(tmp_path: Path) -> None:
    own = tmp_path / "clinic"
    (own / "images").mkdir(parents=True)
    Image.fromarray(np.arange(100, dtype=np.uint8).reshape(10, 10)).resize((97, 120)).save(own / "images/a.png")
    (own / "landmarks.csv").write_text("case,landmark,x,y\na,sella,10,20\n")
    options = {"landmarks": "cephalometric", "spacing_mm": 0.1}
    import_source("own/clinic", own, copy=True, data_dir=tmp_path / "data", **options)
    assert sources_on_disk(tmp_path / "data") == ["own/clinic"]
    checked = verify(tmp_path / "data", "own/clinic")
    assert (checked.hashed, checked.read, checked.problems) == (1, 1, ())  # the film; the table as it was understood
    remove_source("own/clinic", tmp_path / "data")
    assert sources_on_disk(tmp_path / "data") == [] and len(tree(own)) == 2
