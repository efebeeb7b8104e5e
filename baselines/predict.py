"""Predict any registered split with a trained checkpoint: ``python baselines/predict.py --help``."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

sys.path.insert(0, str(Path(__file__).parents[1]))  # runs from a checkout, installed or not

import typer

from baselines.common.command import DataDir, run_app
from baselines.common.config import Precision
from dgmld_bench.files import read_json, write_json
from dgmld_bench.terminal import echo

SIDECAR = "run.json"


def predict(
    checkpoint: Annotated[
        Path,
        typer.Option(
            help="A folder seed-N with checkpoint.safetensors and checkpoint.json, or the folder of a whole run.",
            show_default=False,
        ),
    ],
    split: Annotated[str, typer.Option(help="The split to predict, own/NAME too.", show_default=False)],
    out: Annotated[Path, typer.Option(help="The predictions JSON to write.", show_default=False)],
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda, mps. Default: a GPU where there is one.", show_default=False)
    ] = None,
    precision: Annotated[
        Precision | None,
        typer.Option(help="Default: that of the training, where the device has it.", show_default=False),
    ] = None,
    refine: Annotated[
        bool | None,
        typer.Option(
            "--refine/--no-refine",
            help="Decode below the voxel, or by plain argmax. Default: that of the training.",
            show_default=False,
        ),
    ] = None,
    time: Annotated[
        bool,
        typer.Option(
            "--time",
            help="Also measure milliseconds a case, one at a time, and the peak of memory; kept as 'inference' in the "
            "run.json of the checkpoint's run (beside --out where there is none), which `dgmld-bench submit` quotes.",
        ),
    ] = False,
    data_dir: DataDir = None,
) -> None:
    """Predict the landmarks of a split with a trained network, or with every seed of a run."""
    import torch

    from baselines.common.checkpoint import CARD, read_card
    from baselines.common.data import prepare
    from baselines.common.predicting import load_network, predict_points, time_cases
    from baselines.common.progress import make_progress, preparing
    from baselines.common.runtime import Runtime, choose_device, choose_precision
    from dgmld_bench.errors import DataError, UsageError
    from dgmld_bench.scoring.predictions import Predictions
    from dgmld_bench.splits import get_track, load_split

    folders = [checkpoint] if (checkpoint / CARD).is_file() else sorted(p.parent for p in checkpoint.glob(f"*/{CARD}"))
    if not folders:
        raise DataError(f"{checkpoint}: no checkpoint here; expected {CARD} in it, or in folders seed-N below it")
    opened = load_split(split, data_dir=data_dir)
    cards = [read_card(folder) for folder in folders]
    track = get_track(cards[0]["track"])
    if track.landmarks is not opened.landmark_set:
        raise UsageError(
            f"split '{split}' has landmarks '{opened.landmark_set.name}', "
            f"the checkpoint predicts '{track.landmarks.name}'"
        )
    if opened.split.role == "test" and any(split in card["training_data"] for card in cards):
        raise UsageError(f"{checkpoint} was trained on split '{split}': what it predicts there says nothing")
    predictions = Predictions(
        track=track.name,
        method=cards[0]["method"],
        backbone=cards[0]["backbone"],
        selection=cards[0]["selection"],
        training_data=cards[0]["training_data"],
    )
    the_device = choose_device(device)
    with make_progress() as progress, preparing(progress) as on_case:
        for folder, card in zip(folders, cards, strict=True):
            runtime = Runtime(torch.device(the_device), precision or choose_precision(card["precision"], the_device))
            network, card, preset = load_network(folder, runtime)
            if refine is not None:
                preset = replace(preset, refine=refine)
            cases = prepare(opened, preset, progress=on_case)
            for case, points in zip(cases, predict_points(network, cases, preset, runtime), strict=True):
                predictions.add(seed=card["seed"], split=split, case=case.id, landmarks=points)
        timing = time_cases(network, cases, preset, runtime) if time else None
    predictions.save(out)
    echo(f"wrote {out}: {len(predictions.seeds)} runs, {len(cases)} cases of split {split}")
    if timing:
        sidecar = next((f / SIDECAR for f in (checkpoint, checkpoint.parent) if (f / SIDECAR).is_file()), None)
        sidecar = sidecar or out.with_name(SIDECAR)
        known = read_json(sidecar) if sidecar.is_file() else {}
        write_json(sidecar, known | {"inference": timing})
        memory = f", at most {timing['peak_mib']:,.0f} MiB" if "peak_mib" in timing else ""
        echo(f"{timing['ms_per_case']} ms a case{memory} ({timing['device']}); kept in {sidecar}")


if __name__ == "__main__":
    run_app(predict)
