"""The finish: blackout, brightness and contrast, laid over a frame by a table of 256 values."""

import numpy as np
from numpy.typing import NDArray

from trainjourney.types import Frame

LIGHT = ("blackout", "brightness", "contrast")  # the controls, as they are given
_PLAIN = (0.0, 1.0, 1.0)
_LEVELS = np.arange(256) / 255.0


class Finish:
    """Keeps the table while nothing is turned."""

    def __init__(self) -> None:
        self._made_for = _PLAIN
        self._table = finish_table(*_PLAIN)

    def __call__(self, frame: Frame, blackout: float, brightness: float, contrast: float) -> Frame:
        """The frame [H, W, 3] finished; itself where nothing is to be done."""
        wanted = (blackout, brightness, contrast)
        if wanted == _PLAIN:
            return frame
        if wanted != self._made_for:
            self._made_for, self._table = wanted, finish_table(*wanted)
        return np.take(self._table, frame)


def finish_table(blackout: float, brightness: float, contrast: float) -> NDArray[np.uint8]:
    """What each of 256 values becomes: contrast about mid grey, then brightness, then black.

    Blackout 0..1, brightness and contrast 0..2; 0, 1, 1 change nothing.
    """
    lit = ((_LEVELS - 0.5) * contrast + 0.5).clip(0.0, 1.0) * brightness * (1.0 - blackout)
    return (lit.clip(0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
