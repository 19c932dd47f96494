"""Pictures from any file: upright, RGB, cropped to cover; or one line that says why not."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trainjourney.errors import PictureError
from trainjourney.journey.picture import load_picture
from trainjourney.types import Frame

WIDTH, HEIGHT = 128, 64
RED, GREEN, BLUE = (220, 30, 20), (20, 200, 40), (30, 40, 210)


def halves(width: int = 400, height: int = 200) -> Image.Image:
    """Red on the left, blue on the right."""
    image = Image.new("RGB", (width, height), RED)
    image.paste(BLUE, (width // 2, 0, width, height))
    return image


def load(path: Path) -> Frame:
    frame = load_picture(path, WIDTH, HEIGHT)
    assert frame.shape == (HEIGHT, WIDTH, 3) and frame.dtype == np.uint8
    assert frame.flags.c_contiguous and frame.flags.writeable
    return frame


def is_halves(frame: Frame, off: int = 12) -> bool:
    left, right = frame[8:-8, 8:48].reshape(-1, 3), frame[8:-8, -48:-8].reshape(-1, 3)
    return bool(np.abs(left.mean(0) - RED).max() < off and np.abs(right.mean(0) - BLUE).max() < off)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.bmp", "a.gif", "a.tiff"])
def test_every_usual_format_is_read(tmp_path: Path, name: str) -> None:
    halves().save(tmp_path / name)
    assert is_halves(load(tmp_path / name))


def test_the_middle_is_kept_and_nothing_stretched(tmp_path: Path) -> None:
    image = Image.new("RGB", (300, 300), GREEN)
    image.paste(RED, (0, 75, 150, 225))
    image.paste(BLUE, (150, 75, 300, 225))
    image.save(tmp_path / "square.png")
    assert is_halves(load(tmp_path / "square.png"))


@pytest.mark.parametrize("turn", range(1, 9))
def test_exif_turns_the_picture_upright(tmp_path: Path, turn: int) -> None:
    undo = {
        2: [Image.Transpose.FLIP_LEFT_RIGHT],
        3: [Image.Transpose.ROTATE_180],
        4: [Image.Transpose.FLIP_TOP_BOTTOM],
        5: [Image.Transpose.TRANSPOSE],
        6: [Image.Transpose.ROTATE_90],
        7: [Image.Transpose.TRANSVERSE],
        8: [Image.Transpose.ROTATE_270],
    }.get(turn, [])
    image = halves()
    for step in undo:
        image = image.transpose(step)
    exif = Image.Exif()
    exif[0x0112] = turn
    image.save(tmp_path / "turned.jpg", exif=exif, quality=95)
    assert is_halves(load(tmp_path / "turned.jpg"))


def test_a_cmyk_jpeg_is_read(tmp_path: Path) -> None:
    halves().convert("CMYK").save(tmp_path / "print.jpg", quality=95)
    assert is_halves(load(tmp_path / "print.jpg"))


@pytest.mark.parametrize("mode", ["P", "PA", "LA", "L", "1", "YCbCr", "LAB", "HSV"])
def test_every_mode_is_read(tmp_path: Path, mode: str) -> None:
    suffix = {"YCbCr": ".jpg", "LAB": ".tiff", "HSV": ".tiff"}.get(mode, ".png")
    image = halves()
    if mode == "HSV":  # no file holds it; Pillow's own way out
        image = image.convert("HSV").convert("RGB")
    elif mode == "LAB":
        image = Image.new("LAB", (400, 200))
    elif mode == "PA":
        image = image.convert("RGBA").quantize()
    else:
        image = image.convert(mode)
    image.save(tmp_path / f"a{suffix}")
    load(tmp_path / f"a{suffix}")


@pytest.mark.parametrize("kind", ["RGBA", "palette", "key"])
def test_what_is_transparent_lies_over_mid_grey(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.png"
    if kind == "RGBA":
        Image.new("RGBA", (200, 100), (255, 0, 0, 0)).save(path)
    elif kind == "palette":
        image = Image.new("P", (200, 100), 3)
        image.putpalette([*RED, *GREEN, *BLUE, *RED])
        image.save(path, transparency=3)
    else:
        Image.new("RGB", (200, 100), RED).save(path, transparency=RED)
    assert np.abs(load(path).astype(int) - 128).max() <= 1


def test_half_transparent_is_half_grey(tmp_path: Path) -> None:
    Image.new("RGBA", (200, 100), (255, 255, 255, 128)).save(tmp_path / "a.png")
    assert np.abs(load(tmp_path / "a.png").astype(int) - 192).max() <= 1


@pytest.mark.parametrize(
    ("values", "name"),
    [
        (np.linspace(0, 65535, 400).astype(np.uint16), "deep.png"),
        (np.linspace(0, 65535, 400).astype(np.uint16), "deep.tiff"),
        (np.linspace(0, 1, 400).astype(np.float32), "float.tiff"),
        (np.linspace(0, 255, 400).astype(np.float32), "float.tiff"),
        (np.linspace(0, 65535, 400).astype(np.int32), "wide.tiff"),
    ],
)
def test_deep_greys_are_not_clipped(
    tmp_path: Path, values: np.ndarray[tuple[int], np.dtype[np.float32]], name: str
) -> None:
    Image.fromarray(np.tile(values, (200, 1))).save(tmp_path / name)
    row = load(tmp_path / name)[32, :, 0].astype(int)
    assert row[0] < 5 and row[-1] > 250 and abs(row[64] - 128) < 4


def test_wide_pictures_are_read_small(tmp_path: Path) -> None:
    halves(20_000, 400).save(tmp_path / "wide.jpg")
    halves(20_000, 400).save(tmp_path / "wide.png", compress_level=1)
    for name in ("wide.jpg", "wide.png"):
        assert is_halves(load(tmp_path / name)), name


def test_a_picture_above_the_cap_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    Image.new("1", (20_000, 20_000)).save(path)
    refused(path, "is 20000 x 20000 px, above 100 megapixels; give a smaller one")


def refused(path: Path, words: str) -> None:
    with pytest.raises(PictureError) as caught:
        load(path)
    message = str(caught.value)
    assert words in message and str(path) in message and "\n" not in message
    assert "give " in message or "chmod" in message


def test_what_is_no_picture_is_refused_in_one_line(tmp_path: Path) -> None:
    refused(tmp_path / "none.jpg", "no such picture")
    refused(tmp_path, "is no file")
    refused(Path("/dev/null"), "is no file")
    (tmp_path / "text.jpg").write_text("not a picture\n" * 100)
    refused(tmp_path / "text.jpg", "is not a picture")
    (tmp_path / "empty.png").write_bytes(b"")
    refused(tmp_path / "empty.png", "is not a picture")


@pytest.mark.parametrize("size", [(1, 1), (4000, 15), (15, 400)])
def test_a_tiny_picture_is_refused(tmp_path: Path, size: tuple[int, int]) -> None:
    Image.new("RGB", size).save(tmp_path / "tiny.png")
    refused(tmp_path / "tiny.png", "too small to start from; give at least 16 a side")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".gif", ".tiff", ".bmp"])
def test_broken_files_end_in_one_line(tmp_path: Path, suffix: str) -> None:
    whole = tmp_path / f"whole{suffix}"
    noise = np.random.default_rng(0).integers(0, 256, (100, 200, 3), dtype=np.uint8)
    Image.fromarray(noise).save(whole)
    data = whole.read_bytes()
    rng = np.random.default_rng(1)
    read = 0
    for trial in range(60):
        bad = bytearray(data[: len(data) * (trial % 10 + 1) // 10])
        for place in rng.integers(0, min(len(bad), 400), trial % 7):
            bad[place] = int(rng.integers(0, 256))
        path = tmp_path / f"bad{suffix}"
        path.write_bytes(bad)
        try:
            load(path)
            read += 1
        except PictureError as err:
            assert "\n" not in str(err) and len(str(err)) < 400
    assert read < 60
