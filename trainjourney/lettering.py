"""The letters that we write on pictures: Pillow's own quiet ones, or any that has all letters."""

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from PIL import ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
# Where systems have them: of most alphabets first, then of Chinese, Japanese and Korean.
_NAMES = (
    "DejaVuSans.ttf", "NotoSans-Regular.ttf", "LiberationSans-Regular.ttf", "Arial.ttf",
    "NotoSansCJK-Regular.ttc", "wqy-zenhei.ttc", "Arial Unicode.ttf", "msyh.ttc", "malgun.ttf",
)  # fmt: skip
_NONE = "\U0010fffd"  # no font has it


def font_for(text: str, px: float) -> Font:
    """Letters of `px` height in which all of `text` can be read, where there are any."""
    return _font("".join(sorted({letter for letter in text if not letter.isascii()})), px)


@lru_cache(maxsize=64)
def _font(letters: str, px: float) -> Font:
    quiet = ImageFont.load_default(px)
    for font in (quiet, *_found(px)) if letters else ():
        if isinstance(font, ImageFont.FreeTypeFont) and _has(font, letters):
            return font
    return quiet


def _found(px: float) -> list[ImageFont.FreeTypeFont]:
    fonts = []
    for name in _NAMES:
        try:
            fonts.append(ImageFont.truetype(name, px))
        except OSError:
            continue
    window = find_spec("pygame")
    if window and window.origin:  # comes with Latin, Greek and Cyrillic ones
        own = Path(window.origin).with_name("freesansbold.ttf")
        fonts += [ImageFont.truetype(own, px)] if own.exists() else []
    return fonts


def _has(font: ImageFont.FreeTypeFont, letters: str) -> bool:
    blank = font.getmask(_NONE)
    boxes = bytes(blank), blank.size
    masks = (font.getmask(letter) for letter in letters)
    return all((bytes(mask), mask.size) != boxes for mask in masks)
