"""The one value that two threads share: the newest frame. Latest wins, no queue."""

import threading

from trainjourney.types import Frame


class Slot:
    """An Output that keeps the newest frame for another thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._frame: Frame | None = None

    def show(self, frame: Frame) -> None:
        """Put a frame in, over one that was not taken."""
        with self._changed:
            self._frame = frame
            self._changed.notify()

    def take(self, wait_s: float) -> Frame | None:
        """The newest frame, once; None if there is none within `wait_s`."""
        with self._changed:
            if self._frame is None:
                self._changed.wait(wait_s)
            frame, self._frame = self._frame, None
            return frame

    def close(self) -> None:
        """Nothing to close."""
