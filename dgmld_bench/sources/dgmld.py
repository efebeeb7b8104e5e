"""The authors' release: fetal atlases, LFC and relabelled FeTA, with six Slicer lines per case.

The release was packed more than once, so its folders are found wherever they lie below PATH, by their names and by
what is in them, beside each other or not:

=======================  =====================================  ==========
images                   labels, one folder per case            split
=======================  =====================================  ==========
``atlas-reconstruct/``   ``atlas_label/<id>/*.mrk.json``        atlas
``valid/``               ``valid_label/<id>/*.mrk.json``        lfc-val
``train/``               ``train_label/<id>/*.mrk.json``        lfc (yes)
``feta21/``              ``feta21_label/<id>/*.mrk.json``       feta
=======================  =====================================  ==========

The label maps of the atlas cases lie in a folder for pre-training: ``image/``, ``label/<id>…parcellation.nii.gz`` and
``train.list``.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from dgmld_bench.cases import Case
from dgmld_bench.errors import DataError
from dgmld_bench.files import Progress
from dgmld_bench.formats import markups, volumes
from dgmld_bench.landmarks import CEREBELLUM, LandmarkSet
from dgmld_bench.sources import masks, plausibility
from dgmld_bench.sources.base import Scan, Source, missing_problem
from dgmld_bench.sources.lfc_ids import LFC_TEST, LFC_VALIDATION
from dgmld_bench.sources.plausibility import outside
from dgmld_bench.sources.reading import volume_case
from dgmld_bench.storage.folders import folders_below, visible
from dgmld_bench.storage.hub import HubDataset
from dgmld_bench.storage.register import CaseFiles, Problem, Register
from dgmld_bench.tracks import Split, case_sort_key

LINES = ("CBD", "BBD", "TCD", "FOD", "HDV", "ADV")
"""The biometrics of a label folder, in the order of the numbers that end its file names."""


@dataclass(frozen=True)
class _Place:
    """Where a split lies: the names of a folder of volumes and of a folder of label folders."""

    images: str
    labels: str
    split: str


PLACES = (
    _Place("atlas-reconstruct", "atlas_label", "atlas"),
    _Place("valid", "valid_label", "lfc-val"),
    _Place("train", "train_label", "lfc"),
    _Place("feta21", "feta21_label", "feta"),
)


def label_files(folder: Path) -> tuple[Path, ...]:
    """Return the files of TCD, HDV and ADV in a label folder: the 3rd, 5th and 6th of six.

    Raises
    ------
    DataError
        When there are not exactly six files, or no distinct number ends each of their names.
    """
    files = [p for p in visible(folder) if markups.is_markups(p)]
    if len(files) != len(LINES):
        raise DataError(f"{len(files)} of {len(LINES)} {markups.SUFFIX} files in {folder}")
    numbered: dict[int, Path] = {}
    for path in files:
        match = re.search(r"(\d{1,9})$", markups.stem(path))
        if not match or int(match[1]) in numbered:
            what = "shares its number with another file" if match else "has no number at the end of its name"
            raise DataError(f"{path} {what}, so the order of the six lines is not known")
        numbered[int(match[1])] = path
    ordered = [numbered[n] for n in sorted(numbered)]
    return tuple(ordered[LINES.index(biometric.name)] for biometric in CEREBELLUM.biometrics)


SPLITS = {
    split.name: split
    for split in (
        Split("atlas", "dgmld", "dgmld", "train", "fetal atlases", 40),
        Split("lfc-val", "dgmld", "dgmld", "validation", "LFC", 60, True, tuple(LFC_VALIDATION)),
        Split("lfc", "dgmld", "dgmld", "test", "LFC", 120, True, tuple(LFC_TEST)),
        Split("feta", "dgmld", "dgmld", "test", "FeTA", 55, True),
    )
}


class Dgmld(Source):
    """Gong et al., AAAI 2025: the benchmark's own data."""

    name = "dgmld"
    title = "DGMLD release: fetal atlases, LFC, relabelled FeTA"
    papers = (
        "H. Gong, Y. Lu, X. Wan, H. Li. Domain Generalized Medical Landmark Detection via Robust Boundary-Aware "
        "Pre-Training. AAAI 2025.",
        "K. Payette et al. An automatic multi-tissue human fetal brain segmentation benchmark using the Fetal Tissue "
        "Annotation Dataset. Scientific Data 8, 2021.",
    )
    cautions = (
        "The training source is three atlas projects taken as one centre; LFC and FeTA are both unseen.",
        "The test split lfc lies in a folder called train of the release, lfc-val in a folder called valid.",
        "A case whose label folder has not six files is incomplete; it is reported and left out.",
    )
    gives = tuple(SPLITS.values())
    in_paper = True
    licence = "LFC and labels: see the release; FeTA: research and education only, terms accepted on Synapse"
    url = "https://huggingface.co/datasets/haifan-gong/LFC"
    terms = (
        "FeTA 2.1 (split feta): for research and education only; its owners ask you to register and to accept their "
        "terms at synapse.org (syn25649159) before you use it. LFC and the atlases: see the page of the "
        "release; the CRL atlas is for non-commercial research and education only."
    )
    how_to_get = (
        "Run `dgmld-bench download dgmld`. Or download huggingface.co/datasets/haifan-gong/LFC into one folder "
        "and run `dgmld-bench import dgmld PATH` on it."
    )

    def remote(self) -> HubDataset:
        """Return the authors' data set on the Hugging Face hub."""
        return HubDataset("haifan-gong/LFC")

    def known_names(self) -> set[str]:
        """Return the names of the folders of :data:`PLACES` and of the file that marks the folder for pre-training."""
        return {name for place in PLACES for name in (place.images, place.labels)} | {"train.list"}

    def scan(self, path: Path, **options: Any) -> Scan:
        """Find the release's folders anywhere below ``path`` and check every case's files."""
        scan = Scan()
        folders = list(folders_below(path))
        for place in PLACES:
            images = {f: found for f in folders if f.name == place.images and (found := _volumes(f))}
            labels = {f: cases for f in folders if f.name == place.labels and (cases := _label_folders(f))}
            absent = [] if images else [f"{place.images}/ with <id>.nii.gz"]
            absent += [] if labels else [f"{place.labels}/ with <id>/*{markups.SUFFIX}"]
            if absent:
                message = f"no folder {' and no '.join(absent)} below {path}"
                scan.problems.append(Problem(place.split, message, place.split))
                continue
            used = max(product(images, labels), key=lambda pair: len(images[pair[0]].keys() & labels[pair[1]].keys()))
            self._scan_split(scan, images[used[0]], labels[used[1]], SPLITS[place.split])
            for other in (f for f in (*images, *labels) if f not in used):
                message = f"a second {other.name}/; {used[other.name == place.labels]} is used"
                scan.problems.append(Problem(str(other), message, place.split))
        for folder in (f for f in folders if f.name == "test"):
            if n := len(_volumes(folder)):
                beside = ", with test_label/ beside it" if (folder.parent / "test_label").is_dir() else ""
                message = f"{n} volume{'s' * (n != 1)}{beside}: of no split of the benchmark, and not imported"
                scan.problems.append(Problem(str(folder), message))
        self._add_masks(scan, folders)
        return scan

    def _scan_split(self, scan: Scan, images: dict[str, list[Path]], labels: dict[str, Path], split: Split) -> None:
        present = []
        for case_id in sorted(images.keys() | labels.keys(), key=case_sort_key):
            where = f"{split.name}/{case_id}"
            if split.case_ids is not None and case_id not in split.case_ids:
                scan.problems.append(Problem(where, "unknown: no case of this split", split.name))
                continue
            try:
                case, remarks = _read_case(split.name, case_id, images.get(case_id, []), labels.get(case_id))
            except DataError as error:
                scan.problems.append(Problem(where, f"incomplete: {error}", split.name))
                continue
            present.append(case_id)
            scan.cases.append(case)
            scan.problems += [Problem(where, remark, split.name) for remark in remarks]
        scan.problems += missing_problem(split, present)
        if split.case_ids is None and len(present) != split.n_cases:
            message = f"{len(present)} complete cases are here; the split of the paper has {split.n_cases}"
            scan.problems.append(Problem(split.name, message, split.name))

    def _add_masks(self, scan: Scan, folders: list[Path]) -> None:
        """Give atlas cases their label map where a pre-training folder has one, and say how it was found."""
        atlas = {case.id: n for n, case in enumerate(scan.cases) if case.split == "atlas"}
        maps = masks.find_label_maps(folders)
        found, refused = masks.pair([scan.cases[n] for n in atlas.values()], maps)
        for case_id, (label_map, how) in found.items():
            n = atlas[case_id]
            scan.cases[n] = replace(scan.cases[n], mask=str(label_map.path), info={"mask_by": how})
        scan.problems += [Problem(f"atlas/{i}", f"mask not used: {why}", "atlas") for i, why in refused.items()]
        without = [i for i in atlas if i not in found and i not in refused]
        if without:
            where = "no label map fits" if maps else "no pre-training folder (image/, label/, train.list)"
            message = f"{len(without)} of {len(atlas)} cases have no mask, {where}: {', '.join(without)}"
            scan.problems.append(Problem("atlas", message, "atlas"))

    def complete(self, scan: Scan, folder: Path, progress: Progress) -> Scan:
        """Check that each mask lies on its image, and in which numbering it is; a case without clear mask has none."""
        total = sum(case.mask is not None for case in scan.cases)
        cases, problems, done = [], list(scan.problems), 0
        for case in scan.cases:
            if case.mask is not None:
                progress("Checking label maps", done, total)
                done += 1
                try:
                    case, how = _with_mask(case, Path(case.mask), folder)
                    if how:
                        problems.append(Problem(f"{case.split}/{case.id}", how, case.split))
                except DataError as error:
                    problems.append(Problem(f"{case.split}/{case.id}", f"mask not used: {error}", case.split))
                    case = replace(case, mask=None, info={})
                progress("Checking label maps", done, total)
            cases.append(case)
        return Scan(cases, problems, scan.options)

    def read(self, files: CaseFiles, landmark_set: LandmarkSet, register: Register, *, withheld: bool) -> Case:
        """Make the case of a volume with its three lines."""
        return volume_case(files, landmark_set, register, withheld=withheld)


