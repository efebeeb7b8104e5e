"""Sphinx: the documentation as a site, beside the leaderboard. ``make docs``; warnings are errors."""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from dgmld_bench.version import __version__

project = "dgmld-bench"
author = "The dgmld-bench developers"
release = version = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_heading_anchors = 3
templates_path = ["templates"]
napoleon_google_docstring = False
napoleon_use_ivar = True
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say them, with shapes and units
autodoc_mock_imports = ["torch"]
html_theme = "furo"
html_title = "dgmld-bench"
html_sidebars = {
    "**": [
        "sidebar/brand.html",
        "board.html",
        "sidebar/search.html",
        "sidebar/scroll-start.html",
        "sidebar/navigation.html",
        "sidebar/scroll-end.html",
    ]
}


def link_the_board(app, name, source):
    """The board in Markdown, which a reader of the repository is sent to, is a site beside this one."""
    board = "../" * name.count("/") + "../index.html"
    source[0] = re.sub(r"\[([^]]+)\]\((?:\.\./)+leaderboard/README\.md\)", rf'<a href="{board}">\1</a>', source[0])


def setup(app):
    """Connect what this file defines; called by Sphinx."""
    app.connect("source-read", link_the_board)
