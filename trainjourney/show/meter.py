"""How fast the journey runs: frames counted, the last few hundred frame times kept."""

from collections import deque
from dataclasses import dataclass

import numpy as np

_KEPT = 600  # frames


@dataclass(frozen=True)
class Summary:
    """What a journey came to."""

    frames: int
    seconds: float
    p99_ms: float  # of the time that a frame took to make

    @property
    def fps(self) -> float:
        """Frames a second, over all."""
        return self.frames / self.seconds if self.seconds else 0.0

    def __str__(self) -> str:
        return (
            f"{self.frames} frames in {self.seconds:.1f} s, {self.fps:.1f} fps, "
            f"frame time p99 {self.p99_ms:.1f} ms"
        )


class Meter:
    """Fed by the loop, read by the overlay from another thread."""

    def __init__(self) -> None:
        self.frames = 0
        self._first_s = self._last_s = 0.0
        self._made_s: deque[float] = deque(maxlen=_KEPT)
        self._shown_s: deque[float] = deque(maxlen=90)

    def add(self, made_s: float, begun_s: float, shown_s: float) -> None:
        """A frame took `made_s` to make, was begun and shown then."""
        if not self.frames:
            self._first_s = begun_s
        self._last_s = shown_s
        self._made_s.append(made_s)
        self._shown_s.append(shown_s)
        self.frames += 1

    @property
    def last_ms(self) -> float:
        """The time that the last frame took to make."""
        return self._made_s[-1] * 1000.0 if self._made_s else 0.0

    @property
    def fps(self) -> float:
        """Frames a second over the last three seconds or so."""
        shown = list(self._shown_s)
        return (len(shown) - 1) / (shown[-1] - shown[0]) if len(shown) > 1 else 0.0

    @property
    def p99_ms(self) -> float:
        """The time that the slowest frame in a hundred took to make."""
        made = list(self._made_s)
        return float(np.percentile(made, 99)) * 1000.0 if made else 0.0

    def summary(self) -> Summary:
        """What it came to so far."""
        return Summary(self.frames, self._last_s - self._first_s, self.p99_ms)
