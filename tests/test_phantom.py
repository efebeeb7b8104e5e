"""The phantom: the same bytes again, landmarks where the anatomy is, centres that differ, generation that resumes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dgmld_bench import derive, geometry, load_split
from dgmld_bench.errors import DataError, UsageError
from dgmld_bench.files import sha256_file
from dgmld_bench.phantom import PATHOLOGIES, simulate
from dgmld_bench.phantom.anatomy import CEREBELLUM, CSF, TEMPLATE_TCD_MM, VENTRICLE, Anatomy
from dgmld_bench.phantom.pose import Pose
from dgmld_bench.phantom.rendering import Canvas, paint
from dgmld_bench.phantom.shapes import Ellipsoid, carve, join, rotation, tube
from dgmld_bench.sources.phantom import SOURCE, Phantom
from dgmld_bench.splits import get_split
from dgmld_bench.storage.register import has_register, read_register, write_register

TCD1, TCD2, HDV1, HDV2, ADV1, ADV2 = range(6)
UNMOVED = Pose(np.zeros(3), np.zeros(3), np.ones(3), np.zeros((1, 3)), np.zeros((1, 3)), np.zeros(1))


class Tiny(Phantom):
    """The same source with one case per split as its small size."""

    small = dict.fromkeys(Phantom.splits, 1)


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    Tiny().generate(folder)
    return folder


def image_hashes(folder: Path) -> dict[str, str]:
    return {
        str(p.relative_to(folder)): sha256_file(p) for p in sorted(folder.rglob("*")) if p.suffix in (".gz", ".json")
    }


# Shapes


def test_ellipsoid_field_is_zero_on_the_surface_and_near_the_distance_beside_it() -> None:
    body = Ellipsoid((1, 2, 3), (4, 5, 6), (10, 20, 30))
    normals = np.random.default_rng(0).normal(size=(50, 3))
    for normal in normals / np.linalg.norm(normals, axis=1, keepdims=True):
        surface = body.extreme(tuple(normal))
        assert body.field(surface) == pytest.approx(0, abs=1e-6)
        assert body.field(surface + 0.1 * normal) == pytest.approx(0.1, rel=0.1)
        assert body.field(surface - 0.1 * normal) == pytest.approx(-0.1, rel=0.1)


def test_extreme_of_a_turned_ellipsoid_is_the_farthest_of_its_points() -> None:
    body = Ellipsoid((0, 0, 0), (2, 3, 5), (40, -15, 25))
    sphere = np.random.default_rng(1).normal(size=(20_000, 3))
    sphere /= np.linalg.norm(sphere, axis=1, keepdims=True)
    points = (sphere * [2, 3, 5]) @ rotation((40, -15, 25)).T
    assert points[:, 2].max() <= body.extreme((0, 0, 1))[2] + 1e-9
    assert points[:, 2].max() == pytest.approx(body.extreme((0, 0, 1))[2], abs=0.01)


def test_tube_union_and_cut_by_hand() -> None:
    points = np.array([[0.0, 0, 0], [5, 2, 0], [12, 0, 0]]).T
    values = tube(points, [(0, 0, 0), (10, 0, 0)], [1.0, 3.0])
    np.testing.assert_allclose(values, [-1.0, 0.0, -1.0])  # radius 1 at the start, 2 half way, 3 at the end
    a, b = np.array([-1.0, 2.0, 0.0]), np.array([3.0, -4.0, 0.0])
    np.testing.assert_allclose(join(a, b), [-1, -4, 0])
    np.testing.assert_allclose(join(a, b, 2.0), [-1, -4, -0.5])  # only the seam is rounded
    np.testing.assert_allclose(carve(a, b), [-1, 4, 0])


# Anatomy and pose


@pytest.mark.parametrize("split", SOURCE.splits)
def test_landmarks_lie_on_the_surface_of_the_cerebellum_and_of_the_right_part(split: str) -> None:
    for number in range(1, 31):
        head = simulate(split, number)
        fields = head.anatomy.fields(head.pose.to_template(head.landmarks).T)
        np.testing.assert_allclose(fields["cerebellum"], 0, atol=1e-6)
        np.testing.assert_allclose(fields["hemispheres"][[TCD1, TCD2]], 0, atol=1e-6)
        np.testing.assert_allclose(fields["vermis"][[HDV1, HDV2, ADV1, ADV2]], 0, atol=1e-6)


def test_pose_and_its_inverse_agree() -> None:
    for number in range(1, 40):
        pose = simulate("phantom-feta", number).pose
        points = np.random.default_rng(number).uniform(-40, 40, (20, 3))
        np.testing.assert_allclose(pose.to_template(pose.to_world(points)), points, atol=1e-9)


def test_in_an_unmoved_head_mask_derived_landmarks_agree_to_a_voxel() -> None:
    # The layer of extreme voxel centres lies up to a voxel inside the surface; along the layer its mean strays
    # where the surface is flat, by less than two voxels.
    spacing = 0.5
    affine = np.diag([spacing, spacing, spacing, 1.0])
    shape = (140, 100, 90)
    affine[:3, 3] = [-34.9, -36.8, -41.7]
    body = Anatomy(vermis_tilt_deg=6, asymmetry=0.05)
    canvas = Canvas(body, UNMOVED, shape, affine)
    from dgmld_bench.phantom.centres import SOURCE as CENTRE

    paint(canvas, CENTRE.tissues)
    derived = derive.derive_landmarks(canvas.labels, affine, "feta")
    exact = body.landmarks()
    across = np.abs(derived - exact)[range(6), [0, 0, 2, 2, 1, 1]]
    assert across.max() <= 1.0 * spacing
    assert np.linalg.norm(derived - exact, axis=1).max() <= 2.5 * spacing


def test_names_mean_what_derive_means_by_them() -> None:
    for split in SOURCE.splits:
        points = np.array([simulate(split, n).landmarks for n in range(1, 31)])
        assert (points[:, TCD1, 0] > points[:, TCD2, 0]).all()  # patient's right first
        assert (points[:, HDV1, 2] > points[:, HDV2, 2]).all()  # top first
        assert (points[:, ADV1, 1] > points[:, ADV2, 1]).all()  # front first


def test_tcd_is_close_to_the_gestational_age_and_grows_with_it() -> None:
    heads = [simulate(s, n) for s in SOURCE.splits for n in range(1, 41)]
    usual = [h for h in heads if h.pathology != "small cerebellum"]
    ages = np.array([h.gestational_age_weeks for h in usual])
    tcd_mm = np.array([np.linalg.norm(h.landmarks[TCD1] - h.landmarks[TCD2]) for h in usual])
    assert np.corrcoef(ages, tcd_mm)[0, 1] > 0.9
    assert np.abs(tcd_mm / ages - 1).max() < 0.2
    assert np.ptp(ages) > 8
    small = [h for h in heads if h.pathology == "small cerebellum"]
    ratio = [np.linalg.norm(h.landmarks[TCD1] - h.landmarks[TCD2]) / h.gestational_age_weeks for h in small]
    assert len(small) >= 5
    assert np.mean(ratio) < 0.87


def test_template_is_as_wide_as_it_says() -> None:
    points = Anatomy().landmarks()
    assert np.linalg.norm(points[TCD1] - points[TCD2]) == pytest.approx(TEMPLATE_TCD_MM, rel=0.02)


def test_pathology_changes_what_it_names() -> None:
    heads = {p: next(h for n in range(1, 56) if (h := simulate("phantom-feta", n)).pathology == p) for p in PATHOLOGIES}
    assert heads["enlarged ventricles"].anatomy.ventricles > 1.6
    assert heads["low cerebellum"].anatomy.descent_mm >= 2
    assert heads["small cerebellum"].anatomy.cerebellum < 0.9
    larger = replace(Anatomy(), ventricles=2.0)
    affine = np.diag([1.6, 1.6, 1.6, 1.0])
    affine[:3, 3] = -40
    voxels = []
    for body in (Anatomy(), larger):
        canvas = Canvas(body, UNMOVED, (50, 50, 50), affine)
        from dgmld_bench.phantom.centres import SOURCE as CENTRE

        paint(canvas, CENTRE.tissues)
        voxels.append(int((canvas.labels == VENTRICLE).sum()))
    assert voxels[1] > 1.8 * voxels[0]


# Splits and centres


def test_every_case_of_the_full_size_is_inside_its_field_of_view_and_unlike_the_others() -> None:
    seen = set()
    for split, case_id in SOURCE.wanted("full"):
        head = simulate(split, int(case_id))
        index = geometry.world_to_index(head.affine, head.landmarks)
        assert (index > 2).all() and (index < np.array(head.shape) - 3).all(), (split, case_id)
        assert np.prod(head.shape) <= 110**3
        seen.add(head.landmarks.tobytes())
    assert len(seen) == 40 + 60 + 40 + 120 + 55


def test_counts_and_small_is_the_beginning_of_full() -> None:
    full, small = SOURCE.wanted("full"), SOURCE.wanted("small")
    for split in SOURCE.splits:
        ids = [i for s, i in full if s == split]
        assert len(ids) == get_split(split).n_cases
        assert [i for s, i in small if s == split] == ids[: SOURCE.small[split]]


def test_centres_differ_in_geometry_and_validation_is_a_mix() -> None:
    for split, name in (("phantom-train", "simulated source"), ("phantom-source", "simulated source")):
        heads = [simulate(split, n) for n in range(1, 21)]
        assert {h.centre.name for h in heads} == {name}
        assert {"".join(_letters(h.affine)) for h in heads} == {"RAS"}
        assert {float(geometry.voxel_sizes(h.affine)[0].round(6)) for h in heads} == {0.8}
        assert {h.pathology for h in heads} == {None}
    lfc = [simulate("phantom-lfc", n) for n in range(1, 41)]
    assert {"".join(_letters(h.affine)) for h in lfc} == {"LPS", "LPI", "PIR", "ARS"}
    assert {float(geometry.voxel_sizes(h.affine)[0].round(6)) for h in lfc} == {0.9, 1.0, 1.1}
    assert sum(simulate("phantom-feta", n).pathology is not None for n in range(1, 56)) > 15
    mix = [simulate("phantom-val", n).centre.name for n in range(1, 61)]
    assert mix.count("simulated LFC-like") == mix.count("simulated FeTA-like") == 30


def _letters(affine: np.ndarray) -> list[str]:
    directions = affine[:3, :3] / geometry.voxel_sizes(affine)
    return [
        next(("RL", "AP", "SI")[w][0 if d[w] > 0 else 1] for w in range(3) if abs(d[w]) > 0.5) for d in directions.T
    ]


def test_unknown_cases_are_refused() -> None:
    for split, number in (("lfc", 1), ("phantom-lfc", 0)):
        with pytest.raises(UsageError, match="the phantom has no case"):
            simulate(split, number)
    with pytest.raises(UsageError, match="unknown size 'ful'; did you mean 'full'"):
        SOURCE.wanted("ful")


# Files


def test_same_bytes_again_whatever_else_is_generated(generated: Path, tmp_path: Path) -> None:
    Tiny().generate(tmp_path)
    first, second = image_hashes(generated), image_hashes(tmp_path)
    assert len(first) == 5 * 5 + 1  # image, mask, three lines per case; the register
    assert first == second


def test_readers_read_the_phantom_back(generated: Path) -> None:
    for split in SOURCE.splits:
        (case,) = load_split(split, references=True, data_dir=generated)
        head = simulate(split, 1)
        np.testing.assert_allclose(case.landmarks, head.landmarks, atol=1e-9)
        np.testing.assert_allclose(case.affine, head.affine, atol=1e-4)
        assert case.image.shape == head.shape == case.mask.shape
        assert case.image.dtype == np.int16
        assert case.centre == head.centre.name
        assert case.info["gestational_age_weeks"] == head.gestational_age_weeks
        assert case.info["pathology"] == head.pathology
        # the stored label map is where the landmarks are, however its axes run
        assert derive.detect_scheme(case.mask, case.affine) == "feta"
        index = geometry.world_to_index(case.affine, case.landmarks)
        inside = index + 0.35 * (index.mean(axis=0) - index)
        assert (case.mask[tuple(inside.round().astype(int).T)] == CEREBELLUM).all()
        far = np.linalg.norm(derive.derive_landmarks(case.mask, case.affine) - case.landmarks, axis=1)
        assert far.max() < 4.0  # turned and bent: the extreme voxels are no longer the same anatomy
        assert set(np.unique(case.mask)) == set(range(8))


def test_centres_differ_in_appearance(generated: Path) -> None:
    def statistics(split: str) -> tuple[float, float]:
        """Contrast of cerebellum to fluid, and the share of voxels that are exactly 0."""
        (case,) = load_split(split, references=True, data_dir=generated)
        image = case.image.astype(float)
        return float(image[case.mask == CEREBELLUM].mean() / image[case.mask == CSF].mean()), float((image == 0).mean())

    source, unseen, lfc, feta = map(statistics, ("phantom-train", "phantom-source", "phantom-lfc", "phantom-feta"))
    assert source[0] == pytest.approx(unseen[0], abs=0.06)
    assert abs(source[0] - feta[0]) > 0.1
    assert min(source[1], unseen[1], feta[1]) > 0.5  # skull and background taken out
    assert lfc[1] < 0.05  # noise everywhere


def test_an_interrupted_run_goes_on_and_keeps_what_is_complete(tmp_path: Path) -> None:
    class Interrupt(Exception):
        pass

    def stop(done: int, total: int) -> None:
        if done == 2:
            raise Interrupt

    with pytest.raises(Interrupt):
        Tiny().generate(tmp_path, progress=stop)
    assert not has_register("phantom", tmp_path)
    first = tmp_path / "phantom" / "phantom-train" / "1"
    kept = (first / "image.nii.gz").stat().st_mtime_ns
    (tmp_path / "phantom" / "phantom-val" / "1" / "landmarks" / "HDV.mrk.json").unlink()
    (tmp_path / "phantom" / "register.json").write_text("{")  # of another version, say
    seen: list[tuple[int, int]] = []
    register = Tiny().generate(tmp_path, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(n, 5) for n in range(6)]
    assert len(register.cases) == 5
    assert register.options == {"size": "small"}
    assert (first / "image.nii.gz").stat().st_mtime_ns == kept
    assert load_split("phantom-val", data_dir=tmp_path)[0].landmarks.shape == (6, 3)


def test_files_of_another_version_and_damaged_ones_are_made_anew(generated: Path) -> None:
    path = generated / "phantom" / "phantom-train" / "1" / "landmarks" / "TCD.mrk.json"
    original = path.read_text()
    before = image_hashes(generated)
    path.write_text(original.replace('"position": [\n     ', '"position": [\n     1', 1))
    assert path.read_text() != original
    for name in ("phantom-val/1/image.nii.gz", "phantom-lfc/1/mask.nii.gz"):
        file = generated / "phantom" / name
        file.write_bytes(file.read_bytes()[:-20])
    Tiny().generate(generated)
    assert image_hashes(generated) == before


def test_small_after_full_takes_nothing_away(generated: Path) -> None:
    register = read_register("phantom", generated)
    asked: list[int] = []

    class Full(Tiny):
        def wanted(self, size: str) -> list[tuple[str, str]]:
            asked.append(size == "full")
            return [(s, "1") for s in self.splits]

    write_register(replace(register, options={"size": "full"}))
    try:
        assert Full().generate(generated, size="small").options == {"size": "full"}
        assert asked[-1]
    finally:
        write_register(register)


def test_one_generation_at_a_time(generated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from filelock import FileLock

    monkeypatch.setattr("dgmld_bench.storage.folders.LOCK_TIMEOUT_S", 0.05)
    with FileLock(generated / "phantom" / ".lock"), pytest.raises(DataError, match="is at work there; wait"):
        Tiny().generate(generated)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "phantom").write_text("in the way")
    with pytest.raises(DataError, match="phantom"):
        Tiny().generate(tmp_path)


def test_scan_finds_a_generated_folder_and_names_what_is_wrong(generated: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(generated / "phantom", tmp_path / "somewhere" / "else")
    root = tmp_path / "somewhere" / "else"
    (root / "phantom-val" / "1" / "mask.nii.gz").unlink()
    (root / "phantom-lfc" / "999").mkdir()
    shutil.rmtree(root / "phantom-feta")
    path = root / "phantom-source" / "1" / "landmarks" / "ADV.mrk.json"
    path.write_text((root / "phantom-train" / "1" / "landmarks" / "ADV.mrk.json").read_text())
    scan = SOURCE.scan(tmp_path)
    assert [(c.split, c.id) for c in scan.cases] == [("phantom-train", "1"), ("phantom-lfc", "1")]
    text = "\n".join(map(str, scan.problems))
    assert "phantom-val/1: incomplete, mask.nii.gz is not there" in text
    assert "phantom-lfc/999: unknown" in text
    assert "phantom-feta: no such folder" in text
    assert "phantom-source/1: its landmarks are not this version's" in text
    assert "phantom-train: 39 cases are missing" in text
    assert Path(scan.cases[0].image).is_file()
