"""MeanShape: the floor of every table. The mean training landmarks, put into each image without looking at it.

Landmarks of the training split are averaged in normalised coordinates, where every image spans 0 to 1 along each
anatomical axis, and read off at the same place in every other image. Learns nothing, needs no PyTorch.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

sys.path.insert(0, str(Path(__file__).parents[2]))  # runs from a checkout, installed or not

import numpy as np
import typer

from baselines.common.command import DataDir, TrackName, run_app
from baselines.common.running import ensure_phantom, print_scores, splits_on_disk
from dgmld_bench.cases import Case
from dgmld_bench.geometry import NetworkGrid
from dgmld_bench.scoring.predictions import Predictions
from dgmld_bench.splits import get_track, load_split


def unit_grid(case: Case) -> NetworkGrid:
    """Return the mapping between world coordinates and a grid with one voxel per axis, centred on the image."""
    return NetworkGrid(case.affine, tuple(case.image.shape), (1,) * case.image.ndim)


def predict(track_name: str, data_dir: Path | None = None) -> Predictions:
    """Return the mean shape's predictions for the test splits that are on disk."""
    track = get_track(track_name)
    mean = np.mean([unit_grid(c).to_grid(c.landmarks) for c in load_split(track.train, data_dir=data_dir)], axis=0)
    predictions = Predictions(
        track=track.name,
        method="MeanShape",
        backbone="none",
        selection="none",
        training_data=[track.train],
        description="The mean training landmarks in normalised image coordinates: the floor of every table.",
    )
    for cases in splits_on_disk(track.tests, data_dir).values():
        for case in cases:
            predictions.add(seed=0, split=case.split, case=case.id, landmarks=unit_grid(case).to_world(mean))
    return predictions


def run(
    track: Annotated[TrackName, typer.Option(help="What to predict.")] = "dgmld",
    out: Annotated[
        Path | None, typer.Option(help="Where results go. Default: runs/TRACK/meanshape.", show_default=False)
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Predict every test split by the mean shape of the training split: the floor that a method must beat."""
    ensure_phantom(get_track(track), data_dir)
    predictions = predict(track, data_dir)
    folder = out or Path("runs") / track / "meanshape"
    predictions.save(folder / "predictions.json")
    print_scores(predictions, predictions.splits, data_dir)


if __name__ == "__main__":
    run_app(run)
