"""What several methods regress in pre-training."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from baselines.common.method import PEAK, Subject

Array = NDArray[np.float32]


def mask_target(subject: Subject) -> Array:
    """Return the mask itself, 0 or 255."""
    assert subject.mask is not None
    return subject.mask.astype(np.float32) * np.float32(PEAK)
