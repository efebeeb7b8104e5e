"""One volume written in many ways: its voxels are where they were, or the file is refused or remarked on."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from dgmld_bench.errors import DataError
from dgmld_bench.formats import volumes

VOXELS = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)
CORNERS = np.array(list(np.ndindex(2, 2, 2))) * (np.array(VOXELS.shape) - 1)


@st.composite
def affines(draw: st.DrawFn) -> np.ndarray:
    """Return what a scanner may write: any order and direction of axes, sizes, a tilt, an origin."""
    order = draw(st.permutations(range(3)))
    signs = draw(st.tuples(*[st.sampled_from((-1, 1))] * 3))
    sizes = draw(st.tuples(*[st.floats(6, 60)] * 3))  # so large, because the volume has few voxels
    turn = Rotation.from_euler("xyz", draw(st.tuples(*[st.floats(-40, 40)] * 3)), degrees=True).as_matrix()
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.eye(3)[:, order] * signs * sizes
    affine[:3, 3] = draw(st.tuples(*[st.floats(-200, 200)] * 3))
    return affine


def write(path: Path, affine: np.ndarray, way: dict[str, Any]) -> None:
    """Write the volume with nibabel alone."""
    scale = {"mm": 1.0, "meter": 0.001, "micron": 1000.0, "unknown": 1.0}[way["unit"]]
    stored = np.diag([scale] * 3 + [1.0]) @ affine
    kind = np.dtype(way["type"]).newbyteorder(way["order"])
    voxels = VOXELS.astype(kind)[..., None] if way["frame"] else VOXELS.astype(kind)
    image = nib.Nifti1Image(voxels, stored, header=nib.Nifti1Header(endianness=way["order"]))
    image.header.set_xyzt_units(way["unit"])
    image.set_sform(stored, code=way["sform"])
    image.set_qform(stored, code=way["qform"])
    if way["extension"]:
        image.header.extensions.append(nib.nifti1.Nifti1Extension(6, b"a comment"))
    data = image.to_bytes()
    path.write_bytes(gzip.compress(data) if path.suffix.lower() == ".gz" else data)


WAYS = st.fixed_dictionaries(
    {
        "unit": st.sampled_from(("mm", "meter", "micron", "unknown")),
        "order": st.sampled_from("<>"),
        "type": st.sampled_from(("uint8", "int16", "uint16", "int32", "float32", "float64")),
        "frame": st.booleans(),
        "sform": st.sampled_from((0, 1, 2, 4)),
        "qform": st.sampled_from((0, 1, 2)),
        "extension": st.booleans(),
    }
)


HALF_TURN = np.diag([-6.0, -6.0, -6.0, 1.0])
HALF_TURN[:2, :2] = [[-5.99999643, 0.00654498], [-0.00654498, -5.99999643]]
PLAIN = {"unit": "mm", "order": "<", "type": "uint8", "frame": False, "sform": 0, "qform": 1, "extension": False}


@example(HALF_TURN, PLAIN, ".nii")
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(affines(), WAYS, st.sampled_from((".nii", ".nii.gz", ".NII.GZ")))
def test_however_it_is_written_each_voxel_is_where_it_was(
    tmp_path: Path, affine: np.ndarray, way: dict[str, Any], suffix: str
) -> None:
    path = tmp_path / f"a{suffix}"
    write(path, affine, way)
    if not way["sform"] and not way["qform"]:
        with pytest.raises(DataError, match="neither sform nor qform"):
            volumes.read_volume(path)
        return
    array, found = volumes.read_volume(path)
    np.testing.assert_array_equal(array, VOXELS)
    turned = CORNERS @ affine[:3, :3].T
    moved = (CORNERS @ found[:3, :3].T + found[:3, 3]) - (turned + affine[:3, 3])
    # A quaternion's first number is the root of what the squares of three in single precision leave of 1. Near half a
    # turn little is left, and it is known no better than the root of their rounding; an angle is twice as far off.
    angle = 0 if way["sform"] else 2 * np.sqrt(3 * np.finfo(np.float32).eps)
    assert np.abs(moved).max() < 0.02 + angle * np.linalg.norm(turned, axis=1).max()
    assert volumes.header_remarks(path) == []


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(affines(), WAYS, st.sampled_from(("sizes", "shift", "turn", "flip")), st.floats(1.1, 5))
def test_two_places_of_one_header_that_disagree_are_remarked_on(
    tmp_path: Path, affine: np.ndarray, way: dict[str, Any], change: str, by: float
) -> None:
    path = tmp_path / "a.nii"
    write(path, affine, way | {"unit": "mm", "sform": 1, "qform": 1})
    image = nib.load(path)
    other = affine.copy()
    if change == "sizes":
        other[:3, :3] *= by
    elif change == "shift":
        other[:3, 3] += 40 * by
    elif change == "turn":
        other[:3, :3] = Rotation.from_euler("z", 10 * by, degrees=True).as_matrix() @ other[:3, :3]
    else:
        other[:3, 0] *= -1
    data = np.asarray(image.dataobj)
    second = nib.Nifti1Image(data, affine)
    second.header.set_xyzt_units("mm")
    second.set_sform(affine, code=1)
    second.set_qform(other, code=1)
    path.write_bytes(second.to_bytes())
    (remark,) = volumes.header_remarks(path)
    assert "its sform (voxels of" in remark and "its qform (voxels of" in remark
    np.testing.assert_allclose(volumes.read_affine_and_shape(path)[0], affine, atol=0.02)
