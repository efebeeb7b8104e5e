from __future__ import annotations

import itertools
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import ndimage

from dgmld_bench import derive
from dgmld_bench.errors import DataError, UsageError
from dgmld_bench.formats import volumes
from tests.trees import brain

RAS = np.array([[0.8, 0, 0, -24], [0, 0.8, 0, -29], [0, 0, 0.8, -22], [0, 0, 0, 1.0]])
BRAIN = brain()


def stored(labels: np.ndarray, affine: np.ndarray, order: tuple[int, ...], flips: tuple[bool, ...]) -> tuple:
    """Store the same anatomy with its axes permuted and flipped."""
    turn = np.zeros((4, 4))
    turn[3, 3] = 1
    for new, old in enumerate(order):
        turn[old, new] = -1 if flips[new] else 1
        turn[old, 3] = labels.shape[old] - 1 if flips[new] else 0
    steps = tuple(slice(None, None, -1 if f else 1) for f in flips)
    return labels.transpose(order)[steps], affine @ turn


def test_a_box_by_hand() -> None:
    labels = np.zeros((11, 9, 8), np.uint8)
    labels[1:10, 2:5, 3:7] = 3
    expected = [[9, 3, 4.5], [1, 3, 4.5], [5, 3, 6], [5, 3, 3], [5, 4, 4.5], [5, 2, 4.5]]
    points = derive.derive_landmarks(labels, np.diag([2.0, 2, 2, 1]), "fidon")
    np.testing.assert_allclose(points, 2 * np.array(expected))


def test_the_vermis_is_measured_at_the_middle_only() -> None:
    labels = np.zeros((21, 21, 21), np.uint8)
    labels[2:19, 8:12, 8:12] = 5
    labels[2:6, 2:19, 2:19] = 5  # hemispheres, taller and longer than the vermis
    labels[15:19, 2:19, 2:19] = 5
    points = derive.derive_landmarks(labels, np.eye(4), "feta")
    assert points[2:4, 2].tolist() == [11, 8] and points[4:, 1].tolist() == [11, 8]
    assert points[:2, 0].tolist() == [18, 2]


def test_numberings_are_told_apart_and_give_the_same_points() -> None:
    feta = brain("feta")
    assert derive.detect_scheme(BRAIN, RAS) == "fidon"
    assert derive.detect_scheme(feta, RAS) == "feta"
    np.testing.assert_array_equal(derive.derive_landmarks(BRAIN, RAS), derive.derive_landmarks(feta, RAS))
    np.testing.assert_array_equal(derive.cerebellum(BRAIN, RAS), BRAIN == 3)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("flips", [(False, False, False), (True, False, True), (True, True, True)])
def test_storage_order_does_not_matter(order: tuple[int, ...], flips: tuple[bool, ...]) -> None:
    labels, affine = stored(BRAIN, RAS, order, flips)
    assert derive.detect_scheme(labels, affine) == "fidon"
    np.testing.assert_allclose(derive.derive_landmarks(labels, affine), derive.derive_landmarks(BRAIN, RAS), atol=1e-9)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1))
@example(2419)
def test_stray_voxels_change_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    noisy = BRAIN.copy()
    apart = ~ndimage.binary_dilation(BRAIN == 3, iterations=3)  # what touches the cerebellum belongs to it
    places = np.argwhere((BRAIN == 5) & apart)
    noisy[tuple(places[rng.integers(0, len(places), 3)].T)] = 3
    np.testing.assert_array_equal(derive.derive_landmarks(noisy, RAS), derive.derive_landmarks(BRAIN, RAS))


def test_stray_voxels_outside_the_brain_do_not_hide_the_numbering() -> None:
    wide = np.pad(BRAIN, 40)
    noisy = wide.copy()
    noisy[0, 0, 0] = noisy[-1, -1, -1] = noisy[0, -1, 0] = 3
    assert derive.detect_scheme(noisy, RAS) == "fidon"
    np.testing.assert_array_equal(derive.derive_landmarks(noisy, RAS), derive.derive_landmarks(wide, RAS))


def test_what_is_unclear_is_refused() -> None:
    upside_down = BRAIN[:, :, ::-1]
    with pytest.raises(DataError, match="not low and at the back"):
        derive.detect_scheme(upside_down, RAS)
    without = np.where(BRAIN == 3, 0, BRAIN)
    with pytest.raises(DataError, match=r"label 3 \(fidon\) is absent"):
        derive.detect_scheme(without, RAS)
    both = np.where(BRAIN == 5, 1, BRAIN)
    middle = both.shape[0] // 2
    both[middle:][both[middle:] == 3] = 5  # two halves that both look like one
    with pytest.raises(DataError, match="cannot tell"):
        derive.detect_scheme(both, RAS)
    with pytest.raises(DataError, match="unknown labels up to 12"):
        derive.detect_scheme(np.where(BRAIN == 2, 12, BRAIN), RAS)


def test_misuse_is_named() -> None:
    with pytest.raises(DataError, match="empty"):
        derive.derive_landmarks(np.zeros((3, 3, 3), int), RAS)
    with pytest.raises(DataError, match="integer array"):
        derive.derive_landmarks(np.ones((3, 3, 3)), RAS)
    with pytest.raises(DataError, match=r"no cerebellum \(label 5"):
        derive.derive_landmarks(np.ones((3, 3, 3), int), RAS, "feta")
    with pytest.raises(UsageError, match="label scheme 'fetta'"):
        derive.derive_landmarks(BRAIN, RAS, "fetta")  # type: ignore[arg-type]


@pytest.mark.skipif("DGMLD_BENCH_REAL_DATA" not in os.environ, reason="DGMLD_BENCH_REAL_DATA is not set")
def test_every_real_atlas_is_told_apart() -> None:
    paths = sorted(Path(os.environ["DGMLD_BENCH_REAL_DATA"]).glob("atlas/*/*/parcellation.nii.gz"))
    assert len(paths) == 46
    for path in paths:
        labels, (affine, _) = volumes.read_labels(path), volumes.read_affine_and_shape(path)
        assert derive.detect_scheme(labels, affine) == "fidon", path
        assert derive.detect_scheme(np.array(derive.FIDON_TO_FETA)[labels], affine) == "feta", path
        tcd, hdv, adv = np.linalg.norm(
            np.diff(derive.derive_landmarks(labels, affine, "fidon").reshape(3, 2, 3), axis=1)[:, 0], axis=1
        )
        assert 15 < tcd < 60 and 8 < hdv < 30 and 8 < adv < 30, path
