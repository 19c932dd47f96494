"""The overlay: a line of small quiet text over the picture."""

from PIL import Image, ImageDraw

from trainjourney.lettering import font_for

_TEXT_PX = 13
_PAD_X, _PAD_Y = 10, 6
_PAPER = (12, 14, 18, 112)
_INK = (255, 255, 255, 215)
_SHARPER = 4  # drawn this much larger, for smooth corners


def draw_label(text: str, scale: float = 1.0) -> Image.Image:
    """The text in white on a dark, see-through slip with round corners, RGBA."""
    text_px, pad_x, pad_y = (round(side * scale) for side in (_TEXT_PX, _PAD_X, _PAD_Y))
    font = font_for(text, text_px)
    width = round(font.getlength(text)) + 2 * pad_x
    height = text_px + 2 * pad_y
    large = (width * _SHARPER, height * _SHARPER)
    slip = Image.new("L", large)
    corner = height * _SHARPER // 2
    ImageDraw.Draw(slip).rounded_rectangle((0, 0, *(side - 1 for side in large)), corner, 255)
    shape = slip.resize((width, height), Image.Resampling.LANCZOS)
    label = Image.new("RGBA", (width, height), _PAPER[:3])
    label.putalpha(shape.point([value * _PAPER[3] // 255 for value in range(256)]))
    ink = Image.new("RGBA", (width, height), (*_INK[:3], 0))
    ImageDraw.Draw(ink).text((pad_x, height / 2), text, _INK, font, anchor="lm")
    return Image.alpha_composite(label, ink)
