"""Checks of one kind of thing each: a function from observations to findings.

Limits were chosen on what must not be reported: the distributions between different subjects of the public atlases
(CRL, Chinese, spina bifida), of the 400 films of ISBI-2015, and of the full phantom. Each constant says what was seen.
"""

from __future__ import annotations

import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgmld_bench.audit import shapes
from dgmld_bench.audit.findings import Finding, Level, Place
from dgmld_bench.audit.observe import Observation
from dgmld_bench.landmarks import LandmarkSet
from dgmld_bench.scoring.agreement import SYSTEMATIC_MM
from dgmld_bench.sources import plausibility
from dgmld_bench.splits import Role, case_sort_key

Array = NDArray[np.float64]

OUTSIDE_HEAD_MM = 6.5
"""Two cells of the coarse image. Seen: 0 on atlases and phantom."""

MIN_GROUP = 8
"""Cases that a group needs before one of them is called unlike the others."""

MISPLACED_TIMES, MISPLACED_SHARE = 5.0, {3: 0.45, 2: 0.2}
"""Times the landmark's median distance from the fitted shape, and at least this share of the shape's mean radius."""

TCD_SHARE = (0.70, 1.30)
"""Of the TCD expected at an age. Seen: atlases of normal heads 0.96 to 1.09, of spina bifida 0.71 to 0.87."""

RATIO_DEVIATIONS, RATIO_SHARE = 5.0, 0.25
"""Robust standard deviations of a length's ratio to the TCD in its group, and relative difference from the median."""

APART_TIMES, APART_MM = 8.0, 6.0
"""Times the landmark's median distance between two annotators in that split, and at least so many millimetres."""

WHOLE_TIMES, WHOLE_MM = 3.5, 3.0
"""Times the landmarks' median distances, in the median over a case's points, and at least so many millimetres of them.
Seen: 6.7 on the film of Hamedan whose two annotations are of two films; at most 1.6 on its others, 2.1 on ISBI-2015."""

SPACING_TIMES = 1.5
TILT_DEG = 15.0
EMPTY_SHARE = 0.995
UNLIKE_DEVIATIONS, UNLIKE_CORRELATION = 8.0, 0.2

ROLES: dict[Role, int] = {"train": 0, "validation": 1, "test": 2}


def by_split(observations: Iterable[Observation]) -> dict[str, list[Observation]]:
    """Group observations by split."""
    return _grouped((o.place.split, o) for o in observations)


def _grouped(pairs: Iterable[tuple[Any, Observation]]) -> dict[Any, list[Observation]]:
    groups: dict[Any, list[Observation]] = defaultdict(list)
    for key, observation in pairs:
        groups[key].append(observation)
    return dict(groups)


def tcd_expected_mm(weeks: float) -> float:
    """Return the median transverse cerebellar diameter at a gestational age of 14 to 40 weeks.

    INTERGROWTH-21st, ultrasound: Rodriguez-Sibaja et al., Ultrasound Obstet Gynecol 2021;57:614-623,
    doi:10.1002/uog.22017.

    >>> round(tcd_expected_mm(30), 1)
    36.7
    """
    tens = weeks / 10
    return float(-13.10907 + 20.8941 * tens**0.5 + 0.5035914 * tens**3)


def has_all_points(o: Observation) -> bool:
    """Whether a case has a reference without gaps."""
    return o.reference is not None and bool(np.isfinite(o.reference).all())


def missing(observations: Sequence[Observation], landmarks: LandmarkSet) -> list[Finding]:
    """Find points that the reference does not have."""
    found = []
    for o in observations:
        if o.reference is None:
            found.append(Finding("missing-landmarks", "warning", "no reference landmarks", (o.place,)))
            continue
        absent = [n for n, p in zip(landmarks.names, o.reference, strict=True) if not np.isfinite(p).all()]
        if absent:
            found.append(Finding("missing-landmarks", "warning", f"no {', '.join(absent)}", (o.place,), len(absent)))
    return found


def one_position(observations: Sequence[Observation], landmarks: LandmarkSet) -> list[Finding]:
    """Find landmarks of one case that one annotator has at one position."""
    found = []
    for o in observations:
        for annotator, points in o.annotations.items():
            names, place = plausibility.shared_position(points, landmarks)
            if names:
                level: Level = "error" if len(names) * 2 > len(landmarks) else "warning"
                message = f"{annotator} has {', '.join(names)} at one position, {place} mm: they were not set"
                found.append(Finding("one-position", level, message, (o.place,), len(names), {"landmarks": names}))
    return found


