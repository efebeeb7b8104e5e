"""Whole downloads: the hub's real client and HTTP, archives, manifest, import; and what happens when they fail."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from dgmld_bench.errors import DataError, UsageError
from dgmld_bench.files import sha256_file
from dgmld_bench.formats import volumes
from dgmld_bench.obtaining.downloading import INCOMING, Obtained, download_source
from dgmld_bench.obtaining.importing import NothingUsableError
from dgmld_bench.sources import atlases, get_source
from dgmld_bench.sources.isbi import Isbi
from dgmld_bench.splits import get_split, load_split
from dgmld_bench.storage import folders
from dgmld_bench.storage.download import Patience, RemoteFile
from tests import rar, servers, trees
from tests.servers import Hub, Site, serve, serve_hub
from tests.test_archives import tarred, tree, zipped

QUICK = Patience(attempts=3, first_wait_s=0.001, longest_wait_s=0.1, timeout_s=5)
IDS = {"lfc": ["1", "2"], "lfc-val": ["5"], "atlas": ["1", "2", "3"], "feta": ["7"]}


def known_ids() -> dict[str, list[str]]:
    """Return ids that the splits have."""
    fixed = {s: list((get_split(s).case_ids or ())[:2]) for s in ("lfc", "lfc-val")}
    return {**IDS, **fixed}


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The authors' release as a hub may hold it: one part in a zip, one in a tar.gz, one unpacked."""
    root = tmp_path_factory.mktemp("release")
    trees.dgmld_release(root, known_ids())
    files = tree(root)
    parts: dict[str, dict[str, bytes]] = {}
    for name, data in files.items():
        top, _, rest = name.partition("/")
        parts.setdefault(top, {})[rest] = data
    return {
        "README.md": b"# LFC",
        ".gitattributes": b"*.zip filter=lfs\n",
        "LFC_dataset.zip": zipped(parts["LFC_dataset"]),
        "atlas.tar.gz": tarred({f"atlas/{n}": d for n, d in parts["atlas"].items()}, "w:gz"),
        **{f"feta21/{n}": d for n, d in parts["feta21"].items()},
    }


