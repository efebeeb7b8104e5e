"""Cephalometric films and the annotation files of ISBI-2015.

Points are pixels of the *original* film: ``(x, y)``, zero-based, pixel centres at integers. A film may be stored at
another size than it was annotated at; its affine takes stored pixels to original ones.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dgmld_bench import geometry
from dgmld_bench.errors import DataError, UsageError
from dgmld_bench.files import absence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dgmld_bench.landmarks import LandmarkSet

Array = NDArray[np.float64]
Size = tuple[int, int]

SUFFIXES = (".bmp", ".png", ".jpg", ".jpeg", ".tif", ".tiff")
MAX_PIXELS = 64_000_000
ISBI_SIZE: Size = (1935, 2400)  # width, height of the original films
ISBI_SPACING_MM = 0.1
_FORMATS = ("BMP", "PNG", "JPEG", "TIFF")
_ORIENTATION, _PHOTOMETRIC, _WHITE_IS_ZERO = 274, 262, 0  # tags of TIFF and EXIF
#: EXIF orientation -> what brings an image (row, column) that was turned upright back to the pixels as stored.
_TURN_BACK: dict[int, Callable[[NDArray], NDArray]] = {
    0: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.T,
    6: lambda a: np.rot90(a),
    7: lambda a: a[::-1, ::-1].T,
    8: lambda a: np.rot90(a, -1),
}
_MAX_TEXT_BYTES = 64 * 1024
_MAX_COORDINATE_PX = 100_000
_SPACING_RANGE_MM = (0.01, 2.0)


def is_film(path: Path) -> bool:
    """Whether a file's name is that of a film (bmp, png, jpg, tif).

    >>> is_film(Path("RawImage/Test1Data/151.BMP")), is_film(Path("Thumbs.db"))
    (True, False)
    """
    return path.suffix.lower() in SUFFIXES


def check_spacing_mm(spacing_mm: float | None, source: str) -> float:
    """Return the edge of a pixel that a user gave for a source's films.

    Raises
    ------
    UsageError
        When it is not given, or impossible.
    """
    if spacing_mm is None:
        raise UsageError(f"'{source}' needs spacing_mm=S, the edge of one pixel in millimetres; it is never assumed")
    low, high = _SPACING_RANGE_MM
    if not (math.isfinite(spacing_mm) and low <= spacing_mm <= high):
        raise UsageError(f"spacing_mm={spacing_mm}: expected millimetres per pixel between {low} and {high}")
    return float(spacing_mm)


def read_film_size(path: Path | str) -> Size:
    """Return ``(width, height)`` of a film from its header.

    Raises
    ------
    DataError
        When the file is no readable image of one frame with whole numbers, or over the limit of 64 megapixels.
    """
    with _opened(Path(path)) as image:
        width, height = image.size
        return (height, width) if _turned_by_reader(image) >= 5 else (width, height)


def film_remarks(path: Path | str) -> list[str]:
    """Return what a film's header says that its points may not agree with, one sentence each.

    Raises
    ------
    DataError
        As :func:`read_film_size`.
    """
    with _opened(Path(path)) as image:
        orientation = _turned_by_reader(image) or image.getexif().get(_ORIENTATION, 1)
    if orientation in (0, 1):
        return []
    return [
        f"its header asks viewers to turn or mirror it (EXIF orientation {orientation}, 1 is upright); points are "
        "taken as pixels of the film as stored: save it upright where they were set on the turned one"
    ]


def read_film(path: Path | str) -> NDArray:
    """Read a film as a grey array ``(row, column)``: uint8, or uint16 where the file has 16 bits.

    Colours become their luma, and white-is-zero is turned into black-is-zero. Pixels are taken as stored, in JPEG, PNG
    and TIFF alike: an EXIF orientation is not applied, because annotations refer to stored pixels;
    :func:`film_remarks` says where there is one.

    Raises
    ------
    DataError
        As :func:`read_film_size`, and when the file is truncated or corrupt.
    """
    path = Path(path)
    with _opened(path) as image:
        turned = _turned_by_reader(image)
        deep = image.mode in ("I;16", "I;16B", "I;16L", "I")
        # Pillow inverts white-is-zero in 8 bits only
        negative = deep and image.format == "TIFF" and image.tag_v2.get(_PHOTOMETRIC) == _WHITE_IS_ZERO
        array = np.array(image if deep else image.convert("L"))
        if deep:
            if array.min() < 0 or array.max() > np.iinfo(np.uint16).max:
                raise DataError(f"{path}: grey values from {array.min()} to {array.max()} do not fit 16 bits")
            array = array.astype(np.uint16)
        return np.ascontiguousarray(_TURN_BACK[turned](np.iinfo(np.uint16).max - array if negative else array))


def film_affine(path: Path | str, original_size: Size | None = None) -> Array:
    """Return the affine of a stored film: ``(row, column)`` to original ``(x, y)`` pixels, from its header.

    Parameters
    ----------
    path : path
    original_size : (width, height), optional
        Size of the film that was annotated; that of the file where it is None.

    Raises
    ------
    DataError
        As :func:`read_film_size`, and when width and height are not both reduced by the same factor, to a pixel:
        then the film is cropped or stretched and its points would not fit.
    """
    width, height = read_film_size(path)
    if original_size is not None:
        original_width, original_height = original_size
        scale = (width / original_width + height / original_height) / 2
        if max(abs(width - scale * original_width), abs(height - scale * original_height)) > 1:
            raise DataError(
                f"{path}: {width}x{height} pixels is no reduced copy of {original_width}x{original_height}; "
                "a cropped or stretched film does not fit its annotations"
            )
    return geometry.film_affine((height, width), original_size)


def read_isbi_points(path: Path | str, landmark_set: LandmarkSet) -> Array:
    """Read one doctor's annotation of ISBI-2015: a line ``x,y`` per landmark, further lines are ignored.

    Returns
    -------
    array, shape (landmark, 2)
        Original pixels.

    Raises
    ------
    DataError
        Naming the file and line.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path}: {absence(path)}")
    if path.stat().st_size > _MAX_TEXT_BYTES:
        raise DataError(f"{path}: {path.stat().st_size:,} bytes; at most {_MAX_TEXT_BYTES:,} are read")
    lines = path.read_text(encoding="latin-1").splitlines()
    if len(lines) < len(landmark_set):
        raise DataError(f"{path}: {len(lines)} lines, expected at least {len(landmark_set)} of x,y")
    points = []
    for number, line in enumerate(lines[: len(landmark_set)], 1):
        try:
            x, y = (float(v) for v in line.split(","))
        except ValueError:
            x = y = math.nan
        if not (abs(x) < _MAX_COORDINATE_PX and abs(y) < _MAX_COORDINATE_PX):  # NaN fails too
            raise DataError(f"{path}, line {number}: {line[:60]!r}, expected x,y in pixels")
        points.append((x, y))
    return np.array(points)


