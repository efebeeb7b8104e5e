"""The training curve of one seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def draw_training(record: dict[str, Any], path: Path, *, title: str) -> None:
    """Draw loss (logarithmic) and validation MRE by epoch, with the selected epoch marked."""
    from matplotlib.figure import Figure

    from dgmld_bench.drawing import save_figure

    stages = record["stages"]
    figure = Figure(figsize=(5 * len(stages), 3.6), dpi=110, layout="constrained")
    axes = figure.subplots(1, len(stages), squeeze=False)[0]
    for axis, (name, stage) in zip(axes, stages.items(), strict=True):
        history = stage["history"]
        epochs = [e["number"] + 1 for e in history]
        axis.plot(epochs, [e["loss"] for e in history], color="#64748b")
        axis.set(title=name, xlabel="epoch", yscale="log")
        axis.set_ylabel("loss", color="#64748b")
        if history[-1]["validation_mm"] is not None:
            right = axis.twinx()
            validated = [(e["number"] + 1, e["validation_mm"]) for e in history if e["validation_mm"] is not None]
            right.plot(*zip(*validated, strict=True), color="#2563eb")
            right.plot(record["selected_epoch"], record["validation_mre_mm"], "o", color="#2563eb")
            right.set_ylabel("validation MRE [mm]", color="#2563eb")
            right.set_ylim(bottom=0)
    figure.suptitle(title, fontsize=10)
    save_figure(figure, path)
