"""When the next frame is due, in the world and on the screen: even, and none drifts. Pure."""


class Pacer:
    """Deadlines `1/fps` apart. The caller brings the time and does the waiting.

    Frame n is due at start + n / fps. One that is late by less than a period is shown at once and
    the next one is waited for less; a whole period or more that was missed is skipped, so that
    after a stall the frames go on in the old beat instead of racing to catch up.

    A screen looks for a picture at every refresh, by a clock of its own. A frame that comes about
    when it looks is seen a refresh too soon or too late, as it happens, for as long as the two
    clocks take to part; so the deadlines may `follow` a screen (genlock, as studios call it).
    """

    ROUND = 0.005  # by which a frame may differ from whole refreshes, as 30 from 59.94 / 2
    GAIN, MOST_S = 0.05, 0.0005  # of what it is off, a frame; and no more than nobody sees

    def __init__(self, fps: float) -> None:
        assert fps > 0.0, fps
        self.fps = fps
        self.skipped = 0  # deadlines that passed without a frame
        self._made_s = 0.0  # what a frame takes to make, about
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

    def follow(self, looked_s: float, period_s: float, made_s: float | None) -> None:
        """Lean toward a screen that looked at `looked_s` and does so every `period_s`; the last
        frame took `made_s` from when it was begun until it was there to be seen (None: it says
        nothing of the others, as a picture that is held).

        The frames then come half-way between two looks, where either may be off by as much. On a
        screen whose refreshes do not go evenly into a frame nothing changes.
        """
        refreshes = 1.0 / (self.fps * period_s)
        apart = round(refreshes) - refreshes
        if self._start_s is None or abs(apart) > self.ROUND * refreshes:
            return
        if made_s is not None:
            usual_s = self._made_s or made_s
            self._made_s = usual_s + self.GAIN * (min(made_s, 2.0 * usual_s) - usual_s)
        off_s = (self.due_s + self._made_s - looked_s) % period_s - 0.5 * period_s
        self._start_s += apart * period_s
        self._start_s -= min(max(self.GAIN * off_s, -self.MOST_S), self.MOST_S)


class ScreenPacer:
    """When to show the next picture on a screen: in step with one whose flips wait for it, by the
    clock on one whose flips return at once. `hz` need only be about right.

    A flip that waits ends when the screen takes the picture. The next one is begun MARGIN of a
    refresh before the screen will take it: in time, and late enough for a picture just come.
    """

    MARGIN, LOCK = 0.24, 0.3  # of a refresh; a flip that takes longer than LOCK has waited
    FORGET = 5  # flips in a row that hardly waited, and the screen makes none wait
    STEADY = 0.02  # of an interval, that one flip moves the mean

    def __init__(self, hz: float) -> None:
        assert hz > 0.0, hz
        self._period_s = self.interval_s = 1.0 / hz  # the other as it is found to be
        self._due_s: float | None = None
        self._ended_s: float | None = None
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
        step_s, self._ended_s = ended_s - (self._ended_s or 0.0), ended_s
        if self._locked and 0.5 < step_s / self._period_s < 1.5:
            self.interval_s += self.STEADY * (step_s - self.interval_s)
        if self._locked:
            self._due_s = ended_s + (1.0 - self.MARGIN) * self._period_s
        else:
            self._due_s += self._period_s
            self._due_s += int(max(0.0, ended_s - self._due_s) / self._period_s) * self._period_s