@pytest.fixture
def hub(release: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with serve_hub(Hub(dict(release))) as running:
        yield running


def get(hub: Site, folder: Path, name: str = "dgmld", **options: object) -> Obtained:
    return download_source(name, data_dir=folder, mirror=hub.url, patience=QUICK, **options)  # type: ignore[arg-type]


def counts(got: Obtained) -> dict[str, int]:
    return {split: got.register.count(split) for split in get_source(got.register.source).splits}


def fetched(hub: Hub) -> list[str]:
    """Return the names of the files that the hub was asked for."""
    prefix = f"datasets/{hub.repo}/resolve/{hub.commit}/"
    return [r.path.removeprefix(prefix) for r in hub.requests if r.method == "GET" and r.path.startswith(prefix)]


def nothing_placed(folder: Path) -> bool:
    return not list(folder.glob("*/files-*")) and not list(folder.glob("*/register.json"))


def test_the_release_arrives_unpacked_and_registered(hub: Hub, tmp_path: Path) -> None:
    got = get(hub, tmp_path / "data")
    assert got.fetched and counts(got) == {"atlas": 3, "lfc-val": 2, "lfc": 2, "feta": 1}
    assert got.manifest.origin["commit"] == hub.commit and got.manifest.origin["repository"] == hub.repo
    (place,) = (tmp_path / "data/dgmld").glob("files-*")
    assert not list(place.rglob("*.zip")) and not (tmp_path / "data/dgmld" / INCOMING).exists()
    for name, record in got.manifest.files.items():
        assert sha256_file(place / name) == record.sha256 and (place / name).stat().st_size == record.bytes
    assert len(got.manifest.files) == len(tree(place)) - 1  # all but the manifest itself
    shutil.move(tmp_path / "data", tmp_path / "moved")  # nothing in the register depends on where the folder is
    for split, count in counts(got).items():
        cases = load_split(split, references=True, data_dir=tmp_path / "moved")
        assert len(cases) == count
        voxel = np.linalg.inv(cases[0].affine) @ np.append(cases[0].landmarks[2], 1)
        assert cases[0].image[tuple(voxel[:3].round().astype(int))] == 3


def test_the_second_time_nothing_is_fetched(hub: Hub, tmp_path: Path) -> None:
    get(hub, tmp_path)
    hub.requests.clear()
    got = get(hub, tmp_path)
    assert not got.fetched and counts(got)["lfc"] == 2
    assert not [r for r in hub.requests if "/resolve/" in r.path]


def test_of_a_release_that_is_not_packed_only_the_damaged_file_is_fetched_again(hub: Hub, tmp_path: Path) -> None:
    trees.dgmld_release(tmp_path / "release", known_ids())
    hub.files = tree(tmp_path / "release")
    get(hub, tmp_path / "data")
    (place,) = (tmp_path / "data/dgmld").glob("files-*")
    image = place / "feta21/feta21/7.nii.gz"
    image.write_bytes(image.read_bytes()[:-1] + b"!")
    hub.requests.clear()
    got = get(hub, tmp_path / "data")
    assert got.fetched and fetched(hub) == ["feta21/feta21/7.nii.gz"]
    assert not place.exists() and counts(got) == {"atlas": 3, "lfc-val": 2, "lfc": 2, "feta": 1}
    hub.commit, hub.files["README.md"] = "f" * 40, b"# a later commit"
    hub.requests.clear()
    assert get(hub, tmp_path / "data").fetched and fetched(hub) == ["README.md"]


def test_a_new_commit_takes_the_place_of_the_old_one(hub: Hub, tmp_path: Path) -> None:
    get(hub, tmp_path)
    hub.commit = "f" * 40
    hub.files["new/README.md"] = b"new"
    got = get(hub, tmp_path, revision="f" * 40)
    assert got.fetched and "new/README.md" in got.manifest.files
    assert len(list((tmp_path / "dgmld").glob("files-*"))) == 1


@pytest.mark.parametrize("fault", [servers.cut(1000), servers.cut(1000, reset=True), servers.status(500)])
def test_faults_that_pass_on_the_way(hub: Hub, tmp_path: Path, fault: servers.Fault) -> None:
    hub.faults["LFC_dataset.zip"] = [fault]
    assert counts(get(hub, tmp_path))["lfc"] == 2


def test_a_broken_connection_to_the_hub_goes_on_where_it_broke(hub: Hub, tmp_path: Path) -> None:
    hub.faults["LFC_dataset.zip"] = [servers.cut(1000), servers.cut(500), *[servers.status(503)] * 3]
    with pytest.raises(DataError, match=r"(?s)LFC_dataset\.zip could not be fetched.*503.*What arrived is kept"):
        get(hub, tmp_path)
    assert get(hub, tmp_path).fetched
    asked = [r.range for r in hub.requests if r.method == "GET" and r.path.endswith("LFC_dataset.zip")]
    assert asked == [None, "bytes=1000-", *["bytes=1500-"] * 4]


@pytest.mark.parametrize(("name", "expected"), [("LFC_dataset.zip", "SHA-256"), ("README.md", "git object")])
def test_a_changed_file_is_noticed_and_only_it_is_fetched_anew(
    hub: Hub, tmp_path: Path, name: str, expected: str
) -> None:
    hub.faults[name] = [servers.instead(b"X" * len(hub.files[name]))]
    with pytest.raises(DataError, match=f"(?s){name} could not be fetched.*truncated or was changed: .*{expected}"):
        get(hub, tmp_path)
    assert nothing_placed(tmp_path)
    assert get(hub, tmp_path).fetched
    assert Counter(fetched(hub)) == {**dict.fromkeys(hub.files, 1), name: 2}


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ("gated", "is gated: .* `hf auth login`"),
        ("login", "what answers is no hub"),
        ("missing", "is not there for you: .* `hf auth login`"),
        ("down", "the hub answers 500, 3 times in a row"),
    ],
)
def test_a_hub_that_refuses(hub: Hub, tmp_path: Path, state: str, message: str) -> None:
    hub.state = state
    with pytest.raises(DataError, match=message):
        get(hub, tmp_path)
    assert nothing_placed(tmp_path)


