"""The note that goes along with every export: what it is, where it comes from, on which terms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dgmld_bench.sources import get_source
from dgmld_bench.version import __version__

if TYPE_CHECKING:
    from dgmld_bench.export.job import Job
    from dgmld_bench.landmarks import LandmarkSet

_SPACE = {3: "millimetres, RAS+ (x to the right, y to the front, z up)", 2: "pixels of the original film (x, y)"}


def provenance(job: Job) -> list[dict[str, Any]]:
    """Return where each split comes from and on which terms, in words that can be written anywhere."""
    described = []
    for split in job.splits:
        source = get_source(split.source)
        described.append(
            {
                "split": split.name,
                "role": split.role,
                "centre": split.centre,
                "out_of_domain": split.out_of_domain,
                "cases": len(job.cases[split.name]),
                "cases_of_the_complete_split": split.n_cases,
                "reference": split.reference if job.gives_references(split) else "withheld",
                "source": source.title,
                "licence": source.licence,
                "terms": source.terms,
                "url": source.url,
                "papers": list(source.papers),
                "cautions": list(source.cautions),
            }
        )
    return described


def landmarks_text(landmark_set: LandmarkSet) -> str:
    """Return names in order, and in which space the points are."""
    return f"{', '.join(landmark_set.names)}; {_SPACE[landmark_set.dimension]}"


def export_note(job: Job, about: str) -> str:
    """Return the note as Markdown."""
    lines = ["# " + ", ".join(s.name for s in job.splits), "", about.strip(), ""]
    lines += [f"Landmarks, in this order: {landmarks_text(job.landmark_set)}.", ""]
    for split, entry in zip(job.splits, provenance(job), strict=True):
        count, complete = entry["cases"], entry["cases_of_the_complete_split"]
        cases = f"{count} cases" if count == complete else f"{count} of {complete} cases"
        lines += [
            f"## {entry['split']}",
            "",
            f"- {split.centre}, {split.role_and_domain}, {cases}",
            f"- Reference landmarks: {entry['reference']}",
            f"- Source: {entry['source']}, {entry['url']}",
            f"- **Licence: {entry['licence']}**",
        ]
        lines += [f"- Terms: {entry['terms']}"] if entry["terms"] else []
        lines += [f"- Cite: {paper}" for paper in entry["papers"]]
        lines += [f"- Know: {caution}" for caution in entry["cautions"]]
        lines += [""]
    if job.predictions is not None:
        seeds = ", ".join(map(str, job.seeds))
        lines += [f"Predictions: {job.predictions.method}, {job.predictions.backbone}, seed {seeds}.", ""]
    if job.notes:
        lines += ["## Left out or changed", "", *(f"- {note}" for note in job.notes), ""]
    lines += [
        "The licence of the data stays with its copies: check it before you pass this export on.",
        "",
        f"Written by dgmld-bench {__version__}.",
        "",
    ]
    return "\n".join(lines)
