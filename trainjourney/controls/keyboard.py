"""The keyboard as a source: key names from the window become changes, after the table."""

from collections import deque
from collections.abc import Iterator, Mapping

from trainjourney.controls.parameters import PARAMETERS
from trainjourney.types import Change

# key name -> (parameter, step); step 0 sets, toggles or sets it off
KEYS: dict[str, tuple[str, float]] = {
    key: (parameter.name, sign * parameter.key_step)
    for parameter in PARAMETERS.values()
    for sign, keys in zip((-1.0, 1.0), parameter.key.split("/"), strict=False)
    for key in keys.split()
}


class Keyboard:
    """Pressed keys as changes. `values` is what the controls are set to now, by name."""

    def __init__(self, values: Mapping[str, float | str]) -> None:
        self._values = values
        self._pressed: deque[tuple[str, float]] = deque()  # filled and emptied by two threads

    def press(self, key: str, time_s: float) -> None:
        """A key went down; the window calls this. Keys of no meaning are let go."""
        if key in KEYS:
            self._pressed.append((key, time_s))

    def poll(self) -> Iterator[Change]:
        """The changes since the last poll, each after the one before has been applied."""
        while self._pressed:
            key, time_s = self._pressed.popleft()
            yield self._change(key, time_s)

    def _change(self, key: str, time_s: float) -> Change:
        name, step = KEYS[key]
        parameter = PARAMETERS[name]
        if key.isdecimal():
            return Change(name, float(key), time_s)
        if parameter.kind == "trigger":
            return Change(name, parameter.high, time_s)
        now = float(self._values[name])
        if step == 0.0:
            return Change(name, parameter.low if now > parameter.low else parameter.high, time_s)
        # Rounded to whole steps, so that ten presses back from 1.0 are a stand and not 1e-16.
        value = round(round(now / abs(step)) * abs(step) + step, 6)
        return Change(name, parameter.clip(value), time_s)
