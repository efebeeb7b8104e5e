"""A table of landmarks as Parquet: one row per case, landmark, and annotation or predicted run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dgmld_bench.errors import UsageError
from dgmld_bench.export.job import Item, Job, need_library
from dgmld_bench.export.note import landmarks_text, provenance
from dgmld_bench.files import atomic_write

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME, SUFFIX = "landmarks", ".parquet"

ABOUT = """
`landmarks.parquet`: one row per case and landmark of the reference, and of each predicted run. `kind` is "reference"
or "prediction"; `seed` is that of the run. A point that is missing has no row. `voxel_i`, `voxel_j`, `voxel_k` (2D:
`row`, `column`) are zero-based indices of the stored image, centres at integers. In 2D, millimetres are pixels times
`pixel_spacing_mm`.
"""


def check(job: Job) -> None:
    """Refuse an export that would have no rows, and note the splits that have none."""
    need_library("pyarrow", "a Parquet file")
    without = [s.name for s in job.splits if job.predictions is None and not job.gives_references(s)]
    if len(without) == len(job.splits):
        raise UsageError(
            f"the landmarks of test split '{without[0]}' are withheld, so the table would have no rows; "
            "ask for them with references=True, or export predictions=FILE"
        )
    job.notes += [
        f"no row of test split '{name}': its landmarks are withheld unless references are asked for" for name in without
    ]


def write(job: Job, folder: Path) -> None:
    """Write ``landmarks.parquet``; the licence is also in the metadata of the file itself, key ``dgmld-bench``."""
    import pyarrow
    from pyarrow import parquet

    rows = [row for split in job.splits for item in job.items(split) for row in _rows(job, item)]
    table = pyarrow.Table.from_pylist(rows, _schema(job.landmark_set.dimension))
    about = {"landmarks": landmarks_text(job.landmark_set), "splits": provenance(job)}
    table = table.replace_schema_metadata({"dgmld-bench": json.dumps(about, ensure_ascii=False)})
    with atomic_write(folder / f"{NAME}{SUFFIX}") as stream:
        parquet.write_table(table, stream)


def _axes(dimension: int) -> tuple[list[str], list[str]]:
    """Return the columns of a point in world coordinates and in indices."""
    if dimension == 3:
        return ["x_ras_mm", "y_ras_mm", "z_ras_mm"], ["voxel_i", "voxel_j", "voxel_k"]
    return ["x_px", "y_px"], ["row", "column"]


def _schema(dimension: int) -> Any:
    import pyarrow as pa

    world, index = _axes(dimension)
    text, number = pa.string(), pa.float64()
    columns = [("split", text), ("case", text), ("centre", text), ("kind", text), ("seed", pa.int64())]
    columns += [("landmark", text), *((name, number) for name in (*world, *index))]
    return pa.schema(columns if dimension == 3 else [*columns, ("pixel_spacing_mm", number)])


def _rows(job: Job, item: Item) -> Iterator[dict[str, Any]]:
    from dgmld_bench.geometry import world_to_index

    world_axes, index_axes = _axes(job.landmark_set.dimension)
    same: dict[str, Any] = {"split": item.split.name, "case": item.case.id, "centre": item.case.centre}
    if job.landmark_set.dimension == 2:
        same["pixel_spacing_mm"] = item.case.spacing_mm
    sets: list[tuple[str, int | None, Any]] = []
    if item.reference is not None:
        sets.append(("reference", None, item.reference))
    sets += [("prediction", seed, points) for seed, points in item.predictions.items()]
    for kind, seed, points in sets:
        indices = world_to_index(item.case.affine, points)
        for name, point, index in zip(job.landmark_set.names, points, indices, strict=True):
            if np.isfinite(point).all():
                values = [*zip(world_axes, point.tolist(), strict=True), *zip(index_axes, index.tolist(), strict=True)]
                yield {**same, "kind": kind, "seed": seed, "landmark": name, **dict(values)}
