"""Where networks compute, how precisely, and how their memory lies."""

from __future__ import annotations

import platform
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from baselines.common.config import Precision, Preset
from dgmld_bench.errors import UsageError


@dataclass(frozen=True)
class Runtime:
    """Where the network computes, and how precisely.

    On a GPU, ``fp32`` means TF32 inside convolutions and matrix products, 19 bits of which 10 are the fraction; their
    sums, and all else, are float32. ``torch.compile`` is not used: at the paper's size a step of the U-Net took 67 ms
    with it and 57 without (H200).
    """

    device: torch.device
    precision: Precision

    @property
    def images_at_once(self) -> int:
        """How many images are predicted together: on a GPU as many as keep it busy."""
        return 4 if self.device.type == "cpu" else 16

    def place(self, network: nn.Module) -> nn.Module:
        """Move a network to the device, its channels last in memory: convolutions are faster so."""
        if self.device.type == "cuda":
            torch.backends.cudnn.benchmark = True  # all batches but the last have one shape: try once which is fastest
            torch.backends.cudnn.allow_tf32 = True
            torch.set_float32_matmul_precision("high")  # TF32
        dimension = 3 if any(isinstance(m, nn.Conv3d) for m in network.modules()) else 2
        return network.to(self.device, memory_format=_CHANNELS_LAST[dimension])  # type: ignore[call-overload]

    def forward(self, network: nn.Module, images: Tensor) -> Tensor:
        """Return the network's output in float32, whatever it computed in."""
        images = images.contiguous(memory_format=_CHANNELS_LAST[images.ndim - 2])
        with self._numbers():
            return network(images).float()

    def describe(self) -> str:
        """Return the device as people call it.

        >>> Runtime(torch.device("cpu"), "fp32").describe().split(", ")[-2:]
        ['1 thread', 'fp32']
        """
        if self.device.type == "cuda":
            name = torch.cuda.get_device_name(self.device)
        else:
            threads = torch.get_num_threads()
            name = f"{_processor()}, {threads} thread{'s' * (threads > 1)}"
        return f"{name}, {self.precision}"

    def _numbers(self) -> AbstractContextManager[object]:
        if self.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)


_DEVICES = ("cpu", "cuda", "mps")
_CHANNELS_LAST = {2: torch.channels_last, 3: torch.channels_last_3d}


def choose_device(name: str | None) -> str:
    """Return the device to use: the one named, else a GPU where there is one.

    Raises
    ------
    UsageError
        When PyTorch does not have that device.
    """
    if name is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        if torch.device(name).type not in _DEVICES:
            raise RuntimeError(f"expected {', '.join(_DEVICES)}")
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"--device {name} cannot be used here: {str(error).splitlines()[0]}") from None
    return name


def training_precision(preset: Preset, device: str) -> Precision:
    """Return what to train in unless told otherwise: bf16 on a GPU that has it, else what the preset says.

    At the paper's size a step of the U-Net takes 57 ms in bf16 and 98 in fp32 (H200).
    """
    return choose_precision("bf16" if torch.device(device).type == "cuda" else preset.precision, device)


def choose_precision(preferred: Precision, device: str) -> Precision:
    """Return ``preferred``, but not ``bf16`` on a processor that has no instructions for it.

    Processors without them (x86 before AVX-512 BF16 or AMX) emulate every operation: a training step was 30 times
    slower than in float32 where this was measured (two AVX2 cores, ``small`` preset in 2D).
    """
    kind = torch.device(device).type
    if preferred == "bf16" and kind == "cpu" and not any(getattr(torch.cpu, name, bool)() for name in _BF16_CPUS):
        return "fp32"
    if preferred == "bf16" and kind == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        return "fp32"
    return preferred


_BF16_CPUS = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")


def _processor() -> str:
    """Return the processor's name, as Linux tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
