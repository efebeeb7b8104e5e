"""What an article on figshare holds and under which licence, asked of its public interface.

The files themselves come as any others do, by :mod:`dgmld_bench.storage.download`.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from dgmld_bench.errors import DataError
from dgmld_bench.files import read_json, safe_path
from dgmld_bench.storage.download import PATIENT, Patience, RemoteFile, fetch_files


@dataclass(frozen=True)
class FigshareArticle:
    """An article by its number, and where it is asked for."""

    number: int
    endpoint: str = "https://api.figshare.com/v2"

    @property
    def address(self) -> str:
        """The address of what figshare says of the article."""
        return f"{self.endpoint}/articles/{self.number}"


@dataclass(frozen=True)
class Article:
    """What figshare says of an article.

    Attributes
    ----------
    licence : str
        Its name, and where its text is.
    version : int
    files : tuple of RemoteFile
        With size and MD5, as figshare states them.
    """

    licence: str
    version: int
    files: tuple[RemoteFile, ...]


def read_article(article: FigshareArticle, *, patience: Patience = PATIENT) -> Article:
    """Ask figshare for licence, version and files of an article.

    Raises
    ------
    DataError
        When figshare cannot be reached, or answers with something else.
    """
    with tempfile.TemporaryDirectory(prefix="dgmld-bench-") as folder:
        answer = RemoteFile(f"what figshare says of article {article.number}", (article.address,))
        fetch_files([answer], Path(folder), patience=patience)
        value = read_json(Path(folder) / answer.path)
    try:
        licence = value["license"]
        files = tuple(
            RemoteFile(
                str(safe_path(f["name"])), (f["download_url"],), bytes=int(f["size"]), md5=f.get("computed_md5") or None
            )
            for f in value["files"]
            if not f.get("is_link_only")
        )
        found = Article(f"{licence['name']}, {licence['url']}", int(value["version"]), files)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{article.address}: not an answer of figshare's about an article ({error})") from None
    if not found.files:
        raise DataError(f"{article.address}: the article has no files")
    return found
