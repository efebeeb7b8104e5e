"""The predictions JSON: model, reading, writing, checks. One format from the trainer to the pull request.

Nothing in a predictions file is trusted: sizes are limited, unknown keys are refused, numbers must be finite and
possible, text must be printable. Every error names where in the file it is.
"""

from __future__ import annotations

import html
import json
import operator
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictInt,
    ValidationError,
    model_validator,
)

from dgmld_bench.case_ids import match_ids
from dgmld_bench.errors import DataError, UsageError, unknown_name
from dgmld_bench.files import json_type, read_json, write_text
from dgmld_bench.formats.point_tables import parse_point_table
from dgmld_bench.landmarks import LANDMARK_SETS, LandmarkSet, get_landmark_set
from dgmld_bench.scoring.faults import up_to_faults
from dgmld_bench.splits import SPLITS, TRACKS, case_sort_key, get_split, get_track, track_with
from dgmld_bench.text import shortened

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

MAX_NAME = 64

FORMAT: Literal["dgmld-bench/predictions"] = "dgmld-bench/predictions"
REQUIRED = ("format", "version", "track", "method", "backbone", "space", "runs")
MAX_COORDINATE = {"ras_mm": 1000.0, "lps_mm": 1000.0, "voxel": 20000.0, "px": 20000.0}

TABLES = (".csv", ".tsv")
"""Endings of bare files that are tables."""
_OF_ONE_SPLIT = (
    "The points of one split are read by score, compare, show and validate, with --split; "
    "a submission is made of them with dgmld_bench.Predictions (docs/your-model.md)"
)

Space = Literal["ras_mm", "lps_mm", "voxel", "px"]
Selection = Literal["none", "source-val", "target-val"]


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    for character in text:
        if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}:
            raise ValueError(f"holds the character U+{ord(character):04X}, which cannot be printed")
    return text


def _trimmed(text: str) -> str:
    if text != text.strip():
        raise ValueError("starts or ends with a space")
    return text


def _integer(value: Any) -> Any:
    if type(value) is not int:  # True and 1.0 equal 1, and are not what the format says
        raise ValueError(f"must be an integer, got {type(value).__name__}")
    return value


def _known_track(name: str) -> str:
    try:
        return get_track(name).name
    except UsageError as error:
        raise ValueError(str(error)) from None


def _web_address(text: str) -> str:
    if not text.startswith(("https://", "http://")) or any(c.isspace() for c in text):
        raise ValueError("must be a web address that starts with https:// or http://")
    return text


_Name = Annotated[
    str, Field(min_length=1, max_length=MAX_NAME, strict=True), AfterValidator(_printable), AfterValidator(_trimmed)
]
_Text = Annotated[str, Field(max_length=2000, strict=True), AfterValidator(_printable)]
_Url = Annotated[str, Field(max_length=500, strict=True), AfterValidator(_printable), AfterValidator(_web_address)]
_Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
_Point = Annotated[list[_Number], Field(min_length=2, max_length=3)]
_Landmarks = Annotated[dict[_Name, _Point], Field(max_length=64)]
_Cases = Annotated[dict[_Name, _Landmarks], Field(max_length=10_000)]
_Share = Annotated[float, Field(strict=True, ge=0, le=1)]
_Confidences = Annotated[dict[_Name, Annotated[dict[_Name, _Share], Field(max_length=64)]], Field(max_length=10_000)]


class Run(BaseModel):
    """One trained model: a seed, its predictions, and how sure it is of them where it says so."""

    model_config = ConfigDict(extra="forbid")

    seed: Annotated[StrictInt, Field(ge=0, lt=2**63)]
    predictions: Annotated[
        dict[_Name, _Cases], Field(max_length=32, description="split -> case -> landmark -> coordinates")
    ]
    confidence: Annotated[
        dict[_Name, _Confidences] | None,
        Field(max_length=32, description="Optional, of any points: split -> case -> landmark -> 0 to 1 (sure)."),
    ] = None


