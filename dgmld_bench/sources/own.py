"""A centre of the user's own: images of one site and their landmarks, as the test split ``own/NAME``.

::

    PATH/images/<case>.nii.gz                       3D
    PATH/images/<case>.bmp|png|jpg|tif              2D
    PATH/films.csv                                  2D, optional: case,spacing_mm[,device], a row per film
    PATH/landmarks.csv                              either a table (:mod:`dgmld_bench.formats.point_tables`) …
    PATH/landmarks/<case>/TCD.mrk.json …            … or, in 3D, files of 3D Slicer: a line per biometric
    PATH/landmarks/<case>.mrk.json                  … or a point list per case, its labels the landmarks' names

Markups files may lie anywhere below PATH: one belongs to the case whose id its folder has, or that begins its name.
At import every image is read, every point is checked, and the points are written in one form into the data folder; a
changed file is seen after importing again. Points may be missing.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from dgmld_bench.case_ids import composed, match_ids
from dgmld_bench.cases import Case
from dgmld_bench.errors import DataError, UsageError
from dgmld_bench.files import Progress, write_text
from dgmld_bench.formats import films, markups, volumes
from dgmld_bench.formats.point_tables import (
    DEFAULT_ANNOTATOR,
    Annotations,
    Array,
    format_point_table,
    parse_space,
    points_of_case,
    read_point_table,
)
from dgmld_bench.landmarks import LANDMARK_SETS, LandmarkSet, get_landmark_set
from dgmld_bench.sources.base import Scan, Source
from dgmld_bench.sources.plain import (
    FILMS_TABLE,
    IMAGES,
    SPACING,
    TABLE,
    check_cases,
    read_films_table,
    spacing_of,
)
from dgmld_bench.sources.reading import film_case, volume_case
from dgmld_bench.storage.folders import COPY_PREFIX, folders_below, visible
from dgmld_bench.storage.register import CaseFiles, Problem, Register
from dgmld_bench.tracks import case_sort_key

_MAX_ID = 64
_HINTS = {
    ".dcm": "; DICOM is converted by dcm2niix (volumes), or saved as PNG by a viewer (films; note its pixel spacing)",
    ".fcsv": "; a point list of an older 3D Slicer: open it there and save it as .mrk.json",
}


@dataclass
class _OwnScan(Scan):
    """What was found, with the points by case, and as what they were read."""

    references: dict[str, Annotations] = field(default_factory=dict)
    spaces: dict[str, str] = field(default_factory=dict)
    spacings_mm: dict[str, float] = field(default_factory=dict)
    devices: dict[str, str] = field(default_factory=dict)


class Own(Source):
    """One centre of the user's own."""

    title = "Your own centre"
    licence = "yours"
    url = "docs/own-data.md"
    how_to_get = (
        "Put images into PATH/images and points into PATH/landmarks.csv, and run "
        f"`dgmld-bench import own PATH --name NAME --landmarks {'|'.join(LANDMARK_SETS)}`."
    )
    options = ("landmarks", "spacing_mm", "space")

    def __init__(self, name: str) -> None:
        self.name = name
        self.splits = (name,)

    def scan(self, path: Path, **options: Any) -> Scan:
        """Find images and points, and bring them together; the points are read, the images are not."""
        landmark_set, settings = self._settings(options)
        place = _place(path)
        scan = _OwnScan(options=settings)
        images = self._images(scan, place / IMAGES, landmark_set)
        if (place / TABLE).is_file():
            self._read_table(scan, place / TABLE, landmark_set, images)
            if beside := _markups_below(place):
                files = "file of 3D Slicer is" if len(beside) == 1 else "files of 3D Slicer are"
                scan.problems.append(self._problem(f"{len(beside)} {files} not used: the points are in {TABLE}"))
        elif landmark_set.dimension == 3:
            if "space" in settings:
                raise UsageError("space=SPACE is for a landmarks.csv; files of 3D Slicer say themselves what they are")
            self._read_markups(scan, place, landmark_set, images)
        else:
            raise DataError(f"{place / TABLE}: no such file; expected case,landmark,x,y[,annotator]")
        without = [i for i in images if i not in scan.references and not self._is_named(scan, i)]
        if without:
            scan.problems.append(self._problem(_listed(without, "image has no landmarks", "images have no landmarks")))
        if landmark_set.dimension == 2:
            self._read_films(scan, place / FILMS_TABLE, images)
        centre = self.name.partition("/")[2]
        scan.cases = [
            CaseFiles(
                case_id,
                self.name,
                str(images[case_id]),
                centre=scan.devices.get(case_id, centre),
                info={SPACING: scan.spacings_mm[case_id]} if case_id in scan.spacings_mm else {},
            )
            for case_id in sorted(scan.references, key=case_sort_key)
        ]
        return scan

    def _read_films(self, scan: _OwnScan, path: Path, images: dict[str, Path]) -> None:
        """Take pixel sizes and devices from the table of films; a film without a size needs the option."""
        sizes = read_films_table(path) if path.is_file() else {}
        matched, strange, _ = _match(sizes, images, path.name)
        if strange:
            one, many = (f"{n} of {path.name} {v} no image" for n, v in (("film", "has"), ("films", "have")))
            scan.problems.append(self._problem(_listed(strange, one, many)))
        for film, case_id in matched.items():
            spacing_mm, device = sizes[film]
            known = scan.spacings_mm.setdefault(case_id, spacing_mm)
            if known != spacing_mm:
                raise DataError(
                    f"case '{case_id}' has two pixel sizes, {spacing_mm:g} in {path.name} and {known:g} mm in {TABLE}"
                )
            if device:
                scan.devices[case_id] = device
        for case_id, spacing_mm in scan.spacings_mm.items():
            films.check_spacing_mm(spacing_mm, f"{self.name}/{case_id}")
        without = [case_id for case_id in scan.references if case_id not in scan.spacings_mm]
        if SPACING not in scan.options and without:
            if len(without) == len(scan.references):
                films.check_spacing_mm(None, self.name)
            for case_id in without:
                scan.problems.append(self._problem("no pixel size: films without one need spacing_mm", case_id))
                del scan.references[case_id]

    def _settings(self, options: dict[str, Any]) -> tuple[LandmarkSet, dict[str, Any]]:
        if options.get("landmarks") is None:
            raise UsageError(f"'{self.name}' needs landmarks=SET, one of {', '.join(LANDMARK_SETS)}")
        landmark_set = get_landmark_set(options["landmarks"])
        settings: dict[str, Any] = {"landmarks": landmark_set.name}
        spacing_mm, space = options.get("spacing_mm"), options.get("space")
        if landmark_set.dimension == 2:
            if space is not None:
                raise UsageError("space=SPACE is for volumes; points of films are pixels")
            if spacing_mm is not None:
                settings[SPACING] = films.check_spacing_mm(spacing_mm, self.name)
        elif spacing_mm is not None:
            raise UsageError("spacing_mm=S is for films; NIfTI volumes state their own")
        elif space is not None:
            settings["space"] = parse_space(space)
        return landmark_set, settings

    def _problem(self, message: str, case_id: str | None = None) -> Problem:
        return Problem(self.name if case_id is None else f"{self.name}/{case_id}", message, self.name)

    def _is_named(self, scan: Scan, case_id: str) -> bool:
        return any(p.where == f"{self.name}/{case_id}" for p in scan.problems)

    def _images(self, scan: Scan, folder: Path, landmark_set: LandmarkSet) -> dict[str, Path]:
        """Return the only image of each case; what is not one is a problem."""
        found: dict[str, list[Path]] = defaultdict(list)
        flat = landmark_set.dimension == 2
        for path in visible(folder):
            if path.is_file() and (films.is_film(path) if flat else volumes.is_volume(path)):
                found[path.stem if flat else volumes.stem(path)].append(path)
            elif not markups.is_markups(path):
                kind = "bmp, png, jpg or tif" if flat else ".nii or .nii.gz"
                hint = _HINTS.get(path.suffix.lower(), "")
                scan.problems.append(self._problem(f"{IMAGES}/{path.name} is not used: expected {kind}{hint}"))
        if not found:
            raise DataError(f"{folder}: no {'film (bmp, png, jpg, tif)' if flat else 'volume (.nii.gz, .nii)'} in it")
        images: dict[str, Path] = {}
        alike = defaultdict(list)
        for case_id, paths in found.items():
            alike[composed(case_id)].append(f"{IMAGES}/{ascii(paths[0].name)[1:-1]}")
        for case_id, paths in found.items():
            if len(names := alike[composed(case_id)]) > 1:
                message = f"{' and '.join(names)} look the same: rename all but one"
                scan.problems.append(self._problem(message, case_id))
            elif len(paths) > 1:
                scan.problems.append(self._problem(f"{len(paths)} images: {', '.join(p.name for p in paths)}", case_id))
            elif len(case_id) > _MAX_ID or not case_id.isprintable() or case_id != case_id.strip():
                message = f"file names are case ids: at most {_MAX_ID} printable characters, got {case_id[:80]!r}"
                scan.problems.append(self._problem(message))
            else:
                images[case_id] = paths[0]
        return images

    def _read_table(self, scan: _OwnScan, path: Path, landmark_set: LandmarkSet, images: dict[str, Path]) -> None:
        space = scan.options.get("space")
        table = read_point_table(path, landmark_set, space)
        matched, strange, renamed = _match(table.cases, images)
        scan.references = {image: table.cases[case] for case, image in matched.items()}
        spacings_mm = table.spacings_mm
        scan.spacings_mm = {image: spacings_mm[case] for case, image in matched.items() if case in spacings_mm}
        scan.spaces = {} if table.states_space else dict.fromkeys(images, space or "ras_mm")
        strange = [s for s in strange if not self._is_named(scan, s)]
        if strange:
            one, many = (f"{n} of {TABLE} {v} no image in {IMAGES}/" for n, v in (("case", "has"), ("cases", "have")))
            scan.problems.append(self._problem(_listed(strange, one, many)))
        if renamed:
            scan.problems.append(self._problem(f"ids taken for file names: {', '.join(renamed)}"))
        if landmark_set.dimension == 3 and not table.states_space and space is None:
            scan.problems.append(
                self._problem(
                    f"{TABLE} does not say whether it is RAS or LPS, and was read as RAS: say it when importing, or in "
                    "a column 'space', and look at a case with `dgmld-bench show`"
                )
            )

    def _read_markups(self, scan: _OwnScan, place: Path, landmark_set: LandmarkSet, images: dict[str, Path]) -> None:
        files: dict[str | None, list[Path]] = defaultdict(list)
        for path in _markups_below(place):
            files[_owner(path, images)].append(path)
        if not files:
            old = next((p for p in sorted(place.rglob("*.fcsv"))), None)
            hint = f"; {old.relative_to(place)} is{_HINTS['.fcsv'][1:]}" if old else ""
            raise DataError(f"{place}: neither {TABLE} nor files of 3D Slicer ({markups.SUFFIX}) below it{hint}")
        strange = [str(p.relative_to(place)) for p in files.pop(None, [])]
        if strange:
            one, many = (f"markups {n} to no image in {IMAGES}/" for n in ("file belongs", "files belong"))
            scan.problems.append(self._problem(_listed(strange, one, many)))
        derived = 0
        for case_id, paths in files.items():
            assert case_id is not None
            try:
                points, named = _read_case(paths, landmark_set)
            except DataError as error:
                scan.problems.append(self._problem(str(error), case_id))
                continue
            scan.references[case_id] = {DEFAULT_ANNOTATOR: points}
            scan.spaces[case_id] = named[0].space
            derived += any(n.mask_derived for n in named)
            scan.problems += [
                self._problem(f"{p.name} {n.remark}", case_id) for p, n in zip(paths, named, strict=True) if n.remark
            ]
        if derived:
            scan.options["mask_derived"] = True
            if derived < len(scan.references):
                message = f"{derived} of {len(scan.references)} cases have mask-derived landmarks, the others not"
                scan.problems.append(self._problem(message))

    def complete(self, scan: Scan, folder: Path, progress: Progress) -> Scan:
        """Read every image, check every point, and write the points in one form below ``folder``."""
        assert isinstance(scan, _OwnScan)
        landmark_set = get_landmark_set(scan.options["landmarks"])
        spacing_mm = scan.options.get(SPACING, 1.0)
        checked = check_cases(
            scan.cases, scan.references, landmark_set, progress, mm_per_unit=spacing_mm, spaces=scan.spaces
        )
        problems = [*scan.problems, *(self._problem(fault, case_id) for case_id, fault in checked.faults.items())]
        if not checked.cases:
            return Scan([], problems, scan.options)
        problems += [self._problem(remark) for remark in checked.remarks]
        kept = {case.id: scan.references[case.id] for case in checked.cases}
        text = format_point_table(kept, landmark_set)
        table = Path(f"{COPY_PREFIX}{hashlib.sha256(text.encode()).hexdigest()[:12]}") / TABLE
        write_text(folder / table, text)
        return Scan([replace(case, landmarks=(table.as_posix(),)) for case in checked.cases], problems, scan.options)

    def read(self, files: CaseFiles, landmark_set: LandmarkSet, register: Register, *, withheld: bool) -> Case:
        """Make the case of a volume or film, its points from the table that the import wrote."""
        table = register.path(files.landmarks[0])

        def annotations() -> Annotations:
            return points_of_case(table, files.id, landmark_set)

        if landmark_set.dimension == 3:
            return volume_case(files, landmark_set, register, annotations=annotations, withheld=withheld)
        return film_case(
            files,
            landmark_set,
            register,
            annotations=annotations,
            pixel_spacing_mm=spacing_of(files, register),
            withheld=withheld,
        )


