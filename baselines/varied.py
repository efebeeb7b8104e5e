"""One thing varied at a time: how much of a method's error hangs on its parts and its pre-training, on how much it is
shown, and on the recipe that all methods share.

Judged on the track's validation split, which also chooses the epoch: for finding out why, not for ranking. Test splits
are not read.
"""

from __future__ import annotations

import operator
import sys
from dataclasses import dataclass, field, replace
from functools import cache, reduce
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

sys.path.insert(0, str(Path(__file__).parents[1]))  # runs from a checkout, installed or not

import numpy as np
import typer

from baselines.common.command import DataDir, parse_seeds, run_app
from baselines.common.registry import method_of, variant_of
from dgmld_bench.errors import UsageError, unknown_name
from dgmld_bench.splits import get_track, load_split

if TYPE_CHECKING:
    from baselines.common.config import Preset
    from baselines.common.data import TrainingSet
    from baselines.common.method import Method
    from baselines.common.recipe import Settings


@dataclass(frozen=True)
class Variation:
    """What differs from the preset or from the method.

    Attributes
    ----------
    text : str
    factors : mapping of a number of the preset to what it is multiplied by
    values : mapping of anything else of the preset to what it becomes
    cases : int, optional
        Train on these many cases, spread evenly over the split; None for all.
    of_pretraining : bool
        Changes nothing for a method that does not pre-train.
    options : mapping
        Options of the method's ``run.py``; changes nothing for a method that has none of these.
    pretrained_as : str, optional
        The method whose pre-training goes before; changes nothing for a method that has one of its own.
    """

    text: str
    factors: dict[str, float] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    cases: int | None = None
    of_pretraining: bool = False
    options: dict[str, str] = field(default_factory=dict)
    pretrained_as: str | None = None

    def method(self, name: str) -> Method | None:
        """Return the method so varied; None where it has nothing to vary."""
        method = variant_of(name, self.options)
        if method is None or (self.of_pretraining and not method.pretraining):
            return None
        if self.pretrained_as is None:
            return method
        before = method_of(self.pretrained_as)
        named = f"{method.name}-pretrained-as-{before.name}"
        return None if method.pretraining else replace(method, name=named, pretraining=before.pretraining)

    def __add__(self, other: Variation) -> Variation:
        """Return both at once.

        >>> (VARIATIONS["epochs-half"] + VARIATIONS["cases-14"]).text
        'half as many epochs of landmarks, 14 training cases'

        Raises
        ------
        UsageError
            When both change the same.
        """
        both = set(self._changes) & set(other._changes)
        if both:
            raise UsageError(f"'{self.text}' and '{other.text}' both change {', '.join(sorted(both))}; choose one")
        return Variation(
            f"{self.text}, {other.text}",
            {**self.factors, **other.factors},
            {**self.values, **other.values},
            self.cases or other.cases,
            self.of_pretraining or other.of_pretraining,
            {**self.options, **other.options},
            self.pretrained_as or other.pretrained_as,
        )

    @property
    def _changes(self) -> list[str]:
        whole = {"cases": self.cases, "pre-training": self.pretrained_as}
        return [*self.factors, *self.values, *self.options, *(name for name, value in whole.items() if value)]

    def preset(self, preset: Preset) -> Preset:
        """Return the preset with its numbers multiplied, whole ones staying whole, and its values set."""
        before = {name: getattr(preset, name) for name in self.factors}
        changed: dict[str, Any] = {n: type(v)(v * self.factors[n]) for n, v in before.items()}
        return replace(preset, **changed, **self.values)

    def keep(self, total: int) -> list[int]:
        """Return which of the training cases are kept.

        >>> Variation("", cases=3).keep(9)
        [0, 4, 8]
        """
        places = np.linspace(0, total - 1, min(self.cases or total, total))
        return [int(i) for i in places.round()]


#: 14 cases are what the open track trains on, for as many epochs.
VARIATIONS = {
    "none": Variation("as it is"),
    "reach-half": Variation("reach of the distance map halved", {"reach": 0.5}, of_pretraining=True),
    "reach-double": Variation("reach of the distance map doubled", {"reach": 2.0}, of_pretraining=True),
    "pretrain-half": Variation("half as many epochs of pre-training", {"pretrain_epochs": 0.5}, of_pretraining=True),
    "pretrain-double": Variation("twice as many epochs of pre-training", {"pretrain_epochs": 2}, of_pretraining=True),
    "epochs-half": Variation("half as many epochs of landmarks", {"epochs": 0.5, "endless_steps": 0.5}),
    "epochs-quarter": Variation("a quarter of the epochs of landmarks", {"epochs": 0.25, "endless_steps": 0.25}),
    "epochs-double": Variation("twice as many epochs of landmarks", {"epochs": 2, "endless_steps": 2}),
    "constant": Variation("constant learning rate", values={"schedule": "constant"}),
    "argmax": Variation("decoded by argmax", values={"refine": False}),
    "as-published": Variation("both, as published", values={"schedule": "constant", "refine": False}),
    "cases-14": Variation("14 training cases", cases=14),
    **{
        f"without-{part}": Variation(f"without {part}", options={"without": part})
        for part in ("appearance", "outside", "shape", "structures")
    },
    "pretrained": Variation("pre-trained as BaPDG", pretrained_as="bapdg"),
}


