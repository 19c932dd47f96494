"""A world that makes fewer frames than it is to: all goes in slow motion, unseen why. Pure.

It is told with what the machine can do instead; once an hour, as a show may play for months.
"""

WINDOW_S = 10.0
WINDOWS = 3  # in a row; one may have had something else in it
AGAIN_S = 3600.0
ENOUGH = 0.95  # of the frames
SURE = 0.92  # of what was made, that a rate may ask for
SCREEN = 60  # Hz, of nearly all of them


class Slowness:
    """Watches how many frames come. A window in which the world was away does not count."""

    def __init__(self) -> None:
        self._wanted, self._number, self._since_s, self._slow = 0, 0, 0.0, 0
        self._told_s: float | None = None

    def look(self, wanted: int, number: int, now_s: float, least: int = 10) -> str:
        """What is to be told at `now_s`, where `wanted` frames a second are to come (0: none for
        now) and frame `number` is the last that did; empty nearly always. With fewer than `least`
        a second the train could not keep its pace."""
        if wanted != self._wanted or number < self._number:
            self._wanted, self._slow = wanted, 0
            self._number, self._since_s = number, now_s
        span_s = now_s - self._since_s
        if not wanted or span_s < WINDOW_S:
            return ""
        made = (number - self._number) / span_s
        self._number, self._since_s = number, now_s
        self._slow = self._slow + 1 if made < ENOUGH * wanted else 0
        if self._slow < WINDOWS or (self._told_s and now_s - self._told_s < AGAIN_S):
            return ""
        self._told_s = now_s
        slow = f"the world makes {made:.1f} of {wanted} frames a second: all goes in slow motion"
        rate = holding(wanted, SURE * made, least)
        cure = f"give --set engine.fps={rate}" if rate else "give it more processor cores"
        return f"{slow}; {cure}"


def holding(wanted: int, most: float, least: int) -> int:
    """The rate in place of `wanted` that a screen shows evenly, else any, from `least` up to `most`
    frames a second; 0 where there is none."""
    screen = SCREEN if SCREEN % wanted == 0 else wanted  # 50, 25 and 24 are there for their own
    rates = range(least, int(most) + 1)
    even = [rate for rate in rates if screen % rate == 0]
    return max(even or rates, default=0)