def _turned_by_reader(image: Any) -> int:
    """Return the orientation that Pillow applies by itself while it loads, which it does for TIFF only; else 0."""
    orientation = image.tag_v2.get(_ORIENTATION, 0) if image.format == "TIFF" else 0
    return orientation if orientation in _TURN_BACK else 0


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open an image of one frame within the size limit; whatever goes wrong with it is a DataError."""
    from PIL import Image

    if not path.is_file():
        raise DataError(f"{path}: {absence(path)}")
    try:
        with ExitStack() as stack:
            # a stream, no path: Pillow maps some TIFF files into memory by their path, and turns them wrongly then
            stream = stack.enter_context(path.open("rb"))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own limit is lower
                image = stack.enter_context(Image.open(stream, formats=_FORMATS))
            if image.width * image.height > MAX_PIXELS:
                raise DataError(f"{path}: {image.width}x{image.height} pixels, over the limit of {MAX_PIXELS:,}")
            frames = getattr(image, "n_frames", 1)
            if frames != 1:
                raise DataError(f"{path}: {frames} frames, expected one film")
            if image.mode == "F":
                raise DataError(f"{path}: grey values with decimals, expected 8 or 16 bits; convert the film")
            yield image
    except DataError:
        raise
    except Image.DecompressionBombError:
        raise DataError(f"{path}: over the limit of {MAX_PIXELS:,} pixels") from None
    except Exception as error:  # a tag that is missing or damaged ends in any of them
        what = str(error) if isinstance(error, (OSError, ValueError)) else f"{type(error).__name__}: {error}"
        raise DataError(f"{path}: not a readable image, bmp, png, jpg or tif ({what})") from None
