"""Tools from the npm registry that tests use where they can be had: one package, one version, nothing installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from dgmld_bench.storage.archives import unpack


def fetch(name: str, version: str, folder: Path) -> Path:
    """Return the folder of a package, fetched into ``folder``; skip the test and say why where it cannot be had."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip(f"{name}: no npm on this machine")
    archive = folder / f"{name}-{version}.tgz"
    try:
        command = [npm, "pack", "--silent", f"{name}@{version}"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=60)
    except (subprocess.SubprocessError, OSError) as error:
        pytest.skip(f"{name} could not be fetched from the npm registry: {type(error).__name__}")
    unpack(archive, folder / f"{name}-{version}")
    return folder / f"{name}-{version}" / "package"
