"""Tracks and splits: the one registry of what is trained on, selected on and tested on.

A *track* is one task with one landmark set; a *split* is a named list of cases of one track with one role.
Counts are those of Table 1 of the paper for ``dgmld``, of what was published for ``ceph``; ``open`` and ``phantom``
are tracks of this package.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from dgmld_bench.errors import UsageError, unknown_name
from dgmld_bench.landmarks import CEPHALOMETRIC, CEREBELLUM, LandmarkSet
from dgmld_bench.lfc_ids import LFC_TEST, LFC_VALIDATION

Role = Literal["train", "validation", "test"]
ReferenceKind = Literal["expert", "mask-derived", "simulated"]


@dataclass(frozen=True)
class Split:
    """A named list of cases of one track with one role.

    Attributes
    ----------
    name, track, source : str
        Names as on the command line. The source is what is downloaded or imported to get the split.
    role : {"train", "validation", "test"}
    centre : str
        The site or project that the cases come from.
    n_cases : int
        How many cases the complete split has.
    out_of_domain : bool
        True where the centre is none of the track's training centres.
    case_ids : tuple of str or None
        The ids in order, or None where the data's release fixes them and they are not known here.
    reference : {"expert", "mask-derived", "simulated"}
        Where the reference landmarks come from.
    in_training : int
        How many of a test split's cases are training cases too, as ``dgmld-bench audit`` finds them (docs/audit.md).
    """

    name: str
    track: str
    source: str
    role: Role
    centre: str
    n_cases: int
    out_of_domain: bool = False
    case_ids: tuple[str, ...] | None = None
    reference: ReferenceKind = "expert"
    in_training: int = 0


@dataclass(frozen=True)
class Track:
    """One task: a landmark set, a training split, and the splits that are selected and tested on.

    ``validation`` is what ``target-val`` selection uses. Where ``validation_is_source`` is True the validation
    split belongs to the training centre and the same selection is called ``source-val``; elsewhere
    ``source-val`` withholds every fifth training case.
    """

    name: str
    title: str
    landmarks: LandmarkSet
    train: str
    validation: str
    tests: tuple[str, ...]
    validation_is_source: bool = False

    @property
    def space(self) -> str:
        """Default space of predictions: ``ras_mm`` in 3D, ``px`` in 2D."""
        return "ras_mm" if self.landmarks.dimension == 3 else "px"

    @property
    def split_names(self) -> tuple[str, ...]:
        """All splits of the track: training, validation, tests."""
        return (self.train, self.validation, *self.tests)


def _numbers(first: int, last: int) -> tuple[str, ...]:
    return tuple(str(i) for i in range(first, last + 1))


def _crl(validation: bool) -> tuple[str, ...]:
    held_out = {23, 27, 31, 35}
    return tuple(f"HarvardSTA{ga}_Study1" for ga in range(21, 39) if (ga in held_out) == validation)


_SPINA_BIFIDA = tuple(
    f"fetal_SB_atlas_GA{ga}_{state}"
    for ga, state in [(ga, "notoperated") for ga in range(21, 26)] + [(ga, "operated") for ga in range(25, 35)]
)

_HAMEDAN = tuple(n for n in _numbers(1, 150) if n not in {"87", "109", "123", "129", "134"})
"""Why not those: :data:`dgmld_bench.sources.hamedan.LEFT_OUT`."""

_CRL, _WU, _SB = "CRL (Gholipour 2017)", "Chinese (Wu 2021)", "spina bifida (Fidon 2021)"
_MASK: ReferenceKind = "mask-derived"
_SIM: ReferenceKind = "simulated"

_SPLITS = (
    Split("atlas", "dgmld", "dgmld", "train", "fetal atlases", 40),
    Split("lfc-val", "dgmld", "dgmld", "validation", "LFC", 60, True, tuple(LFC_VALIDATION)),
    Split("lfc", "dgmld", "dgmld", "test", "LFC", 120, True, tuple(LFC_TEST)),
    Split("feta", "dgmld", "dgmld", "test", "FeTA", 55, True),
    Split("open-train", "open", "atlases", "train", _CRL, 14, False, _crl(False), _MASK),
    Split("open-val", "open", "atlases", "validation", _CRL, 4, False, _crl(True), _MASK),
    Split(
        "open-wu",
        "open",
        "atlases",
        "test",
        _WU,
        13,
        True,
        tuple(f"Chinese{ga}_Study1" for ga in range(22, 35)),
        _MASK,
    ),
    Split("open-sb", "open", "atlases", "test", _SB, 15, True, _SPINA_BIFIDA, _MASK),
    Split("isbi-train", "ceph", "isbi", "train", "ISBI-2015", 150, False, _numbers(1, 150)),
    Split("isbi-val", "ceph", "isbi", "validation", "ISBI-2015", 100, False, _numbers(301, 400)),
    Split("isbi", "ceph", "isbi", "test", "ISBI-2015", 150, False, _numbers(151, 300), in_training=20),
    Split("pku", "ceph", "pku", "test", "PKU", 102, True),
    Split("hamedan", "ceph", "hamedan", "test", "Hamedan University", 145, True, _HAMEDAN),
    Split("phantom-train", "phantom", "phantom", "train", "simulated source", 40, False, _numbers(1, 40), _SIM),
    Split("phantom-val", "phantom", "phantom", "validation", "simulated mix", 60, True, _numbers(1, 60), _SIM),
    Split("phantom-source", "phantom", "phantom", "test", "simulated source", 40, False, _numbers(1, 40), _SIM),
    Split("phantom-lfc", "phantom", "phantom", "test", "simulated LFC-like", 120, True, _numbers(1, 120), _SIM),
    Split("phantom-feta", "phantom", "phantom", "test", "simulated FeTA-like", 55, True, _numbers(1, 55), _SIM),
)

SPLITS = {s.name: s for s in _SPLITS}

TRACKS = {
    t.name: t
    for t in (
        Track(
            "dgmld",
            "Fetal cerebellum, the paper's benchmark",
            CEREBELLUM,
            "atlas",
            "lfc-val",
            ("lfc", "feta"),
        ),
        Track(
            "open",
            "Fetal cerebellum, open atlases (mask-derived references)",
            CEREBELLUM,
            "open-train",
            "open-val",
            ("open-wu", "open-sb"),
            validation_is_source=True,
        ),
        Track("ceph", "Cephalograms", CEPHALOMETRIC, "isbi-train", "isbi-val", ("isbi", "pku", "hamedan")),
        Track(
            "phantom",
            "Fetal cerebellum, simulated",
            CEREBELLUM,
            "phantom-train",
            "phantom-val",
            ("phantom-source", "phantom-lfc", "phantom-feta"),
        ),
    )
}


def get_track(name: str) -> Track:
    """Return the track of that name; UsageError with the known names when there is none."""
    if name in TRACKS:
        return TRACKS[name]
    for track in TRACKS.values():
        if name in {get_split(split).source for split in track.split_names}:
            raise UsageError(f"'{name}' is a source; its cases are in track '{track.name}'")
    raise unknown_name("track", name, tuple(TRACKS))


def get_split(name: str) -> Split:
    """Return the built-in split of that name; UsageError with the known names when there is none.

    Splits ``own/NAME`` live in the data folder: see :func:`dgmld_bench.sources.find_split`.

    >>> get_split("lfc").n_cases, get_split("lfc").out_of_domain
    (120, True)
    """
    try:
        return SPLITS[name]
    except KeyError:
        raise unknown_name("split", name, tuple(SPLITS)) from None


def case_sort_key(case_id: str) -> tuple[tuple[int, int | str], ...]:
    """Sort key that orders ids by the numbers in them, so that "9" comes before "10".

    >>> sorted(["10", "9", "b2", "b10"], key=case_sort_key)
    ['9', '10', 'b2', 'b10']
    """
    parts = re.findall(r"\d+|\D+", case_id)
    return tuple((0, int(p)) if p.isdecimal() else (1, p) for p in parts)
