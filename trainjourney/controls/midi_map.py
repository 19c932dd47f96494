"""Which MIDI messages of which device turn which controls: a table by device name, in TOML.

["nanoKONTROL2"]] is written as [["nanoKONTROL2"]]: one such table for every binding. Names, never
numbers of ports: a device is the same one in another socket.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from trainjourney.controls.parameters import Parameter, find_parameter
from trainjourney.errors import ControlError
from trainjourney.folders import state_folder
from trainjourney.tables import write_table

MOST_BYTES = 1 << 20
NOTE = "The MIDI devices of Trainjourney, and what each of their controls turns."
MessageKind = Literal["cc", "cc14", "note", "program", "bend"]
Way = Literal["absolute", "twos", "offset", "toggle", "press", "none"]
Maps = dict[str, list["Binding"]]


class Binding(BaseModel):
    """One control of a device and what it turns.

    message: cc14 is CC `number` (0..31) with its fine part at number + 32.
    way: absolute has a place, and picks the control up there; twos and offset are encoders that
    send steps; toggle flips at a press; press sets `value`; none takes away the defaults by which
    such messages, of any channel and number, turn the control.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    parameter: str = Field(max_length=40)
    message: MessageKind
    channel: int = Field(default=1, ge=1, le=16)
    number: int = Field(default=0, ge=0, le=127)
    way: Way = "absolute"
    value: float = 1.0
    velocity_s: float = Field(default=0.0, ge=0.0, le=600.0)  # softest press: so long a melt
    low: float | None = None  # of the control at the one end of the way, else its own lowest
    high: float | None = None

    @property
    def target(self) -> Parameter:
        """The parameter that it turns."""
        found = find_parameter(self.parameter)
        assert found, self.parameter
        return found[0]

    @property
    def limits(self) -> tuple[float, float]:
        """The control at both ends of the way."""
        parameter = self.target
        low = parameter.low if self.low is None else parameter.clip(self.low)
        return low, parameter.high if self.high is None else parameter.clip(self.high)


def default_bindings() -> list[Binding]:
    """What holds beneath any map: pads melt to looks, programs are presets, the wheel drives."""
    pads = [
        Binding(parameter="look", message="note", channel=channel, number=36 + slot - 1,
                way="press", value=slot, velocity_s=8.0)
        for slot in range(1, 17) for channel in (1, 10)
    ]  # fmt: skip
    wheel = Binding(parameter="speed", message="cc", number=1)
    return [*pads, wheel, Binding(parameter="preset", message="program")]


def left_defaults(learnt: Sequence[Binding]) -> list[Binding]:
    """The defaults beneath what was learnt: those of other messages that it does not take away."""

    def gone(default: Binding) -> bool:
        return any(
            (one.parameter, one.message) == (default.parameter, default.message)
            if one.way == "none" else _same_message(one, default)
            for one in learnt
        )  # fmt: skip

    return [default for default in default_bindings() if not gone(default)]


def with_defaults(learnt: Sequence[Binding]) -> list[Binding]:
    """What a device is played by: what was learnt, and the defaults beneath it."""
    return [*(one for one in learnt if one.way != "none"), *left_defaults(learnt)]


def device_name(port: str) -> str:
    """The device's own name in that of a port: without client, port and socket numbers."""
    name = re.sub(r"\s+\d+(:\d+)?$", "", port.strip())
    client, _, rest = name.partition(":")
    return (client if rest.startswith(client) or not rest else name).strip() or port


def map_file(setting: str) -> Path:
    """The file of the maps: as set, or in the user's state."""
    return Path(setting).expanduser() if setting else state_folder() / "midi.toml"


def read_maps(path: Path) -> Maps:
    """The bindings by device name; none where there is no file. Raises ControlError."""
    hint = "mend it, or take it away and learn anew with trainjourney midi learn"
    try:
        if not path.exists():
            return {}
        if path.stat().st_size > MOST_BYTES:
            raise ControlError(f"is above 1 MB; {hint}")
        tables = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        maps = {name: _bindings(name, told) for name, told in tables.items()}
    except OSError as err:
        reason = (err.strerror or str(err)).lower()
        raise ControlError(f"{path}: cannot be read ({reason}); {hint}") from err
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as err:
        raise ControlError(f"{path}: holds no maps ({err}); {hint}") from err
    except ControlError as err:
        raise ControlError(f"{path}: {err}") from err
    return maps


def _bindings(name: str, told: object) -> list[Binding]:
    """The bindings of a device. Raises ControlError with which of them is wrong."""
    name = name[:60]
    if not isinstance(told, list) or not all(isinstance(one, dict) for one in told):
        raise ControlError(f'{name}: has no bindings; write [["{name}"]] above each')
    found = []
    for number, one in enumerate(told, 1):
        try:
            found.append(Binding.model_validate(one))
        except ValidationError as err:
            what = err.errors(include_url=False)[0]
            where = ".".join(str(part) for part in what["loc"])
            raise ControlError(
                f"{name}, binding {number}: {where}: {what['msg']}; "
                "mend it, or take it away and learn anew with trainjourney midi learn"
            ) from err
        if find_parameter(found[-1].parameter) is None:
            raise ControlError(
                f"{name}, binding {number}: no control '{found[-1].parameter}'; "
                "trainjourney osc list has them all"
            )
    return found


def write_maps(path: Path, maps: Mapping[str, Sequence[Binding]]) -> None:
    """Save the bindings. Raises ControlError."""
    tables = {
        name: [one.model_dump(exclude_defaults=True) for one in bindings]
        for name, bindings in maps.items() if bindings
    }  # fmt: skip
    try:
        write_table(path, tables, NOTE)
    except OSError as err:
        reason = (err.strerror or str(err)).lower()
        raise ControlError(f"{path}: cannot be written ({reason})") from err


def with_binding(maps: Maps, device: str, binding: Binding) -> Maps:
    """The maps with a binding more: in place of what its message or its control had before."""

    def meets(other: Binding) -> bool:
        if other.way == "none":
            return False
        if _same_message(other, binding):
            return True
        press = "press" in (other.way, binding.way)
        return other.parameter == binding.parameter and not press

    kept = [other for other in maps.get(device, []) if not meets(other)]
    return {**maps, device: [*kept, binding]}


def _same_message(one: Binding, other: Binding) -> bool:
    """Whether both hear the same; a CC may have its fine part."""
    heard = (one.message[:2], one.channel, one.number)
    return heard == (other.message[:2], other.channel, other.number)