def outside(observations: Sequence[Observation], landmarks: LandmarkSet) -> list[Finding]:
    """Find points outside the image, or away from the head."""
    found = []
    for o in observations:
        for n, name in enumerate(landmarks.names):
            if n < len(o.outside_image_mm) and o.outside_image_mm[n] > 0:
                far = float(o.outside_image_mm[n])
                message = f"{name} lies {far:.1f} mm outside the image"
                found.append(Finding("outside", "error", message, (o.place,), far, {"landmark": name, "mm": far}))
            elif n < len(o.outside_head_mm) and o.outside_head_mm[n] > OUTSIDE_HEAD_MM:
                far = float(o.outside_head_mm[n])
                message = f"{name} lies {far:.0f} mm away from the head"
                found.append(Finding("outside", "warning", message, (o.place,), far, {"landmark": name, "mm": far}))
    return found


def same_landmarks(observations: Sequence[Observation], roles: dict[str, Role]) -> list[Finding]:
    """Find cases with the same points, and annotators who agree on every point to the last digit."""
    found = []
    groups = _grouped((o.reference.round(4).tobytes(), o) for o in observations if o.reference is not None)
    for group in groups.values():
        if len(group) > 1 and has_all_points(group[0]):
            places = tested_first(group, roles)
            level: Level = "error" if crosses(places, roles) else "warning"
            found.append(Finding("same-landmarks", level, "the same landmarks to 0.1 µm", places, len(group)))
    for annotator in dict.fromkeys(name for o in observations for name in o.annotations):
        set_by = ((o.annotations[annotator].round(4).tobytes(), o) for o in observations if annotator in o.annotations)
        for group in _grouped(set_by).values():
            if len(group) > 1 and np.isfinite(group[0].annotations[annotator]).all() and _differ(group):
                message = f"{annotator} has the same points on both to 0.1 µm: one annotation is of another image"
                found.append(Finding("same-landmarks", "error", message, tested_first(group, roles), len(group)))
    for o in observations:
        for first, second in combinations(o.annotations, 2):
            if np.array_equal(o.annotations[first], o.annotations[second]):
                message = f"{first} and {second} have the same points to the last digit: one was copied"
                found.append(Finding("same-landmarks", "warning", message, (o.place,)))
    return found


def _differ(group: Sequence[Observation]) -> bool:
    """Whether cases with one annotator's points in common have different references: else they were found already."""
    return len({o.reference.round(4).tobytes() for o in group if o.reference is not None}) > 1


def tested_first(group: Sequence[Observation], roles: dict[str, Role]) -> tuple[Place, ...]:
    """Return the places of cases, those of test splits first: they are what a finding is about."""
    return tuple(sorted((o.place for o in group), key=lambda p: -ROLES[roles[p.split]]))


def learnt_from(findings: Iterable[Finding], roles: dict[str, Role]) -> dict[str, list[str]]:
    """Return, for each test split, the ids of its cases whose image, or a copy of it, is learnt from."""
    cases = {
        place
        for f in findings
        if f.check in ("same-image", "copy") and crosses(f.cases, roles)
        for place in f.cases
        if roles[place.split] == "test"
    }
    ids = {split: [p.id for p in cases if p.split == split] for split in roles}
    return {split: sorted(found, key=case_sort_key) for split, found in ids.items() if found}


def crosses(places: Iterable[Place], roles: dict[str, Role]) -> bool:
    """Whether places lie on both sides of a test: one in a test split, another in a split that is learnt from."""
    kinds = {roles[p.split] for p in places}
    return "test" in kinds and len(kinds) > 1


def same_image(observations: Sequence[Observation], roles: dict[str, Role]) -> list[Finding]:
    """Find images that are equal after decoding."""
    found = []
    for group in _grouped((o.digest, o) for o in observations).values():
        if len(group) > 1:
            places = tested_first(group, roles)
            leak = crosses(places, roles)
            message = "the same image" + (", learnt from and tested on" if leak else "")
            found.append(Finding("same-image", "error" if leak else "warning", message, places, len(group)))
    return found


def repeated_ids(observations: Sequence[Observation], roles: dict[str, Role]) -> list[Finding]:
    """Find ids that one centre has in two splits; of cases whose ids name subjects."""
    found = []
    for group in _grouped(((o.centre, o.place.id), o) for o in observations if o.centre).values():
        splits = {o.place.split for o in group}
        if len(splits) > 1:
            places = tested_first(group, roles)
            message = f"id '{group[0].place.id}' of {group[0].centre} in {len(splits)} splits: one subject?"
            found.append(Finding("repeated-id", "error" if crosses(places, roles) else "warning", message, places))
    return found


