"""Learning: from what a knob or pad sends while it is moved to a binding. Pure."""

from collections.abc import Sequence

from trainjourney.controls.midi_map import Binding, MessageKind, Way
from trainjourney.controls.parameters import find_parameter

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
