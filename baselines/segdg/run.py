"""SegDG: pre-train on the segmentation mask of the structure that the landmarks lie on.

The paper's segmentation control: Gong et al., "Domain Generalized Medical Landmark Detection via Robust Boundary-Aware
Pre-Training", AAAI 2025. https://github.com/lhaof/DGMLD
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # runs from a checkout, installed or not

from baselines.common.command import main
from baselines.common.method import Method, Pretraining
from baselines.common.targets import mask_target

METHOD = Method(
    name="SegDG",
    title="Domain Generalized Medical Landmark Detection via Robust Boundary-Aware Pre-Training",
    authors="Gong et al.",
    venue="AAAI 2025",
    paper="https://github.com/lhaof/DGMLD",
    pretraining={3: Pretraining(needs="mask", target=mask_target)},
)

if __name__ == "__main__":
    main(METHOD)
