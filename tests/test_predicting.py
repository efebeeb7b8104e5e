"""Where and how precisely networks compute."""

import re
from pathlib import Path

import pytest
import torch

from baselines.common.runtime import Runtime, choose_precision

CPUINFO = Path("/proc/cpuinfo")


@pytest.mark.skipif(not CPUINFO.is_file(), reason="the processor's abilities are read from /proc/cpuinfo")
def test_bf16_is_chosen_where_the_processor_has_instructions_for_it():
    flags = set(re.findall(r"\w+", CPUINFO.read_text()))
    native = bool(flags & {"avx512_bf16", "amx_tile"})
    assert choose_precision("bf16", "cpu") == ("bf16" if native else "fp32")
    assert choose_precision("fp32", "cpu") == "fp32"


def test_heatmaps_come_in_float32_from_either_precision():
    network = torch.nn.Conv2d(1, 1, 3, padding=1)
    image = torch.rand(1, 1, 8, 8)
    exact, coarse = (Runtime(torch.device("cpu"), p).forward(network, image) for p in ("fp32", "bf16"))
    assert exact.dtype == coarse.dtype == torch.float32
    assert torch.equal(exact, network(image)) and not torch.equal(exact, coarse)
    assert torch.allclose(exact, coarse, atol=0.05)
