"""The centres of the open track with their roles exchanged: train on each of the three, test on all of them.

Which centre is the source and which the target is a convention. Trained on every centre in turn, a method shows whether
a target is hard because it is unseen or because it is hard: each fifth case of the training centre is withheld, chooses
the epoch, and says what is reached at home. Every test is done twice, the second time with the grey values of each
image matched to those of the training centre: what that mends is a shift of appearance.

The references of test splits are used here as training data: results are for analysis, and no submission.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

sys.path.insert(0, str(Path(__file__).parents[1]))  # runs from a checkout, installed or not

import numpy as np
import typer

from baselines.common.command import DataDir, parse_seeds, run_app
from baselines.common.registry import method_of
from dgmld_bench.landmarks import CEREBELLUM
from dgmld_bench.scoring.metrics import lengths
from dgmld_bench.splits import load_split

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from baselines.common.data import TrainingSet
    from baselines.common.recipe import Settings

#: What a centre's cases are called in the open track.
CENTRES = {"CRL": ("open-train", "open-val"), "Chinese": ("open-wu",), "spina bifida": ("open-sb",)}
_SOURCE, _UNLIKE = "CRL", "spina bifida"
_DRAWS = 60
"""Shapes drawn of each case: a thousand in all."""
GREYS = ("as they are", "matched")
#: A voxel at or below this is background: two per cent of the full scale of prepared images.
BACKGROUND = 1310
BIOMETRICS = tuple(b.name for b in CEREBELLUM.biometrics)
WIDTH, HEIGHT = "TCD", "HDV"


@dataclass(frozen=True)
class Cell:
    """One training: a method, the centre it is trained on, a seed."""

    method: str
    centre: str
    seed: int

    @property
    def folder(self) -> Path:
        """Where it is kept, below the folder of all with this preset."""
        return Path(self.method, self.centre.replace(" ", "-").lower(), f"seed-{self.seed}")


def exchanged(
    methods: Annotated[str, typer.Option(help="Separated by commas.")] = "baseline,bapdg",
    seeds: Annotated[str, typer.Option(help="Separated by commas.")] = "0",
    preset: Annotated[str, typer.Option(help="As for run.py.")] = "small",
    out: Annotated[Path, typer.Option(help="Where results go.")] = Path("runs/exchanged"),
    data_dir: DataDir = None,
) -> None:
    """Train on each centre of the open track and test on all three; prints how their anatomy and the errors differ.

    In brackets: the training centre's own withheld cases. Run it again after an interruption: what is done is kept.
    """
    from rich.table import Table

    from baselines.common.trials import over_seeds
    from dgmld_bench.terminal import make_console

    names = [name.strip() for name in methods.split(",")]
    for name in names:
        method_of(name)  # refuses an unknown one before anything long starts
    console, style = (
        make_console(soft_wrap=True),
        {"box": None, "pad_edge": False, "header_style": "bold", "padding": (0, 2)},
    )
    anatomy = Table(
        "centre",
        "cases",
        *BIOMETRICS,
        f"{HEIGHT} / {WIDTH}",
        title="Mean reference lengths, mm, and range of a ratio",
        **style,
    )
    for centre in CENTRES:
        anatomy.add_row(centre, *_anatomy(centre, data_dir))
    console.print(anatomy)
    share = _drawn_percent(preset, data_dir)
    console.print(f"SynthDG draws shapes from {_SOURCE}: {share:.0f} % have a ratio within the range of {_UNLIKE}")
    table = Table(title="Average MRE by tested centre, mm", title_justify="left", **style)
    for heading in ("method", "trained on", "grey values", *CENTRES):
        table.add_column(heading, no_wrap=True)
    for name in names:
        settings = _settings(name, preset)
        sets = {centre: _cases_of(centre, settings, data_dir) for centre in CENTRES}
        for centre in CENTRES:
            cells = [Cell(name, centre, seed) for seed in parse_seeds(seeds)]
            found = [_mre_by_centre(cell, settings, sets, out / preset) for cell in cells]
            for greys in GREYS:
                texts = [over_seeds([f[greys][c] for f in found]) for c in CENTRES]
                shown = (f"({v})" if c == centre else v for c, v in zip(CENTRES, texts, strict=True))
                table.add_row(name, centre, greys, *shown)
    console.print(table)


def _anatomy(centre: str, data_dir: Path | None) -> list[str]:
    """Return how many cases a centre has, the mean length of each biometric, and the range of a ratio of two."""
    points = _points_of(centre, data_dir)
    found, ratio = lengths(points, CEREBELLUM.biometric_indices()), _ratio(points)
    return [str(len(found)), *(f"{v:.1f}" for v in found.mean(axis=0)), f"{ratio.min():.2f} – {ratio.max():.2f}"]


def _points_of(centre: str, data_dir: Path | None) -> NDArray[np.float64]:
    """Return a centre's reference landmarks, ``(case, landmark, axis)`` in millimetres."""
    cases = (c for s in CENTRES[centre] for c in load_split(s, references=True, data_dir=data_dir))
    return np.stack([case.landmarks for case in cases])


