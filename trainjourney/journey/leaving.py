"""What is seen until the country of a departure is there: breath comes up on the window's glass.

Behind it the train rolls on through the country that it leaves, in the look that is wanted now.
That country is dreamt no further, so it lasts as far as the old state reaches: seconds of what is
near, minutes of what is far. By then little can be told through the glass.
"""

import logging

import numpy as np
from PIL import Image

from trainjourney.errors import BackendError
from trainjourney.inference import Engine
from trainjourney.journey.picture import blend
from trainjourney.types import Controls, Frame, State

log = logging.getLogger(__name__)

FADE_S = 1.0  # from what was last seen into a new country
BREATH_S = 1.0  # in which it comes up
THICK = 0.95  # at its thickest, of what is seen
BLURRED = (8, 16)  # px across and down that are left of a picture behind breath
PALE = 0.3  # how far they go toward their mean
FAR = 512.0  # frames of cruising to which the old country is rolled


class Leaving:
    """The country that is left, in the window."""

    def __init__(self, engine: Engine, fps: float, seen: Frame, state: State | None) -> None:
        """The picture `seen` stands still where there is no state; a state is of a bundle that
        looks ahead, and kept by nobody else."""
        self._engine, self._rise = engine, 1.0 / (BREATH_S * fps)
        self._seen, self._state = seen, state
        self._way = 0.0  # since then, in frames of cruising
        self._breath = 0.0  # on the glass, 0 to 1

    def next(self, controls: Controls) -> Frame:
        """The next frame. What cannot be decoded is logged, and the picture stands from there."""
        self._way = min(max(self._way + controls.speed, -FAR), FAR)
        self._breath = min(self._breath + self._rise, 1.0)
        if self._state is not None:
            try:
                self._seen = self._engine.decode(self._state, controls.embedding, self._way)
            except BackendError as err:
                log.warning("the country that is left stands still: %s", err)
                self._state = None
        return blend(self._seen, misted(self._seen), THICK * self._breath)


class Fade:
    """From what was last shown into what comes, once that was left."""

    def __init__(self, fps: float, shown: Frame | None) -> None:
        self._frames = FADE_S * fps
        self._shown = shown  # the last one
        self._left: Frame | None = None  # what is left, until it is gone
        self._count = 0  # of frames since

    def leave(self) -> None:
        """What was shown last fades into what comes from now on."""
        self._left, self._count = self._shown, 0

    def over(self, frame: Frame) -> Frame:
        """The next frame, as it is shown."""
        self._count += 1
        if self._count >= self._frames:
            self._left = None
        share = self._count / self._frames
        self._shown = frame if self._left is None else blend(self._left, frame, share)
        return self._shown


def misted(frame: Frame) -> Frame:
    """What a frame looks like behind glass that is covered with breath."""
    image = Image.fromarray(frame)
    few = np.asarray(image.resize(BLURRED, Image.Resampling.BOX), np.float32)
    pale = few + (few.mean((0, 1)) - few) * PALE
    blurred = Image.fromarray((pale + 0.5).astype(np.uint8))
    return np.asarray(blurred.resize(image.size, Image.Resampling.BICUBIC))
