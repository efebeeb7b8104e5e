"""Unpacking honest and hostile archives with the real libraries."""

from __future__ import annotations

import io
import stat
import subprocess
import sys
import tarfile
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from dgmld_bench.errors import DataError
from dgmld_bench.storage.archives import BrokenArchiveError, Budget, unpack
from tests import rar

FILES = {"train/1.nii.gz": b"one", "train_label/1/L_8.mrk.json": b"{}", "read me.txt": b"hello"}


Files = Mapping[str, bytes] | list[tuple[str, bytes]]


def zipped(files: Files) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that occur twice
        for name, data in dict_or_pairs(files):
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def dict_or_pairs(files: Files) -> list[tuple[str, bytes]]:
    return list(files.items()) if isinstance(files, Mapping) else files


def tarred(files: Files, mode: str = "w") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in dict_or_pairs(files):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()


MAKERS = {
    "zip": zipped,
    "tar": tarred,
    "tar.gz": lambda files: tarred(files, "w:gz"),
    "tar.xz": lambda files: tarred(files, "w:xz"),
    "rar": lambda files: rar.stored_rar(dict_or_pairs(files)),
}


def write(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def tree(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if not p.is_dir()}


def refused(archive: Path, folder: Path, message: str, budget: Budget | None = None) -> None:
    """Check that an archive is refused for this reason and nothing changes anywhere."""
    write(folder / "mine.txt", b"mine")
    before = tree(folder.parent)
    with pytest.raises(BrokenArchiveError, match=message) as caught:
        unpack(archive, folder, budget)
    assert str(caught.value).startswith(archive.name)
    assert tree(folder.parent) == before and [p.name for p in folder.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("kind", MAKERS)
def test_every_kind_unpacks_into_a_folder_of_its_name(tmp_path: Path, kind: str) -> None:
    archive = write(tmp_path / f"data.{kind}", MAKERS[kind](FILES))
    unpack(archive, tmp_path / "out")
    assert tree(tmp_path / "out") == {f"data/{name}": data for name, data in FILES.items()}


def test_a_tar_of_the_folder_it_was_made_in(tmp_path: Path) -> None:
    for name, data in FILES.items():
        write(tmp_path / "in" / name, data)
    with tarfile.open(tmp_path / "data.tar", "w") as archive:
        archive.add(tmp_path / "in", ".")
    unpack(tmp_path / "data.tar", tmp_path / "out")
    assert tree(tmp_path / "out") == {f"data/{name}": data for name, data in FILES.items()}


def test_one_entry_at_the_top_goes_into_the_folder_itself(tmp_path: Path) -> None:
    unpack(write(tmp_path / "a.zip", zipped({"train/1.nii": b"1", "train/2.nii": b"2"})), tmp_path / "out")
    unpack(write(tmp_path / "train_label.zip", zipped({"1/a.json": b"1", "2/a.json": b"2"})), tmp_path / "out")
    unpack(write(tmp_path / "b.zip", zipped({"train/3.nii": b"3", "train/1.nii": b"1"})), tmp_path / "out")
    names = {"train/1.nii": b"1", "train/2.nii": b"2", "train/3.nii": b"3"}
    assert tree(tmp_path / "out") == {**names, "train_label/1/a.json": b"1", "train_label/2/a.json": b"2"}


def test_archives_in_archives(tmp_path: Path) -> None:
    inner = rar.stored_rar([("400_senior/001.txt", b"1,2"), ("400_junior/001.txt", b"1,3")])
    outer = zipped({"AnnotationsByMD.rar": inner, "RawImage.rar": rar.stored_rar([("RawImage/001.bmp", b"BM")])})
    unpack(write(tmp_path / "ISBI2015.zip", outer), tmp_path / "out")
    assert tree(tmp_path / "out") == {
        "ISBI2015/AnnotationsByMD/400_senior/001.txt": b"1,2",
        "ISBI2015/AnnotationsByMD/400_junior/001.txt": b"1,3",
        "ISBI2015/RawImage/001.bmp": b"BM",
    }


def test_a_rar_in_volumes(tmp_path: Path) -> None:
    parts = {f"films.part{n}.rar": data for n, data in enumerate(rar.volumes("x/1.bmp", rar.COUNTED, 3), 1)}
    for name, data in parts.items():
        write(tmp_path / name, data)
    unpack(tmp_path / "films.part1.rar", tmp_path / "out")
    assert tree(tmp_path / "out") == {"x/1.bmp": rar.COUNTED}
    unpack(write(tmp_path / "a.zip", zipped(parts)), tmp_path / "out2")
    assert tree(tmp_path / "out2") == {"x/1.bmp": rar.COUNTED}
    (tmp_path / "films.part3.rar").unlink()
    refused(tmp_path / "films.part1.rar", tmp_path / "out3", "damaged|cannot be unpacked")


@pytest.mark.skipif(not rar.has_program(), reason=rar.NO_PROGRAM)
@pytest.mark.parametrize("pack", [rar.compressed_rar, rar.compressed_rar_5])
def test_compressed_rar_files(tmp_path: Path, pack: Callable[[str, bytes], bytes]) -> None:
    data = rar.COUNTED + bytes(range(256))
    unpack(write(tmp_path / "a.rar", pack("films/1.bmp", data)), tmp_path / "out")
    assert tree(tmp_path / "out") == {"films/1.bmp": data}


def test_without_a_program_for_rar_it_says_what_to_install(tmp_path: Path) -> None:
    packed = rar.compressed_rar("1.txt", rar.COUNTED)
    write(tmp_path / "a.rar", packed)
    code = (
        "from pathlib import Path; from dgmld_bench.storage.archives import unpack; unpack(Path('a.rar'), Path('out'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": "", "PYTHONPATH": str(Path(__file__).parents[1])},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "sudo apt install unar" in done.stderr and tree(tmp_path) == {"a.rar": packed}


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../outside.txt", "leads out of its folder"),
        ("a/../../outside.txt", "leads out of its folder"),
        ("..\\outside.txt", "leads out of its folder"),
        ("/etc/outside.txt", "is absolute"),
        ("C:/outside.txt", "is absolute"),
        ("a\x01b.txt", "cannot be stored"),
        ("-o/x.txt", "cannot be stored"),
        ("a" * 300, "cannot be stored"),
        ("", "cannot be stored|damaged"),
    ],
)
def test_hostile_names(tmp_path: Path, kind: str, name: str, message: str) -> None:
    if kind == "rar" and "\x01" in name:
        message = "cannot be stored|damaged"
    archive = write(tmp_path / f"evil.{kind}", MAKERS[kind]({"good.txt": b"good", name: b"evil"}))
    refused(archive, tmp_path / "out", message)


