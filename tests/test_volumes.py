from __future__ import annotations

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from dgmld_bench.errors import DataError, UsageError
from dgmld_bench.formats import volumes
from tests.trees import affines

ARRAY = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
AFFINE = np.array([[0, -0.5, 0, 3], [0.25, 0, 0, -7], [0, 0, 2, 1], [0, 0, 0, 1.0]])


@pytest.mark.parametrize("affine", list(affines()))
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64])
def test_round_trip(tmp_path: Path, affine: np.ndarray, dtype: type) -> None:
    volumes.write_volume(tmp_path / "a.nii.gz", ARRAY.astype(dtype), affine)
    array, back = volumes.read_volume(tmp_path / "a.nii.gz")
    assert array.dtype == dtype
    np.testing.assert_array_equal(array, ARRAY)
    np.testing.assert_allclose(back, affine, atol=1e-6)
    header_affine, shape = volumes.read_affine_and_shape(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(header_affine, back)
    assert shape == (2, 3, 4)


def test_same_input_same_bytes_whatever_the_name(tmp_path: Path) -> None:
    volumes.write_volume(tmp_path / "a.nii.gz", ARRAY, AFFINE)
    volumes.write_volume(tmp_path / "b.nii.gz", ARRAY, AFFINE)
    first = (tmp_path / "a.nii.gz").read_bytes()
    assert first == (tmp_path / "b.nii.gz").read_bytes()
    assert first[3:8] == b"\0\0\0\0\0"  # no file name, no time
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.nii.gz", "b.nii.gz"]


def test_types_nifti_lacks(tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"
    for array, kind in ((ARRAY > 3, np.uint8), (ARRAY.astype(np.int64), np.int32), (ARRAY.astype("e"), np.float32)):
        volumes.write_volume(path, array, AFFINE)
        back, _ = volumes.read_volume(path)
        assert back.dtype == kind
        np.testing.assert_array_equal(back, array)
    for bad in (ARRAY.astype(complex), np.full((1, 1, 1), 1 << 40), ARRAY[0]):
        with pytest.raises(DataError):
            volumes.write_volume(path, bad, AFFINE)
    with pytest.raises(UsageError, match=r"\.nii\.gz"):
        volumes.write_volume(tmp_path / "a.mha", ARRAY, AFFINE)


def save(path: Path, array: np.ndarray, sform: int, qform: int, units: str = "mm") -> Path:
    image = nib.Nifti1Image(array, np.eye(4))
    image.set_sform(np.diag([2.0, 2, 2, 1]), code=sform)
    image.set_qform(np.diag([3.0, 3, 3, 1]), code=qform)
    image.header.set_xyzt_units(units)
    image.header["sform_code"], image.header["qform_code"] = sform, qform
    path.write_bytes(gzip.compress(image.to_bytes()) if path.suffix == ".gz" else image.to_bytes())
    return path


def test_sform_wins_then_qform_then_refusal(tmp_path: Path) -> None:
    path = tmp_path / "a.nii"
    assert volumes.read_affine_and_shape(save(path, ARRAY, 1, 1))[0][0, 0] == 2
    assert volumes.read_affine_and_shape(save(path, ARRAY, 0, 1))[0][0, 0] == 3
    with pytest.raises(DataError, match="neither sform nor qform"):
        volumes.read_affine_and_shape(save(path, ARRAY, 0, 0))


def test_units_become_millimetres(tmp_path: Path) -> None:
    path = tmp_path / "a.nii"
    assert volumes.read_affine_and_shape(save(path, ARRAY, 1, 0, "micron"))[0][0, 0] == pytest.approx(0.002)
    assert volumes.read_affine_and_shape(save(path, ARRAY, 1, 0, "meter"))[0][0, 0] == 2000
    assert volumes.read_affine_and_shape(save(path, ARRAY, 1, 0, "unknown"))[0][0, 0] == 2


def test_one_frame_is_squeezed_more_are_refused(tmp_path: Path) -> None:
    assert volumes.read_volume(save(tmp_path / "a.nii.gz", ARRAY[..., None], 1, 1))[0].shape == (2, 3, 4)
    with pytest.raises(DataError, match="one 3D volume"):
        volumes.read_volume(save(tmp_path / "b.nii.gz", np.stack([ARRAY, ARRAY], -1), 1, 1))
    with pytest.raises(DataError, match="one 3D volume"):
        volumes.read_volume(save(tmp_path / "c.nii.gz", ARRAY[0], 1, 1))


def test_scaling_applies_and_non_finite_becomes_zero(tmp_path: Path) -> None:
    image = nib.Nifti1Image(ARRAY, np.eye(4))
    image.header.set_slope_inter(0.5, 10)
    (tmp_path / "a.nii").write_bytes(image.to_bytes())
    np.testing.assert_allclose(volumes.read_volume(tmp_path / "a.nii")[0], ARRAY * 0.5 + 10)
    holes = ARRAY.astype(np.float32)
    holes[0, 0] = np.nan, np.inf, -np.inf, 7
    volumes.write_volume(tmp_path / "b.nii.gz", holes, AFFINE)
    assert volumes.read_volume(tmp_path / "b.nii.gz")[0][0, 0].tolist() == [0, 0, 0, 7]


def noise(path: Path) -> bytes:
    volumes.write_volume(path, np.random.default_rng(0).integers(0, 9999, (16, 16, 16), np.int16), AFFINE)
    return path.read_bytes()


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_cut_file_is_an_error_that_names_it(tmp_path: Path, share: float) -> None:
    path = tmp_path / "cut.nii.gz"
    data = noise(path)
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(DataError, match=r"cut\.nii\.gz"):
        volumes.read_volume(path)


def test_any_changed_byte_of_the_voxels_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "changed.nii.gz"
    data = noise(path)
    for place in (len(data) // 2, len(data) - 20, len(data) - 6):  # the last lies in the checksum
        path.write_bytes(data[:place] + bytes([data[place] ^ 0x55]) + data[place + 1 :])
        with pytest.raises(DataError, match=r"changed\.nii\.gz"):
            volumes.read_volume(path)


def test_header_that_promises_too_much(tmp_path: Path) -> None:
    header = nib.Nifti1Header()
    header.set_data_shape((30000, 30000, 30000))
    header["sform_code"] = 1
    (tmp_path / "bomb.nii").write_bytes(header.binaryblock + bytes(4))
    with pytest.raises(DataError, match="over the limit"):
        volumes.read_volume(tmp_path / "bomb.nii")
    tail = gzip.compress(ARRAY.tobytes() + bytes(64 << 20))
    small = save(tmp_path / "tail.nii.gz", ARRAY, 1, 1)
    small.write_bytes(small.read_bytes() + tail)
    with pytest.raises(DataError, match="longer than its header says"):
        volumes.read_volume(small)


def test_what_is_no_volume(tmp_path: Path) -> None:
    (tmp_path / "page.nii.gz").write_text("<html>404</html>")
    (tmp_path / "folder.nii").mkdir()
    colour = np.zeros((2, 2, 2), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    save(tmp_path / "colour.nii", colour, 1, 1)
    for name in ("page.nii.gz", "folder.nii", "absent.nii.gz", "colour.nii", "image.dcm"):
        with pytest.raises(DataError, match=name.replace(".", r"\.")):
            volumes.read_volume(tmp_path / name)


def test_labels(tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"
    volumes.write_volume(path, ARRAY.astype(np.float32), AFFINE)
    assert volumes.read_labels(path).dtype == np.uint8
    for bad in (ARRAY + 0.5, ARRAY - 1):
        volumes.write_volume(path, bad, AFFINE)
        with pytest.raises(DataError, match="not a label map"):
            volumes.read_labels(path)


def test_mask_must_lie_on_its_image(tmp_path: Path) -> None:
    image, mask = tmp_path / "i.nii.gz", tmp_path / "m.nii.gz"
    volumes.write_volume(image, ARRAY, AFFINE)
    volumes.write_volume(mask, ARRAY, AFFINE)
    volumes.check_mask(image, mask)
    volumes.write_volume(mask, ARRAY, AFFINE @ np.diag([-1, 1, 1, 1.0]))
    with pytest.raises(DataError, match="mm away"):
        volumes.check_mask(image, mask)
    volumes.write_volume(mask, ARRAY[:, :2], AFFINE)
    with pytest.raises(DataError, match=r"shape \(2, 2, 4\)"):
        volumes.check_mask(image, mask)


def head(path: Path, sform: float, qform: float | None = None, pixdim: float | None = None, units: str = "mm") -> Path:
    """Write 100³ voxels whose forms and voxel sizes need not agree."""
    image = nib.Nifti1Image(np.zeros((100, 100, 100), np.uint8), np.eye(4))
    image.set_qform(np.diag([qform or 1.0, qform or 1.0, qform or 1.0, 1]), code=0 if qform is None else 1)
    image.set_sform(np.diag([sform, sform, sform, 1]), code=1)
    image.header["qform_code"] = 0 if qform is None else 1
    image.header["pixdim"][1:4] = pixdim or qform or sform
    image.header.set_xyzt_units(units)
    path.write_bytes(image.to_bytes())
    return path


def test_a_header_that_contradicts_itself_is_told_with_both_values(tmp_path: Path) -> None:
    assert volumes.header_remarks(head(tmp_path / "a.nii", 0.8, 0.8)) == []
    assert volumes.header_remarks(head(tmp_path / "b.nii", 0.8)) == []
    (forms,) = volumes.header_remarks(head(tmp_path / "c.nii", 1.6, 0.8))
    assert "sform (voxels of 1.6 x 1.6 x 1.6 mm, used)" in forms and "qform (voxels of 0.8 x 0.8 x 0.8 mm)" in forms
    (sizes,) = volumes.header_remarks(head(tmp_path / "d.nii", 1.6, None, 0.8))
    assert "1.6 x 1.6 x 1.6 mm (used)" in sizes and "pixdim says 0.8 x 0.8 x 0.8 mm" in sizes


def test_a_unit_that_makes_a_head_of_eighty_metres_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"lengths in meter, .* 8e\+04 mm long; in mm it would be 80 mm"):
        volumes.read_affine_and_shape(head(tmp_path / "a.nii", 0.8, 0.8, units="meter"))
    affine, _ = volumes.read_affine_and_shape(head(tmp_path / "b.nii", 0.0008, 0.0008, units="meter"))
    np.testing.assert_allclose(np.diag(affine)[:3], 0.8, rtol=1e-6)


def test_a_large_header_extension_is_no_damage(tmp_path: Path) -> None:
    image = nib.Nifti1Image(ARRAY, np.eye(4))
    image.header.extensions.append(nib.nifti1.Nifti1Extension(6, b"x" * 3_000_000))
    nib.save(image, tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(volumes.read_volume(tmp_path / "a.nii.gz")[0], ARRAY)


def test_names_in_capitals_and_what_is_no_file(tmp_path: Path) -> None:
    nib.save(nib.Nifti1Image(ARRAY, np.eye(4)), tmp_path / "A.NII.GZ")
    np.testing.assert_array_equal(volumes.read_volume(tmp_path / "A.NII.GZ")[0], ARRAY)
    assert volumes.stem(tmp_path / "A.NII.GZ") == "A"
    (tmp_path / "b.nii").symlink_to(tmp_path / "gone.nii")
    (tmp_path / "c.nii").mkdir()
    for name, what in (
        ("b.nii", "a link to .*gone.nii, which is not there"),
        ("c.nii", "is a folder"),
        ("d.nii", "no"),
    ):
        with pytest.raises(DataError, match=f"{name}: {what}"):
            volumes.read_volume(tmp_path / name)