def _place(path: Path) -> Path:
    """Return the folder that holds ``images/``: the path itself, or the only one below it."""
    if (path / IMAGES).is_dir():
        return path
    places = [f for f in folders_below(path) if (f / IMAGES).is_dir()]
    if not places:
        raise DataError(f"{path}: no folder {IMAGES}/; expected it beside {TABLE} or {markups.SUFFIX} files")
    if len(places) > 1:
        raise DataError(f"{path}: several data sets, import one of them: {', '.join(map(str, places))}")
    return places[0]


def _markups_below(place: Path) -> list[Path]:
    return [p for folder in folders_below(place) for p in visible(folder) if markups.is_markups(p)]


def _match(
    cases: Iterable[str], images: dict[str, Path], table: str = TABLE
) -> tuple[dict[str, str], list[str], list[str]]:
    """Bring the cases of a table to the images' ids, where exactly one image fits (:mod:`dgmld_bench.case_ids`).

    Returns (case -> image id, cases without image, what was renamed).
    """
    match = match_ids(cases, images)
    if match.doubled is not None:
        one, other, image = match.doubled
        raise DataError(f"{table}: cases '{one}' and '{other}' are both of image {images[image].name}")
    renamed = [f"{case} for {image}" for case, image in match.renamed.items() if case != images[image].name]
    return match.cases, match.strange, renamed