@pytest.mark.parametrize("kind", ["symbolic link", "hard link", "device", "pipe"])
def test_tar_with_links_and_devices(tmp_path: Path, kind: str) -> None:
    info = tarfile.TarInfo("x")
    info.linkname = "/etc/passwd"
    types = {"symbolic link": tarfile.SYMTYPE, "hard link": tarfile.LNKTYPE, "device": tarfile.CHRTYPE}
    info.type = types.get(kind, tarfile.FIFOTYPE)
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(info)
    refused(write(tmp_path / "evil.tar", stream.getvalue()), tmp_path / "out", "'x' is a (link|device)")


def test_zip_with_a_link(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("x")
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(info, "/etc/passwd")
        archive.writestr("x/pwned", "evil")
    refused(write(tmp_path / "evil.zip", stream.getvalue()), tmp_path / "out", "'x' is a link")


RAR_LINKS = {
    "symbolic link, RAR 4": rar.symbolic_link_rar("x", "/etc/passwd"),
    "symbolic link that leads out, RAR 5": rar.link_rar_5([("x/pwned.txt", b"evil")], 1, "x", ".."),
    "hard link, RAR 5": rar.link_rar_5([("a.txt", b"a")], 4, "x", "a.txt"),
    "copy, RAR 5": rar.link_rar_5([("a.txt", b"a")], 5, "x", "a.txt"),
}


@pytest.mark.parametrize("kind", RAR_LINKS)
def test_rar_with_links(tmp_path: Path, kind: str) -> None:
    refused(write(tmp_path / "evil.rar", RAR_LINKS[kind]), tmp_path / "out", "'x' is a link")


def test_a_decompression_bomb(tmp_path: Path) -> None:
    bomb = zipped({f"{n}.bin": bytes(30 << 20) for n in range(3)})
    assert len(bomb) < 1 << 18
    refused(write(tmp_path / "bomb.zip", bomb), tmp_path / "out", "decompression bomb")


@pytest.mark.parametrize("kind", MAKERS)
def test_more_than_may_be_unpacked(tmp_path: Path, kind: str) -> None:
    archive = write(tmp_path / f"a.{kind}", MAKERS[kind]({"1.bin": bytes(600), "2.bin": bytes(600)}))
    refused(archive, tmp_path / "out", "decompression bomb", Budget(1000))


def test_archives_inside_an_archive_count_with_it(tmp_path: Path) -> None:
    inner = zipped({"x.bin": bytes(400_000)})
    bomb = write(tmp_path / "bomb.zip", zipped({"a.zip": inner, "b.zip": inner}))
    refused(bomb, tmp_path / "out", "decompression bomb", Budget(600_000))
    unpack(bomb, tmp_path / "out", Budget(900_000))


def test_too_many_entries(tmp_path: Path) -> None:
    archive = write(tmp_path / "many.zip", zipped({str(n): b"" for n in range(11)}))
    refused(archive, tmp_path / "out", "decompression bomb", Budget(1 << 20, entries=10))


def test_archives_nested_without_end(tmp_path: Path) -> None:
    data = b"x"
    for n in range(7):
        data = zipped({f"{n}.zip": data})
    refused(write(tmp_path / "deep.zip", data), tmp_path / "out", "more than 4 deep")


def test_a_zip_that_lies_about_a_size(tmp_path: Path) -> None:
    honest = zipped({"x.bin": bytes(5000)})
    where = honest.rindex(b"PK\x01\x02") + 24  # the size in the central directory
    lying = honest[:where] + (100).to_bytes(4, "little") + honest[where + 4 :]
    refused(write(tmp_path / "lying.zip", lying), tmp_path / "out", "damaged|larger than")


@pytest.mark.parametrize("kind", MAKERS)
def test_truncated_and_damaged_archives(tmp_path: Path, kind: str) -> None:
    whole = MAKERS[kind]({"x.txt": b"".join(b"%d" % n for n in range(3000)), "y.txt": b"y" * 10})
    refused(write(tmp_path / f"short.{kind}", whole[: len(whole) // 3]), tmp_path / "out", "damaged|cannot be unpacked")
    refused(
        write(tmp_path / f"page.{kind}", b"<!DOCTYPE html><p>Log in"), tmp_path / "out2", "damaged|cannot be unpacked"
    )


@pytest.mark.parametrize("kind", ["zip", "tar.gz", "rar"])
def test_a_changed_byte_is_noticed(tmp_path: Path, kind: str) -> None:
    data = bytearray(MAKERS[kind]({"x.txt": b"".join(b"%d," % (n * n) for n in range(3000))}))
    data[len(data) // 2] ^= 0x55
    refused(write(tmp_path / f"changed.{kind}", bytes(data)), tmp_path / "out", "damaged|cannot be unpacked")


@pytest.mark.parametrize("kind", MAKERS)
def test_a_name_that_occurs_twice(tmp_path: Path, kind: str) -> None:
    data = MAKERS[kind]([("a.txt", b"1"), ("b.txt", b"2"), ("a.txt", b"3")])
    refused(write(tmp_path / f"a.{kind}", data), tmp_path / "out", "'a.txt' is in it twice")


def test_a_tar_with_a_damaged_header_is_not_taken_for_a_shorter_one(tmp_path: Path) -> None:
    data = tarred({"a.txt": b"1", "b.txt": b"2"}).replace(b"b.txt", b"c.txt")
    refused(write(tmp_path / "a.tar", data), tmp_path / "out", "its end is missing")


def test_an_encrypted_zip(tmp_path: Path) -> None:
    data = bytearray(zipped({"x.txt": b"secret"}))
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    refused(write(tmp_path / "locked.zip", bytes(data)), tmp_path / "out", "'x.txt' is encrypted")


def test_what_is_there_already_is_never_overwritten(tmp_path: Path) -> None:
    archive = write(tmp_path / "a.zip", zipped({"train/1.nii": b"new", "train/2.nii": b"2"}))
    write(tmp_path / "out/train/1.nii", b"old")
    with pytest.raises(BrokenArchiveError, match=r"holds another 1\.nii"):
        unpack(archive, tmp_path / "out")
    assert tree(tmp_path / "out") == {"train/1.nii": b"old"}


def test_finder_junk_is_left_out(tmp_path: Path) -> None:
    unpack(write(tmp_path / "a.zip", zipped({"train/1.nii": b"1", "__MACOSX/train/._1.nii": b"x"})), tmp_path / "out")
    assert tree(tmp_path / "out") == {"train/1.nii": b"1"}


def test_an_archive_too_large_for_the_disk(tmp_path: Path, small_disk: Path) -> None:
    archive = write(tmp_path / "big.zip", zipped({"x.bin": bytes(1 << 20)}))
    with pytest.raises(DataError, match="too large for this disk"):
        unpack(archive, small_disk / "out")
    assert tree(small_disk) == {}