def _ratio(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return height over width of each case."""
    found = lengths(points, CEREBELLUM.biometric_indices())  # (case, biometric)
    return found[:, BIOMETRICS.index(HEIGHT)] / found[:, BIOMETRICS.index(WIDTH)]


def _drawn_percent(preset: str, data_dir: Path | None) -> float:
    """Return how often SynthDG draws a shape whose height over width is one of the centre unlike the source."""
    import torch

    from baselines.synthdg.volumes import Volumes

    data = _cases_of(_SOURCE, _settings("synthdg", preset), data_dir)
    points = torch.from_numpy(np.stack([c.grid.to_grid(w) for c, w in zip(data.cases, data.world, strict=True)]))
    labels = torch.stack([torch.from_numpy(np.asarray(case.labels)) for case in data.cases])
    wanted, generator = _ratio(_points_of(_UNLIKE, data_dir)), torch.Generator().manual_seed(0)
    found = []
    for _ in range(_DRAWS):
        moved = Volumes().draw_shapes(labels, generator).move_points(points, tuple(labels.shape[1:])).numpy()
        found.append(_ratio(np.stack([c.grid.to_world(p) for c, p in zip(data.cases, moved, strict=True)])))
    drawn = np.concatenate(found)
    return float(100 * np.mean((drawn >= wanted.min()) & (drawn <= wanted.max())))


def match_greys(image: NDArray[np.uint16], reference: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Return the image with the grey values of its head replaced, in their order, by those of the reference's head.

    How much of a volume is background says how large the head is, so it has no part in this.

    >>> match_greys(np.array([0, 2000, 3000, 3001], np.uint16), np.array([0, 0, 9000, 9500, 20000], np.uint16))
    array([    0,  9000,  9500, 20000], dtype=uint16)
    """
    head = image > BACKGROUND
    values, wanted = image[head], reference[reference > BACKGROUND]
    shares = [np.cumsum(np.bincount(v, minlength=1 << 16)) / len(v) for v in (values, wanted)]
    matched = image.copy()
    matched[head] = np.searchsorted(shares[1], shares[0] - 1e-12)[values]
    return matched


def _mre_by_centre(
    cell: Cell, settings: Settings, sets: dict[str, TrainingSet], folder: Path
) -> dict[str, dict[str, float]]:
    """Train unless that was done before, and test; values by grey values and centre."""
    from baselines.common.data import withhold_fifths
    from baselines.common.recipe import validation_mre
    from baselines.common.trials import trained

    training, withheld = withhold_fifths(sets[cell.centre])
    title = f"{settings.method.name} · {cell.centre}"
    settings = replace(settings, trained_on=CENTRES[cell.centre])
    network = trained(settings, cell.seed, training, withheld, folder / cell.folder, title)
    pooled = np.concatenate([case.image.ravel() for case in training.cases])
    found: dict[str, dict[str, float]] = {greys: {} for greys in GREYS}
    for centre, data in (sets | {cell.centre: withheld}).items():
        matched = [replace(case, image=match_greys(case.image, pooled)) for case in data.cases]
        for greys, cases in zip(GREYS, (data.cases, matched), strict=True):
            found[greys][centre] = validation_mre(network, replace(data, cases=cases), settings)
    return found


def _settings(method: str, preset: str) -> Settings:
    from baselines.common.config import get_preset
    from baselines.common.trials import trial_settings

    return trial_settings(method_of(method), "open", get_preset(preset, 3), "source-val")


def _cases_of(centre: str, settings: Settings, data_dir: Path | None) -> TrainingSet:
    from baselines.common.data import join, load_training_set

    return join(
        [
            load_training_set(
                load_split(s, references=True, data_dir=data_dir),
                settings.preset,
                masks=settings.masks,
                labels=settings.labels,
            )
            for s in CENTRES[centre]
        ]
    )


if __name__ == "__main__":
    run_app(exchanged)
