"""A case as every part of the package sees it: image, geometry and, where allowed, the reference."""

from __future__ import annotations

import base64
import html
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from io import BytesIO
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dgmld_bench import geometry
from dgmld_bench.errors import DataError, ReferenceWithheldError
from dgmld_bench.missing import mean_of_present
from dgmld_bench.tracks import ReferenceKind

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from dgmld_bench.landmarks import LandmarkSet

Array = NDArray[np.float64]


@runtime_checkable
class Predicted(Protocol):
    """What a case needs of predictions to draw them; :class:`dgmld_bench.Predictions` is one."""

    space: Any

    @property
    def seeds(self) -> list[int]:
        """The seeds of the runs."""
        ...

    def array(self, seed: int, split: str, ids: Iterable[str]) -> Array:
        """Return the points of a run, ``(case, landmark, axis)``; NaN where missing."""
        ...


class Case:
    """One image with its geometry and, unless withheld, its reference.

    Everything that costs time is read at first use and kept for the life of the case.

    Parameters
    ----------
    id, split : str
    landmark_set : LandmarkSet
    image : callable
        Returns the array: 3D ``(i, j, k)`` as stored, 2D ``(row, column)`` in grey.
    affine : callable
        Returns the ``(d + 1, d + 1)`` matrix from array index to world (:mod:`dgmld_bench.geometry`).
    annotations : callable, optional
        Returns annotator -> points ``(landmark, axis)`` in world coordinates; NaN where a point is missing.
    mask : callable, optional
        Returns the label map as an integer array of the image's shape.
    pixel_spacing_mm : float, optional
        2D only: the edge of one original pixel in millimetres.
    centre : str, optional
        The site that the case comes from.
    info : mapping, optional
        What else is known, for example ``gestational_age_weeks``.
    withheld : bool
        Refuse to give out annotations and mask: the references of a test split.
    reference_kind : {"expert", "mask-derived", "simulated"}
        Where the reference comes from.
    """

    def __init__(
        self,
        id: str,
        split: str,
        landmark_set: LandmarkSet,
        *,
        image: Callable[[], NDArray],
        affine: Callable[[], Array],
        annotations: Callable[[], Mapping[str, Array]] | None = None,
        mask: Callable[[], NDArray] | None = None,
        pixel_spacing_mm: float | None = None,
        centre: str | None = None,
        info: Mapping[str, Any] | None = None,
        withheld: bool = False,
        reference_kind: ReferenceKind = "expert",
    ) -> None:
        self.id = id
        self.split = split
        self.landmark_set = landmark_set
        self.centre = centre
        self.info = dict(info or {})
        self.withheld = withheld
        self.reference_kind: ReferenceKind = reference_kind
        self._read_image = image
        self._read_affine = affine
        self._read_annotations = annotations
        self._read_mask = mask
        self._pixel_spacing_mm = pixel_spacing_mm

    def __repr__(self) -> str:
        parts = [f"id={self.id!r}", f"split={self.split!r}"]
        if self.centre:
            parts.append(f"centre={self.centre!r}")
        if "image" in self.__dict__:  # what is not read yet is not read for this
            parts.append(f"shape={self.image.shape}")
        if self.withheld:
            parts.append("landmarks withheld")
        return f"Case({', '.join(parts)})"

    def _repr_html_(self) -> str:
        """What a notebook shows: shape, spacing, centre and a picture; reads the image."""
        spacing = np.round(np.atleast_1d(self.spacing_mm), 3).tolist()
        shown = f"{self!r}, {' × '.join(map(str, self.image.shape))}, spacing {' × '.join(map(str, spacing))} mm"
        text = f"<p>{html.escape(shown)}</p>"
        if self.withheld or self._read_annotations is None:
            return text
        stream = BytesIO()
        self.plot().savefig(stream, format="png", facecolor="black", dpi=60)
        picture = base64.b64encode(stream.getvalue()).decode()
        return f'{text}<img alt="{html.escape(repr(self), quote=True)}" src="data:image/png;base64,{picture}">'

    def plot(self, predictions: Predicted | ArrayLike | None = None, *, seed: int | None = None) -> Figure:
        """Draw the case with its reference (green; not where it is withheld) and predicted points (red).

        Parameters
        ----------
        predictions : Predictions, or array of shape (landmark, axis), optional
            An array is in world coordinates: 3D mm RAS, 2D original pixels.
        seed : int, optional
            Which run of the predictions; the first when not given.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        DataError
            When the predictions hold nothing for this case, or there is no point at all to choose slices by in 3D.
        """
        from dgmld_bench.drawing import draw_case

        points = None if predictions is None else self._world_points(predictions, seed)
        reference = None if self.withheld or self._read_annotations is None else self.landmarks
        kind = self.reference_kind
        return draw_case(self, reference, points, subtitle="" if kind == "expert" else f"reference: {kind}")

    def _world_points(self, predictions: Predicted | ArrayLike, seed: int | None) -> Array:
        shape = (len(self.landmark_set.names), self.landmark_set.dimension)
        if not isinstance(predictions, Predicted):
            points = np.asarray(predictions, dtype=np.float64)
            if points.shape != shape:
                raise DataError(f"case '{self.id}': predicted points must have shape {shape}, got {points.shape}")
            return points
        chosen = next(iter(predictions.seeds), 0) if seed is None else seed
        points = predictions.array(chosen, self.split, [self.id])[0]
        if np.isnan(points).all():
            raise DataError(f"the predictions hold no case '{self.id}' of split '{self.split}' (seed {chosen})")
        affine = (self.affine,) if predictions.space == "voxel" else ()
        return geometry.to_world(points, predictions.space, *affine)

    @cached_property
    def image(self) -> NDArray:
        """The stored array, ``(i, j, k)`` in 3D and ``(row, column)`` in 2D."""
        return self._read_image()

    @cached_property
    def affine(self) -> Array:
        """Array index to world, ``(4, 4)`` to RAS mm in 3D and ``(3, 3)`` to original (x, y) pixels in 2D."""
        return geometry.check_affine(self._read_affine(), self.landmark_set.dimension)

    @property
    def spacing_mm(self) -> Any:
        """Voxel edges ``(3,)`` in mm in 3D; in 2D the edge of one *original* pixel in mm, a float."""
        if self.landmark_set.dimension == 2:
            return self._pixel_spacing_mm
        return geometry.voxel_sizes(self.affine)

    @property
    def mm_per_unit(self) -> float:
        """Millimetres in one unit of world coordinates, 1 in 3D and the pixel spacing in 2D."""
        return 1.0 if self._pixel_spacing_mm is None else self._pixel_spacing_mm

    @cached_property
    def annotations(self) -> dict[str, Array]:
        """Annotator -> points ``(landmark, axis)`` in world coordinates.

        Raises
        ------
        ReferenceWithheldError
            For a case of a test split that was loaded without ``references=True``.
        """
        self._check_not_withheld("landmarks are")
        return {} if self._read_annotations is None else dict(self._read_annotations())

    @property
    def landmarks(self) -> Array:
        """The reference, mean of the annotators, ``(landmark, axis)`` in mm RAS or, in 2D, original px, unrounded.

        A point is the mean of those annotators who set it, NaN where none did.

        Raises
        ------
        ReferenceWithheldError
            For a case of a test split that was loaded without ``references=True``.
        DataError
            For a case that nobody annotated.
        """
        annotations = self.annotations
        if not annotations:
            raise DataError(f"case '{self.id}' of split '{self.split}' has no reference landmarks")
        return mean_of_annotators(annotations)

    @cached_property
    def mask(self) -> NDArray | None:
        """The label map, or None. Withheld like the landmarks, which could be derived from it."""
        self._check_not_withheld("the mask is")
        return None if self._read_mask is None else self._read_mask()

    def _check_not_withheld(self, what: str) -> None:
        if self.withheld:
            raise ReferenceWithheldError(
                f"test split '{self.split}', case '{self.id}': {what} withheld, so that training code cannot read "
                f"the reference by accident; to score, use load_split('{self.split}', references=True)"
            )


def mean_of_annotators(annotations: Mapping[str, Array]) -> Array:
    """Return each point's mean over the annotators who set it, ``(landmark, axis)``; NaN where none did.

    >>> mean_of_annotators({"a": np.array([[1.0, 2.0]]), "b": np.array([[2.0, 4.0]])})
    array([[1.5, 3. ]])
    """
    return mean_of_present(list(annotations.values()), axis=0)
