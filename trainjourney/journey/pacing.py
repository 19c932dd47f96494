"""When the next frame is due: even deadlines, counted from the start so that none drifts. Pure."""


class Pacer:
    """Deadlines `1/fps` apart. The caller brings the time and does the waiting.

    Frame n is due at start + n / fps. One that is late by less than a period is shown at once and
    the next one is waited for less; a whole period or more that was missed is skipped, so that
    after a stall the frames go on in the old beat instead of racing to catch up.
    """

    def __init__(self, fps: float) -> None:
        assert fps > 0.0, fps
        self.fps = fps
        self.skipped = 0  # deadlines that passed without a frame
        self._start_s: float | None = None
        self._number = 0

    def reset(self) -> None:
        """Start anew: the next frame is due when it is asked for."""
        self._start_s = None
        self._number = self.skipped = 0

    @property
    def due_s(self) -> float:
        """When the next frame is due; asked only once the first was."""
        assert self._start_s is not None
        return self._start_s + self._number / self.fps

    def wait_s(self, now_s: float) -> float:
        """Seconds to wait from `now_s` before the next frame is shown; 0 if it is late."""
        if self._start_s is None:
            self._start_s = now_s
        return max(0.0, self.due_s - now_s)

    def shown(self, now_s: float) -> int:
        """The frame was shown at `now_s`; returns how many deadlines that skips."""
        late = max(0, int((now_s - self.due_s) * self.fps))
        self._number += 1 + late
        self.skipped += late
        return late
