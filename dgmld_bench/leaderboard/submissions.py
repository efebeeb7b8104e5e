"""Submissions in the repository: where they lie, what they are called, and what is checked before they are let in."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dgmld_bench.errors import DataError, UsageError
from dgmld_bench.files import json_type, read_json
from dgmld_bench.leaderboard.model import Submission
from dgmld_bench.scoring.predictions import Predictions
from dgmld_bench.scoring.validation import find_problems
from dgmld_bench.splits import TRACKS, get_track

MAX_BYTES = 2_000_000
MAX_SIDECAR_BYTES = 20_000
MAX_ID_LENGTH = 100
FOLDER = "submissions"
SIDECAR = ".run.json"
_ID = re.compile(r"[a-z0-9]+(?:[.+][a-z0-9]+)*(?:-[a-z0-9]+(?:[.+][a-z0-9]+)*){1,7}")

_PLACE = re.compile(rf"{FOLDER}/({'|'.join(TRACKS)})/({_ID.pattern}){re.escape('.json')}")


class Inference(BaseModel):
    """How long one case takes by itself, from prepared image to points, as ``predict.py --time`` measures it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ms_per_case: Annotated[float, Field(gt=0, le=10**8, allow_inf_nan=False)]
    peak_mib: Annotated[float, Field(gt=0, le=10**8, allow_inf_nan=False)] | None = None
    device: Annotated[str, Field(max_length=100)]


class Provenance(BaseModel):
    """What a submission may say of how it was made, in ``<submission>.run.json``; shown, never scored."""

    model_config = ConfigDict(extra="forbid")

    parameters: Annotated[int, Field(strict=True, ge=0, le=10**12)] | None = None
    training_seconds: Annotated[float, Field(ge=0, le=10**9, allow_inf_nan=False)] | None = None
    command: Annotated[str, Field(max_length=500)] | None = None
    device: Annotated[str, Field(max_length=300)] | None = None
    versions: Annotated[dict[str, Annotated[str, Field(max_length=50)]], Field(max_length=20)] | None = None
    inference: Inference | None = None


@dataclass(frozen=True)
class Entry:
    """A submission as it lies in the repository, read and checked."""

    path: Path
    predictions: Predictions
    submission: Submission


def slug(text: str) -> str:
    """Return a name as it stands in file names: lower case, and ``-`` for what is neither letter nor digit.

    >>> slug("BaPDG-mask-mse"), slug("My Model (v2)")
    ('bapdg-mask-mse', 'my-model-v2')
    """
    return re.sub(r"[^a-z0-9.+]+", "-", text.lower()).strip("-.+")


def place_of(path: str) -> tuple[str, str] | None:
    """Return track and name of the submission that a path in the repository belongs to, None where it is no such path.

    >>> place_of("submissions/open/bapdg-unet.json"), place_of("submissions/open/bapdg-unet.run.json")
    (('open', 'bapdg-unet'), ('open', 'bapdg-unet'))
    >>> place_of("submissions/open/../README.md") is None
    True
    """
    found = _PLACE.fullmatch(path)
    if not found or len(found[2]) > MAX_ID_LENGTH + len(".run"):
        return None
    return found[1], found[2].removesuffix(".run")


def submission_id(predictions: Predictions, tag: str | None = None) -> str:
    """Return ``<method>-<backbone>[-<tag>]``.

    Raises
    ------
    UsageError
        When nothing of a name is left that can stand in a file name.
    """
    parts = [slug(predictions.method), slug(predictions.backbone), *([slug(tag)] if tag is not None else [])]
    name = "-".join(parts)
    if not all(parts) or not _ID.fullmatch(name) or len(name) > MAX_ID_LENGTH or _is_taken(name):
        raise UsageError(
            f"'{name[:120]}' cannot be a file name: expected two to eight words from method, backbone and tag, of "
            "letters and digits, joined by '-' or, within a word, by single '.' or '+' "
            f"({MAX_ID_LENGTH} characters in all, not beginning with reported- nor ending in .run)"
        )
    return name


def _is_taken(name: str) -> bool:
    """Return whether a name is that of a row of the paper or of a sidecar."""
    return name.startswith("reported-") or name.endswith(".run")


def find_faults(path: Path, root: Path) -> list[str]:
    """Return everything that keeps a file from being a submission, one line each; see :func:`examine`."""
    return examine(path, root)[1]


def examine(path: Path, root: Path) -> tuple[Predictions | None, list[str]]:
    """Read a file that is to be a submission, and say what keeps it from being one.

    Parameters
    ----------
    path : Path
        The file, below ``root/submissions/<track>/``.
    root : Path
        The repository.

    Returns
    -------
    Predictions or None
        None where the file cannot be read as such.
    list of str
        Faults, one line each; empty when there is none.
    """
    try:
        parts = path.resolve().relative_to((root / FOLDER).resolve()).parts
    except ValueError:
        return None, [f"not below {FOLDER}/"]
    if path.is_symlink() or not path.is_file():
        return None, ["not a plain file"]
    if len(parts) != 2 or parts[0] not in TRACKS or not parts[1].endswith(".json"):
        return None, [f"expected {FOLDER}/TRACK/METHOD-BACKBONE[-TAG].json with TRACK one of {', '.join(TRACKS)}"]
    try:
        predictions = Predictions.load(path, max_bytes=MAX_BYTES)
    except DataError as error:
        return None, [error.message]
    faults = content_faults(predictions)
    stem = path.name.removesuffix(".json")
    if predictions.track != parts[0]:
        faults.append(f"lies in {parts[0]}/, but says its track is '{predictions.track}'")
    try:
        expected = submission_id(predictions)
        if stem != expected and not (stem.startswith(expected + "-") and _ID.fullmatch(stem)):
            faults.append(f"file name: expected {expected}.json or {expected}-TAG.json, lower case")
    except UsageError:
        pass  # said above
    try:
        read_provenance(path)
    except DataError as error:
        faults.append(str(error))
    return predictions, faults


