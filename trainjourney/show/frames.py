"""The frame ring: three slots in shared memory, latest wins. One writes, any number read.

The writer never waits for a reader nor a reader for the writer. With every frame goes a small
record of how the world was when it made it.
"""

import struct
import time
from dataclasses import astuple, dataclass

import numpy as np

from trainjourney.show.memory import Memory
from trainjourney.types import Frame

SLOTS = 3
_LATEST = struct.Struct("<Q")  # number of the newest frame, 0 before the first
_SLOT = struct.Struct("<QQd8d")  # sequence, number, made_s, the status
_HEAD_BYTES = 1024
_TRIES = 8  # a frame is copied far quicker than the writer comes round


@dataclass(frozen=True)
class Status:
    """How the world was when it made a frame."""

    speed: float = 0.0  # x cruising, signed
    distance: float = 0.0  # seconds of cruising since the world was opened
    progress: float = 1.0  # of the melt, 0..1
    serial: float = 0.0  # of the last change that acts on this frame
    thrown: float = 0.0  # steps thrown away
    guarded: float = 0.0  # times that a guard had to mend the picture
    hold: float = 0.0  # 1 while the picture is held
    made_ms: float = 0.0  # what the frame took to make


class FrameRing:
    """Frames of one size, numbered from 1. `fd` is the memory of a ring that is there already."""

    def __init__(self, height: int, width: int, fd: int | None = None) -> None:
        self.shape = (height, width, 3)
        frame_bytes = -(-height * width * 3 // 64) * 64
        self.memory = Memory(_HEAD_BYTES + SLOTS * frame_bytes, fd)
        self._head = self.memory.view
        self._frames = [
            np.frombuffer(
                self.memory.view, np.uint8, height * width * 3, _HEAD_BYTES + i * frame_bytes
            ).reshape(self.shape)
            for i in range(SLOTS)
        ]

    @property
    def latest(self) -> int:
        """The number of the newest frame, 0 before the first."""
        return int(_LATEST.unpack_from(self._head)[0])

    def write(self, frame: Frame, status: Status, now_s: float | None = None) -> int:
        """Put the next frame in, over the oldest; returns its number."""
        assert frame.shape == self.shape and frame.dtype == np.uint8, (frame.shape, frame.dtype)
        number = self.latest + 1
        slot = number % SLOTS
        sequence = self._slot(slot)[0] | 1  # one that was killed here left it odd
        _LATEST.pack_into(self._head, _at(slot), sequence)
        np.copyto(self._frames[slot], frame)
        made_s = time.monotonic() if now_s is None else now_s
        _SLOT.pack_into(self._head, _at(slot), sequence, number, made_s, *astuple(status))
        _LATEST.pack_into(self._head, _at(slot), sequence + 1)
        _LATEST.pack_into(self._head, 0, number)
        return number

    def newest(self, after: int) -> tuple[int, Frame] | None:
        """The newest frame, a copy, and its number if that is above `after`. Never blocks."""
        for _ in range(_TRIES):
            latest = self.latest
            if latest <= after:
                return None
            slot = latest % SLOTS
            sequence, number, *_ = self._slot(slot)
            if sequence % 2 == 0 and number > after:
                frame = self._frames[slot].copy()
                if self._slot(slot)[0] == sequence:
                    return number, frame
        return None

    def status(self) -> tuple[float, Status]:
        """When the newest frame was made (CLOCK_MONOTONIC, s), and how the world was then."""
        _, _, made_s, *told = self._slot(self.latest % SLOTS)
        return made_s, Status(*told)

    def _slot(self, slot: int) -> tuple[int, int, float, *tuple[float, ...]]:
        return _SLOT.unpack_from(self._head, _at(slot))


def _at(slot: int) -> int:
    return 64 + slot * 128
