"""Ids as people write them, brought to the cases that they mean: ``151.bmp``, ``007``, ``phantom-feta-1``."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

ENDINGS = (".nii.gz", ".nii", ".bmp", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".dcm", ".json", ".txt")


@dataclass(frozen=True)
class IdMatch:
    """What was matched.

    Attributes
    ----------
    cases : dict
        Id as given -> id of the case.
    strange : list of str
        Given ids that no case, or more than one, fits.
    """

    cases: dict[str, str]
    strange: list[str]

    @property
    def renamed(self) -> dict[str, str]:
        """Those that were written otherwise."""
        return {given: case for given, case in self.cases.items() if given != case}

    @property
    def doubled(self) -> tuple[str, str, str] | None:
        """Two given ids and the one case that both fit; None where there is no such case."""
        seen: dict[str, str] = {}
        for given, case in self.cases.items():
            if case in seen:
                return seen[case], given, case
            seen[case] = given
        return None


def match_ids(given: Iterable[str], known: Iterable[str], split: str = "") -> IdMatch:
    r"""Bring ids to the cases of a split, each where exactly one case fits.

    In this order: as it is; without folder and ending of a file; with the split's name before it, as ``export
    --format nnlandmark`` calls its cases; in another Unicode form, since some systems store names decomposed; as a
    number without leading zeros; capitals aside.

    >>> match_ids(["151.bmp", "007", "9"], ["7", "151"]).cases
    {'151.bmp': '151', '007': '7'}
    >>> match_ids(["phantom-feta-1"], ["1"], "phantom-feta").cases
    {'phantom-feta-1': '1'}
    >>> match_ids(["Zoe\u0308"], ["Zo\u00eb"]).cases == {"Zoe\u0308": "Zo\u00eb"}
    True
    """
    ids = list(known)
    places = [defaultdict[str, set[str]](set) for _ in range(4)]
    for case in ids:
        for place, form in zip(places, _forms(case), strict=True):
            place[form].add(case)
    cases: dict[str, str] = {}
    strange: list[str] = []
    for name in given:
        fitting = next(filter(None, (_only(written, places) for written in _spellings(name, split))), None)
        if fitting is None:
            strange.append(name)
        else:
            cases[name] = fitting
    return IdMatch(cases, strange)


def composed(name: str) -> str:
    """Return a name in the one Unicode form (NFC) of all that look the same."""
    return unicodedata.normalize("NFC", name)


def _forms(case: str) -> tuple[str, str, str, str]:
    """Return an id as it is, composed, as a number, and without capitals."""
    one = composed(case)
    return case, one, str(int(case)) if case.isdecimal() else case, composed(one.casefold())


def _spellings(name: str, split: str) -> Iterator[str]:
    yield name
    last = name.replace("\\", "/").rpartition("/")[2]
    ending = next((e for e in ENDINGS if last.casefold().endswith(e)), "")
    stem = last[: len(last) - len(ending)]
    yield stem
    for written, key in ((stem, split.replace("/", "-") + "-"), (name, split + "-")):
        if split and written.casefold().startswith(key.casefold()):
            yield written[len(key) :]


def _only(written: str, places: list[defaultdict[str, set[str]]]) -> str | None:
    for place, form in zip(places, _forms(written), strict=True):
        found = place.get(form, set())
        if found:
            return next(iter(found)) if len(found) == 1 else None
    return None
