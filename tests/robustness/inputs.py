"""Hostile inputs of every kind that a stranger may hand in, each from a sound one, with what must come of it."""

from __future__ import annotations

import csv
import gzip
import io
import json
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from dgmld_bench.errors import DataError
from dgmld_bench.files import safe_path
from dgmld_bench.formats import films, labelme, markups, volumes
from dgmld_bench.formats.point_tables import read_point_table
from dgmld_bench.landmarks import CEREBELLUM
from dgmld_bench.leaderboard.records import read_record
from dgmld_bench.leaderboard.submissions import place_of, slug
from dgmld_bench.scoring.predictions import Predictions
from dgmld_bench.scoring.predictions_files import read_predictions
from dgmld_bench.splits import get_split
from dgmld_bench.storage import archives, folders
from dgmld_bench.storage.manifest import read_manifest
from dgmld_bench.storage.register import read_register
from dgmld_bench.text import inert
from tests import trees
from tests.robustness.attempt import Clock, Expected, attempt, rounds
from tests.robustness.tally import Tally

ROOT = Path(__file__).parents[2]
Rng = np.random.Generator

#: Three cases of `lfc`.
IDS = ("1", "10", "15")
RUBBISH: tuple[Any, ...] = (
    None, True, False, -1, 0, 10**400, 1e308, -0.0, "", "x", "\x1b[2J", "\u202e", "\ud800", "../../x", "9" * 300,
    [], {}, [[]], [None], {"": {}}, [1, 2], [1, 2, 3, 4], {"x": 1, "y": 2}, "A" * 5000,
)  # fmt: skip
WRONG_POINTS: tuple[Any, ...] = (
    None, True, "1", [], {}, [1, 2], [1, 2, 3, 4], ["1", 2, 3], [None, 0, 0], [True, 0, 0], [1e9, 0, 0], [[1], [2], 3],
)  # fmt: skip
BAD_NAMES = (
    "../x", "/etc/x", "a/../../x", "..\\..\\x", "C:\\x", "C:x", "\\\\server\\x", "", ".", "..", "a\0b", "a\nb", "a:b",
    "a*b", "-rf", "x" * 300, "<x>", "a|b", "a?b", '"', "\x1b[2Jx",
)  # fmt: skip


def changed_bytes(rng: Rng, data: bytes) -> bytes:
    """Return the data with some bytes changed, left out, put in, or cut off."""
    out = bytearray(data)
    for _ in range(int(rng.integers(1, 6))):
        place = int(rng.integers(len(out) + 1)) if rng.random() < 0.5 else int(rng.integers(min(len(out), 400) + 1))
        kind = int(rng.integers(5))
        if kind == 0 and place < len(out):
            out[place] = int(rng.integers(256))
        elif kind == 1:
            del out[place : place + int(rng.integers(1, 50))]
        elif kind == 2:
            out[place:place] = rng.bytes(int(rng.integers(1, 20)))
        elif kind == 3:
            del out[place:]
        elif place < len(out):
            out[place] ^= 1 << int(rng.integers(8))
    return bytes(out)


