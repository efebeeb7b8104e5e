"""Draw docs/images/phantom-centres.png: heads of each simulated centre, sliced through their landmarks.

Run from the repository's root: python docs/make_phantom_figure.py
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from dgmld_bench import geometry
from dgmld_bench.phantom import Head, simulate

PATH = Path(__file__).parent / "images" / "phantom-centres.png"
CASES = (("phantom-train", 6), ("phantom-lfc", 1), ("phantom-lfc", 4), ("phantom-feta", 5))
PLANES = (  # name, axis across the slice, axes in it, landmarks that lie in it
    ("sagittal", 0, (1, 2), (2, 3, 4, 5)),
    ("coronal", 1, (0, 2), (0, 1)),
    ("axial", 2, (0, 1), (0, 1)),
)
COLOURS = ("#3ddc84", "#3ddc84", "#ffb000", "#ffb000", "#4fc3f7", "#4fc3f7")  # TCD, HDV, ADV
FIELD_MM = 100


def draw_head(axes: np.ndarray, head: Head) -> None:
    """Draw the three planes of a head, to the same millimetres per centimetre in every picture."""
    image, _ = head.render()
    grid = geometry.NetworkGrid(head.affine, head.shape, head.centre.shape)
    volume = grid.canonical(image)
    index = grid.to_grid(head.landmarks)
    mm = float(geometry.voxel_sizes(grid.grid_affine)[0])
    for ax, (name, across, (h, v), shown) in zip(axes, PLANES, strict=True):
        level = int(np.round(index[list(shown), across].mean()))
        extent_mm = [
            -volume.shape[h] * mm / 2,
            volume.shape[h] * mm / 2,
            -volume.shape[v] * mm / 2,
            volume.shape[v] * mm / 2,
        ]
        ax.imshow(
            volume.take(level, axis=across).T,
            origin="lower",
            cmap="gray",
            extent=extent_mm,
            vmax=np.percentile(volume, 99.7),
        )
        for k in shown:
            x, y = ((index[k, a] + 0.5 - volume.shape[a] / 2) * mm for a in (h, v))
            ax.plot(x, y, "o", ms=3.2, mfc="none", mec=COLOURS[k], mew=1.1)
        ax.set_xlim(-FIELD_MM / 2, FIELD_MM / 2)
        ax.set_ylim(-FIELD_MM / 2, FIELD_MM / 2)
        ax.set_facecolor("black")
        ax.set_xticks([])
        ax.set_yticks([])
        ax.set_title(name, fontsize=7, color="0.6", pad=2)
    label = f"{head.centre.name}\n{head.gestational_age_weeks} weeks, {mm:.1f} mm"
    axes[0].set_ylabel(label + (f"\n{head.pathology}" if head.pathology else ""), fontsize=7, color="white")


def main() -> None:
    """Draw and save the figure."""
    figure = Figure(figsize=(6.2, 2.05 * len(CASES)), facecolor="black", layout="constrained")
    rows = figure.subplots(len(CASES), 3)
    for axes, (split, number) in zip(rows, CASES, strict=True):
        draw_head(axes, simulate(split, number))
    PATH.parent.mkdir(exist_ok=True)
    buffer = BytesIO()
    figure.savefig(buffer, dpi=100)
    Image.open(buffer).convert("RGB").save(PATH, optimize=True)
    print(f"wrote {PATH}")


if __name__ == "__main__":
    main()
