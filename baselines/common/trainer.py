"""Epochs of gradient steps on a network, with checkpoints of its state. Does not know what it trains.

Everything random comes from generators seeded by the caller's seed, and their states are saved with the weights, so
an interrupted training goes on to the bit-identical result on the CPU.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from baselines.common.checkpoint import load_state, save_state

#: At least this long between two saved states, so that small networks do not spend their time on the disk.
SECONDS_BETWEEN_STATES = 15.0


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to. ``validation_mm`` is None where the epoch was not validated."""

    number: int
    loss: float
    validation_mm: float | None
    seconds: float

    def __str__(self) -> str:
        """Return loss and validation error as a line of progress says them."""
        validated = "" if self.validation_mm is None else f" · val {self.validation_mm:.2f} mm"
        return f"loss {self.loss:.3g}{validated}"


@dataclass(frozen=True)
class Stage:
    """One stage of training: how long and how, not what.

    Attributes
    ----------
    name : str
    epochs, batch_size : int
    learning_rate : float
        Of Adam.
    schedule : {"constant", "cosine"}
        Cosine decays to zero over the steps of the stage.
    validate_every : int
        Epochs from one validation to the next; the last epoch is always validated.
    """

    name: str
    epochs: int
    batch_size: int
    learning_rate: float
    schedule: str = "constant"
    validate_every: int = 1


def train(
    network: nn.Module,
    parameters: Iterable[Tensor] | Iterable[dict[str, Any]],
    stage: Stage,
    n_items: int,
    loss: Callable[[list[int], int, torch.Generator], Tensor],
    *,
    seed: int,
    state_file: Path,
    validate: Callable[[], float] | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
    on_step: Callable[[int, int, int], None] | None = None,
) -> list[Epoch]:
    """Train a network in place; it ends with the best weights by validation, or the last without one.

    Parameters
    ----------
    network : nn.Module
    parameters : iterable of tensors or of parameter groups
        What the optimiser changes. Groups may have learning rates of their own.
    stage : Stage
    n_items : int
        Items of the training set; each epoch visits them once, in random order.
    loss : callable
        ``loss(items, epoch, generator)`` returns the loss of one batch, a scalar with a gradient. All it draws
        must come from the generator, which is on the CPU.
    seed : int
    state_file : Path
        Where the state is kept; the training resumes from it when it is there.
    validate : callable, optional
        Returns the validation error in millimetres; called with the network in evaluation mode.
    on_epoch : callable, optional
        Called with each epoch, also with those that were done before an interruption.
    on_step : callable, optional
        Called after each step with the epoch, how many of its steps are done, and how many it has.

    Returns
    -------
    list of Epoch
    """
    torch.manual_seed(seed)  # stochastic depth draws from the global generator
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(parameters, lr=stage.learning_rate)
    steps = -(-n_items // stage.batch_size)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimiser, _course(stage.schedule, stage.epochs * steps))
    history: list[Epoch] = []
    best: dict[str, Tensor] | None = None
    if (state := load_state(state_file)) is not None:
        network.load_state_dict(state["network"])
        optimiser.load_state_dict(state["optimiser"])
        scheduler.load_state_dict(state["scheduler"])
        generator.set_state(state["generator"])
        torch.set_rng_state(state["global_generator"])
        history = [Epoch(**e) for e in state["history"]]
        best = state["best"]
        for epoch in history:
            if on_epoch:
                on_epoch(epoch)
    saved_at = time.monotonic()
    for number in range(len(history), stage.epochs):
        start = time.monotonic()
        network.train()
        losses, sizes = [], []  # on the device until the epoch's end: to read one is to wait for its step
        for done, items in enumerate(_batches(n_items, stage.batch_size, generator), start=1):
            value = loss(items, number, generator)
            optimiser.zero_grad(set_to_none=True)
            value.backward()
            optimiser.step()
            scheduler.step()
            losses.append(value.detach())
            sizes.append(len(items))
            if on_step:
                on_step(number, done, steps)
        total = sum(value * size for value, size in zip(torch.stack(losses).tolist(), sizes, strict=True))
        if not math.isfinite(total):
            raise FloatingPointError(f"{stage.name}: the loss is not finite in epoch {number + 1}")
        validation_mm = None
        last = number + 1 == stage.epochs
        if validate and (last or (number + 1) % stage.validate_every == 0):
            network.eval()
            validation_mm = validate()
            if all(validation_mm < e.validation_mm for e in history if e.validation_mm is not None):
                best = {k: v.detach().cpu().clone() for k, v in network.state_dict().items()}
        history.append(Epoch(number, total / n_items, validation_mm, time.monotonic() - start))
        if on_epoch:
            on_epoch(history[-1])
        if last or time.monotonic() - saved_at > SECONDS_BETWEEN_STATES:
            save_state(
                state_file,
                {
                    "network": network.state_dict(),
                    "optimiser": optimiser.state_dict(),
                    "scheduler": scheduler.state_dict(),
                    "generator": generator.get_state(),
                    "global_generator": torch.get_rng_state(),
                    "history": [asdict(e) for e in history],
                    "best": best,
                },
            )
            saved_at = time.monotonic()
    if best is not None:
        network.load_state_dict(best)
    return history


def _batches(n_items: int, batch_size: int, generator: torch.Generator) -> Iterator[list[int]]:
    order = torch.randperm(n_items, generator=generator)
    for batch in order.split(batch_size):
        yield batch.tolist()


def _course(schedule: str, steps: int) -> Any:
    if schedule == "cosine":
        return lambda step: 0.5 * (1 + math.cos(math.pi * min(step, steps) / steps))
    return lambda step: 1.0