def content_faults(predictions: Predictions) -> list[str]:
    """Return what keeps predictions from being a submission, wherever they lie, one line each."""
    faults = find_problems(predictions)
    try:
        submission_id(predictions)
    except UsageError as error:
        faults.append(str(error))
    if predictions.selection is None:
        faults.append("'selection' is missing: none, source-val or target-val")
    if predictions.selection == "target-val" and get_track(predictions.track).validation_is_source:
        faults.append(f"'selection': track '{predictions.track}' validates on its source; say source-val")
    faults += [
        f"seeds {a.seed} and {b.seed} are the same run; what gives the same points each time is submitted once"
        for a, b in combinations(predictions.runs, 2)
        if a.predictions == b.predictions
    ]
    if not predictions.training_data:
        faults.append("'training_data' is missing: name everything trained or pre-trained on")
    own = [s for s in predictions.splits if s.startswith("own/")]
    if own:
        faults.append(f"split '{own[0]}' is of your own data; the board ranks the benchmark's splits")
    return faults


def read_provenance(path: Path) -> Provenance:
    """Read the sidecar of a submission; empty where there is none.

    Raises
    ------
    DataError
        When it is not as :class:`Provenance` says.
    """
    file = path.with_name(path.name.removesuffix(".json") + SIDECAR)
    if not file.exists():
        return Provenance()
    return _provenance(read_json(file, max_bytes=MAX_SIDECAR_BYTES), file.name)


def _provenance(value: Any, name: str) -> Provenance:
    try:
        return Provenance.model_validate(value)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(p)[:60] for p in fault["loc"])
        raise DataError(f"{name}: '{place}': {fault['msg']}") from None


def quote_run(file: Path) -> dict[str, Any]:
    """Return what a trainer's ``run.json`` says that a submission may quote.

    Raises
    ------
    DataError
        When the file is no JSON object.
    """
    run = read_json(file)
    if not isinstance(run, dict):
        raise DataError(f"expected a JSON object, got {json_type(run)}", file)
    settings, devices = run.get("settings", {}), run.get("devices")
    named: Any = devices if isinstance(devices, list) else None
    if named and all(isinstance(d, str) for d in named):  # else the model refuses it
        named = "; ".join(named)
    quoted = {
        "parameters": run.get("parameters"),
        "training_seconds": run.get("training_seconds"),
        "command": run.get("command"),
        "device": named or (settings.get("device") if isinstance(settings, dict) else None),
        "versions": run.get("versions"),
        "inference": run.get("inference"),
    }
    return {k: v for k, v in quoted.items() if v is not None}


def quote_faults(file: Path) -> list[str]:
    """Return what keeps a trainer's ``run.json`` from being quoted; empty where nothing does."""
    try:
        _provenance(quote_run(file), file.name)
    except DataError as error:
        return [str(error)]
    return []


def list_submissions(root: Path, track: str = "*") -> list[Path]:
    """Return the predictions files of a track, of all where none is named, in the order of names."""
    return [path for path in sorted((root / FOLDER).glob(f"{track}/*.json")) if not path.name.endswith(SIDECAR)]


def find_twins(root: Path, predictions: Predictions, name: str) -> list[str]:
    """Return the names of other submissions of a track of which a run has the very points of a run of these."""
    mine, found = [run.predictions for run in predictions.runs], []
    for path in list_submissions(root, predictions.track):
        if path.stem == name:
            continue
        try:
            other = Predictions.load(path, max_bytes=MAX_BYTES)
        except DataError:
            continue  # whoever builds the board is told of it
        if any(run.predictions in mine for run in other.runs):
            found.append(path.stem)
    return found


def load_submissions(root: Path) -> list[Entry]:
    """Read every submission of the repository, in the order of tracks and names.

    Raises
    ------
    DataError
        Naming each file at fault: a board is built of valid submissions only.
    """
    entries, faults = [], []
    for track in TRACKS:
        for path in list_submissions(root, track):
            predictions, found = examine(path, root)
            faults += [f"{path.relative_to(root)}: {fault}" for fault in found]
            if predictions is not None and not found:
                entries.append(_entry(path, predictions))
    if faults:
        raise DataError("submissions at fault:\n  " + "\n  ".join(faults))
    return entries


def _entry(path: Path, predictions: Predictions) -> Entry:
    provenance = read_provenance(path)
    stem = path.name.removesuffix(".json")
    submission = Submission(
        id=stem,
        track=predictions.track,
        method=predictions.method,
        backbone=predictions.backbone,
        selection=predictions.selection,
        training_data=tuple(predictions.training_data or ()),
        seeds=tuple(predictions.seeds),
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        tag=stem.removeprefix(submission_id(predictions)).removeprefix("-"),
        authors=predictions.authors,
        paper=predictions.paper,
        code=predictions.code,
        description=predictions.description,
        parameters=provenance.parameters,
        training_s=provenance.training_seconds,
        command=provenance.command,
        device=provenance.device,
        versions=tuple((provenance.versions or {}).items()),
        inference_ms=provenance.inference.ms_per_case if provenance.inference else None,
        inference_mib=provenance.inference.peak_mib if provenance.inference else None,
        inference_device=provenance.inference.device if provenance.inference else None,
    )
    return Entry(path, predictions, submission)
