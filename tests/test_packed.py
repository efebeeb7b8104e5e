"""Importing what is still packed: folders of zips, archives in archives, broken ones, and nothing left behind."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from dgmld_bench.errors import DataError
from dgmld_bench.obtaining.importing import NothingUsableError, import_source
from dgmld_bench.splits import load_split
from dgmld_bench.storage.archives import BrokenArchiveError, names_in
from dgmld_bench.storage.manifest import find_differences, read_manifest
from tests.trees import dgmld_release, isbi

LFC = ["1", "10"]


def pack(folder: Path, archive: Path, *, inside: bool = False) -> None:
    """Put a folder, or what is inside it, into an archive and remove it."""
    root = (folder, ".") if inside else (folder.parent, folder.name)
    shutil.make_archive(str(archive.with_suffix("")), archive.suffix[1:], *root)
    shutil.rmtree(folder)


def test_a_folder_of_archives_is_imported_as_if_it_were_unpacked(tmp_path: Path) -> None:
    truth = dgmld_release(tmp_path / "drive", {"lfc": LFC, "lfc-val": ["39"], "feta": ["3"]})
    drive = tmp_path / "drive"
    pack(drive / "LFC_dataset/train", drive / "LFC_dataset/train.zip", inside=True)
    pack(drive / "LFC_dataset/train_label", drive / "LFC_dataset/train_label.zip")
    pack(drive / "feta21/feta21", drive / "feta21/feta21.tar")  # its labels are not packed
    (drive / "holidays.zip").write_bytes(zipped_nothing(tmp_path))
    (drive / "train_old.zip").write_bytes(b"not a zip")
    (drive / "atlas.7z").touch()
    register = import_source("dgmld", drive, data_dir=tmp_path / "data")
    assert {s: register.count(s) for s in ("lfc", "lfc-val", "feta")} == {"lfc": 2, "lfc-val": 1, "feta": 1}
    for split in ("lfc", "lfc-val", "feta"):
        for case in load_split(split, references=True, data_dir=tmp_path / "data"):
            np.testing.assert_allclose(case.landmarks, truth[split][case.id], atol=1e-4)
            assert case.image.any()
    val, feta = register.cases_of("lfc-val")[0], register.cases_of("feta")[0]
    assert Path(val.image).is_relative_to(drive) and Path(feta.landmarks[0]).is_relative_to(drive)
    assert not Path(feta.image).is_absolute()
    assert [p.where for p in register.problems if p.where.startswith(str(drive))] == [
        str(drive / name) for name in ("atlas.7z", "train_old.zip")
    ]
    (place,) = (tmp_path / "data/dgmld").glob("files-*")
    found = read_manifest(place)
    assert found is not None and not find_differences(place, found)
    assert not any(p.is_symlink() or p.name == "holidays" for p in place.rglob("*"))
    shutil.rmtree(drive / "LFC_dataset")
    import_source("dgmld", drive, data_dir=tmp_path / "data")  # what is kept of the first one stays on disk
    assert load_split("lfc", data_dir=tmp_path / "data")[0].image.any()


def zipped_nothing(tmp_path: Path) -> bytes:
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.writestr("holidays/1.jpg", b"x" * 100)
    return (tmp_path / "z.zip").read_bytes()


@pytest.mark.parametrize("copy", [False, True])
def test_an_archive_is_imported_and_archives_in_it(tmp_path: Path, copy: bool) -> None:
    truth = isbi(tmp_path / "isbi", [1, 151, 301])
    pack(tmp_path / "isbi/RawImage", tmp_path / "isbi/RawImage.zip")
    pack(tmp_path / "isbi/AnnotationsByMD", tmp_path / "isbi/AnnotationsByMD.tar")
    pack(tmp_path / "isbi", tmp_path / "3471833.zip", inside=True)
    register = import_source("isbi", tmp_path / "3471833.zip", copy=copy, data_dir=tmp_path / "data")
    (tmp_path / "3471833.zip").unlink()
    (tmp_path / "data").rename(tmp_path / "moved")
    assert len(register.cases) == 3
    case = load_split("isbi", references=True, data_dir=tmp_path / "moved")[0]
    np.testing.assert_array_equal(case.annotations["senior"], truth["151"])
    assert len(list((tmp_path / "moved/isbi").glob("files-*"))) == 1


def test_what_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "bad.zip").write_bytes(b"PK")
    with pytest.raises(BrokenArchiveError, match=r"bad\.zip"):
        import_source("isbi", tmp_path / "bad.zip", data_dir=tmp_path / "data")
    (tmp_path / "some.zip").write_bytes(zipped_nothing(tmp_path))
    with pytest.raises(NothingUsableError, match="TrainingData"):
        import_source("isbi", tmp_path / "some.zip", data_dir=tmp_path / "data")
    (tmp_path / "a.txt").touch()
    with pytest.raises(DataError, match="neither a folder nor an archive"):
        import_source("isbi", tmp_path / "a.txt", data_dir=tmp_path / "data")
    assert not list((tmp_path / "data/isbi").glob("files-*"))


def test_names_tell_whose_an_archive_is(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "figshare.zip", "w") as archive:
        archive.writestr("ISBI/RawImage.rar", b"")
        archive.writestr("ISBI/deep/read me.txt", b"")
    assert names_in(tmp_path / "figshare.zip") == {"figshare", "ISBI", "RawImage", "deep", "read me.txt"}
