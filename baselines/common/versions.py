"""What a training stands on: the packages that it needs, and which versions made a result."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import dgmld_bench
from dgmld_bench.errors import UsageError

_MODULES = {"scikit-image": "skimage"}
#: What every training imports; the rest of the extra is for some methods (``Pretraining.packages``).
ALWAYS = ("torch", "safetensors", "threadpoolctl")


@cache
def requirements() -> dict[str, str]:
    """Return package -> oldest version of the extra ``baselines``, as the checkout's pyproject.toml says."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))["project"]
    return dict(line.split(">=") for line in project["optional-dependencies"]["baselines"])


def training_modules() -> dict[str, str]:
    """Return module -> package of what training needs.

    >>> training_modules()["skimage"]
    'scikit-image'
    """
    return {_module(package): package for package in requirements()}


def _module(package: str) -> str:
    return _MODULES.get(package, package)


def versions() -> dict[str, str]:
    """Return package -> version, as run and checkpoint record it; asks the modules, which need not be installed."""
    import numpy
    import scipy
    import torch

    modules = {"dgmld-bench": dgmld_bench, "torch": torch, "numpy": numpy, "scipy": scipy}
    return {name: str(module.__version__) for name, module in modules.items()}


def require_training(also: tuple[str, ...] = ()) -> None:
    """Check that everything which a training needs is there and new enough, before anything long starts.

    Parameters
    ----------
    also : tuple of str
        Packages of the extra that this training needs and others do not.

    Raises
    ------
    UsageError
        In one sentence: what is missing or too old, and what to install.
    """
    needed = {package: requirements()[package] for package in (*ALWAYS, *also)}
    if absent := [package for package in needed if find_spec(_module(package)) is None]:
        raise missing_packages(absent)
    for package, oldest in needed.items():
        try:
            found = version(package)
        except PackageNotFoundError:  # put there by hand: it has no record of its version
            continue
        if _numbers(found) < _numbers(oldest):
            raise UsageError(f"training needs {package} {oldest} or newer, got {found}; {_INSTALL}")
    versions()


def _numbers(text: str) -> list[int]:
    """Return the numbers of a version.

    >>> _numbers("2.13.0+cu130") > _numbers("2.4")
    True
    """
    return [int(n) for n in re.findall(r"\d+", text.partition("+")[0])]


def missing_packages(packages: list[str]) -> UsageError:
    """Build the error for packages that are not installed."""
    return UsageError(f"training needs {', '.join(packages)}, not installed in this Python; {_INSTALL}")


_INSTALL = "in the checkout: pip install -e '.[baselines]', or `make install` and .venv/bin/python in place of python"
