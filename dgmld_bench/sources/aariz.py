"""Aariz (CEPHA29): films of seven devices, each annotated by two groups of doctors; its own test part is the split.

The release's folders are found wherever they lie, and nothing of its training and validation part is used::

    test/Cephalograms/<id>.png|jpg|bmp
    test/Annotations/Cephalometric Landmarks/{Senior,Junior} Orthodontists/<id>.json
    cephalogram_machine_mappings.csv        cephalogram_id,machine,pixel_size,image_format,mode

Each film has a pixel size and a device of its own; the device is the centre of the case.
"""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path
from typing import Any

import numpy as np

from dgmld_bench.cases import Case
from dgmld_bench.errors import DataError, UsageError
from dgmld_bench.files import Progress, fault_of, read_json
from dgmld_bench.formats import films
from dgmld_bench.landmarks import CEPHALOMETRIC, LandmarkSet
from dgmld_bench.sources.base import Scan, Source
from dgmld_bench.sources.plain import SPACING, check_cases, spacing_of
from dgmld_bench.sources.reading import film_case
from dgmld_bench.storage.figshare import FigshareArticle
from dgmld_bench.storage.folders import folders_below, visible
from dgmld_bench.storage.register import CaseFiles, Problem, Register
from dgmld_bench.tracks import Split

NAME, PART = "aariz", "test"
SPLIT = Split(NAME, "ceph", NAME, "test", "Aariz, seven devices", 150, True)
FILMS, DEVICES = "Cephalograms", "cephalogram_machine_mappings.csv"
ANNOTATORS = {"senior": "Senior Orthodontists", "junior": "Junior Orthodontists"}
UNKNOWN_DEVICE = "unknown device"
_ANNOTATIONS = Path("Annotations", "Cephalometric Landmarks")
_MAX_TABLE_BYTES = 4 * 1024 * 1024

LANDMARKS = {  # our name -> titles and symbols in the release
    "sella": (("Sella",), ("S",)),
    "nasion": (("Nasion",), ("N",)),
    "orbitale": (("Orbitale",), ("Or",)),
    "porion": (("Porion",), ("Po",)),
    "subspinale": (("A-point",), ("A",)),
    "supramentale": (("B-point",), ("B",)),
    "pogonion": (("Pogonion",), ("Pog",)),
    "menton": (("Menton",), ("Me",)),
    "gnathion": (("Gnathion",), ("Gn",)),
    "gonion": (("Gonion",), ("Go",)),
    "lower_incisor_tip": (("Lower Incisor Tip",), ("LIT",)),
    "upper_incisor_tip": (("Upper Incisor Tip",), ("UIT",)),
    "upper_lip": (("Labrale superius",), ("Ls",)),
    "lower_lip": (("Labrale inferius",), ("Li",)),
    "subnasale": (("Subnasale",), ("Sn",)),
    "soft_tissue_pogonion": (("Soft Tissue Pogonion",), ("Pog`", "Pos")),
    "posterior_nasal_spine": (("Posterior Nasal Spine",), ("PNS",)),
    "anterior_nasal_spine": (("Anterior Nasal Spine",), ("ANS",)),
    "articulare": (("Articulare",), ("Ar",)),
}
"""19 of the release's 29 landmarks."""


