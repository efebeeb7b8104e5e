from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dgmld_bench import geometry
from dgmld_bench.errors import DataError, UsageError

floats = st.floats(-200, 200, allow_nan=False)


def rotation(dimension: int, angles: tuple[float, ...]) -> np.ndarray:
    matrix = np.eye(dimension)
    for (a, b), angle in zip(itertools.combinations(range(dimension), 2), angles, strict=False):
        turn = np.eye(dimension)
        turn[[a, a, b, b], [a, b, a, b]] = np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)
        matrix = matrix @ turn
    return matrix


@st.composite
def affines(draw: st.DrawFn, dimension: int | None = None) -> np.ndarray:
    """Any orientation, flip, permutation of axes, anisotropic spacing, and origin."""
    d = draw(st.sampled_from([2, 3])) if dimension is None else dimension
    turn = rotation(d, draw(st.tuples(*[st.floats(-np.pi, np.pi)] * 3)))
    order = list(draw(st.permutations(range(d))))
    signs = np.array(draw(st.tuples(*[st.sampled_from([-1, 1])] * d)))
    spacing = np.array(draw(st.tuples(*[st.floats(0.1, 5)] * d)))
    matrix = np.eye(d + 1)
    matrix[:d, :d] = turn @ np.eye(d)[:, order] @ np.diag(signs * spacing)
    matrix[:d, d] = draw(st.tuples(*[floats] * d))
    return matrix


@st.composite
def grids(draw: st.DrawFn) -> geometry.NetworkGrid:
    affine = draw(affines())
    d = len(affine) - 1
    shape = draw(st.tuples(*[st.integers(1, 200)] * d))
    grid = draw(st.tuples(*[st.integers(1, 128)] * d))
    return geometry.NetworkGrid(affine, shape, grid)


@given(affines(), st.data())
def test_index_and_world_go_there_and_back(affine: np.ndarray, data: st.DataObject) -> None:
    d = len(affine) - 1
    index = data.draw(arrays(float, (4, d), elements=floats))
    world = geometry.index_to_world(affine, index)
    np.testing.assert_allclose(geometry.world_to_index(affine, world), index, atol=1e-6)
    np.testing.assert_allclose(
        geometry.index_to_world(affine, geometry.world_to_index(affine, index)), index, atol=1e-6
    )


@given(arrays(float, (5, 3), elements=floats))
def test_lps_is_its_own_inverse(points: np.ndarray) -> None:
    np.testing.assert_array_equal(geometry.flip_ras_lps(geometry.flip_ras_lps(points)), points)
    np.testing.assert_array_equal(geometry.to_world(points, "lps_mm")[:, 2], points[:, 2])


@given(grids(), st.data())
def test_grid_is_an_exact_inverse(grid: geometry.NetworkGrid, data: st.DataObject) -> None:
    world = data.draw(arrays(float, (4, len(grid.shape)), elements=floats))
    np.testing.assert_allclose(grid.to_world(grid.to_grid(world)), world, atol=1e-6)


@given(grids())
def test_edges_of_grid_and_volume_coincide(grid: geometry.NetworkGrid) -> None:
    """The outer corners, half a voxel outside the outer centres, are the same set of points in both."""
    d = len(grid.shape)
    corners = np.array(list(itertools.product([0, 1], repeat=d)))
    of_volume = geometry.index_to_world(grid.affine, corners * np.array(grid.shape) - 0.5)
    of_grid = grid.to_world(corners * np.array(grid.grid_shape) - 0.5)
    apart = np.linalg.norm(of_volume[:, None] - of_grid[None], axis=-1)
    assert apart.min(axis=0).max() < 1e-6 and apart.min(axis=1).max() < 1e-6


