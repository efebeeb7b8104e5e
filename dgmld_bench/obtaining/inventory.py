"""What there is: each source with its terms, its splits, and how many of their cases are on disk."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from dgmld_bench.errors import DataError
from dgmld_bench.sources import get_source, source_names
from dgmld_bench.splits import find_split
from dgmld_bench.storage.register import Register, has_register, own_sources, read_register


def describe_sources(data_dir: Path | str | None = None) -> list[dict[str, Any]]:
    """Return every source as ``datasets --json`` writes it, the user's own centres last.

    A register that cannot be read is the source's ``fault``.
    """
    described = []
    for name in (*source_names(), *own_sources(data_dir)):
        source = get_source(name)
        found, fault = None, None
        try:
            found = read_register(name, data_dir) if has_register(name, data_dir) else None
        except DataError as error:
            fault = str(error)
        is_unknown = fault is not None and name.startswith("own/")  # its register alone knows its split
        described.append(
            {
                "name": name,
                "title": source.title,
                "licence": source.licence,
                "terms": source.terms,
                "url": source.url,
                "how_to_get": source.how_to_get,
                "on_disk": found is not None,
                "fault": fault,
                "splits": [] if is_unknown else describe_splits(name, found, data_dir),
                "problems": [asdict(p) for p in found.problems] if found else [],
            }
        )
    return described


def describe_splits(source: str, found: Register | None, data_dir: Path | str | None = None) -> list[dict[str, Any]]:
    """Return the splits of a source with how many of their cases are registered and have all their files."""
    described = []
    for split in (find_split(name, data_dir) for name in get_source(source).splits):
        cases = [] if found is None else found.cases_of(split.name)
        here = [] if found is None else [c for c in cases if found.has_files(c)]
        described.append(
            {
                "name": split.name,
                "track": split.track,
                "role": split.role,
                "centre": split.centre,
                "out_of_domain": split.out_of_domain,
                "reference": split.reference,
                "cases": len(here),
                "cases_expected": split.n_cases,
                "cases_moved": len(cases) - len(here),
            }
        )
    return described
