"""Croissant metadata of the board's results on one track, with the responsible-AI fields."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import date
from typing import Any

from dgmld_bench.export.croissant import CONFORMS_TO, CONTEXT, RESPONSIBLE_AI, responsible_ai
from dgmld_bench.leaderboard.model import Board, TrackBoard
from dgmld_bench.leaderboard.project import BIBTEX
from dgmld_bench.sources import get_source
from dgmld_bench.splits import get_split
from dgmld_bench.version import __version__

_RESULTS = {
    "track": "sc:Text",
    "split": "sc:Text",
    "kind": "sc:Text",
    "id": "sc:Text",
    "method": "sc:Text",
    "backbone": "sc:Text",
    "selection": "sc:Text",
    "rank": "sc:Float",
    "mre_mm": "sc:Float",
    "mre_std": "sc:Float",
    "ci95_low_mm": "sc:Float",
    "ci95_high_mm": "sc:Float",
    "flags": "sc:Text",
}
_ERRORS = {
    "submission": "sc:Text",
    "selection": "sc:Text",
    "seed": "sc:Integer",
    "case": "sc:Text",
    "landmark": "sc:Text",
    "error_mm": "sc:Float",
}


def track_croissant(board: Board, track: TrackBoard, hub_id: str, texts: Mapping[str, str]) -> dict[str, Any]:
    """Return the metadata as JSON-LD.

    Parameters
    ----------
    board : Board
    track : TrackBoard
    hub_id : str
        The data set's name on the hub.
    texts : mapping
        The files of this track that lie beside the metadata, by path.
    """
    splits = [get_split(name) for name in track.track.split_names]
    sources = [get_source(name) for name in dict.fromkeys(split.source for split in splits)]
    url = f"https://huggingface.co/datasets/{hub_id}"
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": [CONFORMS_TO, RESPONSIBLE_AI],
        "name": f"dgmld-bench-results-{track.track.name}",
        "description": (
            f"{track.track.title}: results of dgmld-bench, scoring protocol {board.protocol}. Radial errors in "
            "millimetres of submitted predictions on test splits, by case and landmark, and the table of results."
        ),
        "license": "https://spdx.org/licenses/Apache-2.0.html",
        "url": url,
        "version": __version__,
        "datePublished": date.today().isoformat(),
        "isLiveDataset": True,
        "citeAs": BIBTEX,
        "keywords": ["leaderboard", "landmark detection", "domain generalisation", track.track.name],
        **responsible_ai(sources, splits),
        "rai:dataCollection": (
            "Predictions are submitted as files and scored by dgmld-bench against the references of each split; nobody "
            "submits a score."
        ),
        "rai:dataCollectionType": ["Secondary Data Analysis"],
        "rai:personalSensitiveInformation": [
            "None: radial errors and the case ids of the releases. No image and no reference point."
        ],
        "rai:dataReleaseMaintenancePlan": (
            f"Built anew when a submission is merged. Scoring protocol {board.protocol}; a change of the rules is a "
            "new protocol number."
        ),
        "distribution": [_file(path, text) for path, text in texts.items()],
        "recordSet": [_record_set(path, _RESULTS if path == "results.csv" else _ERRORS) for path in texts],
    }


def _file(path: str, text: str) -> dict[str, Any]:
    data = text.encode("utf-8")
    return {
        "@type": "cr:FileObject",
        "@id": path,
        "name": path,
        "contentUrl": path,
        "contentSize": f"{len(data)} B",
        "encodingFormat": "text/csv",
        "sha256": hashlib.sha256(data).hexdigest(),
    }


def _record_set(path: str, columns: Mapping[str, str]) -> dict[str, Any]:
    name = path.removesuffix(".csv").replace("/", "-")
    fields = [
        {
            "@type": "cr:Field",
            "@id": f"{name}/{column}",
            "name": column,
            "dataType": kind,
            "source": {"fileObject": {"@id": path}, "extract": {"column": column}},
        }
        for column, kind in columns.items()
    ]
    return {"@type": "cr:RecordSet", "@id": name, "name": name, "field": fields}
