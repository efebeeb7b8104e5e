"""Folders laid out as the releases lay theirs, with voxels painted where the landmarks are."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from dgmld_bench import geometry
from dgmld_bench.derive import FIDON_TO_FETA
from dgmld_bench.formats import volumes
from dgmld_bench.landmarks import CEPHALOMETRIC, CEREBELLUM

LINES = ("CBD", "BBD", "TCD", "FOD", "HDV", "ADV")

# Painted voxels in RAS-ordered indices (right, anterior, superior) of a small volume, in landmark order.
SHAPE = (20, 24, 22)
PAINTED = np.array([[16, 8, 6], [4, 8, 6], [10, 7, 9], [10, 7, 3], [10, 11, 6], [10, 4, 6]])


def affines() -> Iterator[np.ndarray]:
    """Yield affines of every kind a scanner writes: RAS, flipped, permuted, anisotropic, oblique."""
    ras = np.diag([0.8, 0.8, 0.8, 1.0])
    ras[:3, 3] = -8, -9, -7
    lps = np.diag([-0.5, -0.5, 0.9, 1.0])
    lps[:3, 3] = 6, 5, -11
    pir = np.array([[0, 0, 1.1, -9], [-0.7, 0, 0, 8], [0, -0.6, 0, 4], [0, 0, 0, 1.0]])
    turn = np.deg2rad(17)
    oblique = np.eye(4)
    oblique[:2, :2] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    yield from (ras, lps, pir, oblique @ lps)


def paint(affine: np.ndarray, points: np.ndarray = PAINTED) -> tuple[np.ndarray, np.ndarray]:
    """Return a volume in the storage order of the affine, value n + 1 at landmark n, and the landmarks in RAS mm."""
    order, flips = geometry.canonical_axes(affine)
    stored_shape = [0, 0, 0]
    index = np.zeros((len(points), 3), dtype=int)
    for world, (stored, flip) in enumerate(zip(order, flips, strict=True)):
        stored_shape[stored] = SHAPE[world]
        index[:, stored] = SHAPE[world] - 1 - points[:, world] if flip else points[:, world]
    volume = np.zeros(stored_shape, np.int16)
    volume[tuple(index.T)] = np.arange(1, len(points) + 1)
    return volume, geometry.index_to_world(affine, index)


def write_mrk(path: Path, points_ras: np.ndarray, system: str, **extra: object) -> None:
    """Write a markups file as Slicer does, by hand: independent of the package's writer."""
    sign = {"LPS": np.array([-1, -1, 1]), "RAS": np.array([1, 1, 1])}[system]
    points = [{"id": str(n), "position": (p * sign).tolist()} for n, p in enumerate(points_ras, 1)]
    length = float(np.linalg.norm(points_ras[0] - points_ras[1]))
    markup = {
        "type": "Line",
        "coordinateSystem": system,
        "controlPoints": points,
        "measurements": [{"name": "length", "enabled": True, "value": length, "units": "mm"}],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"markups": [markup | extra]}))


def write_labels(folder: Path, landmarks_ras: np.ndarray, system: str) -> None:
    """Write the six lines of a label folder, numbered so that text order is not number order."""
    pairs = dict(zip(("TCD", "HDV", "ADV"), CEREBELLUM.biometric_indices(), strict=True))
    for n, name in enumerate(LINES):
        points = landmarks_ras[list(pairs[name])] if name in pairs else np.array([[90.0, n, 0], [91.0, n, 0]])
        write_mrk(folder / f"L_{8 + n}.mrk.json", points, system)


def write_cases(images: Path, labels: Path, ids: list[str]) -> dict[str, np.ndarray]:
    """Write cases with every kind of affine in turn and both coordinate systems; return their landmarks in RAS mm."""
    kinds = list(affines())
    truth = {}
    for n, case_id in enumerate(ids):
        affine = kinds[n % len(kinds)]
        volume, truth[case_id] = paint(affine)
        volumes.write_volume(images / f"{case_id}.nii.gz", volume, affine)
        write_labels(labels / case_id, truth[case_id], "LPS" if n % 2 else "RAS")
    return truth


