"""Colour and contrast of a frame in a few numbers, and how far they drift along a film."""

import numpy as np
from numpy.typing import NDArray

from trainjourney.types import Frame

from .picture import Floats, blur, luma, shrink

Mask = NDArray[np.bool_]
STATISTICS = ("saturation", "contrast", "luma", "detail")
ROWS = 8
SETTLED, OPENING, ENDING = 200, 4500, 0.15  # frames; the last share of the film


def statistics(small: Floats) -> Floats:
    """STATISTICS of a picture [h, w, 3] 0..255: colourfulness, spread, brightness, detail."""
    bright = luma(small)
    detail = blur(bright, 1) - blur(bright, 4)
    colourful = (small.max(2) - small.min(2)).mean()
    return np.array([colourful, bright.std(), bright.mean(), np.abs(detail).mean()], np.float32)


def palette(small: Floats) -> Floats:
    """Mean and spread of the colours in ROWS bands of rows, [ROWS * 6], 0..1."""
    rows = small.reshape(ROWS, -1, 3) / np.float32(255.0)
    return np.concatenate([rows.mean(1), rows.std(1)], 1).ravel().astype(np.float32)


def look_at(frame: Frame) -> tuple[Floats, Floats]:
    """Statistics and palette of a frame at the judged size."""
    small = shrink(frame, 2)
    return statistics(small), palette(small)


def opening_and_ending(times: Floats) -> tuple[Mask, Mask]:
    """Which samples make the opening of a film, after it has settled, and which its end.

    A short film is compared with its own second half.
    """
    last = float(times.max())
    end = times > min(last - ENDING * last, last - 1)
    start = (times >= min(SETTLED, 0.2 * last)) & (times < min(OPENING, 0.5 * last))
    if last < 2 * OPENING:
        end = times >= 0.5 * last
    return start, end


def drift(values: Floats, start: Mask, end: Mask) -> dict[str, float]:
    """How much each of STATISTICS [n, 4] differs from start to end, as a share of the start."""
    if not start.any() or not end.any():
        return dict.fromkeys(STATISTICS, float("nan"))
    before, after = values[start].mean(0), values[end].mean(0)
    apart = np.abs(after - before) / (np.abs(before) + 0.25)
    return dict(zip(STATISTICS, map(float, apart), strict=True))
