"""What training and prediction see of a split: prepared images, and landmarks on the heatmap's grid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from baselines.common.config import Preset
from baselines.common.heatmaps import from_heatmap_grid, to_heatmap_grid
from baselines.common.prepare import Cache, PreparedCase
from dgmld_bench.errors import DataError
from dgmld_bench.splits import CaseList, Track

Array = NDArray[np.float64]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class TrainingSet:
    """Cases with their reference landmarks.

    Attributes
    ----------
    cases : list of PreparedCase
    world : array, shape (case, landmark, axis)
        Reference landmarks in world coordinates; NaN where missing.
    heatmap_points : array, shape (case, landmark, axis)
        The same in indices of the heatmap's grid.
    mm_per_unit : array, shape (case,)
        Millimetres in one unit of world coordinates.
    """

    cases: list[PreparedCase]
    world: Array
    heatmap_points: Array
    mm_per_unit: Array

    def __len__(self) -> int:
        return len(self.cases)

    def subset(self, keep: Sequence[int]) -> TrainingSet:
        """Return the cases at these places."""
        return TrainingSet(
            [self.cases[i] for i in keep], self.world[keep], self.heatmap_points[keep], self.mm_per_unit[keep]
        )


def load_training_set(
    cases: CaseList,
    preset: Preset,
    *,
    masks: bool = False,
    labels: bool = False,
    progress: Progress | None = None,
) -> TrainingSet:
    """Prepare a split with its landmarks; raises where they are withheld."""
    if not len(cases):
        raise DataError(
            f"split '{cases.split.name}': no case of it is on disk; `dgmld-bench datasets` says how to get it"
        )
    prepared = prepare(cases, preset, masks=masks, labels=labels, progress=progress)
    world = np.stack([case.landmarks for case in cases])
    points = np.stack([p.grid.to_grid(w) for p, w in zip(prepared, world, strict=True)])
    heatmap_points = to_heatmap_grid(torch.from_numpy(points), preset.heatmap_stride).numpy()
    return TrainingSet(prepared, world, heatmap_points, np.array([case.mm_per_unit for case in cases]))


def prepare(
    cases: CaseList,
    preset: Preset,
    *,
    masks: bool = False,
    labels: bool = False,
    progress: Progress | None = None,
) -> list[PreparedCase]:
    """Prepare the images of any split, telling ``progress(split, done, total)``."""
    on_case = (lambda done, total: progress(cases.split.name, done, total)) if progress else None
    return Cache(preset.grid_shape, cases.data_dir).prepare(cases, masks=masks, labels=labels, on_case=on_case)


def join(sets: Sequence[TrainingSet]) -> TrainingSet:
    """Return the cases of several splits as one set, in the order of their ids."""
    cases = [case for one in sets for case in one.cases]
    order = sorted(range(len(cases)), key=lambda i: cases[i].id)
    world, points, scale = (np.concatenate([getattr(s, n) for s in sets]) for n in _ARRAYS)
    return TrainingSet([cases[i] for i in order], world[order], points[order], scale[order])


_ARRAYS = ("world", "heatmap_points", "mm_per_unit")


def withhold_fifths(data: TrainingSet) -> tuple[TrainingSet, TrainingSet]:
    """Return (training, validation): every fifth case in the order of ids is withheld for selection.

    Raises
    ------
    DataError
        For fewer than five cases.
    """
    if len(data) < 5:
        raise DataError(f"{len(data)} training cases: too few to withhold every fifth for selection")
    places = np.arange(len(data))
    return data.subset(places[places % 5 != 4]), data.subset(places[places % 5 == 4])


def selection_splits(track: Track, select: str) -> tuple[str | None, str]:
    """Return the validation split (None: withhold every fifth training case) and the name of the selection."""
    if track.validation_is_source:
        return track.validation, "source-val"
    return (track.validation, select) if select == "target-val" else (None, select)


def world_points(heatmap_points: Tensor, case: PreparedCase, preset: Preset) -> Array:
    """Take decoded points ``(landmark, axis)`` of the heatmap's grid to world coordinates."""
    return case.grid.to_world(from_heatmap_grid(heatmap_points.double(), preset.heatmap_stride).numpy())
