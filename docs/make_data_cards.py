"""Write docs/data: a data card and Croissant metadata per source, from what the package knows and what is on disk.

Run from the repository's root: python docs/make_data_cards.py [--data-dir PATH]

Splits that are complete in the data folder are measured; of the others the last measurement is kept, in
docs/data/statistics.json. The cards state no figure that is not in there or in the package.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from dgmld_bench.export.card import data_card, split_statistics
from dgmld_bench.export.croissant import croissant
from dgmld_bench.files import read_json, write_text
from dgmld_bench.sources import get_source, source_names
from dgmld_bench.splits import SPLITS, load_split
from dgmld_bench.storage.register import has_register, read_register
from dgmld_bench.terminal import make_console, progress_bars

FOLDER = Path(__file__).parent / "data"
STATISTICS = "statistics.json"


def measure(statistics: dict[str, Any], data_dir: Path | None) -> dict[str, Any]:
    """Return the statistics with those splits measured anew that are complete in the data folder."""
    measured = {}
    with progress_bars(make_console()) as report:
        for split in SPLITS.values():
            register = read_register(split.source, data_dir) if has_register(split.source, data_dir) else None
            if register and register.count(split.name) == split.n_cases:
                cases = load_split(split.name, data_dir=data_dir)
                measured[split.name] = split_statistics(
                    cases, lambda _, done, total, name=split.name: report(f"Measuring {name}", done, total)
                )
            elif split.name in statistics:
                measured[split.name] = statistics[split.name]
    return measured


def pages(statistics: dict[str, Any]) -> dict[str, str]:
    """Return every generated file by its name."""
    lines = [f' "{split}": {json.dumps(values)}' for split, values in statistics.items()]
    texts = {STATISTICS: "{\n" + ",\n".join(lines) + "\n}\n"}
    for name in source_names():
        source = get_source(name)
        if not source.splits:  # the user's own centres: nothing is known of them here
            continue
        texts[f"{name}.md"] = data_card(source, statistics)
        texts[f"{name}.croissant.json"] = json.dumps(croissant(source, statistics), indent=1, ensure_ascii=False) + "\n"
    return texts


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path)
    arguments = parser.parse_args()
    known = read_json(FOLDER / STATISTICS) if (FOLDER / STATISTICS).is_file() else {}
    for name, text in pages(measure(known, arguments.data_dir)).items():
        write_text(FOLDER / name, text)
        print(f"wrote {FOLDER / name}")


if __name__ == "__main__":
    main()
