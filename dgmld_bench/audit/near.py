"""Images that are alike between and within splits, and which of them are copies: from correlations to findings."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgmld_bench.audit.checks import ROLES, by_split, crosses
from dgmld_bench.audit.copies import is_copy
from dgmld_bench.audit.duplicates import Pair, most_alike
from dgmld_bench.audit.findings import Finding, Level, Place
from dgmld_bench.audit.observe import Observation
from dgmld_bench.splits import Role

ALIKE = {3: 0.945, 2: 0.80}
"""As it stands. Seen in 3D: CRL and Chinese atlases of equal age 0.81 to 0.98, and an atlas of other subjects 0.956
with the CRL atlas of its age, so that this proves no common subject; normal and spina bifida atlases at most 0.68;
training and test heads of the small phantom at most 0.83. In 2D: a repeated film of ISBI-2015 0.95 to 1.00, a test film
and a different training film at most 0.61."""

ALIKE_MOVED = {3: 0.975, 2: 0.80}
"""After moving one onto the other, which finds more by chance: different heads of the phantom reach 0.968.
Copies of atlas volumes turned by 10 to 160 degrees, shifted, cropped and with noise: 0.985 and more."""

LIKELY = {3: 0.75, 2: 0.80}
"""As it stands, between two splits that have :data:`CHAIN` pairs that are alike: then the two are alike as a whole, and
a pair above every pair of unrelated data belongs to it."""

CHAIN = 3


def near_duplicates(
    observations: Sequence[Observation],
    roles: dict[str, Role],
    image_of: Callable[[Place], NDArray],
    progress: Callable[[int, int], None],
) -> tuple[list[Finding], dict[str, Any]]:
    """Find images that are alike, which of them are copies, and what the correlations of this data are.

    Each case is reported once per split that it resembles a case of, with the most alike case of that split, whose
    image is then read again and compared voxel by voxel; within a split all that are alike are one finding.
    """
    if len(observations) < 2:
        return [], {}
    split = np.array([o.place.split for o in observations])
    dimension = observations[0].thumbnail.upright.ndim
    apart = split[:, None] != split[None, :]
    pairs, upright = most_alike([o.thumbnail for o in observations], apart, progress, ALIKE[dimension])
    found = [p for p in pairs if _is_alike(p, float(upright[p.first, p.second]), dimension)]
    chained = Counter(frozenset((split[p.first], split[p.second])) for p in found)
    known = {(p.first, p.second) for p in found}
    for i, j in np.argwhere(np.triu(apart & (upright >= LIKELY[dimension]))):
        alike = upright[i, j] >= ALIKE[dimension]  # not the most alike of either, yet alike
        if (i, j) not in known and (alike or chained[frozenset((split[i], split[j]))] >= CHAIN):
            found.append(Pair(int(i), int(j), float(upright[i, j]), "upright"))
    findings = _between(found, observations, roles, image_of) + _within(observations, upright, dimension)
    return findings, _measured(observations, upright, roles)


def _is_alike(pair: Pair, upright: float, dimension: int) -> bool:
    return upright >= ALIKE[dimension] or pair.correlation >= ALIKE_MOVED[dimension]


def _between(
    pairs: list[Pair],
    observations: Sequence[Observation],
    roles: dict[str, Role],
    image_of: Callable[[Place], NDArray],
) -> list[Finding]:
    """One finding per case and other split: of the case nearer to testing, with its most alike partner there."""
    partners: dict[tuple[int, str], list[tuple[float, int, str]]] = defaultdict(list)
    for p in pairs:
        a, b = p.first, p.second
        if ROLES[roles[observations[a].place.split]] > ROLES[roles[observations[b].place.split]]:
            a, b = b, a
        partners[(b, observations[a].place.split)].append((p.correlation, a, p.pose))
    findings = []
    for (case, other), found in partners.items():
        found.sort(reverse=True)
        correlation, partner, pose = found[0]
        places = (observations[case].place, observations[partner].place)
        how = "" if pose == "upright" else f", {pose}"
        more = f"; {len(found) - 1} more of {other} resemble it" if len(found) > 1 else ""
        values = {
            "correlation": correlation,
            "pose": pose,
            "others": [observations[j].place.id for _, j, _ in found[1:]],
        }
        if is_copy(image_of(places[0]), image_of(places[1]), upright=pose == "upright"):
            leak = crosses(places, roles)
            message = "equal but for a shift, a flip or grey values" + (", learnt from and tested on" if leak else "")
            level: Level = "error" if leak else "warning"
            findings.append(Finding("copy", level, f"{message}{how}", places, correlation, values))
        else:
            message = f"correlation {correlation:.3f}{how}{more}; no copy"
            findings.append(Finding("near-duplicate", "warning", message, places, correlation, values))
    return findings


def _within(observations: Sequence[Observation], upright: np.ndarray, dimension: int) -> list[Finding]:
    findings = []
    index = {id(o): n for n, o in enumerate(observations)}
    for split, group in by_split(observations).items():
        at = [index[id(o)] for o in group]
        alike = np.triu(upright[np.ix_(at, at)], 1)
        pairs = np.argwhere(alike >= ALIKE[dimension])
        if len(pairs):
            cases = sorted({int(n) for pair in pairs for n in pair})
            best = max(pairs, key=lambda p: alike[p[0], p[1]])
            message = (
                f"{len(cases)} of the {len(group)} cases of {split} resemble another closely: they may not "
                f"be independent ({len(pairs)} pairs, correlation up to {alike.max():.3f})"
            )
            values = {
                "split": split,
                "pairs": [[group[i].place.id, group[j].place.id, float(alike[i, j])] for i, j in pairs],
            }
            places = tuple(group[n].place for n in best)
            findings.append(Finding("near-duplicate", "note", message, places, len(cases), values))
    return findings


def _measured(observations: Sequence[Observation], upright: np.ndarray, roles: dict[str, Role]) -> dict[str, Any]:
    """Return, for each test split, the greatest correlation of each case with a case that is learnt from."""
    learnt = [n for n, o in enumerate(observations) if roles[o.place.split] != "test"]
    measured = {}
    for split, group in by_split(observations).items():
        if roles[split] == "test" and learnt:
            at = [n for n, o in enumerate(observations) if o.place.split == split]
            best = upright[np.ix_(at, learnt)].max(axis=1)
            measured[split] = {o.place.id: round(float(b), 4) for o, b in zip(group, best, strict=True)}
    return {"greatest_correlation_with_training": measured} if measured else {}
