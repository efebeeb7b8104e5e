"""Landmark sets: names, order, and the pairs of end points that make a biometric.

Everything that needs a landmark's name or place in an array asks here. Order is part of the definition: every
array of landmarks in this package has shape ``(landmark, axis)`` in the order of :attr:`LandmarkSet.names`.
"""

from __future__ import annotations

from dataclasses import dataclass

from dgmld_bench.errors import unknown_name


@dataclass(frozen=True)
class Biometric:
    """A length that clinicians read, measured between two landmarks.

    Attributes
    ----------
    name, title : str
    start, end : str
        The landmarks at its ends.
    axis : int
        The RAS axis (0 right, 1 anterior, 2 superior) that it runs along; ``start`` lies on its positive side.
    """

    name: str
    title: str
    start: str
    end: str
    axis: int


@dataclass(frozen=True)
class LandmarkSet:
    """An ordered set of named landmarks.

    Attributes
    ----------
    name : str
        Machine name, as ``import own --landmarks`` takes it.
    dimension : int
        3 for points in millimetres (x, y, z), 2 for points in pixels (x, y).
    names : tuple of str
        Machine names in the order of every array.
    titles : tuple of str
        What to print for a person, in the same order.
    biometrics : tuple of Biometric
        Empty where no length is defined.
    """

    name: str
    dimension: int
    names: tuple[str, ...]
    titles: tuple[str, ...]
    biometrics: tuple[Biometric, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    def index(self, name: str) -> int:
        """Return the place of a landmark in the order of the set.

        Raises
        ------
        UsageError
            When the set has no such landmark.

        Examples
        --------
        >>> CEREBELLUM.index("HDV1")
        2
        """
        try:
            return self.names.index(name)
        except ValueError:
            raise unknown_name("landmark", name, self.names) from None

    def spelled(self, text: str) -> str | None:
        """Return the landmark that a person's spelling names: case, spaces and punctuation do not matter; else None.

        >>> CEREBELLUM.spelled("tcd-1"), CEPHALOMETRIC.spelled("Upper lip"), CEREBELLUM.spelled("F-1")
        ('TCD1', 'upper_lip', None)
        """
        return {_letters(name): name for name in self.names}.get(_letters(text))

    def biometric_indices(self) -> list[tuple[int, int]]:
        """Return the places of the two end points of each biometric.

        >>> CEREBELLUM.biometric_indices()
        [(0, 1), (2, 3), (4, 5)]
        """
        return [(self.index(b.start), self.index(b.end)) for b in self.biometrics]


def _letters(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalnum())


_CEREBELLUM_NAMES = ("TCD1", "TCD2", "HDV1", "HDV2", "ADV1", "ADV2")

CEREBELLUM = LandmarkSet(
    name="cerebellum",
    dimension=3,
    names=_CEREBELLUM_NAMES,
    titles=_CEREBELLUM_NAMES,
    biometrics=(
        Biometric("TCD", "Transverse Cerebellar Diameter", "TCD1", "TCD2", axis=0),
        Biometric("HDV", "Height of the Vermis", "HDV1", "HDV2", axis=2),
        Biometric("ADV", "Anteroposterior Diameter of the Vermis", "ADV1", "ADV2", axis=1),
    ),
)

_CEPHALOMETRIC = {
    "sella": "sella",
    "nasion": "nasion",
    "orbitale": "orbitale",
    "porion": "porion",
    "subspinale": "subspinale (A point)",
    "supramentale": "supramentale (B point)",
    "pogonion": "pogonion",
    "menton": "menton",
    "gnathion": "gnathion",
    "gonion": "gonion",
    "lower_incisor_tip": "lower incisor tip",
    "upper_incisor_tip": "upper incisor tip",
    "upper_lip": "upper lip",
    "lower_lip": "lower lip",
    "subnasale": "subnasale",
    "soft_tissue_pogonion": "soft tissue pogonion",
    "posterior_nasal_spine": "posterior nasal spine",
    "anterior_nasal_spine": "anterior nasal spine",
    "articulare": "articulare",
}

CEPHALOMETRIC = LandmarkSet(
    name="cephalometric",
    dimension=2,
    names=tuple(_CEPHALOMETRIC),
    titles=tuple(_CEPHALOMETRIC.values()),
)

LANDMARK_SETS = {s.name: s for s in (CEREBELLUM, CEPHALOMETRIC)}


def get_landmark_set(name: str) -> LandmarkSet:
    """Return the landmark set of that machine name; UsageError when there is none."""
    try:
        return LANDMARK_SETS[name]
    except KeyError:
        raise unknown_name("landmark set", name, tuple(LANDMARK_SETS)) from None
