"""Croissant metadata per source (http://mlcommons.org/croissant/1.1): what a search engine for data sets reads.

The record sets say which splits and which landmarks there are, and hold no data of any case.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dgmld_bench.export.card import Statistics, describe_range
from dgmld_bench.splits import Split, get_split, get_track
from dgmld_bench.storage.download import RemoteFile
from dgmld_bench.storage.figshare import FigshareArticle
from dgmld_bench.storage.hub import HubDataset

if TYPE_CHECKING:
    from dgmld_bench.landmarks import LandmarkSet
    from dgmld_bench.sources.base import Source

CONFORMS_TO = "http://mlcommons.org/croissant/1.1"
RESPONSIBLE_AI = "http://mlcommons.org/croissant/RAI/1.0"
_TERMS = (
    "arrayShape citeAs column conformsTo containedIn extract field fileObject fileProperty fileSet format includes "
    "isArray isLiveDataset jsonPath key md5 parentField path recordSet references regex repeated replace samplingRate "
    "separator source subField transform equivalentProperty"
)
CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "sc": "https://schema.org/",
    **{term: f"cr:{term}" for term in sorted(_TERMS.split())},
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "description": {"@container": "@language"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "name": {"@container": "@language"},
}

_ANNOTATION = {
    "expert": "Landmarks were set by experts; where several set a point, the reference is their mean.",
    "mask-derived": "Landmarks are derived from segmentation masks by `dgmld-bench`, not set by an expert.",
    "simulated": "Landmarks are exact by construction: image and landmarks are generated together.",
}
_TOOLS = {"mask-derived": "dgmld-bench derive-landmarks", "simulated": "dgmld-bench download phantom"}


def croissant(source: Source, statistics: Statistics) -> dict[str, Any]:
    """Return the metadata of a source as JSON-LD.

    Parameters
    ----------
    source : Source
    statistics : mapping
        Split -> what :func:`dgmld_bench.export.card.split_statistics` measured.
    """
    splits = [get_split(name) for name in source.splits]
    value: dict[str, Any] = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": [CONFORMS_TO, RESPONSIBLE_AI],
        "name": f"dgmld-bench-{source.name}",
        "description": f"{source.title}. {source.how_to_get}",
        "license": source.licence,
        "isLiveDataset": not all(file.get("sha256") for file in _distribution(source)),
        "keywords": ["landmark detection", "domain generalisation", *sorted({s.track for s in splits})],
    }
    if source.terms:
        value["usageInfo"] = source.terms
    if source.url.startswith("https://"):
        value["url"] = source.url
    if source.papers:
        value["citeAs"] = " ".join(source.papers)
    value |= responsible_ai([source], splits)
    value["distribution"] = _distribution(source)
    value["recordSet"] = [_splits(splits, statistics), _landmarks(get_track(splits[0].track).landmarks)]
    return value


def responsible_ai(sources: Sequence[Source], splits: Sequence[Split]) -> dict[str, Any]:
    """Return the responsible-AI fields that follow from sources and splits."""
    kinds = list(dict.fromkeys(split.reference for split in splits))
    centres = ", ".join(dict.fromkeys(split.centre for split in splits))
    value: dict[str, Any] = {
        "rai:dataAnnotationProtocol": [_ANNOTATION[kind] for kind in kinds],
        "rai:dataPreprocessingProtocol": [
            "Points are scored in world millimetres (3D) or pixels of the original film times its pixel size (2D); "
            "nothing is resampled before."
        ],
        "rai:dataLimitations": [caution for source in sources for caution in source.cautions],
        "rai:dataBiases": [
            f"Few centres ({centres}), each with its own devices, patients and way to place a point: a result on them "
            "says nothing certain of another one."
        ],
        "rai:dataUseCases": [
            "Comparing landmark detectors on centres that they were not trained on. Not for decisions about patients."
        ],
    }
    if tools := [_TOOLS[kind] for kind in kinds if kind in _TOOLS]:
        value["rai:machineAnnotationTools"] = tools
    return {key: entry for key, entry in value.items() if entry}


def _distribution(source: Source) -> list[dict[str, Any]]:
    """Return what can be fetched, with hashes where they are known."""
    remote = source.remote()
    if isinstance(remote, HubDataset):
        return [
            {
                "@type": "cr:FileObject",
                "@id": "repository",
                "name": "repository",
                "contentUrl": source.url,
                "encodingFormat": "git+https",
            }
        ]
    if isinstance(remote, FigshareArticle):
        remote = (RemoteFile("article", (remote.address,)),)
    files = []
    for file in remote:
        entry = {
            "@type": "cr:FileObject",
            "@id": "_".join(file.path.split()),  # no white space in there, says the standard's reader
            "name": file.path,
            "contentUrl": file.urls[0],
            "encodingFormat": _ENCODING.get(file.path.rpartition(".")[2], "application/json"),
        }
        entry |= {} if file.bytes is None else {"contentSize": f"{file.bytes} B"}
        entry |= {} if file.sha256 is None else {"sha256": file.sha256}
        files.append(entry)
    return files


_ENCODING = {"gz": "application/gzip", "zip": "application/zip", "json": "application/json", "tif": "image/tiff"}


def _splits(splits: list[Split], statistics: Statistics) -> dict[str, Any]:
    rows = []
    for split in splits:
        measured = statistics.get(split.name)
        row = {
            "name": split.name,
            "url": _SPLIT_URL[split.role],
            "role": split.role_and_domain,
            "centre": split.centre,
            "cases": split.n_cases,
            "reference": split.reference,
            "spacing_mm": describe_range(measured["spacing_mm"]) if measured else "not measured",
        }
        rows.append({f"splits/{key}": value for key, value in row.items()})
    types = {"cases": "sc:Integer", "url": "sc:URL"}
    fields = {key.partition("/")[2]: types.get(key.partition("/")[2], "sc:Text") for key in rows[0]}
    return _record_set("splits", "Which splits there are, and their roles.", fields, rows, "cr:Split")


_SPLIT_URL = {
    "train": "cr:TrainingSplit",
    "validation": "cr:ValidationSplit",
    "test": "cr:TestSplit",
}


def _landmarks(landmark_set: LandmarkSet) -> dict[str, Any]:
    rows = [
        {"landmarks/name": name, "landmarks/title": title}
        for name, title in zip(landmark_set.names, landmark_set.titles, strict=True)
    ]
    about = "The landmarks of each case, in the order of every array."
    return _record_set("landmarks", about, {"name": "sc:Text", "title": "sc:Text"}, rows)


def _record_set(
    name: str, description: str, fields: dict[str, str], rows: list[dict[str, Any]], kind: str | None = None
) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": description,
        **({"dataType": kind} if kind else {}),
        "key": {"@id": f"{name}/name"},
        "field": [
            {"@type": "cr:Field", "@id": f"{name}/{field}", "name": field, "dataType": kind_of}
            for field, kind_of in fields.items()
        ],
        "data": rows,
    }
