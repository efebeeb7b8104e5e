"""One audit from beginning to end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dgmld_bench.audit import checks
from dgmld_bench.audit.findings import Audit, Finding, Place, in_order
from dgmld_bench.audit.near import near_duplicates
from dgmld_bench.audit.observe import Observation, observe
from dgmld_bench.errors import DataError
from dgmld_bench.formats import headers
from dgmld_bench.splits import TRACKS, Split, get_split, get_track, load_split
from dgmld_bench.storage import folders
from dgmld_bench.storage.register import has_register, own_sources

Progress = Callable[[str, int, int], None]


def audit(
    target: str, *, data_dir: Path | str | None = None, progress: Progress = lambda step, done, total: None
) -> Audit:
    """Look at every case of a track, or of a centre of the user's own, and report what is wrong with it.

    Parameters
    ----------
    target : str
        A track, or ``own/NAME``: that centre, compared with every training and validation split on disk that has the
        same landmarks.
    data_dir : path, optional
        The data folder; else ``DGMLD_BENCH_DATA``, else the platform's user data folder.
    progress : callable
        Called with what is being done, how much of it is done, and how much there is.

    Raises
    ------
    UsageError
        For an unknown track or centre.
    DataError
        When nothing of it is on disk; the message says how to get it.
    """
    splits = splits_of(target, data_dir)
    opened = [
        load_split(s.name, references=True, data_dir=data_dir) for s in splits if has_register(s.source, data_dir)
    ]
    lists = {cases.split.name: cases for cases in opened if len(cases)}
    if not lists:
        from dgmld_bench.sources import how_to_get

        raise DataError(f"no case of '{target}' is in {folders.data_dir(data_dir)}. {how_to_get(splits[0].source)}")
    landmarks = next(iter(lists.values())).landmark_set
    roles = {name: cases.split.role for name, cases in lists.items()}
    total = sum(map(len, lists.values()))
    observations: list[Observation] = []
    findings: list[Finding] = []
    done = 0
    for split, cases in lists.items():
        for case in cases:
            progress("Reading cases", done, total)
            place = Place(split, case.id)
            try:
                observations.append(observe(case, place))
                findings += _about_header(place, cases.paths(case.id)[0])
            except DataError as error:
                findings.append(Finding("unreadable", "error", str(error), (place,)))
            done += 1
    progress("Reading cases", total, total)
    simulated = {name for name, cases in lists.items() if cases.split.reference == "simulated"}
    named = [o for o in observations if o.place.split not in simulated]  # simulated ids count cases, not subjects
    identical, backwards = checks.same_image(observations, roles), checks.reversed_pairs(observations, landmarks)
    findings += identical + backwards
    findings += checks.repeated_ids(named, roles) + checks.same_landmarks(observations, roles)
    for check in (checks.missing, checks.one_position, checks.outside, checks.biometry):
        findings += check(observations, landmarks)
    # what the other splits have among themselves is not the matter of a centre of one's own
    asked = [o for o in observations if target in TRACKS or o.place.split == target]
    findings += checks.annotators(asked, landmarks) + checks.throughout(asked, landmarks)
    turned = {f.cases[0] for f in backwards}
    findings += checks.misplaced([o for o in observations if o.place not in turned], landmarks)
    findings += checks.grid(observations) + checks.intensity(observations)
    alike, measured = near_duplicates(
        observations,
        roles,
        lambda place: lists[place.split].by_id(place.id).image,
        lambda n, of: progress("Comparing images", n, of),
    )
    findings += [f for f in alike if not any(set(f.cases) <= set(same.cases) for same in identical)]
    if target not in TRACKS:
        findings = [f for f in findings if not f.cases or any(place.split == target for place in f.cases)]
    measured["test_cases_learnt_from"] = checks.learnt_from(findings, roles)
    return Audit(
        target,
        {name: len(cases) for name, cases in lists.items()},
        tuple(s.name for s in splits if s.name not in lists),
        in_order(findings),
        measured,
        lists,
    )


def _about_header(place: Place, image: Path) -> list[Finding]:
    return [Finding("header", "warning", f"{image.name}: {remark}", (place,)) for remark in headers.remarks(image)]


def splits_of(target: str, data_dir: Path | str | None = None) -> list[Split]:
    """Return the splits that an audit looks at: those of a track, or a centre with what it must not repeat."""
    if not target.startswith("own/"):
        return [get_split(name) for name in get_track(target).split_names]
    centre = load_split(target, data_dir=data_dir)
    learnt = [
        get_split(name)
        for track in TRACKS.values()
        if track.landmarks == centre.landmark_set
        for name in (track.train, track.validation)
    ]
    return [centre.split, *(s for s in learnt if has_register(s.source, data_dir) and s.reference != "simulated")]


def targets_on_disk(data_dir: Path | str | None = None) -> list[str]:
    """Return the tracks and own centres of which something is on disk."""
    tracks = [
        name
        for name, track in TRACKS.items()
        if any(has_register(get_split(s).source, data_dir) for s in track.split_names)
    ]
    return [*tracks, *own_sources(data_dir)]
