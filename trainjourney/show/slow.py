"""A world that makes fewer frames than it is to: all goes in slow motion, unseen why. Pure.

It is told once a show, with what the machine can do instead.
"""

WINDOW_S = 10.0
WINDOWS = 2  # in a row; one may have had something else in it
ENOUGH = 0.95  # of the frames
SURE = 0.92  # of what was made, that an even rate may ask for
SCREEN = 60  # Hz, of nearly all of them
LEAST = 10  # frames a second; with fewer nothing glides


class Slowness:
    """Watches how many frames come. A window in which the world was away does not count."""

    def __init__(self) -> None:
        self._wanted, self._number, self._since_s = 0, 0, 0.0
        self._slow, self._told = 0, False

    def look(self, wanted: int, number: int, now_s: float) -> str:
        """What is to be told at `now_s`, where `wanted` frames a second are to come (0: none for
        now) and frame `number` is the last that did; empty nearly always."""
        if wanted != self._wanted or number < self._number:
            self._wanted, self._slow = wanted, 0
            self._number, self._since_s = number, now_s
        span_s = now_s - self._since_s
        if not wanted or self._told or span_s < WINDOW_S:
            return ""
        made = (number - self._number) / span_s
        self._number, self._since_s = number, now_s
        self._slow = self._slow + 1 if made < ENOUGH * wanted else 0
        if self._slow < WINDOWS:
            return ""
        self._told = True
        slow = f"the world makes {made:.1f} of {wanted} frames a second: all goes in slow motion"
        whole = SCREEN if SCREEN % wanted == 0 else wanted  # 50, 25 and 24 are there for their own
        rates = (rate for rate in range(LEAST, wanted) if whole % rate == 0 and rate <= SURE * made)
        even = max(rates, default=0)
        cure = f"give --set engine.fps={even}" if even else "give it more processor cores"
        return f"{slow}; {cure}"
