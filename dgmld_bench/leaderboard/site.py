"""The static site: pages from templates, whole and byte-identical for the same board.

Every page stands alone: style sheet, script, plots and data are inside it, and its Content-Security-Policy names the
hashes of the two and forbids everything else, so that it opens from a disk as from a web server and asks nobody for
anything.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from dgmld_bench.errors import DataError
from dgmld_bench.files import written
from dgmld_bench.leaderboard import plots
from dgmld_bench.leaderboard.figures import FIGURES, panels
from dgmld_bench.leaderboard.model import Board
from dgmld_bench.leaderboard.tables import results_csv
from dgmld_bench.leaderboard.views import Views
from dgmld_bench.temporary import temporary_folder
from dgmld_bench.text import clean, count, duration

RESULTS_CSV = "results.csv"
_MARK = '<meta name="generator" content="dgmld-bench">'
_NAME_LIMIT = 80
_TEMPLATES = Path(__file__).parent / "templates"


def build_site(board: Board, folder: Path | str) -> None:
    """Write the site, in place of what an earlier build left there.

    Pages are written beside the folder first: a build that fails leaves the old site. Then each page takes its place in
    one step, so that there is a site at every moment; one that is killed meanwhile leaves old pages, which the next
    build replaces.

    Parameters
    ----------
    board : Board
    folder : path
        Created where it does not exist; otherwise empty, or a site built before.

    Raises
    ------
    DataError
        When the folder holds something else, or two submissions would have the same page.
    """
    target = Path(folder)
    _refuse_foreign(target)
    with temporary_folder(target.parent, target.name) as staging:
        fresh = staging / "new"
        for path, text in render(board):
            (fresh / path).parent.mkdir(parents=True, exist_ok=True)
            if (fresh / path).exists():
                raise DataError(f"two submissions would share the page {path}; rename one of their files")
            with written(target / path):
                (fresh / path).write_text(text, encoding="utf-8", newline="\n")
        if target.exists():
            _take_the_place(fresh, target)
        else:
            fresh.rename(target)


def _take_the_place(fresh: Path, target: Path) -> None:
    """Move pages into a site one by one, then remove what is not of them."""
    pages = {path.relative_to(fresh) for path in fresh.rglob("*") if path.is_file()}
    for page in sorted(pages):
        (target / page).parent.mkdir(parents=True, exist_ok=True)
        (fresh / page).replace(target / page)
    for path in sorted(target.rglob("*"), reverse=True):  # what a folder holds comes before the folder
        if path.is_dir() and not path.is_symlink():
            with suppress(OSError):  # not empty
                path.rmdir()
        elif path.relative_to(target) not in pages:
            path.unlink()


def _refuse_foreign(target: Path) -> None:
    if not target.exists():
        return
    if target.is_dir() and not target.is_symlink():
        index = target / "index.html"
        if not list(target.iterdir()) or (index.is_file() and _MARK in index.read_text("utf-8", "replace")[:4000]):
            return
    raise DataError(f"{target}: not a site built by dgmld-bench and not empty; it stays as it is. Name another folder")


def render(board: Board) -> Iterator[tuple[str, str]]:
    """Yield every page as its path in the site and its text, in a fixed order."""
    views = Views(board)
    environment = _environment(board, views)
    for name, path, context in views.pages():
        root = "../" * path.count("/")
        yield path, environment.get_template(name).render(root=root, **context)
    yield RESULTS_CSV, results_csv(board)
    css = _source("colours.css", "plots.css")
    for track in board.tracks:
        for split in track.splits:
            for panel in panels(split):
                key = panel.file.removesuffix(".svg")
                plot = plots.sdr_curves(key, panel.title, panel.curves, legend=True)
                yield f"{FIGURES}/{panel.file}", plots.standalone(plot, css)


def script_json(value: Any) -> Markup:
    r"""Return JSON that can stand inside a script element: no character of it can end the element or start another.

    >>> print(script_json(["</script>"]))
    ["\u003c/script\u003e"]
    """
    text = json.dumps(value, allow_nan=False, ensure_ascii=True, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def _environment(board: Board, views: Views) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        finalize=_finalize,
    )
    environment.filters.update(cut=_cut, fixed=_fixed, count=count, duration=duration, json=script_json, prose=_prose)
    sources = {"style": _source("colours.css", "plots.css", "style.css"), "script": _source("board.js")}
    environment.globals.update({name: Markup(text) for name, text in sources.items()})
    environment.globals.update({f"{name}_hash": _csp_hash(text) for name, text in sources.items()})
    environment.globals.update(board=board, tracks=views.tracks)
    return environment


def _finalize(value: Any) -> Any:
    """Clean every string on its way to a page; what is markup already was built from cleaned text."""
    return clean(value) if type(value) is str else value


def _source(*files: str) -> str:
    return "".join((_TEMPLATES / file).read_text("utf-8") for file in files)


def _csp_hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


def _prose(text: str) -> Markup:
    """Return text in which what stands between backticks is code."""
    parts = clean(text).split("`")
    return Markup("").join(Markup("<code>{}</code>").format(p) if i % 2 else p for i, p in enumerate(parts))


def _cut(text: str, limit: int = _NAME_LIMIT) -> str:
    return clean(text, limit)


def _fixed(value: float, digits: int = 2) -> str:
    return f"{value:.{digits}f}"
