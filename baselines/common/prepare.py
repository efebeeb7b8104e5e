"""From the files of a case to the network's grid, once: resampled, windowed, memory-mapped.

The cache lies in ``<data>/cache``, or in the user's own cache folder where the data may only be read: for each image
``<key>.npy`` (uint16, 0..65535 for [0, 1], canonical axis order) and ``<key>.json`` (shape and affine of the stored
array), for each mask ``<key>.npy`` (uint8, 0 or 1), for each map of tissue labels ``<key>.npy`` (uint8). A key is made
from path, size and time of change of the source file, the grid and :data:`VERSION`, so a changed file is prepared anew.

Fixed point in 16 bits keeps [0, 1] to 8e-6, thirty times finer than float16 at the same size, and is quick to write and
to read (128³: 1.3 and 0.4 ms; NumPy needs up to 40 ms to make float16 of an image with tiny values).
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import numpy as np
import platformdirs
from numpy.typing import NDArray

from dgmld_bench.cases import Case
from dgmld_bench.errors import DataError
from dgmld_bench.files import atomic_write, read_json, write_json
from dgmld_bench.geometry import NetworkGrid
from dgmld_bench.splits import CaseList
from dgmld_bench.storage import folders

VERSION = 1
FULL_SCALE = 65535
WINDOW_PERCENT = (5.0, 95.0)
#: A window narrower than this share of the value range holds nothing but background and resampling ripple.
DEGENERATE_SHARE = 0.01
#: Voxels within this share of the value range from zero count as zero: cubic resampling ripples around edges.
ZERO_SHARE = 1e-3

#: NumPy reads the header of a file with `ast`, which two threads of CPython 3.11 must not do at once: now and then it
#: ends in "AST constructor recursion depth mismatch".
_PARSING = threading.Lock()

Float32 = NDArray[np.float32]
T = TypeVar("T")
R = TypeVar("R")


@lru_cache(maxsize=256)
def spline_matrix(n_in: int, n_out: int) -> Float32:
    """Return the ``(n_out, n_in)`` matrix that resamples one axis with cubic splines.

    The operator is that of ``skimage.transform.resize(order=3)`` with its defaults along one axis: Gaussian
    anti-aliasing with sigma ``max(0, (n_in / n_out - 1) / 2)``, cubic spline with mirrored borders, edges of the
    first and last voxel kept in place. Applied to the identity it becomes a matrix, and a volume is resampled by
    three matrix products.

    >>> bool(np.allclose(spline_matrix(7, 4).sum(axis=1), 1, atol=1e-6))
    True
    """
    from scipy import ndimage

    identity = np.eye(n_in)
    if n_out < n_in:
        identity = ndimage.gaussian_filter1d(identity, (n_in / n_out - 1) / 2, axis=0, mode="mirror")
    columns = [ndimage.zoom(c, n_out / n_in, order=3, mode="mirror", grid_mode=True) for c in identity.T]
    matrix = np.stack(columns, axis=1)
    # A spline's reach decays without end; its tail would fill empty background with denormal numbers, which make
    # the next product five times slower.
    matrix[np.abs(matrix) < 1e-7] = 0.0
    return np.ascontiguousarray(matrix, dtype=np.float32)


def resample(array: NDArray, grid_shape: Sequence[int]) -> Float32:
    """Resample an array of 2 or 3 axes to a shape; within 1e-3 of the range of scikit-image's ``resize(order=3)``."""
    result = np.ascontiguousarray(array, dtype=np.float32)
    low, high = result.min(), result.max()
    # the axes that shrink most go first: fewer values are left for the others
    for axis in sorted(range(result.ndim), key=lambda a: grid_shape[a] / array.shape[a]):
        n_in, n_out = result.shape[axis], int(grid_shape[axis])
        if n_in == n_out:
            continue
        matrix = spline_matrix(n_in, n_out)
        if axis == result.ndim - 1:
            result = result @ matrix.T
        else:
            before, after = result.shape[:axis], result.shape[axis + 1 :]
            flat = result.reshape(*before, n_in, -1)
            result = np.matmul(matrix, flat).reshape(*before, n_out, *after)
    return np.clip(result, low, high, out=result)


