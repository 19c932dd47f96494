"""A picture from any file, safely, as a frame: cropped to cover, never stretched.

What is transparent is laid over mid grey: black would read as night and white as snow, grey says
nothing to the encoder. The first picture of an animation counts.
"""

import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from trainjourney.errors import PictureError
from trainjourney.types import Frame

SMALLEST = 16  # px on the shorter side
MOST_PX = 100_000_000  # to be decoded whole: 300 MB for a moment
MOST_JPEG_PX = 300_000_000  # a JPEG is decoded at an eighth where it is that large
_GREY = (128, 128, 128, 255)
_BROKEN = (
    OSError, ValueError, SyntaxError, EOFError, IndexError, KeyError, TypeError, OverflowError,
    MemoryError, struct.error, Image.DecompressionBombError,
)  # what Pillow raises on a broken file, by format  # fmt: skip


def load_picture(path: Path, width: int, height: int) -> Frame:
    """The picture at `path` as a frame of that size. Raises PictureError."""
    if not path.is_file():
        what = "is no file" if path.exists() else "no such picture"
        raise PictureError(f"{path}: {what}; give a JPEG, PNG or WebP that is there")
    try:
        with _own_limits(), Image.open(path) as image:
            _check_size(path, image)
            # A JPEG can be decoded small; square, for EXIF may yet turn it on its side.
            image.draft("RGB", (2 * max(width, height),) * 2)
            return cover(_upright_rgb(image), width, height)
    except UnidentifiedImageError as err:
        raise PictureError(f"{path}: is not a picture; give a JPEG, PNG or WebP") from err
    except PermissionError as err:
        raise PictureError(f"{path}: may not be read; allow it with chmod +r") from err
    except _BROKEN as err:
        raise PictureError(f"{path}: is broken ({_one_line(err)}); give another picture") from err


def cover(image: Image.Image, width: int, height: int) -> Frame:
    """The middle of an RGB image as a frame of that size: as much as fits, nothing stretched."""
    scale = min(image.width / width, image.height / height)
    wide, tall = width * scale, height * scale
    left, top = (image.width - wide) / 2, (image.height - tall) / 2
    box = (left, top, min(left + wide, image.width), min(top + tall, image.height))
    small = image.resize((width, height), Image.Resampling.LANCZOS, box=box, reducing_gap=3.0)
    return np.asarray(small, np.uint8).copy()


def blend(under: Frame, over: Frame, share: float) -> Frame:
    """Two frames of one size crossfaded: `share` 0 is `under`, 1 is `over`."""
    assert under.shape == over.shape, (under.shape, over.shape)
    mixed = Image.blend(Image.fromarray(under), Image.fromarray(over), min(max(share, 0.0), 1.0))
    return np.asarray(mixed, np.uint8)


@contextmanager
def _own_limits() -> Iterator[None]:
    """Pillow's own limit out of the way while ours is asked, and its warnings kept quiet."""
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on odd EXIF and the like
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _check_size(path: Path, image: Image.Image) -> None:
    size = f"{path}: is {image.width} x {image.height} px"
    if min(image.size) < SMALLEST:
        raise PictureError(f"{size}, too small to start from; give at least {SMALLEST} a side")
    most = MOST_JPEG_PX if image.format == "JPEG" else MOST_PX
    if image.width * image.height > most:
        raise PictureError(f"{size}, above {most // 1_000_000} megapixels; give a smaller one")


def _upright_rgb(image: Image.Image) -> Image.Image:
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith(("I", "F")):
        return _from_deep(np.asarray(image, np.float64))
    if image.has_transparency_data:
        over = Image.new("RGBA", image.size, _GREY)
        return Image.alpha_composite(over, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")


def _from_deep(values: NDArray[np.float64]) -> Image.Image:
    """Grey of 16 or 32 bits or floats in RGB of 8 bits: the least usual scale that holds it."""
    peak = float(np.nanmax(values))
    scales = (1.0, 255.0, 65535.0)
    scale = next((scale for scale in scales if peak <= scale), peak)
    grey = np.nan_to_num(values / scale * 255.0).clip(0.0, 255.0)
    return Image.fromarray((grey + 0.5).astype(np.uint8)).convert("RGB")


def _one_line(err: BaseException) -> str:
    return " ".join(str(err).split()) or type(err).__name__
