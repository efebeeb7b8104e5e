"""A ``datasets.Dataset`` on disk: ``Nifti`` or ``Image`` features with landmarks, for ``load_from_disk``."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from dgmld_bench.errors import UsageError
from dgmld_bench.export.job import Item, Job, need_library
from dgmld_bench.export.note import landmarks_text

ABOUT = """
A dataset of Hugging Face `datasets`: `datasets.load_from_disk(PATH)`. One split is a `Dataset`, several are a
`DatasetDict` (a `-` or `/` in a split's name becomes `_`). `image` is the volume (feature `Nifti`, its affine takes
voxels to RAS mm) or the film (feature `Image`), `affine` takes array indices (3D: i, j, k; 2D: row, column) to the
space of the landmarks, `landmarks` are in that space, in the order of `landmark_names`, NaN where one is missing.
`mask` is the label map, where the split has one. Landmarks and masks of a test split are only here where they were
asked for.
"""

_WRITER_BATCH = 4  # rows in memory at a time
_SHARD_SIZE = "500MB"


def check(job: Job) -> None:
    """Refuse predictions, since the dataset holds data, and splits that would share a name."""
    need_library("datasets", "a Hugging Face dataset")
    if job.predictions is not None:
        raise UsageError("format 'hf' holds images and references, not predictions; parquet and slicer do")
    if len({split_name(s.name) for s in job.splits}) < len(job.splits):
        names = ", ".join(f"'{s.name}' as {split_name(s.name)}" for s in job.splits)
        raise UsageError(f"two of these splits would share a name in the dataset ({names}); export them one by one")


def write(job: Job, folder: Path) -> None:
    """Write the dataset, one case in memory at a time."""
    import datasets

    had_bars = not datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()  # the job tells its own progress
    cache = folder / ".cache"
    try:
        parts = {split_name(s.name): _dataset(job, s.name, cache) for s in job.splits}
        whole = next(iter(parts.values())) if len(parts) == 1 else datasets.DatasetDict(parts)
        whole.save_to_disk(folder, max_shard_size=_SHARD_SIZE)
    finally:
        shutil.rmtree(cache, ignore_errors=True)
        if had_bars:
            datasets.enable_progress_bars()


def split_name(name: str) -> str:
    """Return a split's name as ``datasets`` allows it.

    >>> split_name("open-train"), split_name("own/clinic")
    ('open_train', 'own_clinic')
    """
    return re.sub(r"\W", "_", name)


def _dataset(job: Job, name: str, cache: Path) -> Any:
    import datasets

    split = next(s for s in job.splits if s.name == name)
    masks = job.gives_references(split) and job.landmark_set.dimension == 3

    def rows() -> Iterator[dict[str, Any]]:
        for item in job.items(split):
            yield _row(job, item, masks)

    try:
        dataset = datasets.Dataset.from_generator(
            rows,
            features=_features(job, job.gives_references(split), masks),
            cache_dir=str(cache),
            fingerprint=split_name(name),
            split=datasets.NamedSplit(split_name(name)),
            writer_batch_size=_WRITER_BATCH,
        )
    except datasets.exceptions.DatasetGenerationError as error:
        raise error.__cause__ or error from None  # our own error, which names the file
    dataset.info.description = f"Landmarks: {landmarks_text(job.landmark_set)}. See README.md for source and licence."
    return dataset


def _features(job: Job, references: bool, masks: bool) -> Any:
    import datasets
    from datasets import Array2D, Features, Value

    dimension = job.landmark_set.dimension
    image = datasets.Nifti() if dimension == 3 else datasets.Image()
    features: dict[str, Any] = {
        "id": Value("string"),
        "split": Value("string"),
        "centre": Value("string"),
        "image": image,
        "affine": Array2D((dimension + 1, dimension + 1), "float64"),
    }
    if dimension == 2:
        features["pixel_spacing_mm"] = Value("float64")
    else:
        features["gestational_age_weeks"] = Value("float64")
    if references:
        features["landmarks"] = Array2D((len(job.landmark_set), dimension), "float64")
        features["landmark_names"] = datasets.List(Value("string"))
    if masks:
        features["mask"] = image
    return Features(features)


def _row(job: Job, item: Item, masks: bool) -> dict[str, Any]:
    case = item.case
    row: dict[str, Any] = {"id": case.id, "split": item.split.name, "centre": case.centre, "affine": case.affine}
    if job.landmark_set.dimension == 3:
        row["image"] = _nifti(case.image, case.affine, item.key)
        row["gestational_age_weeks"] = case.info.get("gestational_age_weeks")
    else:
        row["image"] = _png(case.image, item.key)
        row["pixel_spacing_mm"] = case.spacing_mm
    if item.reference is not None:
        row["landmarks"] = item.reference
        row["landmark_names"] = list(job.landmark_set.names)
    if masks:
        row["mask"] = None if case.mask is None else _nifti(case.mask, case.affine, f"{item.key}_mask")
    return row


def _nifti(array: Any, affine: Any, name: str) -> dict[str, Any]:
    from dgmld_bench.formats.volumes import nifti_bytes

    return {"path": f"{name}.nii.gz", "bytes": nifti_bytes(array, affine)}


def _png(film: Any, name: str) -> dict[str, Any]:
    from PIL import Image

    stream = BytesIO()
    Image.fromarray(film).save(stream, "PNG")  # 8 or 16 bits, lossless
    return {"path": f"{name}.png", "bytes": stream.getvalue()}
