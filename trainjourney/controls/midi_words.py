"""MIDI in words, for the command line: devices, messages, and learning."""

import queue
import time
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from functools import partial

from trainjourney.controls.midi_device import MidiDevice
from trainjourney.controls.midi_learn import MOVED_S, guess
from trainjourney.controls.midi_map import (
    Binding,
    device_name,
    left_defaults,
    map_file,
    read_maps,
    with_binding,
    with_defaults,
    write_maps,
)
from trainjourney.controls.midi_ports import MidoPorts, Port, Ports
from trainjourney.controls.parameters import PARAMETERS, find_parameter
from trainjourney.errors import ControlError
from trainjourney.settings import MidiConfig

_KINDS = {
    0x80: "note off", 0x90: "note on", 0xA0: "pressure", 0xB0: "cc", 0xC0: "program",
    0xD0: "pressure", 0xE0: "bend",
}  # fmt: skip
_DEFAULTS = "pads 36.. are looks, programs presets, the wheel speed"
LOOK_S = 1.0  # without a word, after which it is looked for new devices
OpenPorts = Callable[[], Ports]
Said = tuple[str, bytes]  # device and message


def list_lines(config: MidiConfig, open_ports: OpenPorts = MidoPorts) -> Iterator[str]:
    """The devices that are there and those of the map, with their bindings."""
    maps = read_maps(map_file(config.map))
    there = [device_name(port) for port in open_ports().inputs()]
    if not there and not maps:
        yield "no MIDI device is there, and none has a map"
    for name in dict.fromkeys((*there, *maps)):
        away = "" if name in there else "  (not there now)"
        told = "" if name in maps else f"  no map: {_DEFAULTS}"
        yield f"{name}{away}{told}"
        for one in maps.get(name, ()):
            yield f"    {in_words(one)}"
        left = dict.fromkeys(one.parameter for one in left_defaults(maps.get(name, ())))
        if name in maps and left:
            yield f"    and by default {', '.join(left)}"


def in_words(one: Binding) -> str:
    """A binding as a line."""
    if one.way == "none":
        return f"{one.message}: by default no {one.parameter}"
    number = f" {one.number}" if one.message not in ("program", "bend") else ""
    value = f" to {one.value:g}" if one.way == "press" else ""
    return f"{one.message}{number}, channel {one.channel}: {one.way} {one.parameter}{value}"


def monitor_lines(config: MidiConfig, open_ports: OpenPorts = MidoPorts) -> Iterator[str]:
    """What devices send, a line each, also of one that is plugged in later; clock ticks are left
    out. Never ends."""
    maps = read_maps(map_file(config.map))
    values = {name: parameter.default for name, parameter in PARAMETERS.items()}
    devices: dict[str, MidiDevice] = {}
    with _Ears(open_ports()) as ears:
        yield f"listening to {', '.join(ears.names) or 'no device: none is there yet'}"
        while True:
            said = ears.next(LOOK_S)
            if said is None and (new := ears.listen()):
                yield f"listening to {', '.join(new)}"
            if said and said[1][0] < 0xF0:
                name, message = said
                bindings = with_defaults(maps.get(name, ()))
                device = devices.setdefault(name, MidiDevice(bindings))
                turned = ", ".join(
                    f"{change.parameter} {change.value:g}"
                    for change in device.hear(message, values, 0.0)
                    if not isinstance(change.value, str)
                )
                yield f"{name}  {message_in_words(message)}  {turned}".rstrip()


def message_in_words(message: bytes) -> str:
    """A channel message as text."""
    kind = _KINDS.get(message[0] & 0xF0, "message")
    numbers = " ".join(str(one) for one in message[1:])
    return f"{kind} {numbers}, channel {(message[0] & 15) + 1}"


def learn_lines(
    config: MidiConfig,
    parameter: str,
    value: float | None,
    wait_s: float,
    open_ports: OpenPorts = MidoPorts,
) -> Iterator[str]:
    """Wait for a knob to be moved, and keep what it is in the map. Raises ControlError."""
    found = find_parameter(parameter)
    if found is None:
        near = get_close_matches(parameter, PARAMETERS, n=1)
        hint = f"did you mean '{near[0]}'?" if near else "trainjourney osc list has them all"
        if near == [parameter]:
            hint = f"it wants its slot, as {parameter}.1"
        raise ControlError(f"midi: no control '{parameter[:60]}'; {hint}")
    low, high = found[0].low, found[0].high
    if value is not None and not low <= value <= high:
        raise ControlError(f"--value {value:g}: {parameter} goes from {low:g} to {high:g}")
    path = map_file(config.map)
    maps = read_maps(path)
    with _Ears(open_ports()) as ears:
        if not ears.names:
            raise ControlError("midi: no device is there; plug one in, then try again")
        yield f"move what shall turn {parameter} on {' or '.join(ears.names)}"
        device, messages = _watch(ears, wait_s)
    binding = guess(messages, parameter, value)
    if binding is None:
        raise ControlError(f"midi: nothing moved within {wait_s:g} s; try again")
    write_maps(path, with_binding(maps, device, binding))
    yield f"{device}: {in_words(binding)}; kept in {path}"


def _watch(ears: "_Ears", wait_s: float) -> tuple[str, list[bytes]]:
    """The first device that moves, and what it sends within a moment."""
    device, messages = "", list[bytes]()
    end_s = time.monotonic() + wait_s
    while (left_s := end_s - time.monotonic()) > 0.0:
        said = ears.next(left_s)
        if not said or said[1][0] >= 0xF0 or (device and said[0] != device):
            continue
        if not device:
            device = said[0]
            end_s = min(end_s, time.monotonic() + MOVED_S)
        messages.append(said[1])
    return device, messages


class _Ears:
    """All inputs, open while the context lasts."""

    def __init__(self, ports: Ports) -> None:
        self._ports, self._open = ports, dict[str, Port]()
        self._said: queue.Queue[Said] = queue.Queue(1000)

    @property
    def names(self) -> list[str]:
        """Of the devices that are listened to."""
        return [device_name(port) for port in self._open]

    def next(self, wait_s: float) -> Said | None:
        """The next message within that time."""
        try:
            return self._said.get(timeout=wait_s)
        except queue.Empty:
            return None

    def listen(self) -> list[str]:
        """Open what has come, close what has gone; gives the names of what has come."""
        there = self._ports.inputs()
        for port in self._open.keys() - set(there):
            self._open.pop(port).close()
        new = [port for port in there if port not in self._open]
        for port in new:
            self._open[port] = self._ports.open_input(port, partial(self._heard, device_name(port)))
        return [device_name(port) for port in new]

    def _heard(self, name: str, message: bytes) -> None:
        if message and not self._said.full():
            self._said.put_nowait((name, message))

    def __enter__(self) -> "_Ears":
        self.listen()
        return self

    def __exit__(self, *_: object) -> None:
        for port in self._open.values():
            port.close()
