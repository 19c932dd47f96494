"""Pictures whose every frame can be told from the next, for films that are read back."""

from functools import cache

import numpy as np

from trainjourney.types import Frame


@cache
def _wave(width: int, height: int) -> Frame:
    y, x = np.mgrid[:height, : 2 * width]
    red = 128 + 90 * np.sin(x / 9)
    return np.stack([red, 0 * red, 90 + y % 100], -1).astype(np.uint8)


def picture(number: int, width: int = 128, height: int = 64) -> Frame:
    """A soft wave that moves by 6 px a frame over a green that tells the number."""
    left = 6 * number % width
    frame = _wave(width, height)[:, left : left + width].copy()
    frame[..., 1] = 40 + number % 40 * 4
    return frame
