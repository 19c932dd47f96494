"""The OSC addresses that follow from the table of parameters, and what a message to one means.

/train/speed 0.75         a number as 0..1 of its range, as Resolume has it
/train/speed/raw 1.0      the same in its own unit
/train/look 3             a slot, a choice or a number of a preset as it is; or its name
/train/look/3 1           a button for a slot of the bank
/train/pad 0.2 0.8        both ways of the pad at once
/train/speed ?            is answered with what it is set to
Numbers may come as int, float or bool; out of range is clipped, not refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from trainjourney.controls.osc_message import Argument
from trainjourney.controls.osc_pattern import build_tree, find_matches, is_pattern
from trainjourney.controls.parameters import PARAMETERS, SLOTS, Parameter
from trainjourney.types import Change

Values = Mapping[str, float | str]


class BadMessageError(ValueError):
    """A message that means nothing here. The text is one of a few, to be counted."""


@dataclass(frozen=True)
class Address:
    """One OSC address.

    controls: names of the controls it turns, each by one argument. raw: in their own unit rather
    than 0..1. button: what any value above a half sets the one control to, if it is a button.
    """

    path: str
    controls: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    raw: bool = False
    button: int | None = None

    @property
    def help(self) -> str:
        """One line about it."""
        if self.button is not None:
            return "Melt to the look in this slot."
        if len(self.parameters) > 1:
            return "Place on the pad between four looks: to the right, and up."
        half = "" if self.raw else self.parameters[0].half
        return f"{self.parameters[0].help}{half and f' Here {half}.'}"

    @property
    def triggers(self) -> bool:
        """Whether it keeps no value: a button or a trigger."""
        return self.button is not None or self.parameters[0].kind == "trigger"

    def changes(self, arguments: tuple[Argument, ...], time_s: float) -> list[Change]:
        """What a message to this address turns. Raises BadMessageError."""
        if self.triggers and not arguments:
            arguments = (True,)
        if len(arguments) < len(self.controls):
            raise BadMessageError("too few arguments")
        found = []
        pairs = zip(self.controls, self.parameters, arguments, strict=False)
        for control, parameter, argument in pairs:
            value = self._value(parameter, argument)
            if self.button is not None:
                if isinstance(value, str) or value <= 0.5:
                    continue  # let go
                value = float(self.button)
            found.append(Change(control, value, time_s))
        return found

    def arguments(self, values: Values) -> tuple[Argument, ...]:
        """What the address is set to, as arguments of a message."""
        if self.button is not None:
            return (values.get("look") == float(self.button),)
        pairs = zip(self.controls, self.parameters, strict=True)
        return tuple(self._argument(p, values.get(name, p.default)) for name, p in pairs)

    def _value(self, parameter: Parameter, argument: Argument) -> float | str:
        if isinstance(argument, str):
            if not parameter.named or self.button is not None:
                raise BadMessageError("a text where a number is meant")
            return argument
        if not isinstance(argument, int | float):
            raise BadMessageError("no number")
        value = float(argument)
        if self._normalised(parameter):
            return parameter.low + min(max(value, 0.0), 1.0) * (parameter.high - parameter.low)
        return value

    def _argument(self, parameter: Parameter, value: float | str) -> Argument:
        if isinstance(value, str):
            return value
        if parameter.kind != "number":
            return int(value)
        if self._normalised(parameter):
            return (value - parameter.low) / (parameter.high - parameter.low)
        return float(value)

    def _normalised(self, parameter: Parameter) -> bool:
        return parameter.kind == "number" and not self.raw


def _addresses() -> dict[str, Address]:
    found = []
    for parameter in PARAMETERS.values():
        slots = range(1, parameter.slots + 1) if parameter.slots else (None,)
        for slot in slots:
            path = parameter.osc.format(slot=slot)
            name = parameter.name if slot is None else f"{parameter.name}.{slot}"
            found.append(Address(path, (name,), (parameter,)))
            if parameter.kind == "number":
                found.append(Address(f"{path}/raw", (name,), (parameter,), raw=True))
    look = PARAMETERS["look"]
    found += [
        Address(f"{look.osc}/{slot}", ("look",), (look,), button=slot)
        for slot in range(1, SLOTS + 1)
    ]
    pad = ("pad_x", "pad_y")
    found.append(Address("/train/pad", pad, tuple(PARAMETERS[name] for name in pad)))
    return {address.path: address for address in found}


ADDRESSES: dict[str, Address] = _addresses()
MAIN: dict[str, Address] = {  # a control's own address, where feedback for it goes
    address.controls[0]: address
    for address in reversed(ADDRESSES.values())
    if not address.raw and address.button is None and len(address.controls) == 1
}
_TREE = build_tree(ADDRESSES)


@lru_cache(maxsize=256)
def _matching(pattern: str) -> tuple[str, ...]:
    return tuple(find_matches(pattern, _TREE))


def find_addresses(path: str) -> list[Address]:
    """The addresses that an address or a pattern means. Raises BadMessageError where none."""
    if not is_pattern(path):
        found = [ADDRESSES[path]] if path in ADDRESSES else []
    else:
        found = [ADDRESSES[match] for match in _matching(path)]
    if not found:
        raise BadMessageError("no such address")
    return found


def is_query(arguments: tuple[Argument, ...]) -> bool:
    """Whether a message asks what its address is set to."""
    return arguments == ("?",)
