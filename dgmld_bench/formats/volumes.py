"""NIfTI volumes: arrays with their affine to RAS millimetres, and label maps."""

from __future__ import annotations

import gzip
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dgmld_bench import geometry
from dgmld_bench.errors import DataError, UsageError
from dgmld_bench.files import absence, atomic_write

Array = NDArray[np.float64]

SUFFIXES = (".nii.gz", ".nii")
MAX_VOXELS = 1 << 29  # 512 Mi voxels, an 800³ volume
_MAX_EXTRA_BYTES = 1 << 20  # header extensions and padding around the voxels
_MM_PER_UNIT = {"unknown": 1.0, "mm": 1.0, "meter": 1000.0, "micron": 0.001}
#: The longest side of a volume is within these, or the unit in its header is in doubt: mice to whole bodies.
_LONGEST_MM = (20.0, 2500.0)
_GZIP_LEVEL = 4
_UNREADABLE = (OSError, EOFError, ValueError, KeyError, zlib.error, OverflowError, MemoryError)


def stem(path: Path | str) -> str:
    """Return a volume's file name without ``.nii`` or ``.nii.gz``.

    >>> stem("feta21/feta21/7.nii.gz")
    '7'
    """
    name = Path(path).name
    return next((name[: -len(s)] for s in SUFFIXES if name.lower().endswith(s)), name)


def is_volume(path: Path) -> bool:
    """Whether a file's name is that of a NIfTI volume, in capitals or not.

    >>> is_volume(Path("7.NII.GZ")), is_volume(Path("7.nii.txt"))
    (True, False)
    """
    return path.name.lower().endswith(SUFFIXES)


def read_affine_and_shape(path: Path | str) -> tuple[Array, tuple[int, int, int]]:
    """Read a volume's geometry from its header alone.

    The sform wins where its code is set, else the qform; a file that sets neither is refused, because then
    nothing says where its voxels are. Millimetres whatever unit the header names (no unit: millimetres).

    Returns
    -------
    affine : array, shape (4, 4)
        Voxel index to RAS mm.
    shape : (int, int, int)

    Raises
    ------
    DataError
        When the file is no readable 3D NIfTI volume of numbers; the message names it.
    """
    return _geometry(_open(path), Path(path))


def read_volume(path: Path | str) -> tuple[NDArray, Array]:
    """Read a volume: the array ``(i, j, k)`` as stored and its affine to RAS mm.

    The header's scaling is applied. The number type stays that of the file (float64 where it is scaled). Voxels
    that are not finite become 0. The whole file is read, so a cut or changed ``.nii.gz`` does not pass.

    Raises
    ------
    DataError
        As :func:`read_affine_and_shape`, and when the file is truncated or corrupt.
    """
    path = Path(path)
    header_image = _open(path)
    affine, shape = _geometry(header_image, path)
    header = header_image.header
    n_bytes = int(header_image.dataobj.offset) + int(np.prod(shape)) * header.get_data_dtype().itemsize
    try:
        with gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb") as stream:
            data = stream.read(n_bytes + _MAX_EXTRA_BYTES)
            if stream.read(1):
                raise DataError(f"longer than its header says ({n_bytes:,} bytes); the file is damaged", path)
        if len(data) < n_bytes:
            raise DataError(f"truncated, {len(data):,} bytes of {n_bytes:,}; get the file again", path)
        array = np.asanyarray(type(header_image).from_bytes(data).dataobj)
    except DataError:
        raise
    except _UNREADABLE as error:
        raise DataError(f"damaged ({error}); get the file again", path) from None
    array = array.reshape(shape)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        array = np.nan_to_num(array, nan=0.0, posinf=0.0, neginf=0.0)
    return array, affine


def read_labels(path: Path | str) -> NDArray[np.integer[Any]]:
    """Read a label map as an integer array ``(i, j, k)``; whole numbers stored as floats are accepted.

    Raises
    ------
    DataError
        As :func:`read_volume`, and when a value is negative or not a whole number.
    """
    array, _ = read_volume(path)
    if array.dtype.kind == "f":
        labels = np.rint(array)
        if array.size and float(np.abs(labels - array).max()) > 1e-3:
            raise DataError("not a label map, it holds values that are no whole numbers", path)
        array = labels
    if array.size and (array.min() < 0 or array.max() > np.iinfo(np.uint16).max):
        raise DataError(f"not a label map, values go from {array.min()} to {array.max()}", path)
    return array.astype(np.uint8 if not array.size or array.max() < 256 else np.uint16)