def reversed_pairs(observations: Sequence[Observation], landmarks: LandmarkSet) -> list[Finding]:
    """Find end points of a biometric with each other's names, by the direction that the others of the track have.

    A case is reported when one of its lengths runs against the median direction while the others run along theirs.
    """
    shown = [o for o in observations if has_all_points(o)]
    if landmarks.dimension != 3 or len(shown) < MIN_GROUP:
        return []
    pairs = landmarks.biometric_indices()
    directions = np.array([[_direction(o.reference[a] - o.reference[b]) for a, b in pairs] for o in shown])  # type: ignore[index]
    middle = np.array([_direction(np.median(d, axis=0)) for d in np.moveaxis(directions, 1, 0)])
    along = (directions * middle).sum(axis=-1)  # (case, pair)
    found = []
    for o, cosines in zip(shown, along, strict=True):
        for n in np.flatnonzero(cosines < -0.5) if (cosines > 0.5).any() else []:
            biometric = landmarks.biometrics[n]
            message = f"{biometric.start} and {biometric.end} have each other's names: {biometric.name} runs backwards"
            values = {"landmarks": [biometric.start, biometric.end]}
            found.append(Finding("swapped", "error", message, (o.place,), float(-cosines[n]), values))
    return found


def _direction(vector: Array) -> Array:
    length = float(np.linalg.norm(vector))
    return vector / length if length else vector


def misplaced(observations: Sequence[Observation], landmarks: LandmarkSet) -> list[Finding]:
    """Find points far from where the other points of their case say they should be, in groups of one centre.

    Two suspects that fit after an exchange are reported as swapped instead.
    """
    found = []
    for group in _grouped((o.centre, o) for o in observations if o.reference is not None).values():
        whole = [o for o in group if has_all_points(o)]
        if len(whole) < MIN_GROUP:
            continue
        points = np.array([o.reference for o in whole])
        target = shapes.median_shape(points)
        away = shapes.distances(points, target)
        least = MISPLACED_SHARE[landmarks.dimension] * shapes.size_of(target)
        limit = np.maximum(MISPLACED_TIMES * np.median(away, axis=0), least)
        for o, shape, distance in zip(whole, points, away, strict=True):
            suspects = [int(n) for n in np.flatnonzero(distance > limit)]
            pair = shapes.exchanged(shape, target, limit, suspects) if landmarks.dimension == 2 else None
            if pair:
                names = [landmarks.names[n] for n in pair]
                message = f"{names[0]} and {names[1]} have each other's names"
                found.append(Finding("swapped", "error", message, (o.place,), 1.0, {"landmarks": names}))
                suspects = [n for n in suspects if n not in pair]
            for n in suspects:
                far = float(distance[n])
                message = (
                    f"{landmarks.names[n]} lies {far:.0f} mm from where the other points place it; "
                    f"half of the cases are within {np.median(away[:, n]):.1f} mm"
                )
                values = {"landmark": landmarks.names[n], "mm": far}
                found.append(Finding("misplaced", "warning", message, (o.place,), float(far / limit[n]), values))
    return found


