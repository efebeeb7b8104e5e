"""Which versions of which packages made a result."""

from __future__ import annotations

from importlib.metadata import version

PACKAGES = ("dgmld-bench", "torch", "numpy", "scipy")


def versions() -> dict[str, str]:
    """Return package -> version, as run and checkpoint record it."""
    return {name: version(name) for name in PACKAGES}
