"""Downloads from a server on this machine that lies, breaks off and sends something else."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from dgmld_bench.storage.download import Patience, RemoteFile, fetch_files
from tests.robustness.attempt import Clock, attempt, rounds
from tests.robustness.tally import Tally
from tests.servers import Fault, Handler, Site, cut, instead, serve, status, web_page, without_length, without_ranges

QUICK = Patience(attempts=3, first_wait_s=0.001, longest_wait_s=0.05, timeout_s=5)


def _redirect(to: str) -> Fault:
    return lambda handler, data: handler.send(302, b"", Location=to)


def _headers(**headers: str) -> Fault:
    return lambda handler, data: handler.send(200, data, **headers)


def _wrong_range(handler: Handler, data: bytes) -> None:
    handler.send(206, data[1:], Content_Range=f"bytes 1-{len(data) - 1}/{len(data)}")


def _faults(rng: np.random.Generator, size: int) -> list[Fault]:
    kinds: list[Callable[[], Fault]] = [
        lambda: status(int(rng.choice([400, 401, 403, 404, 408, 410, 416, 429, 500, 503, 599]))),
        lambda: status(
            503, Retry_After=str(rng.choice(["0", "99999999", "soon", "-1", "\u0661"]).encode("ascii", "ignore"))
        ),
        web_page,
        lambda: web_page("application/octet-stream"),
        lambda: cut(int(rng.integers(size))),
        lambda: cut(int(rng.integers(size)), reset=True),
        lambda: instead(rng.bytes(int(rng.integers(1, 2 * size)))),
        lambda: without_length,
        lambda: without_ranges,
        lambda: _wrong_range,
        lambda: _redirect(
            str(rng.choice(["http://[", "//", "ftp://x/y", "http://127.0.0.1:1/x", "http://x:99999/", ""]))
        ),
        lambda: _headers(Content_Length=str(rng.choice(["-1", "x", "9" * 30, "0"]))),
        lambda: _headers(Content_Encoding="gzip"),
        lambda: _headers(ETag='"a"', Content_Type="text/plain"),
    ]
    return [kinds[int(rng.integers(len(kinds)))]() for _ in range(int(rng.integers(1, 5)))]


def downloads(scratch: Path, number: int, clock: Clock, rng: np.random.Generator) -> Tally:
    """Files with and without a known hash, each from a server with one to four faults, then from a sound one."""
    tally = Tally("downloads")
    data = rng.bytes(40_000)
    with serve(Site({"f.bin": data})) as site:
        for n in rounds(tally, number, clock):
            folder = scratch / "d"
            hashed = n % 3 != 0
            file = RemoteFile(
                "f.bin",
                (f"{site.url}/f.bin",),
                bytes=len(data) if hashed else None,
                sha256=hashlib.sha256(data).hexdigest() if hashed else None,
            )

            def fetch(file: RemoteFile = file, folder: Path = folder, hashed: bool = hashed) -> str | None:
                fetch_files([file], folder, patience=QUICK)
                same = (folder / "f.bin").read_bytes() == data
                return "other bytes were placed" if hashed and not same else None

            site.faults["f.bin"] = _faults(rng, len(data))
            attempt(tally, f"number {n}", "either", fetch)
            site.faults["f.bin"] = []
            if hashed:
                attempt(tally, f"number {n}, then a sound server", "accept", fetch)
                if not (folder / "f.bin").is_file():
                    tally.note("lost", f"number {n}: nothing is there after a sound download")
            shutil.rmtree(folder, ignore_errors=True)
    return tally
