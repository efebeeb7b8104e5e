"""A preview of the static site on this machine: loopback only, reading only, nothing outside the site's folder."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from dgmld_bench.errors import DataError, UsageError


class _Handler(SimpleHTTPRequestHandler):
    def translate_path(self, path: str) -> str:
        """Map to a file inside the folder; links that lead out of it, and hidden files, map to nothing."""
        root = Path(self.directory).resolve()
        try:
            target = Path(super().translate_path(path)).resolve()
        except (OSError, ValueError):  # a null byte, a name too long
            return str(root / ".none")
        hidden = any(part.startswith(".") for part in target.parts[len(root.parts) :])
        if hidden or not target.is_relative_to(root):
            return str(root / ".none")
        return str(target) + ("/" if path.split("?", 1)[0].endswith("/") and target != root else "")

    def list_directory(self, path: Any) -> None:
        self.send_error(HTTPStatus.NOT_FOUND)

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet: the terminal shows the address and nothing else."""


def make_server(folder: Path | str, port: int = 0) -> ThreadingHTTPServer:
    """Return a server of the site on loopback, not yet serving; ``server_port`` tells the port where 0 was asked.

    Raises
    ------
    DataError
        When the folder holds no site.
    UsageError
        When the port cannot be used.
    """
    root = Path(folder)
    if not (root / "index.html").is_file():
        raise DataError(f"{root}: no site here (no index.html); run `dgmld-bench leaderboard build` first")
    try:
        return ThreadingHTTPServer(("127.0.0.1", port), partial(_Handler, directory=str(root)))
    except (OSError, OverflowError) as error:
        raise UsageError(f"port {port} cannot be used ({error}); choose another with --port") from None


def serve(folder: Path | str, port: int) -> None:
    """Serve the site on loopback until Ctrl-C."""
    with make_server(folder, port) as server:
        print(f"http://127.0.0.1:{server.server_port}/  (Ctrl-C ends it)", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()
