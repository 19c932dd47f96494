"""MIDI clock to tempo and beats: 24 ticks a quarter note, counted from its start. Pure."""

from collections import deque

from trainjourney.controls.parameters import PARAMETERS
from trainjourney.types import Change

TICK, START, CONTINUE, STOP = 0xF8, 0xFA, 0xFB, 0xFC
PER_BEAT = 24
_KEPT = 2 * PER_BEAT + 1  # ticks that the tempo is taken from: two beats
_LOST_S = 0.5  # a longer gap is none of a clock's


class MidiClock:
    """The clock of one device."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=_KEPT)
        self._ticks = 0  # since the start
        self._bpm = 0.0  # as it was last told

    def hear(self, status: int, time_s: float) -> list[Change]:
        """What a clock message turns: the tempo where it is another one, and each beat."""
        if status == START:
            self._ticks = 0
            return []
        if status != TICK:
            return []
        if self._times and not 0.0 < time_s - self._times[-1] < _LOST_S:
            self._times.clear()
            self._ticks = 0
        self._times.append(time_s)
        beat = self._ticks % PER_BEAT == 0
        self._ticks += 1
        if not beat:
            return []
        found = [Change("beat", 1.0, time_s)]
        if len(self._times) > PER_BEAT:
            span_s = self._times[-1] - self._times[0]
            bpm = 60.0 * (len(self._times) - 1) / (PER_BEAT * span_s)
            low, high = PARAMETERS["bpm"].low, PARAMETERS["bpm"].high
            if low <= bpm <= high and abs(bpm - self._bpm) > 0.05:
                self._bpm = bpm
                found.insert(0, Change("bpm", bpm, time_s))
        return found
