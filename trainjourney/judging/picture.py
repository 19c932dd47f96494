"""Frames made comparable: every bundle is judged at one size, whatever it dreams in."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from trainjourney.types import Frame

WIDTH, HEIGHT = 512, 256  # px that a frame is judged at
Floats = NDArray[np.floating[Any]]


def fit(frame: Frame) -> Frame:
    """The frame at the judged size."""
    assert frame.ndim == 3 and frame.shape[2] == 3 and frame.dtype == np.uint8, frame.shape
    if frame.shape[:2] == (HEIGHT, WIDTH):
        return frame
    return np.asarray(Image.fromarray(frame).resize((WIDTH, HEIGHT), Image.Resampling.BOX))


def shrink(frame: Frame, by: int) -> Floats:
    """Means of squares of `by` pixels, [H/by, W/by, 3], 0..255."""
    h, w = frame.shape[0] // by, frame.shape[1] // by
    # columns first: whole rows of bytes add up much faster than single pixels
    rows = frame[: h * by, : w * by].reshape(h, by, w * by * 3).sum(1, dtype=np.float32)
    out: Floats = rows.reshape(h, w, by, 3).sum(2) / np.float32(by * by)
    return out


def luma(rgb: NDArray[np.generic]) -> Floats:
    """Brightness [H, W], 0..255 (ITU-R BT.601)."""
    out: Floats = rgb.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    return out


def blur(a: Floats, radius: int, axes: tuple[int, ...] = (0, 1)) -> Floats:
    """Box mean along the axes, edges repeated."""
    for axis in axes:
        n = a.shape[axis]
        pad = [(0, 0)] * a.ndim
        pad[axis] = (radius + 1, radius)
        total = np.cumsum(np.pad(a, pad, mode="edge"), axis=axis, dtype=np.float64)
        high = np.take(total, range(2 * radius + 1, n + 2 * radius + 1), axis=axis)
        low = np.take(total, range(n), axis=axis)
        a = ((high - low) / (2 * radius + 1)).astype(np.float32)
    return a
