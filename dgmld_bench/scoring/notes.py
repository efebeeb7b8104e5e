"""What must be said beside a number: that it is simulated, incomplete, of one training."""

from __future__ import annotations

from typing import Self

from dgmld_bench.scoring.reference import Reference
from dgmld_bench.splits import Split

N_SEEDS = 3
"""Runs that the protocol asks for."""


class Note(str):
    """A note as it is written, which also keeps apart what it is about and what it says of that, where it does.

    >>> Note("partial", "2 of 3 cases"), Note("partial", "2 of 3 cases").said, Note("1 of 3 seeds").said
    ('partial: 2 of 3 cases', '2 of 3 cases', '')
    """

    about: str
    said: str

    def __new__(cls, about: str, said: str = "") -> Self:
        """Return the note."""
        note = super().__new__(cls, f"{about}: {said}" if said else about)
        note.about, note.said = about, said
        return note


def split_notes(split: Split) -> list[Note]:
    """Return what must be said beside every number on a split."""
    notes = []
    if split.reference == "simulated":
        notes.append(
            Note("simulated", "the images and their reference are generated; no conclusion about patients follows")
        )
    if split.reference == "mask-derived":
        notes.append(Note("mask-derived", "the reference comes from the cerebellum label, not from an expert"))
    if split.in_training:
        number = f"{len(split.in_training)} of the split's {split.n_cases} cases"
        notes.append(Note(f"{number} are training cases too (docs/audit.md)"))
    return notes


def score_notes(reference: Reference, n_missing: int, n_expected: int, n_seeds: int) -> tuple[Note, ...]:
    """Return what must be said beside one score: of its split, of what is missing, of how many trainings it is."""
    split = reference.split
    notes = split_notes(split)
    if n_missing:
        notes.append(
            Note(
                "incomplete",
                f"{n_missing} of {n_expected} points are not predicted; they count as misses in SDR and "
                "are left out of the radial errors, which are therefore not comparable",
            )
        )
    if len(reference.ids) < split.n_cases:
        notes.append(Note("partial", f"{len(reference.ids)} of the split's {split.n_cases} cases are on disk"))
    counts = reference.counts()
    if counts["missing"]:
        never = [name for name, n in counts["present_per_landmark"].items() if not n]
        notes.append(
            Note(
                "missing in the reference",
                f"{counts['missing']} of {reference.exists.size} points; a radial error is over "
                "the cases that have the point" + (f", and the Average is without {', '.join(never)}" if never else ""),
            )
        )
    if n_seeds < N_SEEDS:
        alone = "the interval is of this training, and says nothing of another" if n_seeds == 1 else ""
        asked = f"of {N_SEEDS} seeds" if split.track != "own" else "seed" if n_seeds == 1 else "seeds"
        notes.append(Note(f"{n_seeds} {asked}", alone))
    return tuple(notes)
