"""The trainer on a network of one weight: selection, resumption to the bit, and states that cannot be trusted."""

import pickle
from dataclasses import replace

import pytest
import torch
from torch import nn

from baselines.common import trainer
from baselines.common.checkpoint import load_state, load_weights, read_card, save_checkpoint
from baselines.common.trainer import Stage, train
from dgmld_bench.errors import DataError

STAGE = Stage("test", epochs=6, batch_size=2, learning_rate=0.1, schedule="cosine")


def toy(validation=None, *, state_file, interrupt_after=None, seed=0, every=1):
    """Train y = w x on noisy data with dropout; return the network and its history."""
    torch.manual_seed(3)
    network = nn.Sequential(nn.Linear(1, 8), nn.Dropout(0.5), nn.Linear(8, 1))
    x = torch.linspace(-1, 1, 5)[:, None]
    seen = 0

    def loss(items, epoch, generator):
        noise = torch.randn(len(items), 1, generator=generator) * 0.1
        return (network(x[items]) - 2 * x[items] + noise).square().mean()

    def on_epoch(epoch):
        nonlocal seen
        seen += 1
        if seen == interrupt_after:
            raise KeyboardInterrupt

    values = iter(validation or [])
    history = train(
        network,
        network.parameters(),
        replace(STAGE, validate_every=every),
        len(x),
        loss,
        seed=seed,
        state_file=state_file,
        validate=(lambda: next(values)) if validation else None,
        on_epoch=on_epoch,
    )
    return network, history


def weights(network):
    return torch.cat([p.detach().flatten() for p in network.parameters()])


def test_the_same_seed_gives_the_same_bits_and_another_does_not(tmp_path):
    first, history = toy(state_file=tmp_path / "a")
    second, _ = toy(state_file=tmp_path / "b")
    other, _ = toy(state_file=tmp_path / "c", seed=1)
    assert torch.equal(weights(first), weights(second)) and not torch.equal(weights(first), weights(other))
    assert [e.number for e in history] == list(range(6))


@pytest.mark.parametrize("after", [1, 3, 5])
def test_an_interrupted_training_ends_with_the_same_bits(tmp_path, monkeypatch, after):
    monkeypatch.setattr(trainer, "SECONDS_BETWEEN_STATES", 0.0)  # a state after every epoch
    whole, history = toy(state_file=tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        toy(state_file=tmp_path / "cut", interrupt_after=after)
    resumed, again = toy(state_file=tmp_path / "cut")
    assert torch.equal(weights(whole), weights(resumed))
    assert [e.loss for e in history] == [e.loss for e in again]


def test_the_best_epoch_by_validation_is_kept(tmp_path):
    last, _ = toy([3.0, 2.0, 2.5, 2.0, 9.0, 8.0], state_file=tmp_path / "a")
    second = toy_weights_after(2, tmp_path)
    assert torch.equal(weights(last), second)


def toy_weights_after(epochs, tmp_path):
    falling = [1.0 / (i + 1) if i < epochs else 9.0 for i in range(6)]  # best is the last of the first epochs
    return weights(toy(falling, state_file=tmp_path / "b")[0])


def test_validation_may_be_rarer_than_epochs_and_the_last_is_always_validated(tmp_path):
    network, history = toy([2.0, 1.0, 3.0], state_file=tmp_path / "a", every=2)
    assert [e.validation_mm for e in history] == [None, 2.0, None, 1.0, None, 3.0]
    assert torch.equal(weights(network), toy_weights_after(4, tmp_path))
    _, history = toy([2.0, 1.0], state_file=tmp_path / "c", every=4)
    assert [e.validation_mm for e in history] == [None, None, None, 2.0, None, 1.0]


def test_a_loss_that_is_not_finite_stops_the_training(tmp_path):
    network = nn.Linear(1, 1)
    with pytest.raises(FloatingPointError, match="epoch 1"):
        train(
            network,
            network.parameters(),
            STAGE,
            2,
            lambda items, epoch, generator: network(torch.full((1, 1), float("inf"))).sum(),
            seed=0,
            state_file=tmp_path / "s",
        )


def test_a_state_that_would_run_code_is_refused(tmp_path):
    class Evil:
        def __reduce__(self):
            return (print, ("ran",))

    file = tmp_path / "state"
    file.write_bytes(pickle.dumps(Evil(), protocol=2))
    with pytest.raises(DataError, match="not a training state"):
        load_state(file)
    torch.save({"network": Evil()}, file)
    with pytest.raises(DataError, match="not a training state"):
        load_state(file)
    file.write_bytes(b"")
    with pytest.raises(DataError, match="not a training state"):
        load_state(file)


CARD = {
    "method": "m",
    "track": "open",
    "backbone": "unet",
    "preset": {},
    "seed": 0,
    "precision": "fp32",
    "selection": "none",
    "training_data": [],
}


def test_weights_survive_the_file_and_others_are_refused(tmp_path):
    network = nn.Linear(2, 3)
    save_checkpoint(tmp_path, network, CARD)
    again = nn.Linear(2, 3)
    load_weights(tmp_path, again)
    assert torch.equal(weights(network), weights(again))
    assert read_card(tmp_path)["method"] == "m"
    with pytest.raises(DataError, match="does not fit the network"):
        load_weights(tmp_path, nn.Linear(3, 2))
    (tmp_path / "checkpoint.safetensors").write_bytes(b"\x00" * 100)
    with pytest.raises(DataError, match="not a safetensors file"):
        load_weights(tmp_path, again)
    (tmp_path / "checkpoint.json").write_text('{"format": "other"}')
    with pytest.raises(DataError, match="not a checkpoint"):
        read_card(tmp_path)
    with pytest.raises(DataError, match="no such file"):
        read_card(tmp_path / "nowhere")
