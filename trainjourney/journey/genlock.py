"""In step with a screen (genlock, as studios call it). Pure: the times are given.

A screen looks for a picture at every refresh, by a clock of its own. A frame that comes about when
it looks is seen a refresh too soon or too late, as it happens, for as long as the two clocks take
to part. So frames lean until nearly all of them are there half-way between two looks, and one that
was quicker waits until the look before is over: each stands for as many refreshes then.
"""

import math
from collections import deque

from trainjourney.journey.pacing import Pacer

ROUND = 0.005  # by which a frame may differ from whole refreshes, as 30 from 59.94 / 2
GAIN, MOST_S = 0.05, 0.0005  # of what it is off, a frame; and no more than nobody sees
FRAMES, EVERY = 150, 15  # that are remembered; after how many it is seen what is usual of them
OFTEN = 0.9  # of the frames take no longer than is usual
SAFE = 0.1  # of a refresh, after a look
PERIODS_S = (0.002, 0.1)  # of screens
GONE_S = 0.5  # without a look, and the screen is gone


class Genlock:
    """Leans a pacer's deadlines toward a screen, as long as it is told of one."""

    def __init__(self, pacer: Pacer) -> None:
        self._pacer = pacer
        self._took_s: deque[float] = deque(maxlen=FRAMES)  # since they were due
        self._usual_s, self._frames = 0.0, 0
        self._looked_s = self._period_s = 0.0  # of the screen; 0 where there is none to follow

    def early_s(self, now_s: float) -> float:
        """Seconds that a frame which is there at `now_s` comes before its place; 0 if it is late,
        or there is no screen to follow. Never more than until the next is due: a world that is
        slower than its rate waits for nothing."""
        if not self._period_s:
            return 0.0
        usual_s = self._pacer.began_s + self._usual_s - self._looked_s
        look_s = self._looked_s + math.floor(usual_s / self._period_s) * self._period_s
        return max(0.0, min(look_s + SAFE * self._period_s, self._pacer.due_s) - now_s)

    def follow(self, screen: tuple[float, float], now_s: float, there_s: float | None) -> None:
        """After a frame: when the screen looked last, and how far its looks are apart (0, 0: there
        is none); and when the frame could have been seen (None: that says nothing of others, as of
        a picture that is held). Where there is no screen, or its refreshes do not go evenly into a
        frame, nothing changes.
        """
        pacer, (looked_s, period_s) = self._pacer, screen
        self._period_s = 0.0
        if not PERIODS_S[0] < period_s < PERIODS_S[1] or abs(now_s - looked_s) > GONE_S:
            return
        refreshes = 1.0 / (pacer.fps * period_s)
        apart = round(refreshes) - refreshes
        if abs(apart) > ROUND * refreshes:
            return
        self._looked_s, self._period_s = looked_s, period_s
        if there_s is not None:
            self._took_s.append(there_s - pacer.began_s)  # begun late, as the last was, counts too
            if self._frames % EVERY == 0:
                self._usual_s = sorted(self._took_s)[int(OFTEN * len(self._took_s))]
            self._frames += 1
        off_s = (pacer.due_s + self._usual_s - looked_s) % period_s - 0.5 * period_s
        pacer.lean(apart * period_s - min(max(GAIN * off_s, -MOST_S), MOST_S))