def read_annotation(path: Path | str) -> np.ndarray:
    """Read one doctor's points of a film, found by their titles, and where a title is unknown by their symbols.

    Returns
    -------
    array, shape (landmark, 2)
        Pixels of the film.

    Raises
    ------
    DataError
        When the file cannot be read, is of another film than its name says, or a landmark is missing or there twice.
    """
    path = Path(path)
    value = read_json(path)
    try:
        if str(value["ceph_id"]) != path.stem:
            raise DataError(f"{path}: is of film '{value['ceph_id']}', expected '{path.stem}'")
        entries = [(str(e["title"]), str(e["symbol"]), _point(e["value"])) for e in value["landmarks"]]
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: not an annotation of Aariz: {fault_of(value, error)}") from None
    titles = {_plain(t): name for name, (known, _) in LANDMARKS.items() for t in known}
    symbols = {s.casefold(): name for name, (_, known) in LANDMARKS.items() for s in known}
    found: dict[str, list[tuple[float, float]]] = {}
    for title, _, point in entries:
        if name := titles.get(_plain(title)):
            found.setdefault(name, []).append(point)
    by_title = set(found)
    for title, symbol, point in entries:
        name = symbols.get(symbol.strip().casefold())
        if name and name not in by_title and _plain(title) not in titles:
            found.setdefault(name, []).append(point)
    faults = [f"no {n}" for n in CEPHALOMETRIC.names if n not in found]
    faults += [f"{n} {len(p)} times" for n, p in found.items() if len(p) > 1]
    if faults:
        raise DataError(f"{path}: {', '.join(faults)}")
    return np.array([found[name][0] for name in CEPHALOMETRIC.names])


def _plain(title: str) -> str:
    return "".join(c for c in title.casefold() if c.isalnum())


def _point(value: Any) -> tuple[float, float]:
    x, y = float(value["x"]), float(value["y"])
    if not (math.isfinite(x) and math.isfinite(y)):
        raise ValueError(f"coordinates {value}, expected finite numbers")
    return x, y


def read_devices(path: Path | str) -> dict[str, tuple[str, float]]:
    """Read the table of devices: film -> device (empty where none is named) and edge of a pixel in mm.

    Raises
    ------
    DataError
        Naming the file and the line: a column that is missing, a pixel size that is none, a film with two.
    """
    path = Path(path)
    if path.stat().st_size > _MAX_TABLE_BYTES:
        raise DataError(f"{path}: {path.stat().st_size:,} bytes; at most {_MAX_TABLE_BYTES:,} are read")
    try:
        text = path.read_bytes().decode("utf-8-sig")
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a table in UTF-8 ({error})") from None
    columns = [c.strip().casefold() for c in rows[0]] if rows else []
    absent = [c for c in ("cephalogram_id", "machine", "pixel_size") if c not in columns]
    if absent:
        raise DataError(f"{path}: columns {','.join(columns) or 'none'}; {', '.join(absent)} missing")
    devices: dict[str, tuple[str, float]] = {}
    for number, fields in enumerate(rows[1:], 2):
        if not any(f.strip() for f in fields):
            continue
        row = dict(zip(columns, (f.strip() for f in fields), strict=False))
        film = row["cephalogram_id"]
        try:
            entry = row["machine"], films.check_spacing_mm(float(row["pixel_size"]), NAME)
        except (KeyError, ValueError, UsageError):
            raise DataError(
                f"{path}, line {number}: {','.join(fields)[:80]!r}, expected a film, its device and mm per pixel"
            ) from None
        if devices.setdefault(film, entry) != entry:
            raise DataError(f"{path}, line {number}: film '{film}' is there twice, with another device or pixel size")
    return devices


