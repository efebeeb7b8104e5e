"""AugDG: the baseline with wider augmentation, rotations of ±15° while landmarks are learnt.

N. Avisdris et al., "BiometryNet: Landmark-based Fetal Biometry Estimation from Standard Ultrasound Planes", MICCAI
2022. https://arxiv.org/abs/2206.14678
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # runs from a checkout, installed or not

from baselines.common.command import main
from baselines.common.method import Method

METHOD = Method(
    name="AugDG",
    title="BiometryNet: Landmark-based Fetal Biometry Estimation from Standard Ultrasound Planes",
    authors="Avisdris et al.",
    venue="MICCAI 2022",
    paper="https://arxiv.org/abs/2206.14678",
    fine_tune_rotation_deg=15.0,
)

if __name__ == "__main__":
    main(METHOD)
