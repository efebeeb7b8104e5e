"""BaPDG: boundary-aware pre-training. Landmarks lie on boundaries, so learn first how far the next boundary is.

H. Gong, Y. Lu, X. Wan, H. Li: "Domain Generalized Medical Landmark Detection via Robust Boundary-Aware Pre-Training",
AAAI 2025. https://github.com/lhaof/DGMLD
"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

sys.path.insert(0, str(Path(__file__).parents[2]))  # runs from a checkout, installed or not

import numpy as np
import typer
from numpy.typing import NDArray
from scipy import ndimage

from baselines.common.command import main
from baselines.common.edges import CANNY_PACKAGES
from baselines.common.method import PEAK, Method, Pretraining, Subject, mse

if TYPE_CHECKING:
    from torch import Tensor


def boundary(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Eq. 1, as a boundary: dilation minus erosion with a 3^d cube, a shell two voxels thick."""
    cube = np.ones((3,) * mask.ndim, dtype=bool)
    return ndimage.binary_dilation(mask, cube) & ~ndimage.binary_erosion(mask, cube)


def distance_map(beta: NDArray[np.bool_], n: float) -> NDArray[np.float32]:
    """Eq. 2: the mean of N iterated dilations of the boundary, scaled to a peak of 255.

    The i-th dilation reaches Chebyshev distance i, so at distance d the mean is (N + 1 - max(d, 1)) / N: for N = 5
    it is 1, 1, .8, .6, .4, .2 at d = 0..5. In this form N may be a fraction, and follows the grid.
    """
    values = np.zeros(beta.shape, dtype=np.float32)
    if beta.any():
        near = tuple(  # further away than N all is zero
            slice(max(0, side.start - math.ceil(n) - 1), side.stop + math.ceil(n) + 1)
            for side in ndimage.find_objects(beta.astype(np.uint8))[0]
        )
        d = ndimage.distance_transform_cdt(~beta[near], metric="chessboard")
        values[near] = np.clip((n + 1 - np.maximum(d, 1)) / n, 0, 1) * PEAK
    return values


def log_cosh(prediction: Tensor, target: Tensor, e: int = 0, E: int = 1) -> Tensor:
    """log cosh of the error, averaged: |x| + log(1 + exp(-2|x|)) - log 2, which no error overflows."""
    from torch.nn.functional import softplus

    x = (prediction.float() - target).abs()
    return (x + softplus(-2 * x) - math.log(2)).mean()


def mixed(prediction: Tensor, target: Tensor, e: int, E: int) -> Tensor:
    """Eq. 3 in epoch e of E: robust log-cosh at first, MSE in the end."""
    return e / E * mse(prediction, target) + (E - e) / E * log_cosh(prediction, target)


def boundary_target(subject: Subject) -> NDArray[np.float32]:
    """The distance map of the mask's boundary, or in 2D, of what an edge-map provider takes for a boundary."""
    beta = boundary(subject.mask) if subject.mask is not None else np.asarray(subject.boundary) >= 0.5
    return distance_map(beta, subject.range_vox)


def build(
    loss: Annotated[
        Literal["mixed", "mse", "logcosh"], typer.Option(help="Loss of pre-training; Table 4 compares mixed and mse.")
    ] = "mixed",
) -> Method:
    """Return BaPDG, or one of the variants of the paper's ablation (Table 4)."""
    chosen = {"mixed": mixed, "mse": mse, "logcosh": log_cosh}[loss]
    remark = "the loss is expected to rise, it turns from log-cosh into MSE (Eq. 3)" if loss == "mixed" else ""
    shared = {"loss": chosen, "remark": remark}
    volumes = Pretraining(needs="mask", target=boundary_target, **shared)
    films = Pretraining(needs="boundary", target=boundary_target, packages=CANNY_PACKAGES[2], **shared)
    return Method(
        name="BaPDG" if loss == "mixed" else f"BaPDG-boundary-{loss}",
        title="Domain Generalized Medical Landmark Detection via Robust Boundary-Aware Pre-Training",
        authors="Gong et al.",
        venue="AAAI 2025",
        paper="https://github.com/lhaof/DGMLD",
        pretraining={3: volumes, 2: films},
    )


METHOD = build()

if __name__ == "__main__":
    main(build)
