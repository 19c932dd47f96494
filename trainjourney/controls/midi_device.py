"""One MIDI device: its messages to changes of controls, and changes back to its lights. Pure.

A message is its bytes, as MIDI 1.0 has them. What is no whole message is let go and counted.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from trainjourney.controls.midi_map import Binding
from trainjourney.types import Change

NEAR = 1.5 / 127.0  # of the way: so near a fader has picked its control up
Values = Mapping[str, float | str]
_NOTE_OFF, _NOTE_ON, _CC, _PROGRAM, _BEND = 0x80, 0x90, 0xB0, 0xC0, 0xE0
_LENGTHS = {_NOTE_OFF: 3, _NOTE_ON: 3, 0xA0: 3, _CC: 3, _PROGRAM: 2, 0xD0: 2, _BEND: 3}


@dataclass
class _Hand:
    """What is known of one binding's fader."""

    place: float | None = None  # where it was last, 0..1
    said: float | None = None  # what it last set its control to
    coarse: int | None = None  # of 14 bits, the upper seven


class MidiDevice:
    """A device with its bindings. `hear` its messages, `lights` what shall shine on it."""

    def __init__(self, bindings: Sequence[Binding]) -> None:
        self._bindings = list(bindings)
        self._hands = [_Hand() for _ in bindings]

    def hear(self, message: Sequence[int], values: Values, time_s: float) -> list[Change]:
        """What a message turns; `values` is what all controls are set to now."""
        kind = message[0] & 0xF0 if message else 0
        whole = len(message) == _LENGTHS.get(kind) and all(0 <= one < 128 for one in message[1:])
        if not whole:
            return []
        channel = (message[0] & 0x0F) + 1
        found: list[Change] = []
        for binding, hand in zip(self._bindings, self._hands, strict=True):
            if binding.channel == channel and (place := _place(binding, hand, kind, message)):
                found += self._turn(binding, hand, *place, values, time_s)
        return found

    def lights(self, name: str, values: Values) -> Iterator[bytes]:
        """The messages that show on the device what a control is set to now."""
        for binding, hand in zip(self._bindings, self._hands, strict=True):
            if binding.parameter == name and binding.target.kind != "trigger":
                yield from _light(binding, values)
                if hand.said is not None and not isinstance(values.get(name), str):
                    hand.place = hand.place if hand.said == values.get(name) else None

    def all_lights(self, values: Values) -> Iterator[bytes]:
        """All that shall shine."""
        for name in dict.fromkeys(binding.parameter for binding in self._bindings):
            yield from self.lights(name, values)

    def _turn(
        self, binding: Binding, hand: _Hand, raw: int, place: float, values: Values, time_s: float
    ) -> Iterable[Change]:
        name, parameter = binding.parameter, binding.target
        low, high = binding.limits
        now = values.get(name, parameter.default)
        if binding.message == "program":
            return [Change(name, parameter.clip(low + raw + 1), time_s)]
        if binding.way == "press":
            return self._press(binding, place, time_s)
        if isinstance(now, str):
            now = low
        if binding.way == "toggle":
            other = high if now < 0.5 * (low + high) else low
            return [Change(name, other, time_s)] if place >= 0.5 or raw else []
        if binding.way in ("twos", "offset"):
            steps = raw - 64 if binding.way == "offset" else raw - 128 * (raw >= 64)
            step = (high - low) / 127.0 if parameter.kind == "number" else 1.0
            value = min(max(now + steps * step, min(low, high)), max(low, high))
            return [Change(name, value, time_s)] if steps else []
        if binding.message == "note":
            return [Change(name, high if place > 0.0 else low, time_s)]
        if not _picked_up(hand, place, (now - low) / (high - low) if high != low else place, now):
            return []
        hand.said = parameter.clip(low + place * (high - low))
        return [Change(name, hand.said, time_s)]

    def _press(self, binding: Binding, place: float, time_s: float) -> list[Change]:
        if place <= 0.0:
            return []  # let go
        found = [Change(binding.parameter, binding.value, time_s)]
        if binding.velocity_s:
            found.insert(0, Change("melt_s", binding.velocity_s * (1.0 - place), time_s))
        return found


def _place(
    binding: Binding, hand: _Hand, kind: int, message: Sequence[int]
) -> tuple[int, float] | None:
    """A message's value as it came and as 0..1, if it is the binding's; None else."""
    number = message[1]
    match binding.message:
        case "cc" if kind == _CC and number == binding.number:
            return message[2], message[2] / 127.0
        case "cc14" if kind == _CC and number == binding.number:
            hand.coarse = message[2]
        case "cc14" if kind == _CC and number == binding.number + 32 and hand.coarse is not None:
            value = hand.coarse << 7 | message[2]
            return value, value / 16383.0
        case "note" if kind in (_NOTE_ON, _NOTE_OFF) and number == binding.number:
            value = message[2] if kind == _NOTE_ON else 0
            return value, value / 127.0
        case "program" if kind == _PROGRAM:
            return number, number / 127.0
        case "bend" if kind == _BEND:
            value = message[2] << 7 | number
            return value, value / 16383.0
    return None


def _picked_up(hand: _Hand, place: float, stands: float, now: float) -> bool:
    """Whether a fader at `place` has its control, which `stands` elsewhere if another turned it.

    It has it where it last set it itself, where it is near, and where it just went past.
    """
    before, hand.place = hand.place, place
    if hand.said is not None and abs(now - hand.said) < 1e-6:
        return True
    past = before is not None and (before - stands) * (place - stands) <= 0.0
    return past or abs(place - stands) <= NEAR


def _light(binding: Binding, values: Values) -> Iterator[bytes]:
    channel, number = binding.channel - 1, binding.number
    low, high = binding.limits
    now = values.get(binding.parameter, binding.target.default)
    if binding.way == "press":
        if binding.message in ("note", "cc"):
            on = 127 if now == binding.value else 0
            status = _NOTE_ON if binding.message == "note" else _CC
            yield bytes((status | channel, number, on))
        return
    if isinstance(now, str) or high == low:
        return
    place = min(max((now - low) / (high - low), 0.0), 1.0)
    fine = round(place * 16383)
    match binding.message:
        case "cc" if binding.way not in ("twos", "offset"):
            yield bytes((_CC | channel, number, round(place * 127)))
        case "cc14":
            yield bytes((_CC | channel, number, fine >> 7))
            yield bytes((_CC | channel, number + 32, fine & 127))
        case "note":
            yield bytes((_NOTE_ON | channel, number, 127 if place >= 0.5 else 0))
        case "bend":
            yield bytes((_BEND | channel, fine & 127, fine >> 7))
