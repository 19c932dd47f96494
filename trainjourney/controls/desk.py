"""The desk: what every control is set to, where all who turn one and all who watch come together.

Sources in any thread call `turn`; the board in the world hears of it at its next step. The desk
clips and refuses; it does not smooth (the board does) and it knows no clock.
"""

import logging
import math
import threading
from collections.abc import Callable, Mapping

from trainjourney.controls.parameters import PARAMETERS, find_parameter
from trainjourney.errors import ConfigError
from trainjourney.types import Change

log = logging.getLogger(__name__)

Heard = Callable[[Change, str], None]  # a change as it took effect, and the source it came from


class Desk:
    """All controls by name ("speed", "weight.3"). Thread-safe; listeners must be quick."""

    def __init__(self, values: Mapping[str, float | str] | None = None) -> None:
        """`values` are laid over the table's defaults."""
        self._lock = threading.RLock()
        self._values: dict[str, float | str] = {
            p.name: p.default for p in PARAMETERS.values() if not p.slots
        }
        self._values |= values or {}
        self._values["look"] = self._values.pop("look")  # where nothing was turned, a look leads
        self._heard: list[Heard] = []
        self.refused = 0  # changes that could not be meant
        self.find_look: Callable[[float | str], object] | None = None
        """Raises ConfigError where the bank has no such look; without it every name is taken."""

    def turn(self, change: Change, source: str = "") -> bool:
        """Turn a control; False (and counted) where the change cannot be meant.

        Numbers out of range are clipped. A look that the bank has not is none. Triggers keep no
        value.
        """
        found = find_parameter(change.parameter)
        value = change.value
        if found is None or (isinstance(value, str) and not found[0].named):
            return self._refuse(change)
        parameter = found[0]
        if isinstance(value, str):
            if parameter.kind == "choice":
                if value not in parameter.choices:
                    return self._refuse(change)
                value = float(parameter.choices.index(value))
            elif not (0 < len(value) <= 200 and is_text(value)):
                return self._refuse(change)
        elif not math.isfinite(value):
            return self._refuse(change)
        else:
            value = parameter.clip(float(value))
        if parameter.kind == "trigger" and not value:
            return True  # a button let go
        if parameter.kind == "look" and self.find_look:
            wanted = change.value
            try:  # by the number that was asked for, in range or not
                self.find_look(wanted if isinstance(wanted, str) else float(round(wanted)))
            except ConfigError as err:
                return self._refuse(change, str(err))
        change = Change(change.parameter, value, change.time_s)
        with self._lock:  # listeners hear changes in the order in which they took effect
            if parameter.kind != "trigger":
                self._values.pop(change.parameter, None)
                self._values[change.parameter] = value
            for heard in list(self._heard):
                heard(change, source)
        return True

    def values(self) -> dict[str, float | str]:
        """A copy of what all controls are set to, in the order of their last turns.

        So of looks, weights and pad the one leads that comes last.
        """
        with self._lock:
            return dict(self._values)

    def listen(self, heard: Heard) -> Callable[[], None]:
        """Call `heard` at every change from now on, in the turner's thread; returns its end."""
        with self._lock:
            self._heard.append(heard)

        def end() -> None:
            with self._lock:
                if heard in self._heard:
                    self._heard.remove(heard)

        return end

    def _refuse(self, change: Change, why: str = "") -> bool:
        self.refused += 1
        if self.refused & (self.refused - 1) == 0:  # 1, 2, 4, 8 … : a flood fills no disk
            why = why or f"{change.parameter!r:.60} to {change.value!r:.60} cannot be meant"
            log.warning("%s; let go (%d so far)", why, self.refused)
        return False


def is_text(name: str) -> bool:
    """Whether it can be written in UTF-8: JSON and file names can hold halves of characters."""
    return not any("\ud800" <= letter <= "\udfff" for letter in name)
