"""Servers on this machine that speak the protocols downloads use: HTTP with ranges and faults, and a hub's API."""

from __future__ import annotations

import hashlib
import json
import socket
import struct
import threading
import urllib.parse
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Fault = Callable[["Handler", bytes], None]
"""What a server does in place of answering well: gets the request's handler and the file's bytes."""


@dataclass
class Request:
    """What a client asked for, and whether it was answered in part."""

    method: str
    path: str
    range: str | None
    authorization: str | None


@dataclass
class Site:
    """The files of a server, the faults that the next requests for a file meet, and what was asked for."""

    files: dict[str, bytes]
    faults: dict[str, list[Fault]] = field(default_factory=lambda: defaultdict(list))
    requests: list[Request] = field(default_factory=list)
    url: str = ""
    dated: bool = True  # whether answers carry an ETag

    def asked(self, path: str) -> list[Request]:
        return [r for r in self.requests if r.path == path and r.method == "GET"]


class Handler(BaseHTTPRequestHandler):
    """GET and HEAD with single ranges and If-Range, as a plain web server has them."""

    protocol_version = "HTTP/1.1"
    site: Site

    def log_message(self, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path).lstrip("/")
        head = self.headers
        self.site.requests.append(Request(self.command, path, head.get("Range"), head.get("Authorization")))
        self.answer(path)

    def answer(self, path: str) -> None:
        data = self.site.files.get(path)
        if self.site.faults[path]:
            self.site.faults[path].pop(0)(self, data or b"")
        elif data is None:
            self.send(404, b"no such file")
        else:
            self.send_file(data)

    def send_file(self, data: bytes, **more: str) -> None:
        etag = f'"{hashlib.sha256(data).hexdigest()}"'
        headers = {"Accept-Ranges": "bytes", **({"ETag": etag} if self.site.dated else {}), **more}
        asked = self.headers.get("Range", "")
        start = int(asked.removeprefix("bytes=").partition("-")[0]) if asked else 0
        if asked and self.headers.get("If-Range", etag) == etag:
            if start >= len(data):
                self.send(416, b"", **headers)
            else:
                self.send(206, data[start:], **headers, Content_Range=f"bytes {start}-{len(data) - 1}/{len(data)}")
        else:
            self.send(200, data, **headers)

    def send(self, status: int, body: bytes, length: int | None = None, **headers: str) -> None:
        """Send an answer; ``length`` is what its head states, where that is not the truth."""
        self.send_response(status)
        headers.setdefault("Content_Type", "application/octet-stream")
        headers.setdefault("Content_Length", str(len(body) if length is None else length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def break_off(self, reset: bool = False) -> None:
        """End the connection here; with a TCP reset as when a machine on the way fails."""
        self.wfile.flush()
        if reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()


def status(code: int, **headers: str) -> Fault:
    """Answer with an error status."""
    return lambda handler, data: handler.send(code, b"an error", **headers)


def web_page(declared: str = "text/html; charset=utf-8") -> Fault:
    """Answer 200 with a page for people, as login walls and captive portals do."""
    page = b"<!DOCTYPE html>\n<html><body>Please log in</body></html>"
    return lambda handler, data: handler.send(200, page, Content_Type=declared)


def cut(size: int, reset: bool = False) -> Fault:
    """Announce what is asked for, send ``size`` bytes of it, and break off."""

    def fault(handler: Handler, data: bytes) -> None:
        asked = handler.headers.get("Range", "")
        start = int(asked.removeprefix("bytes=").partition("-")[0]) if asked else 0
        rest, ranged = data[start:], {"Content_Range": f"bytes {start}-{len(data) - 1}/{len(data)}"} if asked else {}
        etag = {"ETag": f'"{hashlib.sha256(data).hexdigest()}"'} if handler.site.dated else {}
        handler.send(206 if asked else 200, rest[:size], length=len(rest), **etag, **ranged)
        handler.break_off(reset)

    return fault


def stall(size: int) -> Fault:
    """Send ``size`` bytes of the file, then nothing until the client goes away."""

    def fault(handler: Handler, data: bytes) -> None:
        handler.send(200, data[:size], length=len(data))
        handler.wfile.flush()
        handler.connection.recv(1)
        handler.close_connection = True

    return fault


def instead(other: bytes) -> Fault:
    """Send other bytes as if they were the file."""
    return lambda handler, data: handler.send_file(other)


def without_length(handler: Handler, data: bytes) -> None:
    """Send the file in chunks, as servers do that pack it on the way: its size is not known before the end."""
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    for start in range(0, len(data), 4096):
        block = data[start : start + 4096]
        handler.wfile.write(b"%x\r\n%s\r\n" % (len(block), block))
    handler.wfile.write(b"0\r\n\r\n")


def without_ranges(handler: Handler, data: bytes) -> None:
    """Ignore the range and send all."""
    handler.send(200, data)


class Server(ThreadingHTTPServer):
    """A server that does not complain of clients that went away."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        pass


@contextmanager
def serve(site: Site, handler: type[Handler] = Handler) -> Iterator[Site]:
    """Run a server on a free port of this machine."""
    bound = type("Bound", (handler,), {"site": site})
    server = Server(("127.0.0.1", 0), bound)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    site.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Hub(Site):
    """A hub with one data set. Files of 1 kB and more are large files (LFS), as the real one keeps archives."""

    repo: str = "haifan-gong/LFC"
    commit: str = "0123456789abcdef0123456789abcdef01234567"
    branches: tuple[str, ...] = ("main",)
    token: str | None = None  # the token that opens a gated data set
    state: str = "open"  # or "gated", "missing", "down", "login" (to the network)
    storage: str = ""  # the server to which requests for large files are sent on

    def listing(self) -> list[dict[str, object]]:
        entries: list[dict[str, object]] = []
        for path, data in self.files.items():
            blob = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
            entry: dict[str, object] = {"type": "file", "path": path, "size": len(data), "oid": blob}
            if len(data) >= 1000:
                entry["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}
            entries.append(entry)
        return entries


class HubHandler(Handler):
    """The calls of the hub's API that its Python client makes, and its files. Everyone may list a gated data set."""

    site: Hub

    def answer(self, path: str) -> None:
        hub = self.site
        api, tree = f"api/datasets/{hub.repo}/revision/", f"api/datasets/{hub.repo}/tree/"
        resolve = f"datasets/{hub.repo}/resolve/"
        if hub.state == "down":
            self.send(500, b"the hub has a fault")
        elif hub.state == "login":
            self.send(200, b"<html>Welcome to our guest network", Content_Type="text/html")
        elif hub.state == "missing" or not path.startswith((api, tree, resolve)):
            self.send(401, b"{}", X_Error_Code="RepoNotFound", X_Error_Message="Repository not found")
        elif path.startswith(resolve):
            self.resolve(*path.removeprefix(resolve).split("/", 1))
        else:
            revision = path.removeprefix(api).removeprefix(tree)
            if revision not in (hub.commit, *hub.branches):
                self.send(404, b"{}", X_Error_Code="RevisionNotFound", X_Error_Message="Invalid rev id")
            elif path.startswith(tree):
                self.json(hub.listing())
            else:
                self.json({"id": hub.repo, "sha": hub.commit, "siblings": [], "private": False, "tags": []})

    def json(self, value: object) -> None:
        self.send(200, json.dumps(value).encode(), Content_Type="application/json")

    def resolve(self, revision: str, name: str) -> None:
        data = self.site.files.get(name)
        if self.site.state == "gated" and self.headers.get("Authorization") != f"Bearer {self.site.token}":
            self.send(403, b"{}", X_Error_Code="GatedRepo", X_Error_Message="Access to dataset is restricted")
            return
        if data is None or revision not in (self.site.commit, *self.site.branches):
            self.send(404, b"{}", X_Error_Code="EntryNotFound")
            return
        if self.command == "GET" and self.site.faults[name]:
            self.site.faults[name].pop(0)(self, data)
            return
        etag = f'"{hashlib.sha256(data).hexdigest()}"'
        large = {"X_Linked_Size": str(len(data)), "X_Linked_Etag": etag} if len(data) >= 1000 else {}
        if large and self.site.storage:
            self.send(302, b"", Location=f"{self.site.storage}/{name}", X_Repo_Commit=self.site.commit, **large)
            return
        self.send_file(data, X_Repo_Commit=self.site.commit, **large)


@contextmanager
def serve_hub(hub: Hub) -> Iterator[Hub]:
    """Run a hub on a free port of this machine."""
    with serve(hub, HubHandler):
        yield hub


@dataclass
class Figshare(Site):
    """A figshare with one article: its public interface, and its files at addresses of their own."""

    number: int = 1
    licence: str = "CC BY 4.0"
    version: int = 2

    def article(self) -> dict[str, object]:
        files = [
            {
                "id": 100 + n,
                "name": name,
                "size": len(data),
                "is_link_only": False,
                "download_url": f"{self.url}/ndownloader/{name}",
                "supplied_md5": hashlib.md5(data).hexdigest(),
                "computed_md5": hashlib.md5(data).hexdigest(),
            }
            for n, (name, data) in enumerate(self.files.items())
        ]
        licence = {"value": 1, "name": self.licence, "url": "https://creativecommons.org/licenses/by/4.0/"}
        return {"id": self.number, "title": "films", "version": self.version, "license": licence, "files": files}


class FigshareHandler(Handler):
    """The one call of figshare's interface that is made, and the files."""

    site: Figshare

    def answer(self, path: str) -> None:
        if path == f"articles/{self.site.number}":
            self.send(200, json.dumps(self.site.article()).encode(), Content_Type="application/json")
        elif path.startswith("ndownloader/"):
            super().answer(path.removeprefix("ndownloader/"))
        else:
            self.send(404, b'{"message": "Entity not found"}')


@contextmanager
def serve_figshare(site: Figshare) -> Iterator[Figshare]:
    """Run a figshare on a free port of this machine."""
    with serve(site, FigshareHandler):
        yield site