class Predictions(BaseModel):
    """Predicted landmarks of one method for one track.

    Attributes are the keys of the file. ``space`` defaults to the track's (``ras_mm`` or ``px``).

    Examples
    --------
    >>> p = Predictions(track="phantom", method="mine", backbone="mine")
    >>> p.add(seed=0, split="phantom-feta", case="7", landmarks=np.zeros((6, 3)))
    >>> p.seeds, p.splits, p.array(0, "phantom-feta", ["7"]).shape
    ([0], ['phantom-feta'], (1, 6, 3))
    """

    model_config = ConfigDict(extra="forbid", validate_assignment=False)

    format: Literal["dgmld-bench/predictions"] = FORMAT
    version: Annotated[Literal[1], BeforeValidator(_integer)] = 1
    track: Annotated[_Name, AfterValidator(_known_track), Field(json_schema_extra={"enum": list(TRACKS)})]
    method: Annotated[_Name, Field(description="Name of the method, as the board shows it.")]
    backbone: Annotated[_Name, Field(description="Name of the network, as the board shows it.")]
    space: Annotated[Space, Field(description="3D: ras_mm, lps_mm or voxel (zero-based ijk); 2D: px (x, y).")] = None  # type: ignore[assignment]  # the track's default, filled in below
    selection: Annotated[Selection | None, Field(description="The data that the checkpoint was selected on.")] = None
    training_data: Annotated[
        list[_Name] | None, Field(max_length=32, description="Everything trained or pre-trained on.")
    ] = None
    runs: Annotated[list[Run], Field(max_length=100, description="One per seed.")] = Field(default_factory=list)
    authors: _Text | None = None
    paper: _Url | None = None
    code: _Url | None = None
    description: _Text | None = None

    def __init__(self, **values: Any) -> None:
        first = up_to_faults(values)
        try:
            if first is not None:
                super().__init__(**first)
            super().__init__(**values)
        except ValidationError as error:
            raise DataError(_explain(error, values, "at least " if first else "")) from None

    def __repr__(self) -> str:
        return (
            f"Predictions(track={self.track!r}, method={self.method!r}, backbone={self.backbone!r}, "
            f"seeds={self.seeds}, splits={self.splits})"
        )

    __str__ = __repr__

    def _repr_html_(self) -> str:
        """What a notebook shows: how many cases of each split each seed predicts."""
        head = "".join(f"<th>seed {seed}</th>" for seed in self.seeds)
        rows = "".join(
            f"<tr><td>{html.escape(split)}</td>"
            + "".join(f"<td>{len(run.predictions.get(split, {}))} cases</td>" for run in self.runs)
            + "</tr>"
            for split in self.splits
        )
        return f"<p>{html.escape(repr(self))}</p><table><tr><th>split</th>{head}</tr>{rows}</table>"

    @model_validator(mode="before")
    @classmethod
    def _default_space(cls, values: Any) -> Any:
        if isinstance(values, dict) and "space" not in values and str(values.get("track")) in TRACKS:
            return {**values, "space": get_track(values["track"]).space}
        return values

    @model_validator(mode="after")
    def _check_meaning(self) -> Predictions:
        track = get_track(self.track)
        dimension = track.landmarks.dimension
        if (self.space == "px") != (dimension == 2):
            raise ValueError(f"space '{self.space}' does not fit track '{self.track}' ({dimension}D)")
        known = set(track.landmarks.names)
        seen: set[int] = set()
        for run in self.runs:
            if run.seed in seen:
                raise ValueError(f"seed {run.seed} appears twice; each run needs its own")
            seen.add(run.seed)
            for split, cases in run.predictions.items():
                if split not in track.split_names and not split.startswith("own/"):
                    raise ValueError(
                        f"seed {run.seed}: split '{split}' is not of track '{self.track}' "
                        f"({', '.join(track.split_names)})"
                    )
                for case, points in cases.items():
                    self._check_points(points, known, dimension, f"seed {run.seed}, split '{split}', case '{case}'")
            for split, confidences in (run.confidence or {}).items():
                for case, values in confidences.items():
                    predicted = run.predictions.get(split, {}).get(case, {})
                    if strange := next((name for name in values if name not in predicted), None):
                        raise ValueError(
                            f"seed {run.seed}: confidence for split '{split}', case '{case}', landmark '{strange}', "
                            "of which no point is predicted"
                        )
        return self

    def _check_points(self, points: Mapping[str, Sequence[float]], known: set[str], dimension: int, where: str) -> None:
        limit = MAX_COORDINATE[self.space]
        for name, point in points.items():
            if name not in known:
                raise ValueError(f"{where}: {unknown_name('landmark', name, sorted(known))}")
            if len(point) != dimension:
                raise ValueError(f"{where}, landmark '{name}': expected {dimension} numbers, got {len(point)}")
            if max(map(abs, point)) > limit:
                raise ValueError(f"{where}, landmark '{name}': {list(point)} is beyond ±{limit:g} in {self.space}")

    @property
    def landmark_set(self) -> LandmarkSet:
        """The landmark set of the track."""
        return get_track(self.track).landmarks

    @property
    def seeds(self) -> list[int]:
        """The seeds of the runs, in the order of the file."""
        return [run.seed for run in self.runs]

    @property
    def splits(self) -> list[str]:
        """The splits that any run predicts, in the order of their first appearance."""
        return list(dict.fromkeys(split for run in self.runs for split in run.predictions))

    def run(self, seed: int) -> Run:
        """Return the run of a seed; DataError when there is none."""
        for run in self.runs:
            if run.seed == seed:
                return run
        raise DataError(f"no run with seed {seed}; there are {self.seeds}")

    def add(
        self,
        *,
        seed: int,
        split: str,
        case: str,
        landmarks: ArrayLike | Mapping[str, ArrayLike],
        confidence: ArrayLike | None = None,
    ) -> None:
        """Add one case's predicted points; a case added again is replaced.

        Parameters
        ----------
        seed : int
            At least 0.
        split, case : str
        landmarks : array, shape (landmark, axis), or mapping of names to points
            In the space of these predictions, in the order of the landmark set.
        confidence : array, shape (landmark,), optional
            How sure the model is of each point, 0 to 1.

        Raises
        ------
        DataError
            For another shape, numbers that are not finite, unknown names, and a case that a split of known ids has not.
        """
        _check_case(split, str(case))
        names = self.landmark_set.names
        if isinstance(landmarks, Mapping):
            points = {str(k): _floats(v) for k, v in landmarks.items()}
        else:
            array = np.asarray(landmarks, dtype=np.float64)
            if array.shape != (len(names), self.landmark_set.dimension):
                raise DataError(
                    f"split '{split}', case '{case}': landmarks must have shape "
                    f"({len(names)}, {self.landmark_set.dimension}), got {array.shape}"
                )
            points = dict(zip(names, array.tolist(), strict=True))
        said = {} if confidence is None else {"confidence": {split: {str(case): self._named(confidence)}}}
        checked = Predictions(
            track=self.track,
            method=self.method,
            backbone=self.backbone,
            space=self.space,
            runs=[
                {
                    "seed": seed if isinstance(seed, bool) else operator.index(seed),
                    "predictions": {split: {str(case): points}},
                    **said,
                }
            ],
        ).runs[0]
        for run in self.runs:
            if run.seed == checked.seed:
                run.predictions.setdefault(split, {})[str(case)] = checked.predictions[split][str(case)]
                if run.confidence is not None:
                    run.confidence.get(split, {}).pop(str(case), None)
                if checked.confidence is not None:
                    run.confidence = run.confidence or {}
                    run.confidence.setdefault(split, {}).update(checked.confidence[split])
                return
        self.runs.append(checked)

    def _named(self, values: ArrayLike) -> dict[str, float]:
        """Return one number per landmark by name; DataError for another shape."""
        array, names = np.asarray(values, dtype=np.float64), self.landmark_set.names
        if array.shape != (len(names),):
            raise DataError(f"confidence must have shape ({len(names)},), got {array.shape}")
        return dict(zip(names, array.tolist(), strict=True))

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        *,
        split: str,
        method: str,
        backbone: str = "unknown",
        landmarks: str | None = None,
        **values: Any,
    ) -> Predictions:
        """Return predictions from a pandas table: a row per point, or a row per case.

        Parameters
        ----------
        frame : DataFrame
            Columns as in a file (:mod:`dgmld_bench.formats.point_tables`): ``case,landmark,x,y[,z]``, or ``case`` (or
            the index) with ``sella_x, sella_y, …`` or ``x1, y1, …``. A column ``seed`` parts the runs; else there is
            one, 0.
        split : str
            ``own/NAME`` too.
        method, backbone : str
        landmarks : str, optional
            The landmark set's name, for ``own/NAME``, which is of no track.
        **values
            Further keys of the format, such as ``space``.

        Raises
        ------
        UsageError
            For ``own/NAME`` without ``landmarks``, and for an unknown split.
        DataError
            For a table or points at fault.

        Examples
        --------
        >>> import pandas as pd
        >>> frame = pd.DataFrame({"case": ["7"], "landmark": ["TCD1"], "x": [1.0], "y": [2.0], "z": [3.0]})
        >>> Predictions.from_frame(frame, split="phantom-feta", method="mine").array(0, "phantom-feta", ["7"])[0, 0]
        array([1., 2., 3.])
        """
        if split.startswith("own/"):
            if landmarks is None:
                raise UsageError(
                    f"split '{split}' is of no track: say landmarks={' or '.join(map(repr, LANDMARK_SETS))}"
                )
            landmark_set = get_landmark_set(landmarks)
            track = track_with(landmark_set)
        else:
            track = get_split(split).track
            landmark_set = get_track(track).landmarks
        if "case" not in map(str, frame.columns):
            frame = frame.rename_axis("case").reset_index()
        runs = []
        for value, part in frame.groupby("seed", dropna=False) if "seed" in frame else [(0, frame)]:
            seed = _whole(value)
            if seed is None:
                raise DataError(f"the table, column seed: {len(part)} rows have {value!r}; expected a whole number")
            text = part.drop(columns="seed", errors="ignore").to_csv(index=False)
            table = parse_point_table(text, landmark_set, path="the table")
            runs.append({"seed": seed, "predictions": {split: table.points_once("the table")}})
        return cls(track=track, method=method, backbone=backbone, runs=runs, **values)

    def with_ids(self, split: str, known: Iterable[str]) -> tuple[Predictions, dict[str, str]]:
        """Return these predictions with the ids of a split's cases, and which were written otherwise and how.

        Ids that no case fits stay. Where all are written as the cases' ids, these predictions themselves are returned.

        Raises
        ------
        DataError
            When two ids are of one case.
        """
        known = tuple(known)
        renamed: dict[str, str] = {}
        for run in self.runs:
            match = match_ids(run.predictions.get(split, ()), known, split)
            if match.doubled is not None:
                one, other, case = match.doubled
                raise DataError(f"seed {run.seed}, split '{split}': '{one}' and '{other}' are both case '{case}'")
            renamed |= match.renamed
        if not renamed:
            return self, {}

        def of_cases(splits: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
            return {**splits, split: {renamed.get(c, c): value for c, value in splits.get(split, {}).items()}}

        runs = [
            run.model_copy(
                update={
                    "predictions": of_cases(run.predictions),
                    "confidence": run.confidence and of_cases(run.confidence),
                }
            )
            for run in self.runs
        ]
        return self.model_copy(update={"runs": runs}), renamed

    def array(self, seed: int, split: str, ids: Iterable[str]) -> Array:
        """Return the points of a run as ``(case, landmark, axis)`` in the file's space; NaN where missing."""
        names, dimension = self.landmark_set.names, self.landmark_set.dimension
        cases = self.run(seed).predictions.get(split, {})
        blank, nothing = [np.nan] * dimension, dict[str, list[float]]()
        rows = [[points.get(n, blank) for n in names] for points in (cases.get(i, nothing) for i in ids)]
        return np.array(rows, dtype=np.float64).reshape(len(rows), len(names), dimension)

    def confidence(self, seed: int, split: str, ids: Iterable[str]) -> Array:
        """Return how sure a run is of its points, ``(case, landmark)``; NaN where it does not say."""
        names, cases = self.landmark_set.names, (self.run(seed).confidence or {}).get(split, {})
        rows = [[cases.get(i, {}).get(n, np.nan) for n in names] for i in ids]
        return np.array(rows, dtype=np.float64).reshape(len(rows), len(names))

    def to_json(self) -> str:
        """Return the file's text: fixed key order, cases in order of id, one line per case, ends in a newline."""
        value = self.model_dump(exclude_none=True, exclude={"runs"})
        order = [k for k in type(self).model_fields if k in value]
        head = [f" {_dump(key)}: {_dump(value[key])}" for key in order]
        names = self.landmark_set.names
        runs = []
        for run in self.runs:
            keys = [f'"predictions": {_by_case(run.predictions, names)}']
            if run.confidence:
                keys.append(f'"confidence": {_by_case(run.confidence, names)}')
            runs.append(f'  {{"seed": {run.seed}, {", ".join(keys)}}}')
        body = ' "runs": [\n' + ",\n".join(runs) + "\n ]"
        return "{\n" + ",\n".join([*head, body]) + "\n}\n"

    def save(self, path: Path | str) -> None:
        """Write the file, atomically; the same predictions give the same bytes."""
        write_text(Path(path), self.to_json())

    @classmethod
    def load(cls, path: Path | str, *, max_bytes: int = 64 * 1024 * 1024) -> Predictions:
        """Read and check a predictions file.

        Raises
        ------
        DataError
            Naming file, seed, split, case and landmark of the first fault.
        """
        path = Path(path)
        if path.suffix.lower() in TABLES and path.is_file():
            raise DataError(f"a table, and not a predictions file. {_OF_ONE_SPLIT}", path)
        return cls.from_json(read_json(path, max_bytes=max_bytes), path)

    @classmethod
    def from_json(cls, value: Any, path: Path | str) -> Predictions:
        """Check what a predictions file holds; DataError as :meth:`load` says, naming ``path``."""
        if not isinstance(value, dict):
            raise DataError(f"expected a JSON object, got {json_type(value)}", path)
        if "format" not in value:
            raise DataError(
                f"no key 'format'; expected \"format\": {_dump(FORMAT)} (not complete predictions. {_OF_ONE_SPLIT})",
                path,
            )
        if absent := [key for key in REQUIRED if key not in value]:
            raise DataError(f"no key '{absent[0]}'; a predictions file has {', '.join(REQUIRED)}", path)
        try:
            return cls(**value)
        except TypeError:
            raise DataError("keys must be plain names", path) from None
        except DataError as error:
            raise DataError(str(error), path) from None


def no_run(name: Path | str, seed: int | None, seeds: Sequence[int]) -> UsageError:
    """Return the error that a file has no run of a seed, or none at all, with the seeds that it has.

    >>> str(no_run("preds.json", 3, [0, 1])), str(no_run("preds.json", None, []))
    ('preds.json has no run with seed 3; seeds: 0, 1', 'preds.json has no run; seeds: none')
    """
    wanted = "" if seed is None else f" with seed {seed}"
    return UsageError(f"{name} has no run{wanted}; seeds: {', '.join(map(str, seeds)) or 'none'}")


def find_missing(
    predictions: Predictions, split: str, ids: Sequence[str], landmarks: Sequence[str] | None = None
) -> list[str]:
    """Return what a split lacks of these cases and landmarks (all of the set), naming seed, case and landmark."""
    names = predictions.landmark_set.names if landmarks is None else landmarks
    missing = []
    for run in predictions.runs:
        cases = run.predictions.get(split, {})
        for case in ids:
            if case not in cases:
                missing.append(f"seed {run.seed}, case '{case}'")
            else:
                missing += [f"seed {run.seed}, case '{case}', landmark '{n}'" for n in names if n not in cases[case]]
    return missing


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of the format, as ``docs/predictions.schema.json`` publishes it.

    It describes the form. That landmarks belong to the track, that seeds are unique and that coordinates are possible
    is checked by :class:`Predictions` alone.
    """
    schema = Predictions.model_json_schema()
    for model in (schema, schema["$defs"]["Run"]):
        for key in model["properties"].values():
            key.pop("title", None)
            key.pop("default", None)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": FORMAT,
        "description": "Predicted landmarks of one method for one track.",
        "required": list(REQUIRED),
    }


def _by_case(splits: Mapping[str, Mapping[str, Mapping[str, Any]]], names: Sequence[str]) -> str:
    """Return split -> case -> landmark -> value as text, one line per case, in order of id and landmark."""
    blocks = []
    for split, cases in splits.items():
        lines = [
            f"    {_dump(case)}: {_dump({n: cases[case][n] for n in names if n in cases[case]})}"
            for case in sorted(cases, key=case_sort_key)
        ]
        blocks.append(f"   {_dump(split)}: {{\n" + ",\n".join(lines) + "\n   }")
    return "{\n" + ",\n".join(blocks) + "\n  }"


def _check_case(split: str, case: str) -> None:
    """Refuse a case that a split does not have, where its ids are known; `score` would, with everything predicted."""
    ids = SPLITS[split].case_ids if split in SPLITS else None
    if ids is not None and case not in ids and match_ids([case], ids, split).strange:
        raise DataError(
            f"split '{split}' has no case '{shortened(case)}'; its {len(ids)} cases are {ids[0]} … {ids[-1]}"
        )


def _whole(value: object) -> int | None:
    """Return a seed as a table holds it, 0.0 too; None where it is no whole number."""
    try:
        number = float(str(value))
    except ValueError:
        return None
    return int(number) if number.is_integer() else None


def _floats(point: ArrayLike) -> list[float]:
    return np.asarray(point, dtype=np.float64).ravel().tolist()


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _explain(error: ValidationError, values: Mapping[str, Any], at_least: str) -> str:
    """Say the first fault in one line, with the place in the words of the format."""
    fault = error.errors(include_url=False, include_context=False)[0]
    place = list(fault["loc"])
    message = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "extra_forbidden":
        message = "unknown key"
    if fault["type"] == "literal_error":
        message += f"; got '{shortened(str(fault['input']))}'"
    words = []
    if place[:1] == ["runs"] and len(place) > 1:
        run = values["runs"][place[1]] if isinstance(values.get("runs"), list) else None
        seed = run.get("seed") if isinstance(run, dict) else None
        words.append(f"run {place[1]}" + (f" (seed {seed})" if isinstance(seed, int) else ""))
        place = place[2:]
        if place[:1] in (["predictions"], ["confidence"]) and len(place) > 1:
            words += [place[0]] if place[0] == "confidence" else []
            labels = ("split", "case", "landmark", "coordinate")
            named = [p for p in place[1:] if p != "[key]"]
            words += [f"{label} '{shortened(p)}'" for label, p in zip(labels, named, strict=False)]
            place = []
    words += [f"'{shortened(p)}'" for p in place]
    more = f" (and {at_least}{error.error_count() - 1} more faults)" if error.error_count() > 1 else ""
    return (", ".join(words) + ": " if words else "") + message + more
