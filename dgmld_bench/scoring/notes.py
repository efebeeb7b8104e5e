"""What must be said beside a number: that it is simulated, incomplete, of one training."""

from __future__ import annotations

from dgmld_bench.scoring.reference import Reference
from dgmld_bench.splits import Split

N_SEEDS = 3
"""Runs that the protocol asks for."""


def split_notes(split: Split) -> list[str]:
    """Return what must be said beside every number on a split."""
    notes = []
    if split.reference == "simulated":
        notes.append("simulated: the images and their reference are generated; no conclusion about patients follows")
    if split.reference == "mask-derived":
        notes.append("mask-derived: the reference comes from the cerebellum label, not from an expert")
    if split.in_training:
        notes.append(
            f"{len(split.in_training)} of the split's {split.n_cases} cases are training cases too (docs/audit.md)"
        )
    return notes


def score_notes(reference: Reference, n_missing: int, n_expected: int, n_seeds: int) -> tuple[str, ...]:
    """Return what must be said beside one score: of its split, of what is missing, of how many trainings it is."""
    split = reference.split
    notes = split_notes(split)
    if n_missing:
        notes.append(
            f"incomplete: {n_missing} of {n_expected} points are not predicted; they count as misses in SDR and "
            "are left out of the radial errors, which are therefore not comparable"
        )
    if len(reference.ids) < split.n_cases:
        notes.append(f"partial: {len(reference.ids)} of the split's {split.n_cases} cases are on disk")
    counts = reference.counts()
    if counts["missing"]:
        never = [name for name, n in counts["present_per_landmark"].items() if not n]
        notes.append(
            f"missing in the reference: {counts['missing']} of {reference.exists.size} points; a radial error is over "
            "the cases that have the point" + (f", and the Average is without {', '.join(never)}" if never else "")
        )
    if n_seeds < N_SEEDS:
        alone = ": the interval is of this training, and says nothing of another" if n_seeds == 1 else ""
        notes.append(f"{n_seeds} of {N_SEEDS} seeds{alone}")
    return tuple(notes)
