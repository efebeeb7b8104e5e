"""How long work takes on a device, and how much memory it holds at most."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import torch

_OWN = Path("/proc/self")


def wait(device: torch.device) -> None:
    """Wait until a device has done all that it was told; a processor has."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def seconds(work: Callable[[], object], device: torch.device) -> float:
    """Return how long a piece of work takes, to its end on the device."""
    wait(device)
    start = time.perf_counter()
    work()
    wait(device)
    return time.perf_counter() - start


def forget_peak(device: torch.device) -> None:
    """Measure the peak of memory from here on."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    elif _OWN.is_dir():
        (_OWN / "clear_refs").write_text("5")  # Linux: the high-water mark of resident memory starts anew


def peak_mib(device: torch.device) -> float | None:
    """Return the peak of memory in MiB: of tensors on a GPU, of the whole process on a processor; None if unknown."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    if device.type == "cpu" and _OWN.is_dir():
        status = dict(line.split(":", 1) for line in (_OWN / "status").read_text("utf-8").splitlines())
        return int(status["VmHWM"].split()[0]) / 1024
    return None
