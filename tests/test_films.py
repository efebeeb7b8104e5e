"""The generated films are fit for the tests that learn from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dgmld_bench import geometry
from dgmld_bench.formats.films import ISBI_SIZE
from dgmld_bench.obtaining.importing import import_source
from tests import films


def test_same_film_again_and_another_for_another_number() -> None:
    first, points = films.film(7)
    again, same_points = films.film(7)
    assert (first == again).all()
    assert (points == same_points).all()
    assert (films.film(8)[1] != points).any()
    assert (films.film(7, seed=1)[1] != points).any()


@pytest.mark.parametrize(("size", "suffix"), [((194, 240), ".png"), ((97, 120), ".bmp")])
def test_the_importer_takes_the_folder_and_the_mean_of_the_doctors_is_exact(
    tmp_path: Path, size: tuple[int, int], suffix: str
) -> None:
    from dgmld_bench import load_split

    exact = films.write_isbi(tmp_path / "isbi", size=size, suffix=suffix)
    register = import_source("isbi", tmp_path / "isbi", data_dir=tmp_path / "data")
    assert [register.count(s) for s in ("isbi-train", "isbi-val", "isbi")] == [4, 2, 2]
    for split in ("isbi-train", "isbi-val", "isbi"):
        for case in load_split(split, references=True, data_dir=tmp_path / "data"):
            assert case.image.shape == size[::-1]
            np.testing.assert_array_equal(case.landmarks, exact[case.id])
            assert not np.array_equal(case.annotations["senior"], case.annotations["junior"])


def test_landmarks_are_inside_and_seen() -> None:
    for number in range(1, 16):
        image, points = films.film(number)
        assert (points > 50).all() and (points < np.array(ISBI_SIZE) - 50).all()
        index = geometry.world_to_index(geometry.film_affine(image.shape, ISBI_SIZE), points)
        rows, columns = np.indices(image.shape)
        for row, column in index:
            away = np.hypot(rows - row, columns - column)
            assert image[away < 1].mean() > image[(away > 2) & (away < 3.2)].mean() + 25


def test_they_can_be_learned_from_a_few_films() -> None:
    """Matching the mean patch of eight films finds what the mean shape misses."""
    affine = geometry.film_affine(films.SMALL[::-1], ISBI_SIZE)
    half, reach = 9, 14

    def patches(image: np.ndarray, centre: np.ndarray, around: int) -> np.ndarray:
        """Return standardised patches (row offset, column offset, row, column) around a pixel."""
        row, column = centre + 40  # of the padded film
        far = half + around
        part = np.pad(image.astype(float), 40)[row - far : row + far + 1, column - far : column + far + 1]
        windows = np.lib.stride_tricks.sliding_window_view(part, (2 * half + 1, 2 * half + 1))
        return (windows - windows.mean(axis=(2, 3), keepdims=True)) / windows.std(axis=(2, 3), keepdims=True)

    training = [films.film(n) for n in range(1, 9)]
    shapes = np.array([geometry.world_to_index(affine, p) for _, p in training]).round().astype(int)
    mean_shape = shapes.mean(axis=0).round().astype(int)
    guessed, found = [], []
    for image, points in map(films.film, (301, 302, 303)):
        truth = geometry.world_to_index(affine, points)
        for k in range(19):
            template = np.mean([patches(i, s[k], 0)[0, 0] for (i, _), s in zip(training, shapes, strict=True)], axis=0)
            scores = (patches(image, mean_shape[k], reach) * template).sum(axis=(2, 3))
            offset = np.array(np.unravel_index(scores.argmax(), scores.shape)) - reach
            found.append(np.linalg.norm(mean_shape[k] + offset - truth[k]))
            guessed.append(np.linalg.norm(mean_shape[k] - truth[k]))
    assert np.median(found) < 1.0  # pixels of the small film
    assert np.median(guessed) > 4 * np.median(found)
