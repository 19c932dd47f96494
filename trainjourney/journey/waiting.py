"""Waiting: a picture that must stand for a world that is away, kept in gentle motion. Pure.

It goes on a little the way the train went, comes slowly closer, and after some seconds grows dim.
"""

import numpy as np
from PIL import Image

from trainjourney.types import Frame

_CLOSER = 0.10  # part of the picture's width that goes out of sight in the end
_CLOSER_S = 20.0  # time for nearly all of that
_DIM_AFTER_S, _DIM_S, _DIMMED = 4.0, 8.0, 0.35


def wait_with(frame: Frame, waited_s: float, direction: float = 1.0) -> Frame:
    """The picture after so many seconds of waiting; at 0 it is the frame itself.

    `direction` is the speed that the train had: the view moves that way within the picture.
    """
    assert waited_s >= 0.0, waited_s
    height, width, _ = frame.shape
    gone = 1.0 - np.exp(-3.0 * waited_s / _CLOSER_S)  # starts gently enough beside a ride
    margin = _CLOSER * gone
    aside = 0.5 * margin * (1.0 + float(np.clip(direction, -1.0, 1.0)))
    left, top = aside * width, 0.6 * margin * height
    box = (left, top, left + (1.0 - margin) * width, top + (1.0 - margin) * height)
    moved = Image.fromarray(frame).resize((width, height), Image.Resampling.BILINEAR, box=box)
    dim = min(max((waited_s - _DIM_AFTER_S) / _DIM_S, 0.0), 1.0)
    light = 1.0 - (1.0 - _DIMMED) * dim * dim * (3.0 - 2.0 * dim)
    if light < 1.0:
        moved = moved.point([round(value * light) for value in range(256)] * 3)
    return np.asarray(moved, np.uint8)
