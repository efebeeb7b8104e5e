"""What the board says of the project itself: where its repository is, and how to cite the paper."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from dgmld_bench.leaderboard.reported import FILE as REPORTED
from dgmld_bench.text import web_link

CITATION = "CITATION.cff"

BIBTEX = """@inproceedings{gong2025domain,
  author    = {Gong, Haifan and Lu, Yu and Wan, Xiang and Li, Haofeng},
  title     = {Domain Generalized Medical Landmark Detection via Robust Boundary-Aware Pre-Training},
  booktitle = {Proceedings of the AAAI Conference on Artificial Intelligence},
  year      = {2025},
}"""


def is_repository(root: Path) -> bool:
    """Return whether a folder is a checkout of the benchmark, with submissions and a board."""
    return (root / REPORTED).is_file()


def keepers(root: Path) -> tuple[str, ...]:
    """Return who keeps the benchmark: the authors of the software in its ``CITATION.cff``; nobody without one."""
    authors = re.search(r"^authors:\n((?:[ -].*\n)+)", _citation(root), re.M)
    return tuple(re.findall(r"^ *- name: *[\"']?(.+?)[\"']?$", authors[1], re.M)) if authors else ()


def repository_address(root: Path) -> str | None:
    """Return the address of a repository as its ``CITATION.cff`` says (``repository-code``); None where it does not."""
    found = re.search(r"^repository-code: *[\"']?([^\s\"']+)", _citation(root), re.M)
    return web_link(found[1]) if found else None


def copy_what_builds_the_board(root: Path, copy: Path) -> None:
    """Copy what a board is built from, so that it can be built anew and the repository stays as it is."""
    for folder in ("submissions", "leaderboard"):
        if (root / folder).is_dir():
            shutil.copytree(root / folder, copy / folder, ignore=shutil.ignore_patterns("site", ".*"))
    if (root / CITATION).is_file():
        shutil.copyfile(root / CITATION, copy / CITATION)


def _citation(root: Path) -> str:
    path = root / CITATION
    return path.read_text("utf-8") if path.is_file() else ""
