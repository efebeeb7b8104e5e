from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgmld_bench import geometry
from dgmld_bench.landmarks import CEPHALOMETRIC, CEREBELLUM
from dgmld_bench.sources.plausibility import explain_outside, find_remarks, outside
from tests.trees import affines

# right to left, top to bottom, front to back, in a volume whose corner is the origin
POINTS = np.array([[90, 20, 30], [60, 20, 30], [75, 20, 40], [75, 20, 20], [75, 30, 30], [75, 10, 30.0]])
SHAPE = (100, 100, 100)


@given(st.sampled_from(list(affines())), st.lists(st.floats(-0.49, 6.49), min_size=3, max_size=3))
def test_what_is_on_a_voxel_is_inside(affine: np.ndarray, index: list[float]) -> None:
    assert not outside(geometry.index_to_world(affine, index), affine, (7, 7, 7))
    assert outside(geometry.index_to_world(affine, np.array(index) + np.array([7.1, 0, 0])), affine, (7, 7, 7))


def test_points_inside_and_missing_points_need_no_words() -> None:
    points = POINTS.copy()
    points[2] = np.nan
    assert explain_outside(points, np.eye(4), SHAPE, CEREBELLUM) == ""


@pytest.mark.parametrize(("space", "read", "other"), [("ras_mm", "RAS", "LPS"), ("lps_mm", "LPS", "RAS")])
def test_ras_and_lps_mixed_up_is_told(space: str, read: str, other: str) -> None:
    message = explain_outside(geometry.flip_ras_lps(POINTS), np.eye(4), SHAPE, CEREBELLUM, space)
    assert message == (
        f"6 of 6 points lie outside the image: TCD1 at (-90, -20, 30) mm RAS; they were read as {read}, and read as "
        f"{other} all lie inside: they seem to be {other}"
    )


@pytest.mark.parametrize("space", ["ras_mm", "lps_mm"])
def test_voxel_indices_are_recognised(space: str) -> None:
    affine = np.diag([0.5, 0.5, 0.5, 1.0])
    affine[:3, 3] = -500
    given_points = geometry.to_world(POINTS, space)
    assert "look like voxel indices" in explain_outside(given_points, affine, SHAPE, CEREBELLUM, space)


def test_x_and_y_exchanged_is_told() -> None:
    affine = geometry.film_affine((240, 194))
    points = np.full((19, 2), np.nan)
    points[3] = [150, 230]
    assert explain_outside(points, affine, (240, 194), CEPHALOMETRIC) == ""
    assert "with x and y exchanged all lie inside" in explain_outside(
        points[:, ::-1], affine, (240, 194), CEPHALOMETRIC
    )
    points[4] = [195, 250]
    message = explain_outside(points, affine, (240, 194), CEPHALOMETRIC)
    assert message == "1 of 2 points lie outside the image: subspinale at (195, 250) px, the image has 194x240 px"
    message = explain_outside(points * 10, affine, (240, 194), CEPHALOMETRIC)
    assert message.endswith("; were the images made smaller after they were annotated?")


def remarks(points: np.ndarray, ids: tuple[str, ...] = ("a", "b", "c")) -> list[str]:
    return find_remarks(CEREBELLUM, ids, points, np.full((len(points), 3), 50.0))


def test_good_points_need_no_remark() -> None:
    assert remarks(np.stack([POINTS] * 3)) == []


def test_exchanged_ends_are_named_with_their_cases() -> None:
    points = np.stack([POINTS] * 3)
    points[1, [2, 3]] = points[1, [3, 2]]
    (remark,) = remarks(points)
    assert remark.startswith("HDV1 lies below HDV2 in 1 of 3 cases (b); here it is the top end")


def test_a_mix_up_inside_the_volume_shows_in_the_anatomy() -> None:
    turned = np.stack([POINTS] * 3) * [-1, -1, 1] + [100, 100, 0]
    found = " ".join(remarks(turned))
    assert "TCD1 lies to the left of TCD2 in every case" in found and "ADV1 lies behind ADV2" in found
    assert "right and left, and front and back, are exchanged in most cases: are RAS and LPS mixed up?" in found
    assert "in front of the middle of the volume in every case" in found


def test_lengths_that_nobody_has() -> None:
    (remark,) = remarks(np.stack([POINTS, POINTS * 0.1, POINTS]))
    assert remark.startswith("TCD1 and TCD2 are 3 mm apart in 1 of 3 cases (b), expected 10 to 120 mm")
    film = np.full((1, 19, 2), np.nan)
    film[0, :2] = [[0, 0], [700, 0]]
    (remark,) = find_remarks(CEPHALOMETRIC, ["1"], film, np.zeros((1, 2)), 1.0)
    assert "700 mm apart in every case" in remark and "check the size given for a pixel" in remark
    assert find_remarks(CEPHALOMETRIC, ["1"], film, np.zeros((1, 2)), 0.1) == []


def faces(count: int = 3) -> np.ndarray:
    film = np.full((count, 19, 2), np.nan)
    film[:, [0, 1, 7]] = [[600, 900], [1300, 800], [1200, 2000]]  # sella, nasion, menton
    return film


def test_a_face_upside_down_or_mirrored_is_told_and_one_as_it_should_be_is_not() -> None:
    def remarks(points: np.ndarray, **options: bool) -> list[str]:
        ids = [str(i) for i in range(len(points))]
        return find_remarks(CEPHALOMETRIC, ids, points, np.zeros((len(points), 2)), 0.1, **options)

    assert remarks(faces()) == []
    (turned,) = remarks([0, 2400] + [1, -1] * faces())
    assert "menton lies above nasion in every case" in turned and "counted from the bottom?" in turned
    (mirrored,) = remarks([1935, 0] + [-1, 1] * faces())
    assert "nasion lies to the left of sella in every case" in mirrored
    (small,) = remarks(faces() / 2400)
    assert "fractions of the image?" in small
    one = faces()
    one[0] = [0, 2400] + [1, -1] * one[0]
    assert len(remarks(one)) == 1 and remarks(one, only_common=True) == []


def test_points_that_share_a_position_are_named_with_it() -> None:
    points = np.stack([POINTS] * 3)
    points[2, 4] = points[2, 1]
    place = ", ".join(f"{v:g}" for v in points[2, 1])
    assert f"case 'c': TCD2 and ADV1 are at one position, ({place}): were they set?" in remarks(points)


def test_missing_points_give_no_remark() -> None:
    points = np.stack([POINTS] * 3)
    points[:, 1:] = np.nan
    assert remarks(points) == []