def varied(
    track: Annotated[Literal["dgmld", "open", "phantom"], typer.Option(help="What to train for.")] = "phantom",
    methods: Annotated[str, typer.Option(help="Separated by commas.")] = "baseline,bapdg",
    backbone: Annotated[Literal["unet", "vitpose"], typer.Option(help="The network.")] = "unet",
    variations: Annotated[
        str, typer.Option(help="Separated by commas; two at once joined by +, as in epochs-half+without-shape.")
    ] = ",".join(VARIATIONS),
    seeds: Annotated[str, typer.Option(help="Separated by commas.")] = "0",
    preset: Annotated[str, typer.Option(help="As for run.py.")] = "small",
    out: Annotated[Path, typer.Option(help="Where results go.")] = Path("runs/varied"),
    data_dir: DataDir = None,
) -> None:
    """Train methods with one thing varied at a time; prints the Average MRE on the validation split.

    Run it again after an interruption: what is done is kept.
    """
    from rich.table import Table

    from baselines.common.config import get_preset
    from baselines.common.data import selection_splits
    from baselines.common.running import ensure_phantom
    from baselines.common.trials import over_seeds, trial_settings
    from dgmld_bench.terminal import make_console

    chosen = {name.strip(): method_of(name.strip()) for name in methods.split(",")}
    named = {name.strip(): _variation(name.strip()) for name in variations.split(",")}
    the_track, numbers = get_track(track), parse_seeds(seeds)
    the_preset = get_preset(preset, the_track.landmarks.dimension)
    ensure_phantom(the_track, data_dir)
    table = Table("varied", box=None, pad_edge=False, header_style="bold", padding=(0, 2))
    for base in chosen.values():
        table.add_column(base.name, no_wrap=True)
    selection = selection_splits(the_track, "target-val")[1]
    for name, variation in named.items():
        cells = []
        for base in chosen:
            method = variation.method(base)
            if method is None:
                cells.append("–")
                continue
            settings = trial_settings(method, track, the_preset, selection, backbone=backbone)
            cases = _load(track, the_preset, settings.masks, settings.labels, data_dir)
            folder = out / track / f"{base}-{backbone}-{preset}" / name
            found = [_validation_mre(settings, variation, seed, cases, folder) for seed in numbers]
            cells.append(over_seeds(found))
        table.add_row(variation.text, *cells)
    console = make_console(soft_wrap=True)
    console.print(f"Average MRE on {the_track.validation}, mm, {len(numbers)} seed{'s' * (len(numbers) > 1)}")
    console.print(table)


def _variation(names: str) -> Variation:
    parts = names.split("+")
    for part in parts:
        if part not in VARIATIONS:
            raise unknown_name("variation", part, list(VARIATIONS))
    return reduce(operator.add, (VARIATIONS[part] for part in parts))


@cache
def _load(
    name: str, preset: Preset, masks: bool, labels: bool, data_dir: Path | None
) -> tuple[TrainingSet, TrainingSet]:
    """Return training and validation cases; no variation changes the grid."""
    from baselines.common.data import load_training_set

    track = get_track(name)
    training, validation = (load_split(split, data_dir=data_dir) for split in (track.train, track.validation))
    return load_training_set(training, preset, masks=masks, labels=labels), load_training_set(validation, preset)


def _validation_mre(
    settings: Settings, variation: Variation, seed: int, data: tuple[TrainingSet, TrainingSet], folder: Path
) -> float:
    """Train unless that was done before; returns the error on the validation split at the epoch that it chose."""
    from baselines.common.recipe import validation_mre
    from baselines.common.trials import trained

    settings = replace(settings, preset=variation.preset(settings.preset))
    training, validation = data
    training = training.subset(variation.keep(len(training)))
    title = f"{settings.method.name} · {variation.text}"
    network = trained(settings, seed, training, validation, folder / f"seed-{seed}", title)
    return validation_mre(network, validation, settings)


if __name__ == "__main__":
    run_app(varied)