def places_in(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value inside a JSON value."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (*path, key)
        yield from places_in(inner, (*path, key))


def put(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """Return a copy of a JSON value with another value at a path."""
    copy = json.loads(json.dumps(value))
    inner = copy
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = new
    return copy


def changed_json(rng: Rng, value: Any) -> bytes:
    """Return JSON text with something in it replaced, left out or put in; or damaged as text."""
    if rng.random() < 0.3:
        return changed_bytes(rng, json.dumps(value).encode())
    places = list(places_in(value))
    path = places[int(rng.integers(len(places)))]
    new = RUBBISH[int(rng.integers(len(RUBBISH)))]
    copy = put(value, path, new)
    if rng.random() < 0.2:
        inner = copy
        for key in path[:-1]:
            inner = inner[key]
        del inner[path[-1]]
    return json.dumps(copy).encode("utf-8", "surrogatepass")


def predictions(scratch: Path, number: int, clock: Clock, rng: Rng) -> Tally:
    """Predictions: points that are none, neutral rewritings, rubbish anywhere."""
    tally = Tally("predictions")
    made = Predictions(track="dgmld", method="m", backbone="b", selection="none", training_data=["atlas"])
    for seed in (0, 1):
        for case in IDS:
            made.add(seed=seed, split="lfc", case=case, landmarks=rng.normal(0, 30, (6, 3)).round(3))
    good = json.loads(made.to_json())
    path = scratch / "p.json"
    points = [p for p in places_in(good) if len(p) == 6 and p[2] == "predictions"]
    assert points
    for n in rounds(tally, number, clock):
        if n % 4 == 0:
            where = points[int(rng.integers(len(points)))]
            new = WRONG_POINTS[int(rng.integers(len(WRONG_POINTS)))]
            path.write_text(json.dumps(put(good, where, new)))
            attempt(tally, f"{where} is {new!r}", "refuse", lambda: Predictions.load(path))
        elif n % 4 == 1:
            path.write_text(_rewritten(rng, good))
            attempt(tally, path.read_text()[:200], "accept", lambda: _same_points(Predictions.load(path), made))
        else:
            data = changed_json(rng, good)
            path.write_bytes(data)
            attempt(tally, repr(data[:200]), "either", lambda: [Predictions.load(path).to_json()])
    return tally


def _rewritten(rng: Rng, value: Any) -> str:
    """Return the same JSON value in another form: order of keys, spaces, escapes."""

    def shuffled(inner: Any) -> Any:
        if isinstance(inner, dict):
            keys = list(inner)
            rng.shuffle(keys)
            return {k: shuffled(inner[k]) for k in keys}
        return [shuffled(v) for v in inner] if isinstance(inner, list) else inner

    return json.dumps(shuffled(value), indent=int(rng.integers(0, 4)) or None, ensure_ascii=bool(rng.integers(2)))


def _same_points(found: Predictions, expected: Predictions) -> str | None:
    ids = list(IDS)
    same = all(np.array_equal(found.array(s, "lfc", ids), expected.array(s, "lfc", ids)) for s in (0, 1))
    return None if same else "the points are others"


def tables(scratch: Path, number: int, clock: Clock, rng: Rng) -> Tally:
    """Tables of points: other separators and orders that mean the same; rows at fault; rubbish."""
    tally = Tally("tables")
    points = {case: rng.normal(0, 30, (6, 3)).round(3) for case in ("1", "2", "sub-07")}
    path = scratch / "t.csv"
    for n in rounds(tally, number, clock):
        rows = [
            [c, name, *map(str, p)] for c, ps in points.items() for name, p in zip(CEREBELLUM.names, ps, strict=True)
        ]
        rng.shuffle(rows)
        columns = ["case", "landmark", "x", "y", "z"]
        expected: Expected = "accept"
        if n % 3 == 1:
            expected = "refuse"
            row = int(rng.integers(len(rows)))
            new = ("x", "1e999", "nan nan", "1,5", "0x10", "1_000", "--1", "١", "[1]", "=1+1")[int(rng.integers(10))]
            if rng.random() < 0.3:
                rows.append(list(rows[row]))
            else:
                rows[row][2 + int(rng.integers(3))] = new
        order = rng.permutation(5)
        text = io.StringIO()
        delimiter = ",;\t"[int(rng.integers(3))]
        writer = csv.writer(text, delimiter=delimiter, lineterminator=("\n", "\r\n")[int(rng.integers(2))])
        writer.writerows([[row[k] for k in order] for row in [columns, *rows]])
        data = text.getvalue().encode("utf-8-sig" if rng.random() < 0.5 else "utf-8")
        if n % 3 == 2:
            expected, data = "either", changed_bytes(rng, data)
        if delimiter != "," and b"1,5" in data:
            expected = "either"  # a decimal comma
        path.write_bytes(data)
        attempt(
            tally, repr(data[:200]), expected, lambda e=expected: _same_table(path, points if e == "accept" else {})
        )  # type: ignore[misc]
        if n % 30 == 0:
            attempt(tally, "as predictions", "either", lambda: [read_predictions(path, get_split("lfc"), CEREBELLUM)])
    return tally


def _same_table(path: Path, points: dict[str, np.ndarray]) -> str | None:
    found = read_point_table(path, CEREBELLUM).cases
    same = all(np.array_equal(found[case]["reference"], p) for case, p in points.items())
    return None if same else "the points are others"


def sound_volume(rng: Rng) -> bytes:
    """Return a small volume, packed."""
    array = rng.integers(0, 999, (20, 24, 22)).astype(np.int16)
    return volumes.nifti_bytes(array, np.diag([2.0, 2, 2, 1]))


def volume_files(scratch: Path, number: int, clock: Clock, rng: Rng) -> Tally:
    """Volumes: cut, changed in the voxels, rubbish in the header."""
    tally = Tally("volumes")
    good = sound_volume(rng)
    plain = gzip.decompress(good)
    for n in rounds(tally, number, clock):
        expected: Expected = "either"
        if n % 3 == 0:
            data, expected = good[: int(rng.integers(len(good)))], "refuse"
        elif n % 3 == 1:
            body = bytearray(good)
            body[int(rng.integers(20, len(body) - 8))] ^= 1 << int(rng.integers(8))
            data = bytes(body)
            expected = "accept" if _gunzipped(data) == plain else "refuse"  # the last bits of a stream may mean nothing
        else:
            head = changed_bytes(rng, plain[:352])[:352].ljust(352, b"\0")
            data = gzip.compress(head + plain[352:], compresslevel=1)
        path = scratch / "v.nii.gz"
        path.write_bytes(data)
        attempt(tally, f"{expected}, number {n}", expected, lambda p=path: _sound(*volumes.read_volume(p)))
        if n % 3 == 2:
            attempt(tally, f"remarks, number {n}", "either", lambda p=path: [volumes.header_remarks(p)])
    return tally


def _gunzipped(data: bytes) -> bytes | None:
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error):
        return None


def _sound(array: np.ndarray, affine: np.ndarray) -> str | None:
    sound = array.ndim == 3 and np.isfinite(affine).all() and bool(np.isfinite(array).all())
    return None if sound and abs(np.linalg.det(affine)) > 0 else "an array or affine that is none"


def film_files(scratch: Path, number: int, clock: Clock, rng: Rng) -> Tally:
    """Films of all four formats: cut, and with bytes changed."""
    tally = Tally("films")
    goods = {}
    for suffix, kind in (("png", "PNG"), ("jpg", "JPEG"), ("tif", "TIFF"), ("bmp", "BMP")):
        stream = io.BytesIO()
        Image.fromarray(rng.integers(0, 255, (60, 48)).astype(np.uint8)).save(stream, kind)
        goods[suffix] = stream.getvalue()
    for n in rounds(tally, number, clock):
        suffix = list(goods)[n % 4]
        cut = n % 8 < 4
        data = (
            goods[suffix][: int(rng.integers(len(goods[suffix]) * 9 // 10))]
            if cut
            else changed_bytes(rng, goods[suffix])
        )
        path = scratch / f"f.{suffix}"
        path.write_bytes(data)
        attempt(tally, f"{suffix}, number {n}", "refuse" if cut else "either", lambda p=path: _sound_film(p))  # type: ignore[misc]
    return tally


def _sound_film(path: Path) -> str | None:
    array = films.read_film(path)
    films.film_remarks(path)
    return None if array.ndim == 2 and array.dtype in (np.uint8, np.uint16) else f"{array.dtype} {array.shape}"


def archive_files(scratch: Path, number: int, clock: Clock, rng: Rng) -> Tally:
    """Archives: names that lead out, links, devices, damage; nothing may be written outside, and nothing by halves."""
    tally = Tally("archives")
    inside, target = {"a/1.txt": b"one" * 50, "a/2.txt": b"two" * 50}, scratch / "box" / "out"
    for n in rounds(tally, number, clock):
        expected: Expected = "either"
        tarred = bool(n % 2)
        names = dict(inside)
        link = n % 8 == 7
        if n % 4 == 1 or n % 8 == 2:
            name = BAD_NAMES[int(rng.integers(len(BAD_NAMES)))]
            if name and not (tarred and ("\0" in name or name == ".")) and not (not tarred and name == "a\0b"):
                names[name], expected = b"out", "refuse"
        data = _tar(names, link) if tarred else zip_of(names)
        if link:
            expected = "refuse"
        if n % 4 == 3 and not link:
            expected, data = "either", changed_bytes(rng, data)
        path = scratch / ("x.tar.gz" if tarred else "x.zip")
        path.write_bytes(data)
        target.mkdir(parents=True, exist_ok=True)
        attempt(tally, f"number {n}: {list(names)[-1]!r}", expected, lambda p=path: _unpacked(p, target, inside))  # type: ignore[misc]
        outside = {p.name for p in (scratch / "box").iterdir()} - {"out"}
        left = [p for p in target.rglob("*") if p.is_symlink()] or outside
        if left:
            tally.note("wrongly accepted", f"number {n}: {left}")
        shutil.rmtree(scratch / "box")
    return tally


def zip_of(names: dict[str, bytes]) -> bytes:
    """Return an archive of these files."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in names.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return stream.getvalue()


def _tar(names: dict[str, bytes], link: bool) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, data in names.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        if link:
            info = tarfile.TarInfo("a/link")
            info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(info)
    return stream.getvalue()


def _unpacked(path: Path, target: Path, inside: dict[str, bytes]) -> str | None:
    try:
        archives.unpack(path, target)
    except DataError:
        if any(target.iterdir()):
            return "refused, and something was written"
        raise
    return None


def documents(scratch: Path, number: int, clock: Clock, rng: Rng) -> Tally:
    """Markups, LabelMe, records of errors, registers and manifests, with rubbish anywhere."""
    tally = Tally("documents")
    line = scratch / "good.mrk.json"
    trees.write_mrk(line, np.array([[1.0, 2, 3], [4, 5, 6]]), "LPS")
    label = scratch / "good.json"
    trees.labelme(label, {f"l{n}": [(n, n + 1.0)] for n in range(1, 20)})
    record = next((ROOT / "leaderboard/errors/phantom").glob("meanshape-none/*.json"))
    case = {"id": "1", "split": "lfc", "image": "a.nii.gz", "landmarks": [], "mask": None, "centre": None, "info": {}}
    register = {"format": "dgmld-bench/register", "version": 1, "source": "dgmld", "options": {}, "cases": [case]}
    register["problems"] = [{"where": "x", "message": "y", "split": None}]
    manifest = {
        "format": "dgmld-bench/manifest",
        "version": 1,
        "origin": {},
        "files": {"a": {"bytes": 1, "sha256": "0" * 64}},
    }
    (scratch / "data/dgmld").mkdir(parents=True)
    kinds: list[tuple[Any, Path, Callable[[Path], object]]] = [
        (json.loads(line.read_text()), scratch / "x.mrk.json", markups.read_line),
        (json.loads(line.read_text()), scratch / "y.mrk.json", lambda p: markups.read_named_points(p, CEREBELLUM)),
        (json.loads(label.read_text()), scratch / "x.json", labelme.read_labelme),
        (json.loads(record.read_text()), scratch / "r.json", read_record),
        (register, scratch / "data/dgmld/register.json", lambda p: read_register("dgmld", scratch / "data")),
        (manifest, scratch / "manifest.json", lambda p: read_manifest(scratch)),
    ]
    for n in rounds(tally, number, clock):
        good, path, read = kinds[n % len(kinds)]
        data = changed_json(rng, good)
        path.write_bytes(data)
        attempt(tally, f"{path.name} {data[:150]!r}", "either", lambda r=read, p=path: [r(p)])  # type: ignore[misc]
    return tally


def names(scratch: Path, number: int, clock: Clock, rng: Rng) -> Tally:
    """Names of files, sources, submissions: none leads anywhere, none reaches a terminal raw."""
    tally = Tally("names")
    alphabet = "ab/\\.:-_ \t\n\0\x1b\u202e\ud800\u00e9\u0301*?<>|\"'~$%"
    for n in rounds(tally, number, clock):
        name = (
            BAD_NAMES[n % len(BAD_NAMES)] if n < 60 else "".join(rng.choice(list(alphabet), int(rng.integers(0, 14))))
        )
        attempt(tally, repr(name), "either", lambda x=name: _stays_inside(x))  # type: ignore[misc]
        attempt(tally, f"own/{name!r}", "either", lambda x=name: _source_inside(x, scratch))  # type: ignore[misc]
        attempt(
            tally, f"submission {name!r}", "either", lambda x=name: [place_of(f"submissions/open/{x}.json"), slug(x)]
        )  # type: ignore[misc]
        attempt(tally, f"terminal {name!r}", "accept", lambda x=name: _harmless(inert(x)))  # type: ignore[misc]
    return tally


def _stays_inside(name: str) -> str | None:
    path = safe_path(name)
    return "leads out" if path.is_absolute() or ".." in path.parts or not path.parts else None


def _source_inside(name: str, scratch: Path) -> str | None:
    folder = folders.source_dir(f"own/{name}", scratch)
    return None if folder.parent == scratch / "own" else f"{folder}"


def _harmless(text: str) -> str | None:
    return None if all(c.isprintable() or c in "\n\t" for c in text) else "not printable"


KINDS = (predictions, tables, volume_files, film_files, archive_files, documents, names)
