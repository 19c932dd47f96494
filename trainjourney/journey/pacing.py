"""When the next frame is due, in the world and on the screen: even, and none drifts. Pure."""

import math
from statistics import median


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

    @property
    def began_s(self) -> float:
        """When the frame that was shown last was due."""
        return self.due_s - 1.0 / self.fps

    def lean(self, by_s: float) -> None:
        """Have all deadlines to come so much later."""
        assert self._start_s is not None
        self._start_s += by_s


class ScreenPacer:
    """When to show the next picture on a screen: in step with one whose flips wait for it, by the
    clock on one whose flips return at once. `hz` need only be about right.

    A flip that waits ends when the screen takes the picture. The next one is begun MARGIN of a
    refresh before the screen will take it: in time, and late enough for a picture just come.
    """

    MARGIN, LOCK = 0.24, 0.3  # of a refresh; a flip that takes longer than LOCK has waited
    FORGET = 5  # flips in a row that hardly waited, and the screen makes none wait
    COUNTED, PAUSE_S = 300, 0.25  # flips that are measured together; longer apart they are none

    def __init__(self, hz: float) -> None:
        assert hz > 0.0, hz
        self._period_s = self.interval_s = 1.0 / hz  # the other as it is found to be
        self._due_s: float | None = None
        self._ended_s: float | None = None
        self._steps: list[float] = []
        self._locked = 0

    def wait_s(self, now_s: float) -> float:
        """Seconds to wait from `now_s` before the next flip; 0 if it is late."""
        if self._due_s is None:
            self._due_s = now_s
        return max(0.0, self._due_s - now_s)

    def flipped(self, begun_s: float, ended_s: float) -> None:
        """A flip began and ended then."""
        assert self._due_s is not None, "flipped before wait_s"
        waited = (ended_s - begun_s) / self._period_s
        if waited > 1.1:  # no wait for the screen: the system is slow
            self._locked = 0
        elif waited > self.LOCK:
            self._locked = self.FORGET
        elif self._locked:
            self._locked = self.FORGET if waited > 0.5 * self.MARGIN else self._locked - 1
        self._measure(ended_s)
        if self._locked:
            self._due_s = ended_s + (1.0 - self.MARGIN) * self._period_s
        else:
            self._due_s += self._period_s
            self._due_s += int(max(0.0, ended_s - self._due_s) / self._period_s) * self._period_s

    def _measure(self, ended_s: float) -> None:
        """How far apart refreshes are: the screen may have been told wrongly, or the window be
        shown at every second one only."""
        step_s, self._ended_s = ended_s - (self._ended_s or -math.inf), ended_s
        if step_s > self.PAUSE_S:
            self._steps.clear()
            return
        self._steps.append(step_s)
        if len(self._steps) == self.COUNTED:
            whole_s = sum(self._steps)  # some were late, or left out: the usual one counts them
            self.interval_s = whole_s / round(whole_s / median(self._steps))
            self._steps.clear()
