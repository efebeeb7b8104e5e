"""Edges of images: Canny for EdgeDG, and boundaries for BaPDG where there are no masks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from baselines.common.config import Preset
from baselines.common.prepare import FULL_SCALE, PreparedCase
from dgmld_bench.errors import DataError, UsageError

Array = NDArray[np.float32]

#: 3D: Gaussian smoothing, and the thresholds of hysteresis on the gradient of an image in [0, 1], per voxel.
CANNY_SIGMA_VOX, CANNY_LOW, CANNY_HIGH = 1.0, 0.02, 0.08
#: What :func:`canny` needs beside what every training does, by dimension.
CANNY_PACKAGES = {2: ("scikit-image",), 3: ("SimpleITK",)}
#: 2D built-in boundaries: those that Canny finds at no fewer than two of these widths.
SCALES_PX = (1.0, 2.0, 3.0)


def canny(image: Array, sigma: float = CANNY_SIGMA_VOX) -> Array:
    """Return Canny edges of an image in [0, 1], 0 or 1: by SimpleITK in 3D, by scikit-image in 2D.

    Parameters
    ----------
    image : float32 array of 2 or 3 axes
    sigma : float
        Width of the Gaussian smoothing, in voxels.
    """
    if image.ndim == 2:
        from skimage.feature import canny as canny_2d

        return np.asarray(canny_2d(image, sigma=sigma), dtype=np.float32)
    import SimpleITK

    edges = SimpleITK.CannyEdgeDetection(
        SimpleITK.GetImageFromArray(np.ascontiguousarray(image, dtype=np.float32)),
        lowerThreshold=CANNY_LOW,
        upperThreshold=CANNY_HIGH,
        variance=[sigma**2] * 3,
        maximumError=[0.01] * 3,
    )
    return np.asarray(SimpleITK.GetArrayFromImage(edges), dtype=np.float32)


def boundary_provider(folder: str | None, preset: Preset) -> Callable[[PreparedCase], Array]:
    """Return what gives each 2D case its boundaries: float32 in [0, 1] on the heatmap's grid.

    Parameters
    ----------
    folder : str or None
        A folder of edge maps, such as a user makes with MuGE, the paper's detector: ``CASE.png`` for each training
        case, 8-bit grey, 0 where there is surely no boundary and 255 where there surely is one, of the film's size.
        None: the built-in detector, Canny at several widths. It is not MuGE, and knows nothing of anatomy.
    preset : Preset

    Raises
    ------
    UsageError
        When the folder does not exist.
    """
    if folder is None:
        return lambda case: _multiscale_canny(case, preset)
    place = Path(folder)
    if not place.is_dir():
        raise UsageError(f"--edges {folder}: no such folder; expected one with a file CASE.png for each training case")
    return lambda case: _read_map(place, case, preset)


def _multiscale_canny(case: PreparedCase, preset: Preset) -> Array:
    image = np.asarray(case.image, dtype=np.float32) / FULL_SCALE
    s = preset.heatmap_stride
    small = image.reshape(image.shape[0] // s, s, image.shape[1] // s, s).mean(axis=(1, 3))
    return np.mean([canny(small, sigma) for sigma in SCALES_PX], axis=0, dtype=np.float32)


def _read_map(folder: Path, case: PreparedCase, preset: Preset) -> Array:
    """Read and check one edge map.

    Raises
    ------
    DataError
        For a file that is missing, not 8-bit grey, of another size than the film, or empty.
    """
    from PIL import Image, UnidentifiedImageError

    file = folder / f"{case.id}.png"
    height, width = case.grid.shape
    try:
        with Image.open(file) as picture:
            if picture.size != (width, height):
                raise DataError(f"{file}: {picture.size[0]}x{picture.size[1]} pixels; the film has {width}x{height}")
            if picture.mode != "L":
                raise DataError(f"{file}: mode {picture.mode}; expected 8-bit grey (L)")
            values = np.asarray(picture, dtype=np.float32) / 255
    except FileNotFoundError:
        raise DataError(f"{file}: no such file; expected an edge map for each training case") from None
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
        raise DataError(f"{file}: not a PNG that can be read ({error})") from None
    if values.max() < 0.5:
        raise DataError(
            f"{file}: no boundary in it; values run from 0 to 255, the highest here is {values.max() * 255:g}"
        )
    return reduce_by_maximum(values, preset.heatmap_shape)


def reduce_by_maximum(values: Array, shape: tuple[int, ...]) -> Array:
    """Return the highest value in each cell of a coarser grid: a line one pixel wide does not fade.

    >>> reduce_by_maximum(np.eye(6, dtype=np.float32)[:, :1], (3, 1)).tolist()
    [[1.0], [0.0], [0.0]]
    """
    for axis, (n_in, n_out) in enumerate(zip(values.shape, shape, strict=True)):
        values = np.maximum.reduceat(values, np.arange(n_out) * n_in // n_out, axis=axis)
    return values
