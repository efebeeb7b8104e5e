"""Fetching files from a real server that speaks HTTP with ranges, and misbehaves in every way on request."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dgmld_bench.errors import DataError
from dgmld_bench.storage.download import PART, Patience, RemoteFile, Transfer, fetch_files
from tests import servers
from tests.servers import Site, serve

DATA = b"".join(hashlib.sha256(b"%d" % n).digest() for n in range(20_000))  # 640 kB that do not repeat
QUICK = Patience(attempts=3, first_wait_s=0.001, longest_wait_s=0.1, timeout_s=2)


@pytest.fixture
def site() -> Iterator[Site]:
    with serve(Site({"a/data.bin": DATA, "b/data.bin": DATA, "small.bin": b"small"})) as running:
        yield running


def remote(site: Site, *folders: str, known: bool = True) -> RemoteFile:
    sha256, size = (hashlib.sha256(DATA).hexdigest(), len(DATA)) if known else (None, None)
    return RemoteFile("in/data.bin", tuple(f"{site.url}/{f}/data.bin" for f in folders or ("a",)), size, sha256)


def fetch(file: RemoteFile, folder: Path, **options: object) -> bytes:
    fetch_files([file], folder, patience=QUICK, **options)  # type: ignore[arg-type]
    return (folder / file.path).read_bytes()


def ranges(site: Site, path: str = "a/data.bin") -> list[str | None]:
    return [r.range for r in site.asked(path)]


def test_a_file_arrives_and_leaves_nothing_else(site: Site, tmp_path: Path) -> None:
    assert fetch(remote(site), tmp_path) == DATA
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["data.bin"]


def test_a_file_that_is_there_and_intact_is_not_asked_for(site: Site, tmp_path: Path) -> None:
    fetch(remote(site), tmp_path)
    fetch(remote(site), tmp_path)
    assert len(site.requests) == 1
    (tmp_path / "in/data.bin").write_bytes(DATA[:-1] + b"!")
    assert fetch(remote(site), tmp_path) == DATA


@pytest.mark.parametrize("reset", [False, True])
def test_a_broken_connection_goes_on_where_it_broke(site: Site, tmp_path: Path, reset: bool) -> None:
    site.faults["a/data.bin"] = [servers.cut(300_000, reset), servers.cut(200_000, reset)]
    assert fetch(remote(site), tmp_path) == DATA
    assert len(ranges(site)) == 3
    if not reset:  # a reset takes with it what was on its way
        assert ranges(site) == [None, "bytes=300000-", "bytes=500000-"]


def test_a_later_call_goes_on_where_an_earlier_one_gave_up(site: Site, tmp_path: Path) -> None:
    site.faults["a/data.bin"] = [servers.cut(300_000), *[servers.status(503)] * 3]
    with pytest.raises(DataError, match="503, the server has a fault, 3 times in a row"):
        fetch(remote(site), tmp_path)
    assert not (tmp_path / "in/data.bin").exists()
    assert (tmp_path / f"in/data.bin{PART}").read_bytes() == DATA[:300_000]
    site.requests.clear()
    assert fetch(remote(site), tmp_path) == DATA
    assert ranges(site) == ["bytes=300000-"]


def test_without_a_hash_only_the_same_version_is_continued(site: Site, tmp_path: Path) -> None:
    changed = bytes(reversed(DATA))
    site.faults["a/data.bin"] = [servers.cut(300_000), *[servers.status(500)] * 3]
    with pytest.raises(DataError):
        fetch(remote(site, known=False), tmp_path)
    site.files["a/data.bin"] = changed  # the server sees from If-Range that the part is of another version
    assert fetch(remote(site, known=False), tmp_path) == changed


def test_without_hash_and_version_a_part_is_not_trusted(site: Site, tmp_path: Path) -> None:
    site.dated = False
    (tmp_path / "in").mkdir()
    (tmp_path / f"in/data.bin{PART}").write_bytes(b"something else")
    assert fetch(remote(site, known=False), tmp_path) == DATA
    assert ranges(site) == [None]


def test_a_part_of_other_bytes_is_noticed_and_fetched_anew(site: Site, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / f"in/data.bin{PART}").write_bytes(bytes(300_000))
    assert fetch(remote(site), tmp_path) == DATA
    assert ranges(site) == ["bytes=300000-", None]


def test_the_id_of_a_git_object_is_as_good_as_a_hash(site: Site, tmp_path: Path) -> None:
    blob = hashlib.sha1(b"blob %d\0" % len(DATA) + DATA).hexdigest()
    file = replace(remote(site, known=False), bytes=len(DATA), git_blob=blob)
    site.dated = False
    site.faults["a/data.bin"] = [servers.cut(300_000)]
    assert fetch(file, tmp_path) == DATA
    assert ranges(site) == [None, "bytes=300000-"]
    (tmp_path / "in/data.bin").write_bytes(DATA[:-1] + b"!")
    site.faults["a/data.bin"] = [servers.instead(DATA[:-1] + b"!")]
    with pytest.raises(DataError, match=f"truncated or was changed: expected git object {blob}, got "):
        fetch(file, tmp_path)


def test_a_server_without_ranges_sends_all_again(site: Site, tmp_path: Path) -> None:
    site.faults["a/data.bin"] = [servers.cut(300_000), servers.without_ranges]
    assert fetch(remote(site), tmp_path) == DATA


def test_a_server_that_states_no_length(site: Site, tmp_path: Path) -> None:
    site.faults["a/data.bin"] = [servers.without_length]
    assert fetch(remote(site, known=False), tmp_path) == DATA


def test_bytes_are_kept_as_sent_whatever_encoding_the_server_claims(site: Site, tmp_path: Path) -> None:
    site.faults["a/data.bin"] = [lambda handler, data: handler.send(200, data, Content_Encoding="gzip")]
    assert fetch(remote(site), tmp_path) == DATA


def test_the_next_mirror_takes_over_with_what_has_arrived(site: Site, tmp_path: Path) -> None:
    site.faults["a/data.bin"] = [servers.cut(300_000), *[servers.status(500)] * 3]
    assert fetch(remote(site, "a", "b"), tmp_path) == DATA
    assert ranges(site, "b/data.bin") == ["bytes=300000-"]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (servers.status(401), "401, it asks for a login"),
        (servers.status(403), "403, access is refused"),
        (servers.status(404), "404, there is no such file"),
        (servers.status(429, Retry_After="3600"), "429, too many requests; the server asks to come back in 3600 s"),
        (servers.status(429, Retry_After="0"), "429, too many requests, 3 times in a row"),
        (servers.status(500), "500, the server has a fault, 3 times in a row"),
        (servers.web_page(), "a web page in place of the file"),
        (servers.web_page("application/gzip"), r"truncated or was changed: expected 640,000 bytes"),
        (servers.instead(DATA[:1000]), "truncated or was changed: expected 640,000 bytes, the server has 1,000"),
        (servers.instead(DATA[:-1] + b"!"), "truncated or was changed: expected SHA-256 .*, got "),
        (servers.cut(0), "the connection broke off|the transfer ended"),
        (servers.cut(0, reset=True), "the connection"),
        (
            servers.status(302, Location="http://[nowhere/data.bin"),
            "led to an address that cannot be read|request failed",
        ),
        (servers.status(302, Location="http://a..b\u00e9.example:99999999/"), "request failed"),
        (servers.status(302, Location="ftp://example.org/data.bin"), "request failed"),
    ],
)
def test_every_fault_is_named_and_places_nothing(
    site: Site, tmp_path: Path, fault: servers.Fault, message: str
) -> None:
    site.faults["a/data.bin"] = [fault] * 3
    with pytest.raises(DataError, match=message) as caught:
        fetch(remote(site), tmp_path)
    assert f"{site.url}/a/data.bin" in str(caught.value) and "nothing was placed" in str(caught.value)
    assert not (tmp_path / "in/data.bin").exists()
    site.faults["a/data.bin"].clear()
    assert fetch(remote(site), tmp_path) == DATA  # the fault over, the same call gets the file


def test_a_web_page_is_noticed_where_nothing_is_known_of_the_file(site: Site, tmp_path: Path) -> None:
    for declared in ("text/html", "application/zip"):
        site.faults["a/data.bin"] = [servers.web_page(declared)]
        with pytest.raises(DataError, match="a web page in place of the file"):
            fetch(remote(site, known=False), tmp_path)
    assert not (tmp_path / "in/data.bin").exists()


def test_a_file_of_unknown_size_that_ends_early_is_not_placed(site: Site, tmp_path: Path) -> None:
    site.faults["a/data.bin"] = [servers.cut(100)] * 9
    site.dated = False
    with pytest.raises(DataError, match=r"broke off|ended after"):
        fetch(remote(site, known=False), tmp_path)
    assert not (tmp_path / "in/data.bin").exists()


def test_nobody_listens(tmp_path: Path) -> None:
    file = RemoteFile("x.bin", ("http://127.0.0.1:9/x.bin",))
    with pytest.raises(DataError, match=r"Connection refused\), 3 times in a row"):
        fetch_files([file], tmp_path, patience=QUICK)


def test_a_server_that_falls_silent(site: Site, tmp_path: Path) -> None:
    import time

    site.faults["a/data.bin"] = [lambda handler, data: time.sleep(1)]
    patience = Patience(attempts=1, first_wait_s=0.001, timeout_s=0.2)
    with pytest.raises(DataError, match=r"no answer within 0\.2 s"):
        fetch_files([remote(site)], tmp_path, patience=patience)


def test_progress_counts_each_file_and_all(site: Site, tmp_path: Path) -> None:
    small = RemoteFile("small.bin", (f"{site.url}/small.bin",), 5, hashlib.sha256(b"small").hexdigest())
    site.faults["a/data.bin"] = [servers.cut(300_000)]
    seen: list[Transfer] = []
    fetch_files([small, remote(site)], tmp_path, patience=QUICK, report=seen.append)
    assert seen[-1] == Transfer("in/data.bin", 0, len(DATA), len(DATA) + 5, len(DATA) + 5, 2, 2)
    assert [t.note for t in seen if t.note] and all(t.done <= len(DATA) + 5 for t in seen)
    assert {t.file for t in seen} == {"small.bin", "in/data.bin"}


def test_names_that_lead_out_of_the_folder_are_refused(site: Site, tmp_path: Path) -> None:
    for name in ("../x", "/x", "a/../../x", "C:/x", "..\\x"):
        with pytest.raises(DataError, match="the name"):
            fetch_files([RemoteFile(name, (f"{site.url}/small.bin",))], tmp_path / "in")
    assert not site.requests and list(tmp_path.iterdir()) == []


def test_a_disk_that_is_too_small_is_noticed_before(site: Site, small_disk: Path) -> None:
    with pytest.raises(DataError, match=r"640\.0 kB are needed and .* kB are free"):
        fetch(remote(site), small_disk)
    assert not site.requests
    with pytest.raises(DataError, match=r"640\.0 kB are needed"):  # known only from the server's answer
        fetch(remote(site, known=False), small_disk)
    assert not (small_disk / "in/data.bin").exists()


def test_a_disk_that_fills_up_on_the_way(site: Site, small_disk: Path) -> None:
    site.faults["a/data.bin"] = [servers.without_length]
    with pytest.raises(DataError, match="the disk is full; nothing was placed"):
        fetch(remote(site, known=False), small_disk)
    assert any((small_disk / "in").iterdir()) and not (small_disk / "in/data.bin").exists()
