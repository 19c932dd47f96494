"""The tempo: taps become beats a minute, and each tap is a beat."""

from collections import deque
from statistics import median

from trainjourney.controls.desk import Desk
from trainjourney.controls.parameters import PARAMETERS
from trainjourney.types import Change

LONGEST_S = 60.0 / PARAMETERS["bpm"].low  # between two taps of one tempo
SHORTEST_S = 60.0 / PARAMETERS["bpm"].high / 1.25  # less is one tap that bounced
KEPT = 8  # taps: a hand follows a band within two bars


class Taps:
    """Taps by their times, and the tempo that they come to. Pure."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=KEPT)

    def tap(self, time_s: float) -> float | None:
        """A tap; the tempo in beats a minute, once there are two."""
        if self._times:
            since_s = time_s - self._times[-1]
            if 0.0 <= since_s < SHORTEST_S:
                return None
            if not 0.0 < since_s <= LONGEST_S or self._off(since_s):
                self._times.clear()
        self._times.append(time_s)
        if len(self._times) < 2:
            return None
        times = list(self._times)
        return 60.0 / median(b - a for a, b in zip(times, times[1:], strict=False))

    def _off(self, since_s: float) -> bool:
        """Whether a gap is so unlike those before that another tempo begins."""
        times = list(self._times)
        if len(times) < 3:
            return False
        usual_s = median(b - a for a, b in zip(times, times[1:], strict=False))
        return not 0.6 < since_s / usual_s < 1.6


class Tempo:
    """A listener of the desk: a tap turns the tempo and lets a beat fall. `close` ends it."""

    def __init__(self, desk: Desk) -> None:
        self._desk, self._taps = desk, Taps()
        self.close = desk.listen(self._heard)

    def _heard(self, change: Change, source: str) -> None:
        if change.parameter != "tap":
            return
        bpm = self._taps.tap(change.time_s)
        if bpm is not None:
            self._desk.turn(Change("bpm", bpm, change.time_s), "tap")
        self._desk.turn(Change("beat", 1.0, change.time_s), "tap")
