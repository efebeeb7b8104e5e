"""Making a case of its registered files; nothing is read before it is used."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from dgmld_bench.cases import Case
from dgmld_bench.formats import films, markups, volumes
from dgmld_bench.landmarks import LandmarkSet
from dgmld_bench.storage.register import CaseFiles, Register

Array = NDArray[np.float64]


def volume_case(
    files: CaseFiles,
    landmark_set: LandmarkSet,
    register: Register,
    *,
    annotations: Callable[[], Mapping[str, Array]] | None = None,
    withheld: bool,
) -> Case:
    """Make the case of a volume with its landmarks and, where there is one, a label map.

    Nothing is read before it is used; the affine comes from the header alone.

    Parameters
    ----------
    annotations : callable, optional
        Returns annotator -> points ``(landmark, xyz)`` in RAS mm. Where it is None, ``files.landmarks`` are one
        ``.mrk.json`` line per biometric.
    """
    image = register.path(files.image)
    lines = [register.path(p) for p in files.landmarks]
    mask = None if files.mask is None else register.path(files.mask)

    def read_reference() -> dict[str, Array]:
        return {"reference": markups.read_lines(lines, landmark_set)}

    def read_mask() -> NDArray:
        assert mask is not None
        volumes.check_mask(image, mask)
        return volumes.read_labels(mask)

    return Case(
        files.id,
        files.split,
        landmark_set,
        image=lambda: volumes.read_volume(image)[0],
        affine=lambda: volumes.read_affine_and_shape(image)[0],
        annotations=annotations or (read_reference if lines else None),
        mask=None if mask is None else read_mask,
        centre=files.centre,
        info=files.info,
        withheld=withheld,
    )


def film_case(
    files: CaseFiles,
    landmark_set: LandmarkSet,
    register: Register,
    *,
    annotations: Callable[[], Mapping[str, Array]],
    pixel_spacing_mm: float,
    original_size: films.Size | None = None,
    withheld: bool,
) -> Case:
    """Make the case of a film; nothing is read before it is used.

    Parameters
    ----------
    annotations : callable
        Returns annotator -> points ``(landmark, xy)`` in original pixels.
    pixel_spacing_mm : float
        Edge of one original pixel.
    original_size : (width, height), optional
        Size of the film that was annotated; that of the file where it is None.
    """
    path = register.path(files.image)
    return Case(
        files.id,
        files.split,
        landmark_set,
        image=lambda: films.read_film(path),
        affine=lambda: films.film_affine(path, original_size),
        annotations=annotations,
        pixel_spacing_mm=pixel_spacing_mm,
        centre=files.centre,
        info=files.info,
        withheld=withheld,
    )
