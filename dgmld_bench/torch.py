"""The benchmark's splits as a PyTorch data set. The only module of this package that imports PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from dgmld_bench.geometry import world_to_index
from dgmld_bench.splits import CaseList, load_split

try:
    import torch
    from torch.utils.data import Dataset
except ImportError as error:
    raise ImportError("dgmld_bench.torch needs PyTorch: pip install 'dgmld-bench[baselines]'") from error


class LandmarkDataset(Dataset[dict[str, Any]]):
    """A split for a ``DataLoader``: image tensor, landmarks in index coordinates, affine.

    Images come as they are stored, one at a time and neither resampled nor windowed; sizes differ between cases, so a
    batch needs a transform that brings them to one grid. ``docs/monai_transforms.py`` does it with MONAI.

    Parameters
    ----------
    split : str
        A split's name as on the command line.
    references : bool
        Give out the landmarks of a *test* split. Those of training and validation splits always are.
    transform : callable, optional
        Takes and returns an item.
    data_dir : path, optional
        The data folder; else ``DGMLD_BENCH_DATA``, else the platform's user data folder.

    Raises
    ------
    UsageError, DataError
        As :func:`dgmld_bench.load_split`.

    Notes
    -----
    An item is a dictionary:

    ==============  ===========================================================================================
    ``id``          str
    ``image``       float32 ``(1, i, j, k)``, in 2D ``(1, row, column)``: stored values
    ``affine``      float64 ``(d + 1, d + 1)``, index to world (3D: mm RAS; 2D: original x, y pixels)
    ``landmarks``   float64 ``(landmark, axis)`` in indices of the image: voxel centres at integers, not rounded,
                    NaN where one is missing; absent where the references are withheld
    ``world``       float64 ``(landmark, axis)``, the same in world coordinates; absent likewise
    ==============  ===========================================================================================

    ``index_to_world(affine, landmarks)`` is ``world``, whatever the orientation of the stored array.
    """

    def __init__(
        self,
        split: str,
        *,
        references: bool = False,
        transform: Callable[[dict[str, Any]], Any] | None = None,
        data_dir: Path | str | None = None,
    ) -> None:
        self.split = split
        self.references = references
        self.transform = transform
        self.data_dir = data_dir
        self._cases: CaseList | None = None
        self.ids = self.cases.ids

    @property
    def cases(self) -> CaseList:
        """The cases, made again in each worker process of a ``DataLoader``."""
        if self._cases is None:
            self._cases = load_split(self.split, references=self.references, data_dir=self.data_dir)
        return self._cases

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> Any:
        case = self.cases[index]
        image = torch.from_numpy(np.ascontiguousarray(case.image, dtype=np.float32))[None]
        item: dict[str, Any] = {"id": case.id, "image": image, "affine": torch.from_numpy(case.affine.copy())}
        if not case.withheld:
            item["landmarks"] = torch.from_numpy(world_to_index(case.affine, case.landmarks))
            item["world"] = torch.from_numpy(case.landmarks.copy())
        return item if self.transform is None else self.transform(item)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_cases": None}
