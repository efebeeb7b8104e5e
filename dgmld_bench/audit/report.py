"""The report of an audit: one HTML file with its pictures inside, and the same findings as JSON.

Pictures may show patients. The report goes where the user says and never into this package's repository.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

from dgmld_bench.audit.findings import CHECKS, LEVELS, Audit, Finding
from dgmld_bench.audit.pictures import draw_correlations, draw_finding
from dgmld_bench.files import refuse_checkout, write_json, write_text

REPORT, DATA = "report.html", "audit.json"
REPORT_SHOWS = "a report may show patients"


def write_report(
    audit: Audit,
    folder: Path,
    *,
    pictures: int = 8,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Path:
    """Write ``report.html`` and ``audit.json`` into a folder and return the path of the report.

    Parameters
    ----------
    audit : Audit
    folder : path
        Made where it does not exist; :func:`~dgmld_bench.files.refuse_checkout` says what it may not be.
    pictures : int
        At most so many per check.
    progress : callable
        Called with how many pictures are drawn and how many there are.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    from dgmld_bench.text import clean

    refuse_checkout(folder, REPORT_SHOWS)
    drawn = _draw(audit, pictures, progress)
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        finalize=lambda value: clean(value) if type(value) is str else value,
    )
    sections = [
        (number, title, meaning, [f for f in audit.findings if f.check == check])
        for number, (check, (title, meaning)) in enumerate(CHECKS.items())
    ]
    text = environment.get_template("report.html.jinja").render(
        audit=audit,
        levels=LEVELS,
        sections=sections,
        picture={key: _uri(png) for key, png in drawn.items()},
        key=id,
        correlations=_uri(png) if (png := draw_correlations(audit)) else None,
    )
    write_json(folder / DATA, audit.to_dict())
    write_text(folder / REPORT, text)
    return folder / REPORT


def _draw(audit: Audit, most: int, progress: Callable[[int, int], None]) -> dict[int, bytes]:
    """Return the pictures of the first findings of each check, by the finding's ``id()``."""
    counts = dict.fromkeys(CHECKS, 0)
    chosen: list[Finding] = []
    for finding in audit.findings:
        if finding.cases and counts[finding.check] < most:
            counts[finding.check] += 1
            chosen.append(finding)

    drawn = {}
    for done, finding in enumerate(chosen):
        progress(done, len(chosen))
        png = draw_finding(finding, [audit.cases[place.split].by_id(place.id) for place in finding.cases[:2]])
        if png:
            drawn[id(finding)] = png
    progress(len(chosen), len(chosen))
    return drawn


def _uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