def window(array: NDArray) -> Float32:
    """Clip to the 5th and 95th percentile and scale to [0, 1].

    Where more than 95 % of an image is background the window would be empty; it is then taken over the voxels that
    are not zero. A constant image becomes zero everywhere.
    """
    array = np.asarray(array, dtype=np.float32)
    extent = float(array.max() - array.min())
    low, high = np.percentile(array, WINDOW_PERCENT)
    if high - low <= DEGENERATE_SHARE * extent:
        not_zero = array[np.abs(array) > ZERO_SHARE * extent]
        low, high = np.percentile(not_zero, WINDOW_PERCENT) if not_zero.size else (0.0, 0.0)
    if high <= low:
        return np.zeros_like(array)
    result = (array - np.float32(low)) * np.float32(1.0 / (high - low))
    return np.clip(result, 0.0, 1.0, out=result)


def preprocess(case: Case, grid_shape: Sequence[int]) -> tuple[Float32, NetworkGrid]:
    """Return a case's image as the network sees it, with the mapping between grid and world.

    Raises
    ------
    DataError
        When the image has values that are not finite.
    """
    grid = NetworkGrid(case.affine, tuple(case.image.shape), tuple(grid_shape))
    image = window(resample(grid.canonical(case.image), grid_shape))
    if not np.isfinite(image).all():
        raise DataError(f"case '{case.id}' of split '{case.split}': the image has values that are not finite")
    return image, grid


def preprocess_mask(case: Case, grid_shape: Sequence[int]) -> NDArray[np.uint8]:
    """Return a case's cerebellum on the grid, 0 or 1: resampled like the image, then cut at one half.

    Raises
    ------
    DataError
        When the case has no mask, or it has no cerebellum left on this grid.
    """
    from dgmld_bench.derive import cerebellum

    where = f"case '{case.id}' of split '{case.split}'"
    if case.mask is None:
        raise DataError(f"{where} has no mask; this method pre-trains on masks")
    grid = NetworkGrid(case.affine, tuple(case.mask.shape), tuple(grid_shape))
    mask = (
        resample(grid.canonical(cerebellum(case.mask, case.affine, case.info.get("label_scheme"))), grid_shape) >= 0.5
    )
    if not mask.any():
        raise DataError(f"{where}: no cerebellum in its mask")
    return mask.astype(np.uint8)


def preprocess_labels(case: Case, grid_shape: Sequence[int]) -> NDArray[np.uint8]:
    """Return a case's tissue labels on the grid, in FeTA's numbering: each voxel takes the label of the nearest.

    Labels that FeTA's numbering does not have stay as they are.

    Raises
    ------
    DataError
        When the case has no mask, or its numbering is unclear.
    """
    from dgmld_bench.derive import FIDON_TO_FETA, detect_scheme

    if case.mask is None:
        raise DataError(f"case '{case.id}' of split '{case.split}' has no mask; this method needs tissue labels")
    labels = np.asarray(case.mask)
    if (case.info.get("label_scheme") or detect_scheme(labels, case.affine)) == "fidon":
        labels = np.array(FIDON_TO_FETA, dtype=np.uint8)[labels]
    labels = NetworkGrid(case.affine, tuple(labels.shape), tuple(grid_shape)).canonical(labels)
    # edges of the first and last voxel stay in place, as when images are resampled
    nearest = [((np.arange(n) + 0.5) * m / n).astype(int) for n, m in zip(grid_shape, labels.shape, strict=True)]
    return np.ascontiguousarray(labels[np.ix_(*nearest)], dtype=np.uint8)


@dataclass(frozen=True)
class PreparedCase:
    """One case in the cache.

    Attributes
    ----------
    id, split : str
    image : memory-mapped uint16 of the grid's shape
        Intensities in units of 1 / :data:`FULL_SCALE`.
    grid : NetworkGrid
        Takes grid indices to world coordinates and back.
    mask : memory-mapped uint8 of the grid's shape, or None
        The cerebellum, where masks were asked for.
    labels : memory-mapped uint8 of the grid's shape, or None
        Tissues in FeTA's numbering, where labels were asked for.
    """

    id: str
    split: str
    image: NDArray[np.uint16]
    grid: NetworkGrid
    mask: NDArray[np.uint8] | None = None
    labels: NDArray[np.uint8] | None = None