def biometry(observations: Sequence[Observation], landmarks: LandmarkSet) -> list[Finding]:
    """Find lengths that do not go with the gestational age or with each other.

    The TCD is held against a growth chart (:func:`tcd_expected_mm`) where the age is known; the ratios of the other
    lengths to the TCD against the other cases of the same centre.
    """
    if not landmarks.biometrics:
        return []
    found = []
    pairs = landmarks.biometric_indices()
    names = [b.name for b in landmarks.biometrics]
    shown = [o for o in observations if has_all_points(o)]
    for o in shown:
        weeks = o.info.get("gestational_age_weeks")
        if isinstance(weeks, int | float) and 14 <= weeks <= 40:
            length, expected = float(_lengths(o, pairs)[0]), tcd_expected_mm(weeks)
            share = length / expected
            if not TCD_SHARE[0] <= share <= TCD_SHARE[1]:
                message = (
                    f"TCD is {length:.1f} mm; at {weeks:g} weeks {expected:.1f} mm are expected ({share - 1:+.0%})"
                )
                values = {"tcd_mm": length, "expected_mm": expected, "gestational_age_weeks": weeks}
                found.append(Finding("biometry", "warning", message, (o.place,), abs(float(np.log(share))), values))
    for group in _grouped((o.centre, o) for o in shown).values():
        if len(group) < MIN_GROUP:
            continue
        lengths = np.array([_lengths(o, pairs) for o in group])
        ratios = np.log(np.maximum(lengths, 1e-6) / np.maximum(lengths[:, :1], 1e-6))
        for n in range(1, len(pairs)):
            middle, spread = float(np.median(ratios[:, n])), robust_spread(ratios[:, n])
            for o, ratio in zip(group, ratios[:, n], strict=True):
                off = abs(float(ratio) - middle)
                if off > RATIO_DEVIATIONS * spread and off > np.log(1 + RATIO_SHARE):
                    message = (
                        f"{names[n]} is {np.exp(ratio):.2f} of the {names[0]}; in {o.centre or 'its split'} it is "
                        f"{np.exp(middle):.2f}"
                    )
                    values = {"ratio": float(np.exp(ratio)), "median_ratio": float(np.exp(middle))}
                    found.append(Finding("biometry", "warning", message, (o.place,), off, values))
    return found


def _lengths(o: Observation, pairs: Sequence[tuple[int, int]]) -> Array:
    points = o.reference
    assert points is not None
    return np.array([np.linalg.norm(points[a] - points[b]) for a, b in pairs])


def throughout(observations: Sequence[Observation], landmarks: LandmarkSet) -> list[Finding]:
    """Find what is odd about most cases of a split alike, so that comparing them with each other shows nothing."""
    found = []
    for split, group in by_split(o for o in observations if o.reference is not None).items():
        points, middles = (np.stack(part) for part in zip(*((o.reference, o.middle_mm) for o in group), strict=True))
        remarks = plausibility.find_remarks(landmarks, [o.place.id for o in group], points, middles, only_common=True)
        found += [Finding("throughout", "warning", f"{split}: {remark}") for remark in remarks]
    return found


def annotators(observations: Sequence[Observation], landmarks: LandmarkSet) -> list[Finding]:
    """Find single points, whole landmarks and whole cases that two annotators of a split place far apart."""
    found = []
    several = [o for o in observations if len(o.annotations) > 1]
    for split, group in by_split(several).items():
        for first, second in combinations(dict.fromkeys(name for o in group for name in o.annotations), 2):
            both = [o for o in group if {first, second} <= set(o.annotations)]
            strangers = _two_images(both, first, second)
            found += strangers
            apart_on_all = {f.cases[0] for f in strangers}
            both = [o for o in both if o.place not in apart_on_all]
            for n, name in enumerate(landmarks.names):
                apart = np.array([o.annotations[second][n] - o.annotations[first][n] for o in both])  # (case, axis)
                places = [o.place for o, a in zip(both, apart, strict=True) if np.isfinite(a).all()]
                apart = apart[np.isfinite(apart).all(axis=1)]
                if len(apart) < MIN_GROUP:
                    continue
                usual = np.median(apart, axis=0)
                rest = np.linalg.norm(apart - usual, axis=1)
                limit = max(APART_TIMES * float(np.median(rest)), APART_MM)
                shift = float(np.linalg.norm(usual))
                if shift > SYSTEMATIC_MM:
                    direction = ", ".join(f"{v:+.1f}" for v in usual)
                    message = (
                        f"{split}: {second} places {name} {shift:.1f} mm from {first} in the median ({direction} mm): "
                        "two definitions of one point"
                    )
                    values = {"landmark": name, "median_shift_mm": usual.tolist(), "split": split}
                    found.append(Finding("annotators", "warning", message, (), 100 + shift, values))
                for case in np.flatnonzero(rest > limit):
                    far = float(np.linalg.norm(apart[case]))
                    message = (
                        f"{first} and {second} place {name} {far:.1f} mm apart; the median distance in {split} is "
                        f"{np.median(np.linalg.norm(apart, axis=1)):.1f} mm"
                    )
                    values = {"landmark": name, "mm": far, "annotators": [first, second]}
                    found.append(Finding("annotators", "warning", message, (places[case],), float(rest[case]), values))
    return found


