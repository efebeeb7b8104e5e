"""What the data on disk allow, by hand-made registers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from baselines.common.method import Method
from baselines.common.registry import methods
from dgmld_bench.obtaining import possible
from dgmld_bench.obtaining.possible import possible_of_source, possible_of_track
from dgmld_bench.splits import get_track
from dgmld_bench.storage.register import CaseFiles, Register, read_register, write_register
from tests.test_cli_score import program


def test_methods_are_said_to_need_what_they_need() -> None:
    def masks(method: Method) -> bool:
        augmentation = method.augmentation_for(3)
        return any(
            (
                3 in method.pretraining and method.pretraining[3].needs == "mask",
                augmentation and augmentation.needs_labels,
            )
        )

    assert tuple(m.name for m in methods().values() if masks(m)) == possible.FROM_MASKS
    assert tuple(m.name for m in methods().values() if not masks(m)) == possible.FROM_POINTS
    assert tuple(m.name for m in methods().values() if 2 in m.dimensions) == possible.ON_FILMS


def test_a_release_says_what_scores_what_trains_and_what_lacks_masks(brains: Path, tmp_path: Path) -> None:
    track = get_track("dgmld")
    found = possible_of_track(track, brains)
    assert [str(one) for one in found.scored] == ["lfc-val (2 of 60 cases)", "lfc (3 of 120 cases)"]
    assert found.trainable == possible.FROM_POINTS + possible.FROM_MASKS and not found.lacking_masks
    register = read_register("dgmld", brains)
    cases = tuple(
        replace(
            case,
            image=str(register.path(case.image)),
            landmarks=tuple(str(register.path(f)) for f in case.landmarks),
            mask=None if (case.split, case.id) == ("atlas", "3") else str(register.path(str(case.mask))),
        )
        for case in register.cases
    )
    write_register(replace(register, folder=tmp_path / "dgmld", cases=cases))
    found = possible_of_track(track, tmp_path)
    assert found.trainable == ("Baseline", "AugDG") and found.lacking_masks == possible.FROM_MASKS
    assert (
        "EdgeDG, SegDG, BaPDG, SynthDG cannot train: they need a mask of every case, 5 of 6 have one" in found.lines()
    )
    assert found.lines()[-1] == "select on lfc-val (2 of 60 cases) or every fifth training case (--select source-val)"
    write_register(replace(register, folder=tmp_path / "dgmld", cases=cases[:3]))  # no validation split
    assert possible_of_track(track, tmp_path).to_dict()["select_on"] == [
        "every fifth training case (--select source-val)"
    ]


def test_a_centre_of_ones_own_is_scored_on(brains: Path, tmp_path: Path) -> None:
    register = read_register("dgmld", brains)
    image = str(register.path(register.cases[0].image))
    cases = (CaseFiles("1", "own/clinic", image), CaseFiles("2", "own/clinic", str(tmp_path / "moved.nii.gz")))
    options = {"landmarks": "cerebellum"}
    write_register(Register("own/clinic", tmp_path / "own/clinic", cases, options=options))
    (found,) = possible_of_source(("own/clinic",), tmp_path)
    assert found.lines()[0] == "score on own/clinic (1 of 2 cases)" and found.training is None


def test_a_test_split_is_said_with_what_else_its_track_has_on_disk(films: Path) -> None:
    (ceph,) = possible_of_source(("hamedan",), films)
    assert ceph.name == "ceph" and ceph.trainable == possible.ON_FILMS
    (nothing,) = possible_of_source(("hamedan",), films / "nowhere")
    assert nothing.lines() == [] and nothing.to_dict()["train"] is None


def test_datasets_ends_with_it(films: Path) -> None:
    done = program("datasets", "--data-dir", films)
    assert "Possible now, track ceph:" in done.stdout and "train on isbi-train (5 of 150 cases)" in done.stdout
    assert "isbi-val, isbi: not complete" in done.stdout and "track dgmld:" not in done.stdout