def _owner(path: Path, images: dict[str, Path]) -> str | None:
    """Return the case that a markups file belongs to, by its folder's name or the beginning of its own."""
    stem = markups.stem(path)
    by_form = {composed(i): i for i in images}
    if (folder := composed(path.parent.name)) in by_form:
        return by_form[folder]
    stem = composed(stem)
    fitting = [i for i in by_form if stem == i or (stem.startswith(i) and not stem[len(i)].isalnum())]
    return by_form[max(fitting, key=len)] if fitting else None


def _read_case(paths: list[Path], landmark_set: LandmarkSet) -> tuple[Array, list[markups.NamedPoints]]:
    """Return the points ``(landmark, xyz)`` of one case from all its files, in RAS mm, and what the files hold."""
    points = np.full((len(landmark_set), 3), np.nan)
    named = []
    source: dict[str, Path] = {}
    for path in paths:
        named.append(markups.read_named_points(path, landmark_set))
        for name, point in named[-1].points_ras_mm.items():
            if name in source:
                raise DataError(f"{name} is in two files, {source[name].name} and {path.name}")
            source[name] = path
            points[landmark_set.index(name)] = point
    return points, named


def _listed(things: list[str], one: str, many: str) -> str:
    return f"{len(things)} {one if len(things) == 1 else many}: {', '.join(things)}"
