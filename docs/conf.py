"""Sphinx: the documentation as a site, beside the leaderboard. ``make docs``; warnings are errors."""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from docutils import nodes

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
html_show_copyright = False
html_static_path = ["static"]
html_css_files = ["tables.css"]
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


def mark_figures(app, doctree):
    """Tables whose cells are all short hold figures, which static/tables.css does not break over lines."""
    for table in doctree.findall(nodes.table):
        if max(len(entry.astext()) for entry in table.findall(nodes.entry)) <= 64:
            table["classes"].append("figures")


def setup(app):
    """Connect what this file defines; called by Sphinx."""
    app.connect("source-read", link_the_board)
    app.connect("doctree-read", mark_figures)
