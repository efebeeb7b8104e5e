"""What a training stands on: the packages that it needs, and which versions made a result."""

from __future__ import annotations

from importlib.util import find_spec

import dgmld_bench
from dgmld_bench.errors import UsageError

TRAINING = ("torch", "safetensors", "skimage", "SimpleITK", "threadpoolctl")
"""Modules of the extra ``baselines``."""


def versions() -> dict[str, str]:
    """Return package -> version, as run and checkpoint record it; asks the modules, which need not be installed."""
    import numpy
    import scipy
    import torch

    modules = {"dgmld-bench": dgmld_bench, "torch": torch, "numpy": numpy, "scipy": scipy}
    return {name: str(module.__version__) for name, module in modules.items()}


def require_training() -> None:
    """Check that everything which training needs is there, before anything long starts.

    Raises
    ------
    UsageError
        In one sentence: what is missing, and what to install.
    """
    if absent := [module for module in TRAINING if find_spec(module) is None]:
        raise missing_packages(absent)
    versions()


def missing_packages(modules: list[str]) -> UsageError:
    """Build the error for modules that are not installed."""
    return UsageError(
        f"training needs {', '.join(modules)}, not installed in this Python; in the checkout: "
        "pip install -e '.[baselines]', or `make install` and .venv/bin/python in place of python"
    )