class Aariz(Source):
    """The test part of the release; the reference is the mean of senior and junior doctors, unrounded."""

    name = NAME
    title = "Aariz cephalograms (CEPHA29), seven devices"
    papers = ("M. A. Khalid et al. Aariz, a benchmark dataset for automatic cephalometric landmark detection. 2023.",)
    cautions = (
        "Each film has its own pixel size and device; scores by device are scores of different patients too.",
        "19 of the 29 landmarks of the release are those of this track, found by title, then by symbol.",
        "The release's own loader rounds the mean of both doctors up; here it stays as it is.",
    )
    gives = (SPLIT,)
    licence = "CC BY 4.0"
    url = "https://doi.org/10.6084/m9.figshare.27986417"
    terms = "Cite the authors of Aariz."
    how_to_get = (
        "Run `dgmld-bench download aariz`. Or download doi.org/10.6084/m9.figshare.27986417 and run "
        "`dgmld-bench import aariz PATH` on it."
    )

    def remote(self) -> FigshareArticle:
        """Return the article on figshare."""
        return FigshareArticle(27986417)

    def known_names(self) -> set[str]:
        """Return the names of the release's folders and of its table."""
        return {FILMS, DEVICES, *ANNOTATORS.values()}

    def scan(self, path: Path, **options: Any) -> Scan:
        """Find the test part and the table of devices anywhere below ``path``."""
        scan = Scan()
        folders = list(folders_below(path))
        parts = [f for f in folders if f.name == PART and (f / FILMS).is_dir()]
        tables = [f / DEVICES for f in folders if (f / DEVICES).is_file()]
        for kind, found in ((f"{PART}/{FILMS}", parts), (DEVICES, tables)):
            if not found:
                scan.problems.append(Problem(kind, f"not below {path}", NAME))
            scan.problems += [Problem(str(p), f"a second one; {found[0]} is used", NAME) for p in found[1:]]
        if parts and tables:
            self._scan_films(scan, parts[0], read_devices(tables[0]))
        return scan

    def _scan_films(self, scan: Scan, part: Path, devices: dict[str, tuple[str, float]]) -> None:
        found: dict[str, list[Path]] = {}
        for path in visible(part / FILMS):
            if films.is_film(path):
                found.setdefault(path.stem, []).append(path)
            else:
                scan.problems.append(Problem(f"{FILMS}/{path.name}", "unknown: not a png, jpg, bmp or tif", NAME))
        for case_id, paths in found.items():
            where = f"{NAME}/{case_id}"
            if len(paths) > 1:
                names = ", ".join(p.name for p in paths)
                scan.problems.append(Problem(where, f"{len(paths)} films of one id: {names}", NAME))
            elif case_id not in devices:
                scan.problems.append(Problem(where, f"no pixel size: it is not in {DEVICES}", NAME))
            else:
                device, spacing_mm = devices[case_id]
                if not device:
                    scan.problems.append(Problem(where, f"{DEVICES} names no device", NAME))
                annotations = tuple(str(part / _ANNOTATIONS / a / f"{case_id}.json") for a in ANNOTATORS.values())
                scan.cases.append(
                    CaseFiles(
                        case_id,
                        NAME,
                        str(paths[0]),
                        annotations,
                        centre=device or UNKNOWN_DEVICE,
                        info={SPACING: spacing_mm},
                    )
                )

    def complete(self, scan: Scan, folder: Path, progress: Progress) -> Scan:
        """Read every film and both annotations, check every point, and count."""
        annotations, readable, problems = {}, [], list(scan.problems)
        for case in scan.cases:
            try:
                annotations[case.id] = _annotations(case.landmarks)
                readable.append(case)
            except DataError as error:
                problems.append(Problem(f"{NAME}/{case.id}", str(error), NAME))
        checked = check_cases(readable, annotations, CEPHALOMETRIC, progress)
        problems += [Problem(f"{NAME}/{i}", fault, NAME) for i, fault in checked.faults.items()]
        problems += [Problem(NAME, remark, NAME) for remark in checked.remarks]
        n_cases = SPLIT.n_cases
        if len(checked.cases) != n_cases:
            message = f"{len(checked.cases)} of the {n_cases} cases of the split are complete"
            problems.append(Problem(NAME, message, NAME))
        return Scan(checked.cases, problems, scan.options)

    def read(self, files: CaseFiles, landmark_set: LandmarkSet, register: Register, *, withheld: bool) -> Case:
        """Make the case of a film with both doctors' points and its own pixel size."""
        return film_case(
            files,
            landmark_set,
            register,
            annotations=lambda: _annotations(tuple(str(register.path(f)) for f in files.landmarks)),
            pixel_spacing_mm=spacing_of(files, register),
            withheld=withheld,
        )


def _annotations(paths: tuple[str, ...]) -> dict[str, np.ndarray]:
    return {name: read_annotation(path) for name, path in zip(ANNOTATORS, paths, strict=True)}


SOURCE = Aariz()