def _two_images(group: Sequence[Observation], first: str, second: str) -> list[Finding]:
    """Find cases on which two annotators are apart on every point: then they did not look at the same image."""
    if len(group) < MIN_GROUP:
        return []
    apart = np.array([o.annotations[second] - o.annotations[first] for o in group])  # (case, landmark, axis)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a landmark that no two annotators set
        rest_mm = np.linalg.norm(apart - np.nanmedian(apart, axis=0), axis=2)
        usual_mm = np.nanmedian(rest_mm, axis=0)
        times = np.nanmedian(rest_mm / np.maximum(usual_mm, 1e-6), axis=1)
        middle_mm = np.nanmedian(rest_mm, axis=1)
    found = []
    for case in map(int, np.flatnonzero((times > WHOLE_TIMES) & (middle_mm > WHOLE_MM))):
        far_mm = float(np.nanmean(np.linalg.norm(apart[case], axis=1)))
        usual = float(np.nanmean(np.linalg.norm(apart, axis=2)))
        message = (
            f"{first} and {second} are {far_mm:.1f} mm apart on the mean of all points, where {usual:.1f} mm is usual: "
            "one annotation is of another image, or on another grid"
        )
        values = {"mm": far_mm, "times": float(times[case]), "annotators": [first, second]}
        found.append(Finding("annotators", "error", message, (group[case].place,), 1000 + far_mm, values))
    return found


def grid(observations: Sequence[Observation]) -> list[Finding]:
    """Find voxel sizes, orientations and tilts unlike those of their split."""
    found = []
    for split, group in by_split(observations).items():
        if len(group) < MIN_GROUP:
            continue
        spacing = np.array([o.spacing_mm for o in group])
        usual = np.median(spacing, axis=0)
        tilt = float(np.median([o.tilt_deg for o in group]))
        letters = Counter(o.orientation for o in group)
        for o, sizes in zip(group, spacing, strict=True):
            times = float(np.exp(np.abs(np.log(sizes / usual)).max()))
            if times > SPACING_TIMES:
                message = f"voxels of {_mm(sizes)} mm; in {split} {_mm(usual)} mm are usual"
                found.append(Finding("grid", "warning", message, (o.place,), times, {"spacing_mm": list(o.spacing_mm)}))
            if letters[o.orientation] <= max(1, len(group) // 50) and letters.most_common(1)[0][1] > len(group) / 2:
                message = f"stored as {o.orientation}; in {split} {letters.most_common(1)[0][0]} is usual"
                found.append(Finding("grid", "note", message, (o.place,), 1.0, {"orientation": o.orientation}))
            if o.tilt_deg > tilt + TILT_DEG:
                message = f"axes tilted by {o.tilt_deg:.0f}°; in {split} by {tilt:.0f}°"
                found.append(Finding("grid", "note", message, (o.place,), o.tilt_deg, {"tilt_deg": o.tilt_deg}))
    return found


def _mm(sizes: Array) -> str:
    return " x ".join(f"{s:.2f}" for s in sizes)


def intensity(observations: Sequence[Observation]) -> list[Finding]:
    """Find images that are constant, nearly empty, or unlike the mean of their split."""
    found = []
    for split, group in by_split(observations).items():
        total = np.sum([o.thumbnail.upright.astype(np.float32) for o in group], axis=0)
        likeness = []
        for o in group:
            own = o.thumbnail.upright.astype(np.float32)
            others = total - own
            norm = float(np.linalg.norm(own) * np.linalg.norm(others))
            likeness.append(float((own * others).sum()) / norm if norm else 0.0)
        middle, spread = float(np.median(likeness)), robust_spread(np.array(likeness))
        for o, like in zip(group, likeness, strict=True):
            if o.grey_range == 0:
                found.append(Finding("intensity", "error", "every voxel has the same value", (o.place,), 2.0))
            elif o.empty_share > EMPTY_SHARE:
                message = f"{o.empty_share:.1%} of it is background"
                found.append(Finding("intensity", "warning", message, (o.place,), o.empty_share))
            elif len(group) >= MIN_GROUP and like < min(middle - UNLIKE_DEVIATIONS * spread, UNLIKE_CORRELATION):
                message = (
                    f"correlates {like:.2f} with the mean of {split}; half of its cases do with {middle:.2f} or more"
                )
                values = {"correlation": like, "median_correlation": middle}
                found.append(Finding("intensity", "warning", message, (o.place,), middle - like, values))
    return found


def robust_spread(values: Array) -> float:
    """Return the median absolute deviation, scaled to the standard deviation of a normal distribution.

    >>> round(robust_spread(np.array([1.0, 2.0, 3.0, 4.0, 100.0])), 3)
    1.483
    """
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))
