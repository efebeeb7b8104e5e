"""Arrays of one set, and batches of them where the network computes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from baselines.common.prepare import FULL_SCALE

#: A set is kept on a GPU when it takes no more than this share of what is free there: training needs the rest.
SHARE = 0.25


class Stack:
    """Arrays of one shape, and batches of them on a device.

    A GPU gets all of them once, as they are stored: in 8 or 16 bits a training set of the paper's size takes less than
    half a gigabyte. Where they do not fit, each batch is gathered in page-locked memory and copied without waiting:
    since nothing in a training step waits for the device, the processor gathers the next batch while the device still
    computes the last. A processor reads them where they are.

    Parameters
    ----------
    arrays : sequence of arrays of one shape
        Of uint16, images in units of 1 / :data:`~baselines.common.prepare.FULL_SCALE`; of uint8 or float32, any values.
    device : torch.device
    resident : bool, optional
        Whether the device gets all of them; None: a GPU with room for them.
    """

    def __init__(self, arrays: Sequence[NDArray], device: torch.device, *, resident: bool | None = None) -> None:
        self.arrays, self.device = list(arrays), device
        dtype = np.result_type(*self.arrays)
        self._scaled = dtype == np.uint16
        self._dtype = np.dtype(np.int16) if self._scaled else dtype  # the same bits, which every device can index
        shape = (len(self.arrays), *self.arrays[0].shape)
        if resident is None:
            resident = has_room(int(np.prod(shape)) * dtype.itemsize, device)
        self._whole: Tensor | None = None
        if resident:
            kind = torch.from_numpy(np.empty(0, self._dtype)).dtype
            self._whole = torch.empty(shape, dtype=kind, device=device)
            for row, array in zip(self._whole, self.arrays, strict=True):
                row.copy_(torch.from_numpy(self._stored(array)))

    def take(self, items: Sequence[int]) -> Tensor:
        """Return arrays ``(batch, *shape)`` as they are stored; uint16 as int16 with the same bits."""
        if self._whole is not None:
            return self._whole[torch.tensor(items).to(self.device, non_blocking=True)]
        batch = torch.from_numpy(np.stack([self._stored(self.arrays[i]) for i in items]))
        return (batch.pin_memory() if self.device.type == "cuda" else batch).to(self.device, non_blocking=True)

    def images(self, items: Sequence[int]) -> Tensor:
        """Return float32 ``(batch, 1, *shape)``; what is stored as uint16 is in [0, 1]."""
        batch = self.take(items)
        if self._scaled:
            batch = batch.to(torch.int32).bitwise_and_(0xFFFF)
        batch = batch.to(torch.float32)
        return (batch.div_(FULL_SCALE) if self._scaled else batch).unsqueeze(1)

    def _stored(self, array: NDArray) -> NDArray:
        return array.view(np.int16) if self._scaled else np.asarray(array, dtype=self._dtype)


def has_room(size: int, device: torch.device) -> bool:
    """Whether a device should hold these many bytes for the length of a training."""
    if device.type == "cuda":
        return size <= SHARE * torch.cuda.mem_get_info(device)[0]
    return device.type != "cpu"


def compact(array: NDArray) -> NDArray:
    """Return a map in 8 bits where that loses nothing, else as it is.

    >>> compact(np.array([0.0, 51.0, 255.0], np.float32)).dtype, compact(np.array([0.5], np.float32)).dtype
    (dtype('uint8'), dtype('float32'))
    """
    if array.min() < 0 or array.max() > 255:
        return array
    small = array.astype(np.uint8)
    return small if np.array_equal(small, array) else array