def _volumes(folder: Path) -> dict[str, list[Path]]:
    """Return the volumes in a folder, by case."""
    found: dict[str, list[Path]] = defaultdict(list)
    for path in visible(folder):
        if path.is_file() and volumes.is_volume(path):
            found[volumes.stem(path)].append(path)
    return found


def _label_folders(folder: Path) -> dict[str, Path]:
    """Return the folders of cases in a folder, by case; none where none of them holds a markups file."""
    found = {p.name: p for p in visible(folder) if p.is_dir()}
    return found if any(markups.is_markups(p) for f in found.values() for p in visible(f)) else {}


def _read_case(split: str, case_id: str, images: list[Path], labels: Path | None) -> tuple[CaseFiles, list[str]]:
    """Return a complete case and what is odd about it; DataError when it is incomplete."""
    if len(images) != 1:
        raise DataError("no image" if not images else f"two images: {', '.join(p.name for p in images)}")
    if labels is None:
        raise DataError("no label folder")
    lines = label_files(labels)
    remarks = []
    image, affine = volumes.read_volume(images[0])
    for path in lines:
        line = markups.load_line(path)
        if not line.length_agrees:
            remarks.append(f"{path.name} {line.disagreement}")
        if outside(line.points_ras_mm, affine, image.shape).any():
            remarks.append(f"{path.name} has an end point outside the image")
    points = markups.read_lines(lines, CEREBELLUM)
    shared, place = plausibility.shared_position(points, CEREBELLUM)
    if len(shared) * 2 > len(CEREBELLUM):
        raise DataError(f"{len(shared)} of {len(CEREBELLUM)} points are at {place}: they were not set")
    if shared:
        remarks.append(plausibility.explain_shared(points, CEREBELLUM))
    centre = SPLITS[split].centre
    return CaseFiles(case_id, split, str(images[0]), tuple(map(str, lines)), centre=centre), remarks


def _with_mask(case: CaseFiles, path: Path, folder: Path) -> tuple[CaseFiles, str]:
    """Return a case with its label map on its voxels, and what is to be said of it: nothing where all is as expected.

    A map that had to be changed is written below ``folder``.
    """
    labels, scheme, changes = masks.fitted(case, path)
    by = case.info["mask_by"]
    case = replace(case, info={"label_scheme": scheme})
    if labels is not None:
        place = Path("masks") / f"{case.id}.nii.gz"
        affine, _ = volumes.read_affine_and_shape(case.image)
        volumes.write_volume(folder / place, labels, affine)
        case = replace(case, mask=place.as_posix())
    plain = by == "name" and path.name.startswith(case.id) and not changes
    return case, "" if plain else "; ".join([f"mask {path.name}, found by its {by}", *changes])


SOURCE = Dgmld()
