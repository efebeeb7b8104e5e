"""What the data on disk allow: which splits score, and which methods of ``baselines/`` can train."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dgmld_bench.errors import DataError
from dgmld_bench.landmarks import LandmarkSet
from dgmld_bench.splits import find_split, get_track
from dgmld_bench.storage.register import read_register
from dgmld_bench.tracks import Split, Track

FROM_POINTS, FROM_MASKS = ("Baseline", "AugDG"), ("EdgeDG", "SegDG", "BaPDG", "SynthDG")
"""In 3D: what learns from images and landmarks alone, and what needs masks or labels of tissues."""
ON_FILMS = ("Baseline", "AugDG", "EdgeDG", "BaPDG", "SynthDG")
"""In 2D, where no case has a mask. A package without ``baselines/`` says it too, so that it is said here."""


@dataclass(frozen=True)
class OnDisk:
    """A split with how many of its cases are on disk, and how many of these have a mask."""

    split: Split
    cases: int
    masks: int

    @property
    def is_complete(self) -> bool:
        """Whether a score on it can stand on the board."""
        return self.cases >= self.split.n_cases

    def __str__(self) -> str:
        number = f"{self.cases}" if self.is_complete else f"{self.cases} of {self.split.n_cases}"
        return f"{self.split.name} ({number} case{'s' * (number != '1')})"


@dataclass(frozen=True)
class Possible:
    """What a track's data on disk allow; ``own/NAME`` is of no track and is scored on only."""

    name: str
    scored: tuple[OnDisk, ...]
    training: OnDisk | None = None
    selected_on: tuple[str, ...] = ()
    trainable: tuple[str, ...] = ()
    lacking_masks: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """Return it in words."""
        said = []
        if self.scored:
            said.append(f"score on {', '.join(map(str, self.scored))}")
        if parts := [one.split.name for one in self.scored if not one.is_complete]:
            said.append(f"{', '.join(parts)}: not complete, so no row of the board can be measured there")
        if self.training is not None:
            said.append(f"train on {self.training}: {', '.join(self.trainable)}")
            if self.lacking_masks:
                n = f"{self.training.masks} of {self.training.cases}"
                said.append(
                    f"{', '.join(self.lacking_masks)} cannot train: they need a mask of every case, {n} have one"
                )
            said.append(f"select on {' or '.join(self.selected_on) or 'nothing: the validation split is not on disk'}")
        return said

    def to_dict(self) -> dict[str, Any]:
        """Return it for machines."""

        def counts(one: OnDisk | None) -> dict[str, Any] | None:
            return (
                None
                if one is None
                else {
                    "split": one.split.name,
                    "cases": one.cases,
                    "complete": one.is_complete,
                    "masks": one.masks,
                }
            )

        return {
            "track": self.name,
            "score": [counts(one) for one in self.scored],
            "train": counts(self.training),
            "select_on": list(self.selected_on),
            "methods": list(self.trainable),
            "methods_lacking_masks": list(self.lacking_masks),
        }


def possible_of_track(track: Track, data_dir: Path | str | None = None) -> Possible:
    """Return what a track's data on disk allow; a source whose register cannot be read counts as not there."""
    found = {name: one for name in track.split_names if (one := _on_disk(name, data_dir)).cases}
    training = found.get(track.train)
    trainable, lacking = _methods(training, track.landmarks) if training else ((), ())
    scored = tuple(one for name, one in found.items() if name != track.train)
    validation = found.get(track.validation)
    selected_on: tuple[str, ...] = () if validation is None else (str(validation),)
    if not track.validation_is_source:
        selected_on += ("every fifth training case (--select source-val)",)
    return Possible(track.name, scored, training, selected_on, trainable, lacking)


def possible_of_source(splits: tuple[str, ...], data_dir: Path | str | None = None) -> list[Possible]:
    """Return what is possible on the tracks that these splits are of, with whatever else of them is on disk."""
    tracks = dict.fromkeys(find_split(name, data_dir).track for name in splits)
    own = tuple(_on_disk(name, data_dir) for name in splits if name.startswith("own/"))
    return [Possible("own", own) if name == "own" else possible_of_track(get_track(name), data_dir) for name in tracks]


def _methods(training: OnDisk, landmarks: LandmarkSet) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if landmarks.dimension == 2:
        return ON_FILMS, ()
    return (FROM_POINTS + FROM_MASKS, ()) if training.masks == training.cases else (FROM_POINTS, FROM_MASKS)


def _on_disk(name: str, data_dir: Path | str | None) -> OnDisk:
    split = find_split(name, data_dir)
    try:
        register = read_register(split.source, data_dir)
    except DataError:
        return OnDisk(split, 0, 0)
    cases = [case for case in register.cases_of(name) if register.has_files(case)]
    return OnDisk(split, len(cases), sum(case.mask is not None for case in cases))