def test_a_token_opens_a_gated_release(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.state, hub.token = "gated", "hf_secret"
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert counts(get(hub, tmp_path))["feta"] == 1
    assert "hf_secret" not in "".join(p.read_text("latin-1") for p in tmp_path.rglob("*.json"))


def test_the_token_stays_with_the_hub(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.state, hub.token = "gated", "hf_secret"
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with serve(Site(hub.files)) as storage:
        hub.storage = storage.url
        storage.faults["LFC_dataset.zip"] = [servers.cut(1000)]
        assert counts(get(hub, tmp_path))["lfc"] == 2
    assert {r.authorization for r in hub.requests} == {"Bearer hf_secret"}
    assert {r.path for r in storage.requests} >= {"LFC_dataset.zip", "atlas.tar.gz"}
    assert {r.authorization for r in storage.requests} == {None}
    assert [r.range for r in storage.asked("LFC_dataset.zip")] == [None, "bytes=1000-"]


def test_an_unknown_revision(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no revision 'v9'; revision=REV takes"):
        get(hub, tmp_path, revision="v9")


def test_a_hub_nobody_can_reach(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="3 times in a row; nothing was placed"):
        download_source("dgmld", data_dir=tmp_path, mirror="http://127.0.0.1:9", patience=QUICK)


def test_a_release_without_a_known_folder_changes_nothing(hub: Hub, tmp_path: Path) -> None:
    get(hub, tmp_path)
    before = (tmp_path / "dgmld/register.json").read_bytes()
    hub.commit, hub.files = "e" * 40, {"README.md": b"moved to elsewhere"}
    with pytest.raises(NothingUsableError, match=r"What was fetched is kept in .*\.incoming"):
        get(hub, tmp_path)
    assert (tmp_path / "dgmld/register.json").read_bytes() == before
    assert load_split("lfc", data_dir=tmp_path)[0].image.size and (tmp_path / "dgmld/.incoming/README.md").is_file()


def test_a_hostile_file_name_on_the_hub(hub: Hub, tmp_path: Path) -> None:
    hub.files["../../evil.txt"] = b"evil"
    with pytest.raises(DataError, match="leads out of its folder"):
        get(hub, tmp_path / "data")
    assert [p.name for p in tmp_path.iterdir()] == ["data"] and nothing_placed(tmp_path / "data")


@pytest.mark.parametrize("kind", ["zip", "rar"])
def test_a_hostile_archive_on_the_hub(hub: Hub, tmp_path: Path, kind: str) -> None:
    files = {"train/1.nii.gz": b"1", "../../../evil.txt": b"evil" * 300}
    hub.files[f"more.{kind}"] = zipped(files) if kind == "zip" else rar.stored_rar(files.items())
    with pytest.raises(DataError, match=rf"more\.{kind}: the name '../../../evil.txt' leads out"):
        get(hub, tmp_path / "data")
    assert [p.name for p in tmp_path.iterdir()] == ["data"] and nothing_placed(tmp_path / "data")


def test_a_disk_too_small_for_the_release(hub: Hub, small_disk: Path) -> None:
    hub.files["huge.bin"] = bytes(1 << 20)
    with pytest.raises(DataError, match=r"are needed and .* are free"):
        get(hub, small_disk)
    assert nothing_placed(small_disk) and not hub.asked("datasets/haifan-gong/LFC/resolve/" + hub.commit + "/huge.bin")


def test_two_downloads_at_once(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "LOCK_TIMEOUT_S", 0.05)
    (tmp_path / "dgmld").mkdir()
    with FileLock(tmp_path / "dgmld" / folders.LOCK), pytest.raises(DataError, match="is at work there; wait"):
        get(hub, tmp_path)
    assert not hub.requests


@pytest.fixture
def films_zip(tmp_path: Path) -> bytes:
    """The figshare article: a zip of three rar files."""
    root = tmp_path / "films"
    trees.isbi(root, [1, 151, 301], size=(97, 120))
    files = tree(root)
    points = [(n.removeprefix("AnnotationsByMD/"), d) for n, d in files.items() if n.startswith("Annotations")]
    films = [(n, d) for n, d in files.items() if n.startswith("RawImage")]
    return zipped(
        {
            "AnnotationsByMD.rar": rar.stored_rar(points),
            "EvaluationCode.rar": rar.compressed_rar("readme.txt", rar.COUNTED),
            "RawImage.rar": rar.stored_rar(films),
        }
    )


@pytest.mark.skipif(not rar.has_program(), reason=rar.NO_PROGRAM)
class TestFigshare:
    """ISBI-2015: one zip of rar files, whose size and hash nobody knows."""

    def test_it_arrives(self, films_zip: bytes, tmp_path: Path) -> None:
        with serve(Site({"ISBI2015.zip": films_zip})) as site:
            site.faults["ISBI2015.zip"] = [servers.without_length]
            got = get(site, tmp_path / "data", "isbi")
        assert counts(got) == {"isbi-train": 1, "isbi-val": 1, "isbi": 1}
        case = load_split("isbi", references=True, data_dir=tmp_path / "data")[0]
        assert case.image.shape == (120, 97) and case.landmarks.shape == (19, 2)

    def test_a_damaged_zip_is_fetched_anew_the_next_time(self, films_zip: bytes, tmp_path: Path) -> None:
        with serve(Site({"ISBI2015.zip": films_zip})) as site:
            site.faults["ISBI2015.zip"] = [servers.instead(films_zip[:-100])]
            with pytest.raises(DataError, match=r"ISBI2015\.zip: damaged.*fetch it anew"):
                get(site, tmp_path / "data", "isbi")
            assert nothing_placed(tmp_path / "data")
            assert get(site, tmp_path / "data", "isbi").fetched

    def test_a_revision_is_a_wrong_call(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="has no revision to choose"):
            download_source("isbi", data_dir=tmp_path, revision="v1")


@pytest.fixture
def films_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A server of single films with published hashes, told to the source as its addresses."""
    root = tmp_path / "films"
    trees.isbi(root, [1, 151, 152, 301], size=(97, 120))
    files = tree(root)
    with serve(Site(files)) as site:
        remote = tuple(
            RemoteFile(n, (f"{site.url}/gone/{n}", f"{site.url}/{n}"), len(d), sha256_file(root / n))
            for n, d in files.items()
        )
        monkeypatch.setattr(Isbi, "remote", lambda self: remote)
        monkeypatch.setattr(Isbi, "holds_rar", False)
        yield site


def test_only_damaged_files_are_fetched_again(films_site: Site, tmp_path: Path) -> None:
    data = tmp_path / "data"
    download_source("isbi", data_dir=data, patience=QUICK)
    (place,) = (data / "isbi").glob("files-*")
    films = sorted(place.glob("RawImage/*/*.bmp"))
    films[0].write_bytes(films[0].read_bytes()[:-1] + b"!")
    films[1].unlink()
    films_site.requests.clear()
    assert download_source("isbi", data_dir=data, patience=QUICK).fetched
    fetched = {r.path for r in films_site.requests if not r.path.startswith("gone/")}
    assert fetched == {p.relative_to(place).as_posix() for p in films[:2]}
    assert not place.exists() and load_split("isbi", data_dir=data)[0].image.shape == (120, 97)


def test_one_file_that_cannot_be_had_leaves_what_was_there(films_site: Site, tmp_path: Path) -> None:
    data = tmp_path / "data"
    download_source("isbi", data_dir=data, patience=QUICK)
    before = tree(data)
    (place,) = (data / "isbi").glob("files-*")
    film = place / "RawImage/Test1Data/151.bmp"
    film.write_bytes(b"damaged")
    films_site.files.pop(film.relative_to(place).as_posix())
    with pytest.raises(DataError, match=r"(?s)151\.bmp could not be fetched, and nothing was placed.*404.*404"):
        download_source("isbi", data_dir=data, patience=QUICK)
    after = {n: d for n, d in tree(data).items() if f"/{INCOMING}/" not in n}
    assert after == {**before, film.relative_to(data).as_posix(): b"damaged"}


def test_an_interrupted_preparation_is_taken_up_without_fetching(films_site: Site, tmp_path: Path) -> None:
    data = tmp_path / "data"
    download_source("isbi", data_dir=data, patience=QUICK)
    films_site.requests.clear()
    (data / "isbi/register.json").unlink()  # as if it had stopped just before
    for _ in range(2):
        got = download_source("isbi", data_dir=data, patience=QUICK)
        assert not got.fetched and not films_site.requests and got.register.count("isbi") == 2
        (data / "isbi/register.json").write_text("{")  # damaged


def test_landmarks_that_were_lost_or_damaged_are_derived_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = "Neurotypical_Wu2021/Chinese23_Study1"
    for name, values in ((atlases.IMAGE, trees.brain().astype(np.int16)), (atlases.LABELS, trees.brain())):
        volumes.write_volume(tmp_path / "atlas" / case / name, values, np.diag([0.8, 0.8, 0.8, 1.0]))
    files = tree(tmp_path / "atlas")
    published = {n: atlases.AtlasFile(n, len(d), hashlib.sha256(d).hexdigest()) for n, d in files.items()}
    monkeypatch.setattr(atlases, "published_files", lambda: published)
    data = tmp_path / "data"
    with serve(Site(files)) as site:
        get(site, data, "atlases")
        before, (line, other, *_) = tree(data), sorted((data / "atlases/landmarks").rglob("*.mrk.json"))
        line.unlink()
        other.write_text("{")
        site.requests.clear()
        assert not get(site, data, "atlases").fetched and not site.requests
    assert tree(data) == before


def test_sources_that_cannot_be_fetched_say_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"'phantom' cannot be fetched: .*dgmld-bench download phantom"):
        download_source("phantom", data_dir=tmp_path)
    with pytest.raises(UsageError, match="did you mean 'isbi'"):
        download_source("isbu", data_dir=tmp_path)
    with pytest.raises(UsageError, match="starts with https://"):
        download_source("isbi", data_dir=tmp_path, mirror="ftp://x")
    assert list(tmp_path.iterdir()) == []


def test_atlases_are_fetched_from_the_pinned_commit_only_as_far_as_needed() -> None:
    source = get_source("atlases")
    files = source.remote()
    assert isinstance(files, tuple) and len(files) == 92
    assert len({f.path for f in files}) == 92 and not any("Chinese35" in f.path for f in files)
    for file in files:
        assert file.bytes and file.sha256 == source.published_sha256(Path("/anywhere") / file.path)
        assert len(file.urls) >= 2 and all(u.startswith("https://") and u.endswith(file.path) for u in file.urls)
        assert all("38cf1fb77bc896d133941b8f5388ef18feb2cae7" in url for url in file.urls)


def test_the_manifest_is_plain_json(films_site: Site, tmp_path: Path) -> None:
    download_source("isbi", data_dir=tmp_path / "data", patience=QUICK)
    (path,) = tmp_path.glob("data/isbi/files-*/manifest.json")
    value = json.loads(path.read_text())
    assert value["format"] == "dgmld-bench/manifest" and value["origin"]["kind"] == "files"
    assert value["files"]["RawImage/Test1Data/151.bmp"].keys() == {"bytes", "sha256"}
