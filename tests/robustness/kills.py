"""Commands killed before chosen changes of files: the same command works then, and nothing false or foreign stays."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from dgmld_bench.errors import DataError
from dgmld_bench.files import read_json, write_text
from dgmld_bench.leaderboard.publish import publish
from dgmld_bench.leaderboard.submissions import load_submissions
from dgmld_bench.obtaining.importing import import_source
from dgmld_bench.obtaining.upkeep import sources_on_disk, verify_source
from dgmld_bench.splits import get_split, load_split
from dgmld_bench.temporary import SUFFIX
from tests import trees
from tests.robustness.attempt import Clock, TimeIsUp, limited, rounds
from tests.robustness.child import Ended, command_line, run
from tests.robustness.inputs import zip_of
from tests.robustness.tally import Tally
from tests.servers import Hub, serve_hub
from tests.submissions import make_repository, submission

_GOLDEN = (5**0.5 - 1) / 2

Check = Callable[[Path], str]
"""Looks at a place and says what is wrong there; nothing where all is well."""


@dataclass(frozen=True)
class Scenario:
    """A command on a place of its own.

    Attributes
    ----------
    prepare : callable
        Makes the place.
    command : callable
        Returns the command for a place.
    meanwhile : callable
        Says what is wrong right after a kill.
    result : callable
        Returns what the finished command must have made, for comparison: the same whether it was killed or not.
    refuses_its_own : bool
        Whether the command refuses to do again what it has done, so that a kill after the last step shows as that.
    """

    prepare: Callable[[Path], None]
    command: Callable[[Path], Callable[[], object]]
    meanwhile: Check
    result: Callable[[Path], object]
    refuses_its_own: bool = False


def try_kills(kind: str, scratch: Path, kills: int, clock: Clock) -> Tally:
    """Kill a command at so many of its changes, evenly spread; each time, run it again to its end."""
    tally = Tally(kind, planned=kills)
    with suppress(TimeIsUp), limited(clock.end - time.monotonic(), TimeIsUp):
        _try_kills(tally, scratch, kills, clock)
    return tally


def _try_kills(tally: Tally, scratch: Path, kills: int, clock: Clock) -> None:
    scenario = SCENARIOS[tally.kind](scratch)
    model = scratch / "model"
    model.mkdir()
    scenario.prepare(model)
    place = scratch / "place"

    def fresh() -> None:
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(model, place, symlinks=True)

    fresh()
    whole = run(scenario.command(place), scratch, below=place)
    if whole.code:
        tally.note("wrongly refused", f"without a kill: {whole.output[-300:]}")
        return
    expected = scenario.result(place)
    moments = np.unique(np.linspace(1, whole.changes, min(kills, whole.changes)).round().astype(int))
    moments = moments[np.argsort(np.arange(len(moments)) * _GOLDEN % 1)]  # spread, however many there is time for
    for n in rounds(tally, len(moments), clock):
        moment = int(moments[n])
        fresh()
        killed = run(scenario.command(place), scratch, below=place, kill_at=moment)
        wrong = scenario.meanwhile(place) if killed.code is None else "it was not killed"
        again = run(scenario.command(place), scratch, below=place)
        tally.note(*_judge(scenario, place, wrong, again, expected, moment))


def _judge(
    scenario: Scenario, place: Path, wrong: str, again: Ended, expected: object, moment: int
) -> tuple[str | None, str]:
    when = f"killed before change {moment}"
    if wrong:
        return "wrongly accepted", f"{when}: {wrong}"
    if again.hung:
        return "hang", when
    if again.broke:
        return "traceback", f"{when}: {again.output[-300:]}"
    if again.code and not (scenario.refuses_its_own and scenario.result(place) == expected):
        return "wrongly refused", f"{when}: {again.output[-300:]}"
    if left := sorted(str(p.relative_to(place)) for p in place.rglob(f"*{SUFFIX}")):
        return "lost", f"{when}: left over: {', '.join(left[:3])}"
    if scenario.result(place) != expected:
        return "lost", f"{when}: another result"
    return None, ""


def _files(folder: Path) -> dict[str, bytes]:
    """Return every visible file below a folder."""
    found = (p for p in sorted(folder.rglob("*")) if p.is_file() and not p.name.startswith("."))
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in found}


def _films(place: Path) -> None:
    trees.isbi(place / "release", [1, 2, 151, 152, 301], size=(97, 120))


def _nothing_false_is_registered(place: Path) -> str:
    for name in sources_on_disk(place / "data"):
        if problems := verify_source(name, data_dir=place / "data").problems:
            return f"verify: {problems[0]}"
    return ""


def _registered(place: Path) -> object:
    """Return the cases on disk and what they hold, without the random name of their folder."""
    places = len(list((place / "data/isbi").glob("files-*")))
    cases = [
        (case.id, case.image.tobytes(), case.annotations["senior"].tolist())
        for split in ("isbi-train", "isbi")
        for case in load_split(split, references=True, data_dir=place / "data")
    ]
    return places, cases


def import_copy(scratch: Path) -> Scenario:
    """The first import of a source."""
    return Scenario(
        _films,
        lambda place: command_line("import", "isbi", place / "release", "--copy", "--data-dir", place / "data"),
        _nothing_false_is_registered,
        _registered,
    )


def _imported(place: Path) -> None:
    _films(place)
    import_source("isbi", place / "release", copy=True, data_dir=place / "data")


def import_again(scratch: Path) -> Scenario:
    """An import that takes the place of an earlier one, whose copies are removed."""
    return replace(import_copy(scratch), prepare=_imported)


def download(scratch: Path) -> Scenario:
    """A download from a hub, with two archives to unpack."""
    url = _hub(scratch)

    def result(place: Path) -> object:
        cases = load_split("lfc", references=True, data_dir=place / "data")
        return sorted(p.name for p in (place / "data").iterdir()), [
            (c.id, c.landmarks.tolist(), c.image.tobytes()) for c in cases
        ]

    return Scenario(
        lambda place: None,
        lambda place: command_line(
            "download", "dgmld", "--accept-licence", "--mirror", url, "--data-dir", place / "data"
        ),
        _nothing_false_is_registered,
        result,
    )


def _hub(scratch: Path) -> str:
    """Start a hub in a process of its own, which ends with this one; return its address."""
    ids = {s: list((get_split(s).case_ids or ())[:2]) for s in ("lfc", "lfc-val")} | {"atlas": ["1"], "feta": ["7"]}
    trees.dgmld_release(scratch / "hub", ids)
    files = {
        p.relative_to(scratch / "hub").as_posix(): p.read_bytes() for p in (scratch / "hub").rglob("*") if p.is_file()
    }
    packed = {n.removeprefix("LFC_dataset/"): d for n, d in files.items() if n.startswith("LFC_dataset/")}
    rest = {n: d for n, d in files.items() if not n.startswith("LFC_dataset/")}
    process = get_context("spawn").Process(
        target=serve_alone, args=({"LFC_dataset.zip": zip_of(packed), **rest}, scratch / "url"), daemon=True
    )
    process.start()
    while not (scratch / "url").is_file():
        time.sleep(0.05)
    return (scratch / "url").read_text()


def serve_alone(files: dict[str, bytes], address: Path) -> None:
    """Be a hub until the end."""
    with serve_hub(Hub(files)) as hub:
        write_text(address, hub.url)
        signal.pause()


def _board_data(scratch: Path) -> Path:
    trees.isbi(scratch / "release", list(range(151, 301)), size=(97, 120))
    import_source("isbi", scratch / "release", data_dir=scratch / "data")
    return scratch / "data"


def build(scratch: Path) -> Scenario:
    """A build over an older board, with a submission that is new and one that is gone."""
    data = _board_data(scratch)

    def prepare(place: Path) -> None:
        make_repository(place / "repository", data)
        publish(place / "repository", data)
        submission(data, "New", 7).save(place / "repository/submissions/ceph/new-unet.json")
        (place / "repository/submissions/ceph/bad-unet.json").unlink()

    def there_is_a_site(place: Path) -> str:
        index = place / "repository/leaderboard/site/index.html"
        return "" if index.is_file() and index.read_text("utf-8").rstrip().endswith("</html>") else "there is no site"

    return Scenario(
        prepare,
        lambda place: command_line(
            "leaderboard", "build", "--root", place / "repository", "--data-dir", data, "--json", os.devnull
        ),
        there_is_a_site,
        lambda place: _files(place / "repository"),
    )


def submit(scratch: Path) -> Scenario:
    """A submission with a sidecar."""
    data = _board_data(scratch)

    def prepare(place: Path) -> None:
        make_repository(place / "repository", data)
        submission(data, "New", 7).save(place / "run/predictions.json")
        (place / "run/run.json").write_text(json.dumps({"parameters": 7, "command": "x"}))

    def nothing_invalid(place: Path) -> str:
        try:
            load_submissions(place / "repository")
        except DataError as error:
            return str(error)
        sidecars = (place / "repository/submissions").glob("*/*.run.json")
        alone = [p.name for p in sidecars if not p.with_name(p.name.replace(".run.json", ".json")).exists()]
        return f"a sidecar without predictions: {alone[0]}" if alone else ""

    return Scenario(
        prepare,
        lambda place: command_line("submit", place / "run/predictions.json", "--root", place / "repository"),
        nothing_invalid,
        lambda place: _files(place / "repository/submissions"),
    )


def _volumes(place: Path) -> None:
    trees.dgmld_release(
        place / "release", {"atlas": ["1", "2", "3", "4"], "lfc": [], "lfc-val": [], "feta": ["7", "8"]}
    )
    import_source("dgmld", place / "release", copy=True, data_dir=place / "data")


def export(scratch: Path) -> Scenario:
    """An export with images."""
    return Scenario(
        _volumes,
        lambda place: command_line(
            "export", "atlas", "feta", "--format", "nnlandmark", "--references", "--out", place / "out",
            "--data-dir", place / "data",
        ),
        lambda place: "half an export" if (place / "out").exists() and not (place / "out/README.md").exists() else "",
        lambda place: _files(place / "out"),
        refuses_its_own=True,
    )  # fmt: skip


def audit(scratch: Path) -> Scenario:
    """An audit with its report."""

    def result(place: Path) -> object:
        return read_json(place / "audit/audit.json"), (place / "audit/report.html").stat().st_size

    return Scenario(
        _volumes,
        lambda place: command_line(
            "audit", "dgmld", "--pictures", 1, "--out", place / "audit", "--data-dir", place / "data"
        ),
        _nothing_false_is_registered,
        result,
    )


def training(scratch: Path) -> Scenario:
    """A training, which keeps its state after every epoch here."""

    def prepare(place: Path) -> None:
        trees.dgmld_release(
            place / "release",
            {s: list((get_split(s).case_ids or "1234")[:2]) for s in ("atlas", "lfc-val", "lfc", "feta")},
        )
        import_source("dgmld", place / "release", copy=True, data_dir=place / "data")

    def command(place: Path) -> Callable[[], None]:
        def train() -> None:
            import torch

            from baselines.baseline.run import METHOD
            from baselines.common import trainer
            from baselines.common.command import main

            torch.set_num_threads(1)
            trainer.SECONDS_BETWEEN_STATES = -1.0
            options = ["--track", "dgmld", "--backbone", "unet", "--preset", "smoke", "--seeds", "0", "--device", "cpu"]
            sys.argv = ["run.py", *options, "--out", str(place / "run"), "--data-dir", str(place / "data")]
            main(METHOD)

        return train

    return Scenario(
        prepare,
        command,
        lambda place: "",
        lambda place: [(place / "run" / f).read_bytes() for f in ("predictions.json", "seed-0/checkpoint.safetensors")],
    )


SCENARIOS: dict[str, Callable[[Path], Scenario]] = {
    "killed: download": download,
    "killed: import --copy": import_copy,
    "killed: import --copy again": import_again,
    "killed: submit": submit,
    "killed: leaderboard build": build,
    "killed: export": export,
    "killed: audit": audit,
    "killed: training": training,
}