class Cache:
    """The prepared cases of one data folder on one grid."""

    def __init__(self, grid_shape: Sequence[int], data_dir: Path | str | None = None) -> None:
        self.grid_shape = tuple(grid_shape)
        self.data_dir = folders.data_dir(data_dir)
        self.folder = self.data_dir / "cache"
        if not os.access(self.data_dir, os.W_OK):  # data that several people share
            of = hashlib.sha256(str(self.data_dir).encode()).hexdigest()[:16]
            self.folder = platformdirs.user_cache_path("dgmld-bench") / of

    def key(self, file: Path, kind: str) -> str:
        """Return the key of one source file: it changes with the file, the grid, and the version of this module."""
        try:
            status = file.stat()
        except FileNotFoundError:
            raise DataError(f"{file}: no such file any more; import or download its source again") from None
        identity = [VERSION, kind, str(file), status.st_size, status.st_mtime_ns, self.grid_shape]
        return hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:32]

    def prepare(
        self,
        cases: CaseList,
        *,
        masks: bool = False,
        labels: bool = False,
        on_case: Callable[[int, int], None] | None = None,
    ) -> list[PreparedCase]:
        """Return the prepared cases of a split in the order of their ids, preparing what the cache has not.

        Parameters
        ----------
        cases : CaseList
            What :func:`dgmld_bench.load_split` returned.
        masks, labels : bool
            Prepare masks or tissue labels as well; asking for those that are withheld raises.
        on_case : callable, optional
            Called after each case with how many are done and how many there are.

        Raises
        ------
        DataError
            When a case cannot be prepared.
        """

        def one(case_id: str) -> PreparedCase:
            case = cases.by_id(case_id)
            image_file, mask_file = cases.paths(case_id)
            image, grid = self._image(case, image_file)
            mask = self._of_mask(case, mask_file, "mask", preprocess_mask) if masks else None
            tissues = self._of_mask(case, mask_file, "labels", preprocess_labels) if labels else None
            return PreparedCase(case_id, case.split, image, grid, mask, tissues)

        return list(_in_parallel(one, cases.ids, on_case))

    def _image(self, case: Case, file: Path) -> tuple[NDArray, NetworkGrid]:
        key = self.key(file, "image")
        about = self.folder / f"{key}.json"
        if not about.is_file():
            image, grid = preprocess(case, self.grid_shape)
            self._save(key, (image * np.float32(FULL_SCALE) + np.float32(0.5)).astype(np.uint16))
            write_json(
                about, {"shape": list(grid.shape), "affine": grid.affine.tolist()}
            )  # last: it marks completeness
        value = read_json(about)
        grid = NetworkGrid(np.array(value["affine"]), tuple(value["shape"]), self.grid_shape)
        return self._load(key, np.uint16), grid

    def _of_mask(
        self, case: Case, file: Path | None, kind: str, make: Callable[[Case, Sequence[int]], NDArray[np.uint8]]
    ) -> NDArray:
        if file is None:
            raise DataError(f"case '{case.id}' of split '{case.split}' has no mask; this method trains on masks")
        key = self.key(file, kind)
        if not (self.folder / f"{key}.npy").is_file():
            self._save(key, make(case, self.grid_shape))
        return self._load(key, np.uint8)

    def _save(self, key: str, array: NDArray) -> None:
        with atomic_write(self.folder / f"{key}.npy") as stream:
            np.save(stream, array, allow_pickle=False)

    def _load(self, key: str, dtype: type) -> NDArray:
        file = self.folder / f"{key}.npy"
        try:
            # "c": pages are shared until written to, and PyTorch takes the array without copying it
            with _PARSING:
                array = np.load(file, mmap_mode="c", allow_pickle=False)
            if array.dtype != dtype or array.shape != self.grid_shape:
                raise ValueError(f"{array.dtype} of shape {array.shape}")
        except (OSError, ValueError, EOFError) as error:
            raise DataError(f"{file}: not a prepared case ({error}); delete {self.folder} and run again") from None
        return array


def _in_parallel(work: Callable[[T], R], items: Sequence[T], on_case: Callable[[int, int], None] | None) -> Iterator[R]:
    """Yield the results in order. Threads serve: unzipping, matrix products and partitions release the lock."""
    from threadpoolctl import threadpool_limits

    pool = ThreadPoolExecutor(os.cpu_count())
    limits = threadpool_limits(1, user_api="blas")  # parallel over cases already
    try:
        futures = [pool.submit(work, item) for item in items]
        for done, future in enumerate(futures, start=1):
            yield future.result()
            if on_case:
                on_case(done, len(items))
    finally:
        pool.shutdown(cancel_futures=True)  # after an error or an interrupt, do not work through the rest
        limits.restore_original_limits()
