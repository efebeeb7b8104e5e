"""A real, headless Chromium for tests of pages; and axe-core, when it can be had."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests import npm

AXE_VERSION = "4.14.1"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DESKTOP = (1280, 900)
PHONE = (375, 720)


def chromium() -> str:
    """Return the path of Chromium, or skip the test and say why."""
    pytest.importorskip("playwright", reason="playwright is not installed (it comes with the extra 'dev')")
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")


def axe_source(cache: Path) -> str:
    """Return axe-core's script: from DGMLD_BENCH_AXE (a file), else from the npm registry; or skip and say why."""
    if given := os.environ.get("DGMLD_BENCH_AXE"):
        return Path(given).read_text("utf-8")
    return (npm.fetch("axe-core", AXE_VERSION, cache) / "axe.min.js").read_text("utf-8")


@dataclass
class Visit:
    """An open page and what it did: its console's errors, and every request that left the site."""

    page: Any
    errors: list[str] = field(default_factory=list)
    strayed: list[str] = field(default_factory=list)

    def open(self, file: Path, fragment: str = "") -> Any:
        """Open a file of the site and return the page."""
        self.page.goto(file.as_uri() + fragment)
        return self.page

    def calm(self) -> None:
        """Fail if anything went to the console as an error, or off the site."""
        assert self.errors == []
        assert self.strayed == []

    def body_overflow(self) -> int:
        """Return by how many pixels the page is wider than the window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))

    def cut_labels(self) -> list[str]:
        """Return the words that a drawing has no room for: whatever of a text lies beside its drawing is not shown."""
        return list(self.page.evaluate(_CUT_LABELS))


_CUT_LABELS = """
[...document.querySelectorAll("svg.plot")].flatMap(drawing => {
  const room = drawing.getBoundingClientRect();
  return [...drawing.querySelectorAll("text")].filter(label => {
    const box = label.getBoundingClientRect();
    return box.width > 0 && (box.left < room.left - 1 || box.right > room.right + 1);
  }).map(label => label.textContent);
})
"""


@contextmanager
def launch() -> Iterator[Any]:
    """Start Chromium with an empty profile; yields playwright's browser."""
    path = chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, headless=True, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def visit(
    browser: Any, *, size: tuple[int, int] = DESKTOP, dark: bool = False, scripts: bool = True
) -> Iterator[Visit]:
    """Open a fresh window of that size; the profile is empty and dialogs are errors."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if dark else "light",
        java_script_enabled=scripts,
    )
    context.set_default_timeout(10_000)
    seen = Visit(context.new_page())

    def dialog(opened: Any) -> None:
        seen.errors.append(f"dialog: {opened.message}")
        opened.dismiss()

    def console(message: Any) -> None:
        if message.type in {"error", "warning"}:
            seen.errors.append(message.text)

    def request(asked: Any) -> None:
        if not asked.url.startswith(("file://", "data:")):
            seen.strayed.append(asked.url)

    seen.page.on("dialog", dialog)
    seen.page.on("console", console)
    seen.page.on("pageerror", lambda error: seen.errors.append(str(error)))
    seen.page.on("request", request)
    try:
        yield seen
    finally:
        context.close()
