"""Putting a submission in its place: checked first, both files placed as one step, never over one that is committed."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dgmld_bench.errors import DataError, UsageError
from dgmld_bench.files import write_json
from dgmld_bench.leaderboard.revisions import is_committed
from dgmld_bench.leaderboard.submissions import FOLDER, SIDECAR, find_faults
from dgmld_bench.scoring.predictions import Predictions
from dgmld_bench.storage.folders import locked
from dgmld_bench.temporary import find, left_over, sweep, temporary_folder


def declare(predictions: Predictions, declared: Mapping[str, str | list[str]]) -> Predictions:
    """Return predictions that also say these things.

    Raises
    ------
    UsageError
        Where they say something else already, or what is declared cannot be said.
    """
    if not declared:
        return predictions
    for key, value in declared.items():
        said = getattr(predictions, key)
        if said and said != value:
            raise UsageError(f"the file says '{key}' is {said!r}; --{key.replace('_', '-')} cannot change that")
    try:
        return Predictions(**predictions.model_dump(exclude_none=True) | dict(declared))
    except DataError as error:
        raise UsageError(str(error)) from None


def place_submission(root: Path, predictions: Predictions, name: str, quoted: dict[str, Any] | None) -> list[Path]:
    """Check a submission, then put predictions, and what is quoted of their run, in their place.

    Both files are written and checked in a temporary folder first. Predictions take their place before their sidecar,
    since they are a submission without it too; after a kill in between, whoever comes by places the sidecar. What is
    there and not committed is one's own, and corrected; what is there and the same stays.

    Returns
    -------
    list of Path
        The files that are there now.

    Raises
    ------
    UsageError
        When a submission of that name is committed already, or it cannot be told whether it is.
    DataError
        When it is not as a submission must be, or another one is being placed.
    """
    place = root / FOLDER / predictions.track / f"{name}.json"
    sidecar = place.with_name(name + SIDECAR)
    with locked(root / FOLDER, "submit"):
        was_killed = _finish(root)
        with temporary_folder(root / FOLDER, "submit") as staging:
            staged = staging / FOLDER / predictions.track / place.name
            predictions.save(staged)
            if quoted is not None:
                write_json(staged.with_name(sidecar.name), quoted)
            elif sidecar.is_file():
                shutil.copyfile(sidecar, staged.with_name(sidecar.name))
            if faults := find_faults(staged, staging):
                raise DataError("not a submission yet:\n  " + "\n  ".join(faults))
            again = _same(place, staged) and (was_killed or _same(sidecar, staged.with_name(sidecar.name)))
            if place.exists() and not again and is_committed(root, place.relative_to(root).as_posix()):
                raise UsageError(
                    f"{place} is there already, and only what is not committed in a git repository is corrected; "
                    "choose another --tag"
                )
            place.parent.mkdir(exist_ok=True)
            try:
                staged.replace(place)
            finally:
                _place_sidecars(staging, root)
    return [path for path in (place, sidecar) if path.exists()]


def _same(one: Path, other: Path) -> bool:
    """Tell whether two files hold the same, or neither is there."""
    if not (one.exists() and other.exists()):
        return one.exists() == other.exists()
    return one.read_bytes() == other.read_bytes()


def finish_interrupted(root: Path) -> None:
    """Finish what a killed ``submit`` began to place, and remove what it left over."""
    if find(root / FOLDER, below=True):
        with locked(root / FOLDER, "submit"):
            _finish(root)


def _finish(root: Path) -> bool:
    left = [place for place in find(root / FOLDER) if left_over(place)]
    for staging in left:
        _place_sidecars(staging, root)
    sweep(root / FOLDER, below=True)
    return bool(left)


def _place_sidecars(staging: Path, root: Path) -> None:
    """Place the sidecars of those predictions that were placed from a temporary folder."""
    for sidecar in staging.glob(f"{FOLDER}/*/*{SIDECAR}"):
        predictions = sidecar.with_name(sidecar.name.removesuffix(SIDECAR) + ".json")
        if not predictions.exists():
            sidecar.replace(root / sidecar.relative_to(staging))
