"""A tour: looks, speeds and melts over minutes, written by hand in TOML. Pure: time is given.

loop = true              # and begin again at the end; so unless it says false
length = "12:00"         # the end; else that of the last step

[[step]]
at = "1:30"              # minutes and seconds, hours before them, or seconds as a number
look = "winter dusk"     # any controls by their names
melt_s = 40

[[step]]
at = "4:00"
over = 60                # numbers go there evenly within so many seconds
speed = 0.4
"""

import math
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from trainjourney.controls.parameters import PARAMETERS, find_parameter
from trainjourney.errors import ConfigError
from trainjourney.journey.looks import Looks
from trainjourney.types import Change

MOST_BYTES = 4 << 20
MOST_STEPS = 10_000
LONGEST_S = 7 * 86400.0
_OWN = ("at", "over")
_WHOLE = ("loop", "length")
Value = float | str


@dataclass(frozen=True)
class Step:
    """What is turned at a time: at once, or evenly over a while."""

    at_s: float
    over_s: float
    values: Mapping[str, Value]


@dataclass
class Tour:
    """The steps in their order. A Source when it is given a clock by `TourSource`."""

    steps: list[Step]
    length_s: float
    loop: bool
    set_to: dict[str, Value] = field(default_factory=dict)  # where glides set out from

    def changes(self, after_s: float, until_s: float) -> Iterator[Change]:
        """What is turned after `after_s` (before 0: from the start on) and up to `until_s`.

        Of a glide the value at `until_s`, or at its end.
        """
        if not self.loop:
            yield from self._within(after_s, until_s)
            return
        first = math.floor(max(after_s, 0.0) / self.length_s)
        last = math.floor(until_s / self.length_s)
        after_s, until_s = after_s - first * self.length_s, until_s - last * self.length_s
        for rounds in range(min(last - first, 2)):  # of more that nobody saw, one will do
            yield from self._within(after_s if rounds == 0 else -1.0, self.length_s)
        yield from self._within(after_s if first == last else -1.0, until_s)

    def lacks(self, looks: Looks) -> Iterator[str]:
        """What it asks for that is not in the bank, each look once. Slot 0 comes with the start."""
        named = {
            value: None
            for step in self.steps
            for name, value in step.values.items()
            if value != 0.0 and (found := find_parameter(name)) and found[0].kind == "look"
        }
        for wanted in named:
            try:
                looks.find(wanted)
            except ConfigError as err:
                yield str(err)

    def _within(self, after_s: float, until_s: float) -> Iterator[Change]:
        for step in self.steps:
            if step.at_s > until_s:
                break
            end_s = step.at_s + step.over_s
            if end_s <= after_s:
                continue
            for name, value in sorted(step.values.items(), key=_looks_last):
                begins = step.at_s > after_s
                if step.over_s > 0.0 and not isinstance(value, str) and _glides(name):
                    if begins:
                        self._from[name] = float(self.set_to.get(name, _default(name)))
                    start = self._from.get(name, value)
                    share = min((until_s - step.at_s) / step.over_s, 1.0)
                    value = start + (value - start) * share
                elif not begins:
                    continue
                self.set_to[name] = value
                yield Change(name, value, until_s)

    def __post_init__(self) -> None:
        self._from: dict[str, float] = {}


class TourSource:
    """A tour by frames: for a film, where time is counted in them."""

    def __init__(self, tour: Tour, fps: float) -> None:
        self._tour, self._fps, self._number = tour, fps, 0

    def poll(self) -> Iterator[Change]:
        """What is turned for the next frame."""
        after_s = (self._number - 1) / self._fps
        until_s = self._number / self._fps
        self._number += 1
        return self._tour.changes(after_s, until_s)


