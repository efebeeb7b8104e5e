"""SynthDG: no training image looks like another, so that no unseen centre looks like none of them.

The labels of the training cases are worth more as a source of appearance and shape than as a target. From each case,
examples are drawn without end: tissues get greys and textures of their own, brains get heads, heads get other poses,
proportions and cerebella, and all of it another scanner; a quarter keeps its greys. Landmarks follow the same map.
Films have no labels; there, developments, frames and shapes are drawn (:mod:`baselines.synthdg.films`).

Builds on domain randomisation from labels: B. Billot et al., "SynthSeg: Segmentation of brain MRI scans of any contrast
and resolution without retraining", Medical Image Analysis 86, 2023; and, for films, on random convolutions: Z. Xu et
al., "Robust and Generalizable Visual Representation Learning via Random Convolutions", ICLR 2021.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, get_args

sys.path.insert(0, str(Path(__file__).parents[2]))  # runs from a checkout, installed or not

import typer

from baselines.common.command import main
from baselines.common.method import Augmentation, Method

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Part = Literal["nothing", "appearance", "outside", "shape", "structures"]


def change_volumes(
    images: Tensor, points: Tensor, labels: Tensor | None, generator: torch.Generator, *, without: Part = "nothing"
) -> tuple[Tensor, Tensor]:
    """Draw heads, tissues, scanners and shapes anew from the labels (:mod:`baselines.synthdg.volumes`)."""
    from baselines.synthdg.volumes import Volumes

    parts = {part: part != without for part in get_args(Part)[1:]}
    return Volumes(**parts)(images, points, labels, generator)


def change_films(
    images: Tensor, points: Tensor, labels: Tensor | None, generator: torch.Generator, *, without: Part = "nothing"
) -> tuple[Tensor, Tensor]:
    """Draw developments, frames and shapes of films anew (:mod:`baselines.synthdg.films`)."""
    from baselines.synthdg import films

    return films.change_films(images, points, labels, generator, ranges=films.Ranges(**films.WITHOUT.get(without, {})))


def build(
    without: Annotated[
        Part,
        typer.Option(help="Leave one part out, to see what it is worth; structures, in 3D: a film has none."),
    ] = "nothing",
) -> Method:
    """Return SynthDG, or it without one of its parts."""
    volumes = Augmentation(partial(change_volumes, without=without), needs_labels=True, endless=True)
    films = Augmentation(partial(change_films, without=without), endless=True)
    return Method(
        name="SynthDG" if without == "nothing" else f"SynthDG-without-{without}",
        title="Training images whose appearance and shape are drawn anew",
        authors="The dgmld-bench developers",
        venue="dgmld-bench",
        paper=None,
        augmentation={3: volumes} if without == "structures" else {3: volumes, 2: films},
    )


METHOD = build()

if __name__ == "__main__":
    main(build)