@given(affines(), st.data())
def test_grid_of_the_same_size_lands_on_the_painted_voxel(affine: np.ndarray, data: st.DataObject) -> None:
    d = len(affine) - 1
    shape = data.draw(st.tuples(*[st.integers(2, 9)] * d))
    painted = data.draw(st.tuples(*[st.integers(0, n - 1) for n in shape]))
    volume = np.zeros(shape)
    volume[painted] = 1
    order, _ = geometry.NetworkGrid(affine, shape, shape).axes
    grid = geometry.NetworkGrid(affine, shape, tuple(shape[s] for s in order))
    seen = np.argwhere(grid.canonical(volume))[0]
    np.testing.assert_allclose(grid.to_grid(geometry.index_to_world(affine, painted)), seen, atol=1e-6)


@given(affines(), st.data())
def test_grid_of_half_size_is_correct_to_half_a_voxel(affine: np.ndarray, data: st.DataObject) -> None:
    """Paint a block of 2 voxels per axis; averaged down by two it is one grid voxel, at the block's middle."""
    d = len(affine) - 1
    half = data.draw(st.tuples(*[st.integers(1, 5)] * d))
    block = np.array(data.draw(st.tuples(*[st.integers(0, n - 1) for n in half])))
    shape = tuple(2 * n for n in half)
    volume = np.zeros(shape)
    volume[tuple(slice(2 * b, 2 * b + 2) for b in block)] = 1
    order, _ = geometry.NetworkGrid(affine, shape, shape).axes
    grid = geometry.NetworkGrid(affine, shape, tuple(half[s] for s in order))
    view = grid.canonical(volume)
    down = view.reshape([n for g in grid.grid_shape for n in (g, 2)]).mean(axis=tuple(range(1, 2 * d, 2)))
    middle = geometry.index_to_world(affine, 2 * block + 0.5)
    np.testing.assert_allclose(grid.to_grid(middle), np.argwhere(down == 1)[0], atol=1e-6)


@given(affines(3))
def test_canonical_view_points_along_the_world(affine: np.ndarray) -> None:
    order, flips = geometry.canonical_axes(affine)
    assert sorted(order) == [0, 1, 2]
    linear = geometry.NetworkGrid(affine, (4, 5, 6), (4, 4, 4)).grid_affine[:3, :3]
    assert (np.diag(linear) >= -1e-9).all(), (order, flips)


@given(st.integers(1, 3000), st.integers(1, 3000))
def test_film_at_its_own_size_only_swaps_row_and_column(height: int, width: int) -> None:
    affine = geometry.film_affine((height, width))
    np.testing.assert_array_equal(geometry.index_to_world(affine, [[3, 5]]), [[5, 3]])


def test_reduced_film_keeps_its_edges() -> None:
    affine = geometry.film_affine((960, 774), (1935, 2400))
    np.testing.assert_allclose(
        geometry.index_to_world(affine, [[-0.5, -0.5], [959.5, 773.5]]), [[-0.5, -0.5], [1934.5, 2399.5]]
    )


@pytest.mark.parametrize(
    ("affine", "message"),
    [
        (np.eye(3), "shape"),
        (np.diag([1.0, np.nan, 1, 1]), "not finite"),
        (np.diag([1.0, 0, 1, 1]), "cannot be inverted"),
        (np.array([[1.0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 1]]), "cannot be inverted"),
        (np.diag([1.0, 1, 1, 2]), "last row"),
    ],
)
def test_affines_that_are_none_are_refused(affine: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        geometry.check_affine(affine, 3)


def test_misuse_is_named() -> None:
    with pytest.raises(UsageError, match="need the affine"):
        geometry.to_world([[1, 2, 3]], "voxel")
    with pytest.raises(UsageError, match="unknown space 'mm'"):
        geometry.to_world([[1, 2, 3]], "mm")
    with pytest.raises(DataError, match=r"\(2, 2, 2\), got \(3, 2, 2\)"):
        geometry.NetworkGrid(np.eye(4), (2, 2, 2), (4, 4, 4)).canonical(np.zeros((3, 2, 2)))
    with pytest.raises(UsageError, match="does not fit"):
        geometry.NetworkGrid(np.eye(4), (2, 2, 2), (4, 4))
