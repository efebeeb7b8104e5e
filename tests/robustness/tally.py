"""Counting what became of the attempts, kind by kind."""

from __future__ import annotations

from dataclasses import dataclass, field

#: What must not happen, in the order of the table.
FAILURES = ("traceback", "hang", "wrongly accepted", "wrongly refused", "lost")


@dataclass
class Tally:
    """The attempts of one kind, and the first of each failure in words.

    Attributes
    ----------
    planned, reached : int
        Rounds of the dose, and how many of them there was time for. A round may try more than one thing.
    """

    kind: str
    tried: int = 0
    planned: int = 0
    reached: int = 0
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FAILURES, 0))
    examples: list[str] = field(default_factory=list)

    def note(self, failure: str | None, what: str) -> None:
        """Count one attempt; ``failure`` is one of :data:`FAILURES`, or None where it ended well."""
        self.tried += 1
        if failure is not None:
            self.counts[failure] += 1
            if len(self.examples) < 5:
                self.examples.append(f"{self.kind}: {failure}: {what[:600]}")

    @property
    def failed(self) -> int:
        """How many attempts ended badly."""
        return sum(self.counts.values())


def table(tallies: list[Tally]) -> str:
    """Return the table of all kinds, one a line, and a line of sums."""
    total = Tally(
        "all", sum(t.tried for t in tallies), sum(t.planned for t in tallies), sum(t.reached for t in tallies)
    )
    total.counts = {f: sum(t.counts[f] for t in tallies) for f in FAILURES}
    width = max(len(t.kind) for t in [*tallies, total])
    lines = [f"{'kind':<{width}}  {'dose':>15}  {'tried':>7}  " + "  ".join(FAILURES)]
    for tally in [*tallies, total]:
        dose = f"{tally.reached:,} of {tally.planned:,}"
        counts = "  ".join(f"{tally.counts[f]:>{len(f)}}" for f in FAILURES)
        lines.append(f"{tally.kind:<{width}}  {dose:>15}  {tally.tried:>7,}  {counts}")
    return "\n".join(lines)
