from __future__ import annotations

from pathlib import Path

import pytest

from dgmld_bench.errors import UsageError
from dgmld_bench.splits import SPLITS, TRACKS, case_sort_key, get_split, get_track


def test_table_1_of_the_paper() -> None:
    counts = {
        n: get_split(n).n_cases for n in ("atlas", "lfc-val", "lfc", "feta", "isbi-train", "isbi-val", "isbi", "pku")
    }
    assert list(counts.values()) == [40, 60, 120, 55, 150, 100, 150, 102]


def test_open_track() -> None:
    sizes = [get_split(n).n_cases for n in get_track("open").split_names]
    assert sizes == [14, 4, 13, 15]
    val = get_split("open-val").case_ids
    assert val == tuple(f"HarvardSTA{ga}_Study1" for ga in (23, 27, 31, 35))


@pytest.mark.parametrize("split", SPLITS.values(), ids=lambda s: s.name)
def test_ids_are_unique_sorted_and_counted(split) -> None:  # type: ignore[no-untyped-def]
    if split.case_ids is not None:
        assert len(set(split.case_ids)) == len(split.case_ids) == split.n_cases
        assert list(split.case_ids) == sorted(split.case_ids, key=case_sort_key)


def test_splits_of_one_source_share_no_case() -> None:
    for names in (("lfc", "lfc-val"), ("isbi-train", "isbi-val", "isbi"), get_track("open").split_names):
        ids = [i for n in names for i in get_split(n).case_ids or ()]
        assert len(set(ids)) == len(ids)


def test_every_split_is_in_its_track() -> None:
    assert {n for t in TRACKS.values() for n in t.split_names} == set(SPLITS)
    for track in TRACKS.values():
        assert get_split(track.train).role == "train" and not get_split(track.train).out_of_domain
        assert get_split(track.validation).role == "validation"
        assert {get_split(n).role for n in track.tests} == {"test"}
        assert {get_split(n).track for n in track.split_names} == {track.name}


def test_spaces_and_unknown_names() -> None:
    assert get_track("ceph").space == "px" and get_track("dgmld").space == "ras_mm"
    with pytest.raises(UsageError, match="did you mean 'lfc'"):
        get_split("lcf")
    with pytest.raises(UsageError, match="'isbi' is a source; its cases are in track 'ceph'"):
        get_track("isbi")


def test_ids_sort_as_integers() -> None:
    ids = [str(n) for n in range(1, 131)]
    assert sorted(sorted(ids), key=case_sort_key) == ids


def test_the_audit_page_names_every_split_with_training_cases_in_it():
    page = (Path(__file__).parents[1] / "docs" / "audit.md").read_text(encoding="utf-8")
    for split in SPLITS.values():
        if split.in_training:
            assert split.role == "test"
            assert f"{len(split.in_training)} of the {split.n_cases} films" in page
