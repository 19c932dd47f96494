"""The relay: the frames of whichever world plays now, and a moving picture while none does.

Every reader of the show looks here. A world that is away leaves its last picture in gentle motion;
the one that comes back, or takes over, fades in. So nobody else needs to know of worlds.
"""

import threading
import time
from collections.abc import Callable

import numpy as np
from PIL import Image

from trainjourney.journey.picture import blend, cover
from trainjourney.journey.waiting import wait_with
from trainjourney.show.frames import FrameRing
from trainjourney.types import Frame

STALL_S = 0.3  # without a frame, before the picture is moved for it
RETURN_S = 0.4  # fade from the moved picture into a world that is back


class Relay:
    """A Frames of one size. Thread-safe; a call takes a few ms at most."""

    def __init__(
        self, picture: Frame, fps: float, now: Callable[[], float] = time.monotonic
    ) -> None:
        """`picture` is shown until the first frame comes."""
        self._lock = threading.Lock()
        self._now, self._fps = now, fps
        self._number, self._frame = 1, picture
        self._last = picture  # of a world, before any fade
        self._came_s = now()
        self._moved = 0  # steps that the picture was moved by for want of a frame
        self._ring: FrameRing | None = None
        self._ring_number = 0
        self._leaving: FrameRing | None = None
        self._under, self._fade_s, self._fading_since_s = picture, 0.0, 0.0

    def take_over(self, ring: FrameRing, fade_s: float = 0.0) -> None:
        """Show this ring's frames from now on; the former one's fade for `fade_s`."""
        with self._lock:
            self._leaving = self._ring
            self._ring, self._ring_number = ring, 0
            self._begin_fade(fade_s)

    @property
    def fading(self) -> bool:
        """Whether a picture still fades into another."""
        return self._now() - self._fading_since_s < self._fade_s

    def newest(self, after: int) -> tuple[int, Frame] | None:
        """The newest frame and its number, if that is above `after`; not to be written into."""
        with self._lock:
            self._look()
            return (self._number, self._frame) if self._number > after else None

    def _look(self) -> None:
        now_s = self._now()
        found = self._ring.newest(self._ring_number) if self._ring else None
        if found:
            self._ring_number = found[0]
            self._last = self._fitted(found[1])
            if self._moved:
                self._begin_fade(max(RETURN_S, self._fade_s))
            self._came_s, self._moved = now_s, 0
            self._put(self._faded(self._last, now_s))
            return
        waited_s = now_s - self._came_s - STALL_S
        if int(waited_s * self._fps) > self._moved:
            self._moved = int(waited_s * self._fps)
            speed = self._ring.status()[1].speed if self._ring else 1.0
            self._put(wait_with(self._last, self._moved / self._fps, speed))

    def _faded(self, frame: Frame, now_s: float) -> Frame:
        share = (now_s - self._fading_since_s) / self._fade_s if self._fade_s else 1.0
        if share >= 1.0:
            self._leaving = None
            return frame
        if self._leaving and (found := self._leaving.newest(0)):
            self._under = self._fitted(found[1])
        return blend(self._under, frame, share)

    def _begin_fade(self, seconds: float) -> None:
        self._under, self._fade_s, self._fading_since_s = self._frame, seconds, self._now()

    def _put(self, frame: Frame) -> None:
        frame.flags.writeable = False
        self._number, self._frame = self._number + 1, frame

    def _fitted(self, frame: Frame) -> Frame:
        """The frame in the size of the show's."""
        if frame.shape == self._frame.shape:
            return frame
        height, width, _ = self._frame.shape
        return np.ascontiguousarray(cover(Image.fromarray(frame), width, height))
