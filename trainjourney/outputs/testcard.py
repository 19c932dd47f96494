"""A test card and the code that says which frame a picture is: honest stand-ins for a world.

The code is a row of black and white cells along the top: a frame of cells that never change about
32 bits and their check sum. It outlives a lossy encoder, and a page can read it back.
"""

import time
from collections.abc import Callable

import numpy as np

from trainjourney.types import Frame, Frames

CELLS = 44  # white, black, 32 bits, 8 of check, black, white
_BITS = 32
CODE_PX = 16  # rows that the code takes


def stamp(frame: Frame, value: int) -> Frame:
    """The frame with `value` (modulo 2^32) written along its top; a copy."""
    value %= 1 << _BITS
    bits = [1, 0]
    bits += [value >> (_BITS - 1 - i) & 1 for i in range(_BITS)]
    check = _check(value)
    bits += [check >> (7 - i) & 1 for i in range(8)] + [0, 1]
    width = frame.shape[1]
    cells = np.array(bits, np.uint8)[np.arange(width) * CELLS // width] * 235
    out = frame.copy()
    out[:CODE_PX] = cells[None, :, None]
    return out


def read_stamp(frame: Frame) -> int | None:
    """What `stamp` wrote; None where there is none, or it cannot be read any more."""
    width = frame.shape[1]
    middles = ((np.arange(CELLS) + 0.5) * width / CELLS).astype(int)
    bits = (frame[CODE_PX // 2, middles].mean(axis=-1) > 118).astype(int)
    if list(bits[:2]) != [1, 0] or list(bits[-2:]) != [0, 1]:
        return None
    value = int("".join(map(str, bits[2 : 2 + _BITS])), 2)
    check = int("".join(map(str, bits[2 + _BITS : -2])), 2)
    return value if check == _check(value) else None


def _check(value: int) -> int:
    places = ((0, 3), (8, 5), (16, 7), (24, 11))
    return sum((value >> shift & 0xFF) * weight for shift, weight in places) & 0xFF


class TestCard:
    """Frames of a hilly country that rolls by at a steady rate, each with its number on it."""

    __test__ = False  # for pytest: not a test

    def __init__(
        self, width: int = 512, height: int = 256, fps: float = 30.0,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.width, self.height, self.fps, self._now_s = width, height, fps, now_s
        self._begun_s = now_s()
        self._country = _country(2 * width, height)

    def newest(self, after: int) -> tuple[int, Frame] | None:
        """The frame of now."""
        number = int((self._now_s() - self._begun_s) * self.fps) + 1
        if number <= after:
            return None
        left = 4 * number % self.width
        return number, stamp(self._country[:, left : left + self.width], number)


class Stamped:
    """Frames of a show with the time of this machine's clock on each, ms, for glass to glass."""

    def __init__(self, frames: Frames, now_s: Callable[[], float] = time.time) -> None:
        self._frames, self._now_s = frames, now_s

    def newest(self, after: int) -> tuple[int, Frame] | None:
        """The newest frame, and when it was taken up."""
        newest = self._frames.newest(after)
        if newest is None:
            return None
        return newest[0], stamp(newest[1], int(self._now_s() * 1000.0))


def _country(width: int, height: int) -> Frame:
    """Sky, two ranges of hills and a field, the same at both ends so that it can roll."""
    x = np.arange(width)[None] * (2 * np.pi / (width / 2))
    y = np.arange(height)[:, None] / height
    picture = np.empty((height, width, 3), np.float32)
    picture[:] = np.array([166, 190, 205]) + (y[..., None] * np.array([60, 30, 0]))
    for base, rise, beats, colour in (
        (0.5, 0.09, 3, (108, 132, 140)), (0.66, 0.06, 5, (92, 120, 92)),
        (0.84, 0.02, 11, (128, 132, 70)),
    ):  # fmt: skip
        line = base - rise * (np.sin(x * beats) + 0.5 * np.sin(x * (2 * beats + 1)))
        picture[y > line] = colour
    return picture.clip(0, 255).astype(np.uint8)
