"""PKU cephalograms (Zeng et al. 2021), as published on figshare or in a plain layout that the user makes.

::

    images/<case>.bmp|png|jpg|tif
    annotations/orthodontist-{1,2}/<case>.txt   19 lines x,y in the order of the set; further lines are ignored …
    landmarks.csv                               … or a table: case,landmark,x,y[,annotator][,spacing_mm]

Points are pixels of the images as they lie in ``images/``: x to the right, y down, zero-based, pixel centres at
integers. With several annotators their mean is the reference. The spacing in millimetres could not be verified: it is
never assumed, and a required option; a table may state another one for some films.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from dgmld_bench.cases import Case
from dgmld_bench.errors import DataError
from dgmld_bench.files import Progress
from dgmld_bench.formats import films
from dgmld_bench.formats.point_tables import Annotations, points_of_case, read_point_table
from dgmld_bench.landmarks import CEPHALOMETRIC, LandmarkSet
from dgmld_bench.sources.base import Scan, Source
from dgmld_bench.sources.plain import IMAGES, SPACING, TABLE, check_cases, spacing_of
from dgmld_bench.sources.reading import film_case
from dgmld_bench.storage.figshare import FigshareArticle
from dgmld_bench.storage.folders import folders_below, visible
from dgmld_bench.storage.register import CaseFiles, Problem, Register
from dgmld_bench.tracks import Split, case_sort_key

SPLIT = Split("pku", "ceph", "pku", "test", "PKU", 102, True)

ANNOTATIONS, ANNOTATORS = "annotations", ("orthodontist-1", "orthodontist-2")


class Pku(Source):
    """Films of another hospital and another scanner: the out-of-domain test of the 2D track."""

    name = "pku"
    title = "PKU cephalograms"
    papers = (
        "M. Zeng et al. Cascaded convolutional networks for automatic cephalometric landmark detection. Medical Image "
        "Analysis 68, 2021.",
    )
    cautions = ("The pixel spacing could not be verified and is never assumed; the sizes of the films vary.",)
    gives = (SPLIT,)
    in_paper = True
    licence = "that of the article on figshare, shown before the download"
    url = "https://doi.org/10.6084/m9.figshare.13265471"
    how_to_get = (
        "Run `dgmld-bench download pku --spacing-mm S`. Or download doi.org/10.6084/m9.figshare.13265471 and run "
        "`dgmld-bench import pku PATH --spacing-mm S` on it."
    )
    options = ("spacing_mm",)

    def remote(self) -> FigshareArticle:
        """Return the article on figshare."""
        return FigshareArticle(13265471)

    def known_names(self) -> set[str]:
        """Return the names of the release's folders."""
        return {ANNOTATIONS, *ANNOTATORS}

    def checked_options(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return the spacing; UsageError without one: nothing states it."""
        given = super().checked_options(options)
        return {"spacing_mm": films.check_spacing_mm(given.get("spacing_mm"), "pku")}

    def scan(self, path: Path, **options: Any) -> Scan:
        """Find the folder with ``images/`` and both doctors' annotations, or a table, anywhere below ``path``."""
        spacing_mm = films.check_spacing_mm(options.get("spacing_mm"), "pku")
        places = [f for f in folders_below(path) if (f / IMAGES).is_dir() and (_doctors(f) or (f / TABLE).is_file())]
        if not places:
            raise DataError(
                f"{path}: no folder with {IMAGES}/ beside {ANNOTATIONS}/{ANNOTATORS[0]}/ and {ANNOTATORS[1]}/, or "
                f"beside {TABLE}"
            )
        scan = Scan(options={SPACING: spacing_mm})
        scan.problems += [Problem(str(p), f"a second data set; {places[0]} is used", "pku") for p in places[1:]]
        self._scan_cases(scan, places[0])
        return scan

    def _scan_cases(self, scan: Scan, place: Path) -> None:
        table = read_point_table(place / TABLE, CEPHALOMETRIC) if (place / TABLE).is_file() else None
        known = table.cases.keys() if table else {p.stem for d in _doctors(place) for p in visible(d)}
        found: dict[str, list[Path]] = {}
        for path in visible(place / IMAGES):
            if films.is_film(path):
                found.setdefault(path.stem, []).append(path)
            else:
                scan.problems.append(Problem(f"{IMAGES}/{path.name}", "unknown: not a bmp, png, jpg or tif", "pku"))
        for case_id in sorted(found.keys() | known, key=case_sort_key):
            try:
                film = _only_film(found.get(case_id, []))
                if table:
                    files = [place / TABLE]
                    _check_points(table.cases.get(case_id, {}))
                else:
                    files = [doctor / f"{case_id}.txt" for doctor in _doctors(place)]
                    _read_doctors(files)
            except DataError as error:
                scan.problems.append(Problem(f"pku/{case_id}", str(error), "pku"))
                continue
            centre = SPLIT.centre
            sizes = table.spacings_mm if table else {}
            info = {SPACING: sizes[case_id]} if case_id in sizes else {}
            scan.cases.append(CaseFiles(case_id, "pku", str(film), tuple(map(str, files)), centre=centre, info=info))

    def complete(self, scan: Scan, folder: Path, progress: Progress) -> Scan:
        """Read every film, check every point, and count."""
        annotations = {c.id: _points(c.id, [Path(f) for f in c.landmarks]) for c in scan.cases}
        spacing_mm = scan.options[SPACING]
        checked = check_cases(scan.cases, annotations, CEPHALOMETRIC, progress, mm_per_unit=spacing_mm)
        problems = [*scan.problems, *(Problem(f"pku/{i}", fault, "pku") for i, fault in checked.faults.items())]
        problems += [Problem("pku", remark, "pku") for remark in checked.remarks]
        n_cases = SPLIT.n_cases
        if len(checked.cases) != n_cases:
            message = f"{len(checked.cases)} of the {n_cases} cases of the split are complete"
            problems.append(Problem("pku", message, "pku"))
        return Scan(checked.cases, problems, scan.options)

    def read(self, files: CaseFiles, landmark_set: LandmarkSet, register: Register, *, withheld: bool) -> Case:
        """Make the case of a film; the spacing is its own, or the one that was given at import."""
        paths = [register.path(f) for f in files.landmarks]
        return film_case(
            files,
            landmark_set,
            register,
            annotations=lambda: _points(files.id, paths),
            pixel_spacing_mm=spacing_of(files, register),
            withheld=withheld,
        )


def _doctors(place: Path) -> list[Path]:
    """Return both doctors' folders, or nothing where one is missing."""
    folders = [place / ANNOTATIONS / annotator for annotator in ANNOTATORS]
    return folders if all(f.is_dir() for f in folders) else []


def _points(case_id: str, paths: list[Path]) -> Annotations:
    if paths[0].name == TABLE:
        return points_of_case(paths[0], case_id, CEPHALOMETRIC)
    return _read_doctors(paths)


def _read_doctors(paths: list[Path]) -> Annotations:
    points = (films.read_isbi_points(path, CEPHALOMETRIC) for path in paths)
    return dict(zip(ANNOTATORS, points, strict=True))


def _only_film(found: list[Path]) -> Path:
    if len(found) != 1:
        raise DataError(f"{len(found)} films in {IMAGES}/, expected 1" if found else f"no film in {IMAGES}/")
    return found[0]


def _check_points(annotators: Annotations) -> None:
    if not annotators:
        raise DataError(f"no points in {TABLE}")
    for annotator, points in annotators.items():
        absent = [n for n, p in zip(CEPHALOMETRIC.names, points, strict=True) if np.isnan(p).any()]
        if absent:
            raise DataError(f"annotator '{annotator}' has no {', '.join(absent)} in {TABLE}")


SOURCE = Pku()