def dgmld_release(root: Path, ids: Mapping[str, list[str]]) -> dict[str, dict[str, np.ndarray]]:
    """Write the authors' release with these cases of each split, to the letter of its published layout."""
    places = {
        "lfc": (root / "LFC_dataset/train", root / "LFC_dataset/train_label"),
        "lfc-val": (root / "LFC_dataset/valid", root / "LFC_dataset/valid_label"),
        "atlas": (root / "atlas/atlas-reconstruct", root / "atlas/atlas_label"),
        "feta": (root / "feta21/feta21", root / "feta21/feta21_label"),
    }
    return {split: write_cases(*places[split], list(cases)) for split, cases in ids.items()}


def brain(numbering: str = "fidon", shape: tuple[int, int, int] = (60, 72, 56)) -> np.ndarray:
    """Return a label map, RAS order, with a shell of cortex, white matter, and a cerebellum low and at the back."""
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij"))

    def ellipsoid(centre: tuple[float, float, float], radii: tuple[float, float, float]) -> np.ndarray:
        scaled = (grid - np.reshape(centre, (3, 1, 1, 1))) / np.reshape(radii, (3, 1, 1, 1))
        return (scaled**2).sum(axis=0) <= 1

    labels = np.zeros(shape, np.uint8)
    labels[ellipsoid((0, 0, 0), (0.95, 0.95, 0.9))] = 4
    labels[ellipsoid((0, 0, 0.05), (0.88, 0.9, 0.8))] = 5
    labels[ellipsoid((0, 0, 0.1), (0.75, 0.8, 0.62))] = 1
    labels[ellipsoid((0, 0.1, 0.15), (0.2, 0.4, 0.2))] = 2
    labels[ellipsoid((0, -0.4, -0.55), (0.42, 0.25, 0.24))] = 3
    return labels if numbering == "fidon" else np.array(FIDON_TO_FETA, np.uint8)[labels]


def write_pretraining(root: Path, volumes_of: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> None:
    """Write the folder for pre-training: ``image/``, ``label/<id>_parcellation.nii.gz``, ``train.list``."""
    for case_id, (labels, affine) in volumes_of.items():
        volumes.write_volume(root / "image" / f"{case_id}.nii.gz", labels.astype(np.int16) * 10, affine)
        volumes.write_volume(root / "label" / f"{case_id}_parcellation.nii.gz", labels, affine)
    (root / "train.list").write_text("\n".join(volumes_of) + "\n")


def isbi(
    root: Path, numbers: list[int], *, size: tuple[int, int] = (387, 480), suffix: str = "bmp"
) -> dict[str, np.ndarray]:
    """Write films and both doctors' points in the challenge's folders; return the seniors' points."""
    from PIL import Image

    rng = np.random.default_rng(0)
    truth = {}
    for number in numbers:
        folder = "TrainingData" if number <= 150 else "Test1Data" if number <= 300 else "Test2Data"
        film = root / "RawImage" / folder / f"{number:03d}.{suffix}"
        film.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", size, number % 256).save(film)
        points = rng.integers(100, 1800, size=(len(CEPHALOMETRIC), 2))
        for annotator, shift in (("senior", 0), ("junior", 1)):
            text = root / "AnnotationsByMD" / f"400_{annotator}" / f"{number:03d}.txt"
            text.parent.mkdir(parents=True, exist_ok=True)
            lines = [f"{x + shift},{y}" for x, y in points] + ["1"] * 8  # classes follow in some releases
            text.write_text("\n".join(lines) + "\n")
        truth[str(number)] = points.astype(float)
    return truth


def labelme(path: Path, points: Mapping[str, list[tuple[float, float]]], image_name: str = "1.tif") -> None:
    """Write an annotation as LabelMe 5 does, with a copy of the image in it."""
    shapes = [
        {"label": label, "points": [list(xy)], "group_id": None, "shape_type": "point", "flags": {}}
        for label, places in points.items()
        for xy in places
    ]
    value = {"version": "5.0.1", "flags": {}, "shapes": shapes, "imagePath": image_name, "imageData": "QkFTRTY0" * 500}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value | {"imageHeight": 1671, "imageWidth": 1340}))


