"""What passes between two threads of one process: the newest frame, and turns of controls."""

import threading
from collections import deque
from collections.abc import Iterator

from trainjourney.types import Change, Frame


class Slot:
    """An Output on one side, a Frames on the other. Latest wins, no queue."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._number = 0
        self._frame: Frame | None = None

    def show(self, frame: Frame) -> None:
        """Put a frame in, over one that was not taken."""
        with self._lock:
            self._number, self._frame = self._number + 1, frame

    def newest(self, after: int) -> tuple[int, Frame] | None:
        """The newest frame and its number, if that is above `after`."""
        with self._lock:
            if self._frame is None or self._number <= after:
                return None
            return self._number, self._frame

    def close(self) -> None:
        """Nothing to close."""


class Turns:
    """A Desk's listener on one side, a Source on the other."""

    def __init__(self) -> None:
        self._turned: deque[Change] = deque()

    def turn(self, change: Change, source: str = "") -> None:
        """Take one change in."""
        self._turned.append(change)

    def poll(self) -> Iterator[Change]:
        """The changes since the last poll."""
        while self._turned:
            yield self._turned.popleft()
