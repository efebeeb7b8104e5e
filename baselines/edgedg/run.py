"""EdgeDG: pre-train on edges, which change less between centres than intensities do.

3D: the network sees Canny edges and regresses the mask. 2D has no masks: it sees the film and regresses Canny edges.

"Train Once, Deploy Anywhere: Edge-Guided Single-source Domain Generalization for Medical Image Segmentation", MIDL 2024
(cited in the paper as Gu et al. 2024), adapted to landmarks. https://proceedings.mlr.press/v250/jiang24a.html
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # runs from a checkout, installed or not

from baselines.common.command import main
from baselines.common.edges import CANNY_PACKAGES, canny
from baselines.common.method import PEAK, Method, Pretraining
from baselines.common.targets import mask_target

METHOD = Method(
    name="EdgeDG",
    title="Train Once, Deploy Anywhere: Edge-Guided Single-source Domain Generalization for Medical Image Segmentation",
    authors="Gu et al. (as cited in the paper)",
    venue="MIDL 2024",
    paper="https://proceedings.mlr.press/v250/jiang24a.html",
    pretraining={
        3: Pretraining(needs="mask", input=lambda s: canny(s.image), target=mask_target, packages=CANNY_PACKAGES[3]),
        2: Pretraining(
            needs="image", target=lambda s: canny(s.image_on_heatmap_grid) * PEAK, packages=CANNY_PACKAGES[2]
        ),
    },
)

if __name__ == "__main__":
    main(METHOD)