HAMEDAN_DOCTORS = ("annotated by  Dr.mollabashi", "annotated by Dr.farhadifar")


def hamedan(root: Path, numbers: list[int], *, size: tuple[int, int] = (335, 418)) -> dict[str, np.ndarray]:
    """Write films and both doctors' points as the public repository lays them; return the first doctor's points.

    The second doctor sets each point two pixels to the right.
    """
    from PIL import Image

    rng = np.random.default_rng(1)
    truth = {}
    for number in numbers:
        film = root / "pictures" / f"{number:03d}.tif"
        film.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", size, number).save(film, format="JPEG" if number == 1 else "TIFF")
        points = rng.integers(100, 1300, size=(len(CEPHALOMETRIC), 2)).astype(float)
        for folder, shift in zip(HAMEDAN_DOCTORS, (0, 2), strict=True):
            labels = {f"l{n}": [(float(x) + shift, float(y))] for n, (x, y) in enumerate(points, 1)}
            labelme(root / folder / f"{number:03d}.json", labels)
        truth[str(number)] = points
    return truth


AARIZ_OTHERS = ("Condylion", "Lower Molar Cusp Tip", "Glabella")  # three of the ten that are not of the track


def aariz(root: Path, films: Mapping[str, tuple[str, str, str]], *, part: str = "test") -> dict[str, np.ndarray]:
    """Write the release's layout, film -> (suffix, device, pixel size); return the seniors' points.

    The juniors set each point a pixel to the right; the order of the landmarks is another in each file.
    """
    from PIL import Image

    from dgmld_bench.sources.aariz import LANDMARKS

    rng = np.random.default_rng(4)
    truth = {}
    rows = ["cephalogram_id,machine,pixel_size,image_format,mode"]
    for number, (film, (suffix, device, pixel_size)) in enumerate(films.items()):
        path = root / part / "Cephalograms" / f"{film}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = Image.linear_gradient("L").resize((900 + 10 * number, 1000))
        (picture.convert("RGB") if number % 2 else picture).save(path)
        points = rng.integers(50, 850, size=(len(CEPHALOMETRIC), 2)).astype(float)
        points[0] = [100, 300]
        points[1] = points[0] + [60 / float(pixel_size), 0]  # sella and nasion, 60 mm apart
        points[7] = [400, 840]  # menton, below
        for group, shift in (("Senior Orthodontists", 0), ("Junior Orthodontists", 1)):
            entries = [
                {"title": title[0], "symbol": symbol[0], "value": {"x": x + shift, "y": y}}
                for (title, symbol), (x, y) in zip(LANDMARKS.values(), points.tolist(), strict=True)
            ]
            entries += [{"title": t, "symbol": t[:2], "value": {"x": 1, "y": 2}} for t in AARIZ_OTHERS]
            rng.shuffle(entries)  # type: ignore[arg-type]
            value = {"ceph_id": film, "landmarks": [{"landmark_id": f"id{n}", **e} for n, e in enumerate(entries)]}
            text = root / part / "Annotations/Cephalometric Landmarks" / group / f"{film}.json"
            text.parent.mkdir(parents=True, exist_ok=True)
            text.write_text(json.dumps(value))
        truth[film] = points
        rows.append(f"{film},{device},{pixel_size},{suffix},L")
    (root / "cephalogram_machine_mappings.csv").write_text("\n".join(rows) + "\n", encoding="utf-8-sig")
    return truth