def read_tour(path: Path) -> Tour:
    """A tour from its file. Raises ConfigError."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ConfigError(f"{path}: is above 4 MB; give --tour a tour")
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as err:
        raise ConfigError(f"{path}: no such tour; give --tour a file that is there") from err
    except OSError as err:
        reason = (err.strerror or str(err)).lower()
        raise ConfigError(f"{path}: cannot be read ({reason}); give --tour a text file") from err
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as err:
        raise ConfigError(f"{path}: is not TOML: {err}; mend that line") from err
    for key in table:
        _known(key, (*_WHOLE, "step"), str(path))
    told = table.get("step")
    if not isinstance(told, list) or not 0 < len(told) <= MOST_STEPS:
        raise ConfigError(f"{path}: has no steps; write [[step]] above each, with its at = time")
    steps = [_step(one, f"{path}: step {number}") for number, one in enumerate(told, 1)]
    steps.sort(key=lambda step: step.at_s)
    last_s = max(step.at_s + step.over_s for step in steps)
    length_s = _seconds(table["length"], f"{path}: length") if "length" in table else last_s
    loop = table.get("loop", True)
    if not isinstance(loop, bool):
        raise ConfigError(f"{path}: loop is not true or false")
    if loop and length_s < 1.0:
        raise ConfigError(f"{path}: goes round in less than a second; give it a longer length")
    if length_s < last_s:
        raise ConfigError(f"{path}: the last step ends after its length; make that {last_s:g}")
    return Tour(steps, length_s, loop)


def _step(told: Any, place: str) -> Step:
    if not isinstance(told, dict) or "at" not in told:
        raise ConfigError(f'{place}: has no time; write at = "1:30" in it')
    values = {name: value for name, value in told.items() if name not in _OWN}
    for name in _WHOLE:
        if name in values:
            raise ConfigError(f"{place}: {name} is the tour's; write it above the first [[step]]")
    if not values:
        raise ConfigError(f"{place}: turns nothing; write a control in it, as in speed = 0.5")
    for name, value in values.items():
        found = find_parameter(name)
        if found is None:
            _known(name, (*_OWN, *PARAMETERS), place)
        assert found or name in PARAMETERS, name
        if found is None:
            raise ConfigError(f'{place}: {name} wants its slot; write "{name}.1"')
        number = isinstance(value, int | float) and math.isfinite(value)
        if not number and not (isinstance(value, str) and found[0].named):
            raise ConfigError(f"{place}: {name} is {value!r:.40}; give it a number")
        if isinstance(value, str) and found[0].kind == "choice":
            _known(value, found[0].choices, f"{place}: {name}")
        low, high = found[0].low, found[0].high
        if not isinstance(value, str) and not low <= value <= high:
            raise ConfigError(f"{place}: {name} is {value:g}; give {low:g} to {high:.10g}")
        values[name] = value if isinstance(value, str) else found[0].clip(float(value))
    over_s = _seconds(told.get("over", 0.0), f"{place}: over")
    return Step(_seconds(told["at"], f"{place}: at"), over_s, values)


def _seconds(told: Any, place: str) -> float:
    """Seconds of a number, "m:ss" or "h:mm:ss"."""
    hint = 'write seconds, or "1:30"'
    try:
        parts = [float(part) for part in told.split(":")] if isinstance(told, str) else [told]
        seconds = 0.0
        for number, part in enumerate(parts):
            if number and part >= 60.0:
                hint = "write less than 60 after a colon"
                raise ValueError("no time")
            if isinstance(part, bool) or not 0.0 <= part < LONGEST_S or len(parts) > 3:
                raise ValueError("no time")
            seconds = 60.0 * seconds + float(part)
    except (TypeError, ValueError) as err:
        raise ConfigError(f"{place} is {told!r:.40}; {hint}") from err
    return seconds


def _known(name: str, names: tuple[str, ...], place: str) -> None:
    if name not in names:
        near = get_close_matches(name, names, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(names)}"
        raise ConfigError(f"{place}: unknown '{name[:60]}'; {hint}")


def _looks_last(item: tuple[str, Value]) -> tuple[bool, str]:
    """Melt seconds and curve before the look that goes by them."""
    return (item[0] == "look", item[0])


def _glides(name: str) -> bool:
    found = find_parameter(name)
    return found is not None and found[0].kind == "number"


def _default(name: str) -> float:
    found = find_parameter(name)
    return found[0].default if found else 0.0
