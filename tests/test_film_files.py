from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dgmld_bench.errors import DataError
from dgmld_bench.formats import films
from dgmld_bench.landmarks import CEPHALOMETRIC

GREY = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20


@pytest.mark.parametrize("suffix", ["bmp", "png", "tif", "TIFF"])
def test_reads_grey_films(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(GREY).save(path)
    np.testing.assert_array_equal(films.read_film(path), GREY)
    assert films.read_film_size(path) == (4, 3)
    assert films.is_film(path)


def test_jpeg_and_colour_and_16_bits(tmp_path: Path) -> None:
    Image.new("RGB", (8, 6), (90, 90, 90)).save(tmp_path / "a.jpg")
    assert np.abs(films.read_film(tmp_path / "a.jpg").astype(int) - 90).max() <= 2
    Image.new("RGBA", (8, 6), (50, 50, 50, 9)).save(tmp_path / "a.png")
    assert (films.read_film(tmp_path / "a.png") == 50).all()
    deep = (GREY.astype(np.uint16) + 1) * 250
    Image.fromarray(deep).save(tmp_path / "b.png")
    array = films.read_film(tmp_path / "b.png")
    assert array.dtype == np.uint16
    np.testing.assert_array_equal(array, deep)


def test_scale_comes_from_the_image_at_hand(tmp_path: Path) -> None:
    Image.new("L", (774, 960)).save(tmp_path / "a.png")
    affine = films.film_affine(tmp_path / "a.png", films.ISBI_SIZE)
    np.testing.assert_allclose(affine @ [959.5, 773.5, 1], [1934.5, 2399.5, 1])
    np.testing.assert_array_equal(films.film_affine(tmp_path / "a.png") @ [7, 5, 1], [5, 7, 1])


@pytest.mark.parametrize("size", [(960, 774), (774, 900), (1935, 2390)])
def test_cropped_or_turned_films_are_refused(tmp_path: Path, size: tuple[int, int]) -> None:
    Image.new("L", size).save(tmp_path / "a.png")
    with pytest.raises(DataError, match="no reduced copy of 1935x2400"):
        films.film_affine(tmp_path / "a.png", films.ISBI_SIZE)


@pytest.mark.parametrize("size", [(1935, 2400), (968, 1200), (645, 800), (512, 635)])
def test_rounded_reductions_pass(tmp_path: Path, size: tuple[int, int]) -> None:
    Image.new("1", size).save(tmp_path / "a.png")
    assert films.film_affine(tmp_path / "a.png", films.ISBI_SIZE).shape == (3, 3)


def test_bad_images(tmp_path: Path) -> None:
    (tmp_path / "page.png").write_text("<html>")
    (tmp_path / "empty.bmp").touch()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (99, 99), np.uint8)).save(tmp_path / "cut.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "cut.png").read_bytes()[:4000])
    Image.new("L", (4, 4)).save(tmp_path / "two.tif", save_all=True, append_images=[Image.new("L", (4, 4))])
    Image.new("L", (4, 4)).save(tmp_path / "gif.png", format="GIF")
    Image.fromarray(np.full((4, 4), 4095.0, np.float32)).save(tmp_path / "decimals.tif")
    for name in ("page.png", "empty.bmp", "cut.png", "two.tif", "gif.png", "decimals.tif", "absent.jpg"):
        with pytest.raises(DataError, match=name.replace(".", r"\.")):
            films.read_film(tmp_path / name)


@pytest.mark.parametrize("edge", [9_000, 12_000, 20_000])  # over our limit, over Pillow's warning, over its error
def test_decompression_bombs(tmp_path: Path, edge: int) -> None:
    Image.new("1", (edge, edge)).save(tmp_path / "bomb.png")
    with pytest.raises(DataError, match=r"bomb\.png.*limit"):
        films.read_film(tmp_path / "bomb.png")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
def test_pixels_are_taken_as_stored_in_every_format(tmp_path: Path, suffix: str, orientation: int) -> None:
    stored = np.kron(GREY, np.ones((16, 16), np.uint8))
    path = tmp_path / f"a.{suffix}"
    exif = Image.Exif()
    exif[274] = orientation
    options = {"tiffinfo": {274: orientation}} if suffix == "tif" else {"exif": exif}
    Image.fromarray(stored).save(path, **options)
    assert films.read_film_size(path) == (64, 48)
    assert np.abs(films.read_film(path).astype(int) - stored).max() <= (8 if suffix == "jpg" else 0)
    remarks = films.film_remarks(path)
    assert len(remarks) == (orientation != 1) and all(f"EXIF orientation {orientation}" in r for r in remarks)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_white_is_zero_is_turned_around(tmp_path: Path, kind: type) -> None:
    grey = GREY.astype(kind) * (1 if kind is np.uint8 else 250)
    Image.fromarray(grey).save(tmp_path / "a.tif", tiffinfo={262: 0})
    raw = (tmp_path / "a.tif").read_bytes()
    with Image.open(tmp_path / "a.tif") as image:
        assert image.tag_v2[262] == 0
    expected = grey if grey.tobytes() not in raw else np.iinfo(kind).max - grey  # what the file means by what it holds
    np.testing.assert_array_equal(films.read_film(tmp_path / "a.tif"), expected)


@pytest.mark.parametrize("tag", [256, 257, 258, 259, 273, 277, 279])
@pytest.mark.parametrize("damage", ["missing", "type", "count"])
def test_a_tiff_with_a_damaged_directory_ends_in_one_message(tmp_path: Path, tag: int, damage: str) -> None:
    path = tmp_path / "a.tif"
    Image.fromarray(GREY).save(path)
    raw = bytearray(path.read_bytes())
    start = int.from_bytes(raw[4:8], "little")
    for entry in range(start + 2, start + 2 + 12 * int.from_bytes(raw[start : start + 2], "little"), 12):
        if int.from_bytes(raw[entry : entry + 2], "little") == tag:
            if damage == "missing":
                raw[entry : entry + 2] = (65000).to_bytes(2, "little")
            elif damage == "type":
                raw[entry + 2 : entry + 4] = (2).to_bytes(2, "little")
            else:
                raw[entry + 4 : entry + 8] = (0).to_bytes(4, "little")
    path.write_bytes(raw)
    for read in (films.read_film_size, films.read_film, films.film_remarks):
        try:
            read(path)
        except DataError as error:
            assert str(path) in str(error)


def test_isbi_text(tmp_path: Path) -> None:
    path = tmp_path / "001.txt"
    path.write_text("".join(f"{n},{n + 0.5}\r\n" for n in range(19)) + "2\r\n1\r\n")
    points = films.read_isbi_points(path, CEPHALOMETRIC)
    assert points.shape == (19, 2) and points[18].tolist() == [18, 18.5]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2\n" * 18, "18 lines, expected at least 19"),
        ("1,2\n" * 5 + "1;2\n" + "1,2\n" * 15, "line 6"),
        ("1,2\n" * 18 + "nan,2\n", "line 19"),
        ("1,2,3\n" * 19, "line 1"),
        ("1,1e9\n" * 19, "line 1"),
        ("1,2\n" * 100_000, "at most"),
    ],
)
def test_bad_isbi_text(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "001.txt").write_text(text)
    with pytest.raises(DataError, match=message) as error:
        films.read_isbi_points(tmp_path / "001.txt", CEPHALOMETRIC)
    assert "001.txt" in str(error.value)
