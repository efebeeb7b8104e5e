"""Sphinx: the documentation as a site, beside the leaderboard. ``make docs``; warnings are errors."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from dgmld_bench.version import __version__

project = "dgmld-bench"
author = "The dgmld-bench developers"
release = version = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
suppress_warnings = ["myst.xref_missing"] if False else []
exclude_patterns = ["data/*.json"]
napoleon_google_docstring = False
napoleon_use_ivar = True  # attributes that are in the docstring and in the class are not described twice
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say them, with shapes and units
autodoc_mock_imports = ["torch"]
html_theme = "furo"
html_title = "dgmld-bench"
html_theme_options = {
    "announcement": '<a href="{board}">The leaderboard: which methods find landmarks where they were not trained?</a>'.format(
        board="../index.html"
    ),
}
