"""Baseline: heatmap regression with rotations of ±5°, and nothing else.

Heatmap regression as in: Gong et al., "Domain Generalized Medical Landmark Detection via Robust Boundary-Aware
Pre-Training", AAAI 2025. https://github.com/lhaof/DGMLD
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # runs from a checkout, installed or not

from baselines.common.command import main
from baselines.common.method import Method

METHOD = Method(
    name="Baseline",
    title="Domain Generalized Medical Landmark Detection via Robust Boundary-Aware Pre-Training",
    authors="Gong et al.",
    venue="AAAI 2025",
    paper="https://github.com/lhaof/DGMLD",
)

if __name__ == "__main__":
    main(METHOD)
