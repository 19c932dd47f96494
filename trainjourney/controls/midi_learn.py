"""Learning: from what a knob or pad sends while it is moved to a binding."""

import threading
from collections.abc import Sequence

from trainjourney.controls.midi_map import Binding, MessageKind, Way
from trainjourney.controls.parameters import find_parameter

MOVED_S = 1.0  # a knob is watched so long once it moves
_MOST = 400  # messages
_TWOS = {1, 2, 3, 4, 123, 124, 125, 126, 127}
_OFFSET = {60, 61, 62, 63, 65, 66, 67, 68}


def guess(messages: Sequence[Sequence[int]], parameter: str, value: float | None) -> Binding | None:
    """The binding that the messages of one control come to; None while there is none.

    With a `value` a press sets the parameter to it. The first control that was moved counts.
    """
    told = [one for one in messages if one and 0x80 <= one[0] < 0xF0]
    first = next((one for one in told if one[0] & 0xF0 in (0x90, 0xB0, 0xC0, 0xE0)), None)
    if first is None:
        return None
    status, channel = first[0] & 0xF0, (first[0] & 0x0F) + 1
    number, way = first[1], _press_way(parameter, value)
    kind: MessageKind
    if status == 0xC0:
        kind, number, way = "program", 0, "absolute"
    elif status == 0xE0:
        kind, number, way = "bend", 0, "absolute"
    elif status == 0x90:
        kind = "note"
    else:
        kind, number, way = _cc(told, first, way)
    extra = {"value": value} if value is not None else {}
    velocity = {"velocity_s": 8.0} if kind == "note" and parameter == "look" else {}
    return Binding.model_validate(
        {"parameter": parameter, "message": kind, "channel": channel, "number": number, "way": way}
        | extra | velocity
    )  # fmt: skip


def _press_way(parameter: str, value: float | None) -> Way:
    found = find_parameter(parameter)
    if value is not None or (found and found[0].kind == "trigger"):
        return "press"
    return "toggle" if found and found[0].kind == "toggle" else "absolute"


def _cc(
    told: Sequence[Sequence[int]], first: Sequence[int], press: Way
) -> tuple[MessageKind, int, Way]:
    number = first[1]
    seen: dict[int, list[int]] = {}
    for one in told:
        if one[0] == first[0] and len(one) == 3:
            seen.setdefault(one[1], []).append(one[2])
    low = number % 32
    if number < 64 and len(seen.get(low, ())) > 1 and len(seen.get(low + 32, ())) > 1:
        return "cc14", low, "absolute"
    values = set(seen[number])
    if press != "absolute":
        return "cc", number, press
    if len(seen[number]) > 2 and len(values) < len(seen[number]):  # places hardly come twice
        if values <= _TWOS:
            return "cc", number, "twos"
        if values <= _OFFSET:
            return "cc", number, "offset"
    return "cc", number, "absolute"


class Learner:
    """Learning during a show: turn a control anywhere, then move what shall turn it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._on = False
        self._parameter, self._value = "", 0.0
        self._device, self._begun_s = "", 0.0
        self._messages: list[bytes] = []
        self._last = ""  # what was learnt last, in words

    @property
    def words(self) -> str:
        """What to do next, for the overlay; nothing where nobody learns."""
        if not self._on:
            return ""
        if self._messages:
            return f"MIDI: learning {self._parameter} …"
        if self._parameter:
            return f"MIDI: now move what shall turn {self._parameter}"
        return f"{self._last}MIDI: turn the control that a knob shall have (M: done)"

    def switch(self) -> None:
        """Begin to learn, or leave it."""
        with self._lock:
            self._on = not self._on
            self._parameter, self._last, self._messages = "", "", []

    def turned(self, parameter: str, value: float | str) -> None:
        """A control was turned, and not by a device: this one is meant."""
        with self._lock:
            if self._on and not self._messages:
                self._parameter = parameter
                self._value = value if isinstance(value, float) else 0.0

    def hear(self, device: str, message: bytes, time_s: float) -> bool:
        """A device sent something; True if it is kept for learning and shall turn nothing."""
        with self._lock:
            if not self._on or not self._parameter:
                return False
            if not self._messages:
                self._device, self._begun_s = device, time_s
            if device == self._device and len(self._messages) < _MOST:
                self._messages.append(message)
            return True

    def learnt(self, time_s: float) -> tuple[str, Binding] | None:
        """The device and its binding, once it has moved for a moment."""
        with self._lock:
            if not self._messages or time_s - self._begun_s < MOVED_S:
                return None
            # A pad for a look means the one that was chosen; a knob means any.
            pad = self._messages[0][0] & 0xF0 == 0x90 and self._parameter in ("look", "preset")
            binding = guess(self._messages, self._parameter, self._value if pad else None)
            device, name = self._device, self._parameter
            self._parameter, self._messages = "", []
            self._last = f"{name} is on {device} now.   " if binding else ""
            return (device, binding) if binding else None
