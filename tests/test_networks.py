"""The two backbones: size to the parameter, shape in 2D and 3D, determinism."""

import pytest
import torch

from baselines.common.networks import build_network
from baselines.common.networks.blocks import Head, parameter_groups, restart_heads
from dgmld_bench.errors import UsageError


def n_parameters(network):
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize(("backbone", "expected"), [("unet", 15_181_316), ("vitpose", 338_852)])
def test_full_size_has_as_many_parameters_as_the_papers(backbone, expected):
    with torch.device("meta"):
        assert n_parameters(build_network(backbone, (128, 128, 128), 6)) == expected


@pytest.mark.parametrize("backbone", ["unet", "vitpose"])
@pytest.mark.parametrize(("grid", "landmarks"), [((32, 16, 48), 6), ((64, 48), 19)])
@pytest.mark.parametrize("stride", [1, 2])
def test_heatmaps_have_the_grid_divided_by_the_stride(backbone, grid, landmarks, stride):
    network = build_network(backbone, grid, landmarks, width=8, output_stride=stride).eval()
    output = network(torch.rand(2, 1, *grid))
    assert output.shape == (2, landmarks, *(n // stride for n in grid))
    assert torch.isfinite(output).all()


@pytest.mark.parametrize("backbone", ["unet", "vitpose"])
def test_the_same_seed_gives_the_same_network(backbone):
    networks = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        networks.append(torch.cat([p.flatten() for p in build_network(backbone, (32, 32), 3, width=8).parameters()]))
    assert torch.equal(networks[0], networks[1]) and not torch.equal(networks[0], networks[2])


@pytest.mark.parametrize("backbone", ["unet", "vitpose"])
def test_every_landmark_starts_with_a_channel_of_its_own(backbone):
    network = build_network(backbone, (32, 32), 5, width=8)
    (head,) = (m for m in network.modules() if isinstance(m, Head))
    channels = torch.rand(1, 5, 6, 6) - 0.5
    torch.nn.init.zeros_(head[0].weight)  # whatever the first convolution says, the norm starts every channel alike
    assert torch.equal(head[2](channels), channels)
    assert head(torch.rand(2, head[0].in_channels, 6, 6)).abs().max() < 1e-5


@pytest.mark.parametrize("backbone", ["unet", "vitpose"])
def test_a_head_mixes_slowly_and_scales_fast(backbone):
    network = build_network(backbone, (32, 32), 5, width=8)
    groups = parameter_groups(network, 1.0, scale_rate=30.0)
    assert [g["lr"] for g in groups] == [1.0, 0.01, 30.0]
    assert [[tuple(p.shape) for p in g["params"]] for g in groups[1:]] == [[(5, 5, 3, 3), (5,)], [(5,)]]
    assert {id(p) for g in groups for p in g["params"]} == {id(p) for p in network.parameters()}


def test_a_restart_leaves_all_but_the_head_alone():
    network = build_network("unet", (32, 32), 5, width=8)
    with torch.no_grad():
        for p in network.parameters():
            p.add_(1.0)
    before = {k: v.clone() for k, v in network.named_parameters()}
    restart_heads(network)
    changed = {k for k, v in network.named_parameters() if not torch.equal(v, before[k])}
    assert changed == {f"head.{i}.{p}" for i in (0, 1, 2) for p in ("weight", "bias")}


@pytest.mark.parametrize(("backbone", "grid"), [("unet", (24, 32)), ("vitpose", (12, 8)), ("unet", (32,))])
def test_grids_that_do_not_fit_are_refused(backbone, grid):
    with pytest.raises(UsageError, match="multiple of"):
        build_network(backbone, grid, 3)


@pytest.mark.parametrize("width", [4, 12, 0, -8])
def test_widths_that_kernels_are_not_safe_with_are_refused(width):
    with pytest.raises(UsageError, match="multiple of 8"):
        build_network("unet", (32, 32), 3, width=width)


def test_unknown_backbones_are_refused_with_the_known_ones():
    with pytest.raises(UsageError, match="did you mean 'unet'"):
        build_network("unett", (32, 32), 3)
