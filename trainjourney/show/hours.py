"""The doorkeeper: at closing time the picture fades to black and the world rests; at opening time
it goes on from there.

It asks the wall clock every second, so neither a summer's hour nor a clock that is put right
matters. It turns the controls at opening and closing alone: whoever lights the picture in between
has it.
"""

import logging
import time
from collections.abc import Callable
from datetime import datetime

from trainjourney.controls.desk import Desk
from trainjourney.journey.hours import Hours
from trainjourney.show.rounds import Rounds
from trainjourney.types import Change

log = logging.getLogger(__name__)

LOOK_S = 1.0
FADE_S = 5.0  # from closing time until the world rests; blackout itself takes less


class Doorkeeper(Rounds):
    """Turns the desk in a thread, from `start` to `close`."""

    def __init__(
        self, hours: Hours, desk: Desk, now: Callable[[], datetime] = datetime.now
    ) -> None:
        super().__init__("hours", LOOK_S)
        self._hours, self._desk, self._now = hours, desk, now
        self._open = True  # as a show begins
        self._rests_s = 0.0  # when the world is to be held, while the picture fades; else 0

    def go_round(self) -> None:
        """Look at the clock."""
        self.look(time.monotonic())

    def look(self, now_s: float) -> None:
        """What there is to turn now; `now_s` by the clock that changes are stamped with."""
        opened = self._hours.open_at(self._now())
        if opened != self._open:
            self._open = opened
            log.info("hours: %s", "open" if opened else "closed; the picture goes dark")
            self._rests_s = 0.0 if opened else now_s + FADE_S
            if opened:
                self._turn("hold", 0.0, now_s)
            self._turn("blackout", 0.0 if opened else 1.0, now_s)
        elif self._rests_s and now_s >= self._rests_s:
            self._rests_s = 0.0
            if self._desk.values()["blackout"]:  # nobody lit it meanwhile
                self._turn("hold", 1.0, now_s)

    def _turn(self, name: str, value: float, now_s: float) -> None:
        self._desk.turn(Change(name, value, now_s), "hours")
