"""PKU cephalograms (Zeng et al. 2021), in a plain layout that the user makes.

The data come from their authors on request; format, size and spacing of the files could not be verified, so nothing
about them is assumed::

    PATH/images/<case>.bmp|png|jpg|tif
    PATH/landmarks.csv                  case,landmark,x,y[,annotator]

Points are pixels of the images as they lie in ``images/``: x to the right, y down, zero-based, pixel centres at
integers; landmarks carry the machine names of the cephalometric set. With several annotators their mean is the
reference. The spacing in millimetres is a required option.
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
from dgmld_bench.sources.plain import IMAGES, TABLE, check_cases
from dgmld_bench.sources.reading import film_case
from dgmld_bench.storage.folders import folders_below, visible
from dgmld_bench.storage.register import CaseFiles, Problem, Register
from dgmld_bench.tracks import Split, case_sort_key

SPLIT = Split("pku", "ceph", "pku", "test", "PKU", 102, True)


class Pku(Source):
    """Films of another hospital and another scanner: the out-of-domain test of the 2D track."""

    name = "pku"
    title = "PKU cephalograms"
    papers = (
        "M. Zeng et al. Cascaded convolutional networks for automatic cephalometric landmark detection. Medical Image "
        "Analysis 68, 2021.",
    )
    cautions = ("File format, image size and pixel spacing could not be verified; the spacing is never assumed.",)
    gives = (SPLIT,)
    in_paper = True
    licence = "by agreement with the authors"
    url = "https://doi.org/10.1016/j.media.2020.101904"
    how_to_get = (
        "Ask the authors of Zeng et al. 2021, put the films into PATH/images and the points into PATH/landmarks.csv "
        "(case,landmark,x,y[,annotator]), and run `dgmld-bench import pku PATH --spacing-mm S`."
    )
    options = ("spacing_mm",)
    steps = (
        "Write to the authors of Zeng et al. 2021 (the address is in the paper) and ask for the cephalograms.",
        "Put the films into PATH/images/, one bmp, png, jpg or tif per case, named as the case.",
        "Put the points into PATH/landmarks.csv: case,landmark,x,y[,annotator], in pixels of these films.",
        "Ask for the spacing of the pixels in millimetres too; it is never assumed.",
        "Run `dgmld-bench import pku PATH --spacing-mm S`.",
    )

    def scan(self, path: Path, **options: Any) -> Scan:
        """Find the folder with ``images/`` and ``landmarks.csv`` anywhere below ``path``."""
        spacing_mm = films.check_spacing_mm(options.get("spacing_mm"), "pku")
        places = [f for f in folders_below(path) if (f / IMAGES).is_dir() and (f / TABLE).is_file()]
        if not places:
            raise DataError(f"{path}: no folder with {IMAGES}/ and {TABLE}")
        scan = Scan(options={"spacing_mm": spacing_mm})
        scan.problems += [Problem(str(p), f"a second data set; {places[0]} is used", "pku") for p in places[1:]]
        self._scan_cases(scan, places[0])
        return scan

    def _scan_cases(self, scan: Scan, place: Path) -> None:
        table = read_point_table(place / TABLE, CEPHALOMETRIC).cases
        found: dict[str, list[Path]] = {}
        for path in visible(place / IMAGES):
            if films.is_film(path):
                found.setdefault(path.stem, []).append(path)
            else:
                scan.problems.append(Problem(f"{IMAGES}/{path.name}", "unknown: not a bmp, png, jpg or tif", "pku"))
        for case_id in sorted(found.keys() | table.keys(), key=case_sort_key):
            try:
                film = _only_film(found.get(case_id, []))
                _check_points(table.get(case_id, {}))
            except DataError as error:
                scan.problems.append(Problem(f"pku/{case_id}", str(error), "pku"))
                continue
            centre = SPLIT.centre
            scan.cases.append(CaseFiles(case_id, "pku", str(film), (str(place / TABLE),), centre=centre))

    def complete(self, scan: Scan, folder: Path, progress: Progress) -> Scan:
        """Read every film, check every point, and count."""
        annotations = {c.id: points_of_case(Path(c.landmarks[0]), c.id, CEPHALOMETRIC) for c in scan.cases}
        spacing_mm = scan.options["spacing_mm"]
        checked = check_cases(scan.cases, annotations, CEPHALOMETRIC, progress, mm_per_unit=spacing_mm)
        problems = [*scan.problems, *(Problem(f"pku/{i}", fault, "pku") for i, fault in checked.faults.items())]
        problems += [Problem("pku", remark, "pku") for remark in checked.remarks]
        n_cases = SPLIT.n_cases
        if len(checked.cases) != n_cases:
            message = f"{len(checked.cases)} of the {n_cases} cases of the split are complete"
            problems.append(Problem("pku", message, "pku"))
        return Scan(checked.cases, problems, scan.options)

    def read(self, files: CaseFiles, landmark_set: LandmarkSet, register: Register, *, withheld: bool) -> Case:
        """Make the case of a film; the spacing is the one that was given at import."""
        table = register.path(files.landmarks[0])
        return film_case(
            files,
            landmark_set,
            register,
            annotations=lambda: points_of_case(table, files.id, landmark_set),
            pixel_spacing_mm=float(register.options["spacing_mm"]),
            withheld=withheld,
        )


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
