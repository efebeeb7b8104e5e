"""What an image's header says that its points may not agree with, whatever the format."""

from __future__ import annotations

from pathlib import Path

from dgmld_bench.formats import films, volumes


def remarks(path: Path) -> list[str]:
    """Return where a header contradicts itself, or asks to be read otherwise than it is here, one sentence each.

    Raises
    ------
    DataError
        When the file cannot be read.
    """
    return volumes.header_remarks(path) if volumes.is_volume(path) else films.film_remarks(path)