def write_volume(path: Path | str, array: ArrayLike, affine: ArrayLike) -> None:
    """Write a volume as ``.nii.gz``, atomically; the same array and affine give the same bytes.

    Parameters
    ----------
    path : path
        Ends in ``.nii.gz``.
    array : array, shape (i, j, k)
        Booleans are written as uint8, 64-bit integers as int32.
    affine : array, shape (4, 4)
        Voxel index to RAS mm. NIfTI keeps it in single precision, as sform (and as qform where its axes are
        perpendicular).

    Raises
    ------
    DataError
        When the array is not 3D, has a number type NIfTI does not know, or the affine cannot be inverted.
    """
    path = Path(path)
    if not path.name.endswith(".nii.gz"):
        raise UsageError(f"{path}: volumes are written as .nii.gz")
    try:
        data = nifti_bytes(array, affine)
    except DataError as error:
        raise DataError(str(error), path) from None
    with atomic_write(path) as stream:
        stream.write(data)


def is_sheared(affine: Array) -> bool:
    """Whether the axes of a volume are not perpendicular: no qform can say so, and ITK (3D Slicer, nnU-Net) refuses it.

    >>> is_sheared(np.diag([0.5, 0.5, 3, 1])), is_sheared(np.eye(4) + np.eye(4, k=1) * [0, 0.1, 0, 0])
    (False, True)
    """
    import nibabel as nib

    header = nib.Nifti1Header()
    header.set_qform(affine, code=1)
    return not np.allclose(header.get_qform(), affine, atol=1e-3)


def nifti_bytes(array: ArrayLike, affine: ArrayLike) -> bytes:
    """Return a volume as the bytes of a ``.nii.gz``; parameters and errors as :func:`write_volume`."""
    import nibabel as nib

    values = np.asarray(array)
    if values.ndim != 3:
        raise DataError(f"a volume has three axes, got an array of shape {values.shape}")
    matrix = geometry.check_affine(affine, 3)
    kind: np.dtype[Any] = values.dtype
    if kind.char in "?e":
        kind = np.dtype(np.uint8 if kind.char == "?" else np.float32)
    if kind.kind in "iu" and kind.itemsize == 8:
        kind = np.dtype(np.int32)
        if values.size and (values.min() < np.iinfo(kind).min or values.max() > np.iinfo(kind).max):
            raise DataError(f"integers from {values.min()} to {values.max()} do not fit 32 bits")
    if kind.kind not in "iuf" or kind.itemsize > 8:
        raise DataError(f"arrays of type {values.dtype} cannot be written")
    image = nib.Nifti1Image(values.astype(kind, copy=False), matrix)
    image.header.set_xyzt_units("mm")
    image.set_sform(matrix, code=1)
    image.set_qform(matrix, code=1 if not is_sheared(matrix) else 0)
    stream = BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=stream, mtime=0, compresslevel=_GZIP_LEVEL) as zipped:
        zipped.write(image.to_bytes())
    return stream.getvalue()


def check_mask(image_path: Path | str, mask_path: Path | str) -> None:
    """Check by their headers that a label map lies on its image's voxels.

    Raises
    ------
    DataError
        When shapes differ, or a corner of the volume is more than half a voxel away.
    """
    affine, shape = read_affine_and_shape(image_path)
    mask_affine, mask_shape = read_affine_and_shape(mask_path)
    if shape != mask_shape:
        raise DataError(f"{mask_path}: shape {mask_shape}, but its image {image_path} has {shape}")
    corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]]) * (np.array(shape) - 1)
    apart = geometry.index_to_world(affine, corners) - geometry.index_to_world(mask_affine, corners)
    distance_mm = float(np.linalg.norm(apart, axis=1).max())
    if distance_mm > 0.5 * float(geometry.voxel_sizes(affine).min()):
        raise DataError(f"{mask_path}: lies up to {distance_mm:.2f} mm away from its image {image_path}")


def _open(path: Path | str) -> Any:
    """Open the header; nibabel's image, voxels unread."""
    import nibabel as nib

    path = Path(path)
    if not is_volume(path):
        raise DataError("expected a NIfTI file (.nii or .nii.gz)", path)
    if not path.is_file():
        raise DataError(absence(path), path)
    try:
        image = nib.load(path)
    except (nib.filebasedimages.ImageFileError, nib.spatialimages.HeaderDataError, *_UNREADABLE) as error:
        raise DataError(f"not a readable NIfTI file ({error})", path) from None
    if not isinstance(image, nib.Nifti1Image):
        raise DataError("not a NIfTI file", path)
    return image


def _geometry(image: Any, path: Path) -> tuple[Array, tuple[int, int, int]]:
    header = image.header
    shape = tuple(int(n) for n in image.shape)
    if len(shape) < 3 or min(shape) < 1 or any(n != 1 for n in shape[3:]):
        raise DataError(f"shape {shape}, expected one 3D volume", path)
    if int(np.prod([float(n) for n in shape])) > MAX_VOXELS:
        raise DataError(f"shape {shape} is over the limit of {MAX_VOXELS:,} voxels", path)
    if header.get_data_dtype().kind not in "iuf" or header.get_data_dtype().itemsize > 8:
        raise DataError(f"voxels of type {header.get_data_dtype()}, expected plain numbers", path)
    if int(header["sform_code"]) > 0:
        affine = header.get_sform()
    elif int(header["qform_code"]) > 0:
        try:
            affine = header.get_qform()
        except ValueError as error:
            raise DataError(f"qform cannot be used ({error})", path) from None
    else:
        raise DataError("neither sform nor qform is set, so nothing says where its voxels are", path)
    try:
        unit = header.get_xyzt_units()[0]
    except KeyError:
        unit = "unknown"
    scale = np.diag([_MM_PER_UNIT.get(unit, 1.0)] * 3 + [1.0])
    try:
        plain = geometry.check_affine(affine, 3)
        checked = geometry.check_affine(scale @ affine, 3)
    except DataError as error:
        raise DataError(str(error), path) from None
    longest, as_mm = (float((geometry.voxel_sizes(a) * shape[:3]).max()) for a in (checked, plain))
    if not _LONGEST_MM[0] <= longest <= _LONGEST_MM[1] and _LONGEST_MM[0] <= as_mm <= _LONGEST_MM[1]:
        raise DataError(
            f"its header gives lengths in {unit}, so that it would be {longest:,.4g} mm long; in mm it would "
            f"be {as_mm:,.4g} mm: correct the unit in its header",
            path,
        )
    return checked, shape[:3]  # type: ignore[return-value]


def header_remarks(path: Path | str) -> list[str]:
    """Return where a volume's header contradicts itself about where its voxels are, one sentence each.

    The sform is what is used; points set with a program that goes by the qform, or by the voxel sizes alone, lie
    elsewhere.

    Raises
    ------
    DataError
        As :func:`read_affine_and_shape`.
    """
    image = _open(path)
    header = image.header
    shape = _geometry(image, Path(path))[1]
    if int(header["sform_code"]) <= 0:
        return []
    stored = header.get_sform()
    if int(header["qform_code"]) > 0:
        try:
            other = geometry.check_affine(header.get_qform(), 3)
        except (ValueError, DataError) as error:
            return [f"its sform is used; its qform cannot be ({error})"]
        corners = np.array(list(np.ndindex(2, 2, 2))) * (np.array(shape) - 1)
        apart = geometry.index_to_world(stored, corners) - geometry.index_to_world(other, corners)
        far = float(np.linalg.norm(apart, axis=1).max())
        if far <= 0.5 * float(geometry.voxel_sizes(stored).min()):
            return []
        sizes, others = _sizes(geometry.voxel_sizes(stored)), _sizes(geometry.voxel_sizes(other))
        return [
            f"its sform (voxels of {sizes} mm, used) and its qform (voxels of {others} mm) lie up to {far:.3g} units "
            "apart: write the right one into both"
        ]
    pixdim = np.asarray(header["pixdim"][1:4], dtype=float)
    sizes_mm = geometry.voxel_sizes(stored)
    if (pixdim > 0).all() and not np.allclose(pixdim, sizes_mm, rtol=0.01):
        return [
            f"its sform has voxels of {_sizes(sizes_mm)} mm (used), its pixdim says {_sizes(pixdim)} mm: correct the "
            "wrong one in its header"
        ]
    return []


def _sizes(values: ArrayLike) -> str:
    return " x ".join(f"{v:.3g}" for v in np.asarray(values, dtype=float))
