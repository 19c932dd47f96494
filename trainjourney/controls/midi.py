"""MIDI beside a show: devices come and go by name, their maps with the file, their lights follow.

A thread looks for devices once a second; messages come in the library's own threads and turn the
desk there; lights are sent by the thread that looks, thirty times a second at most.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from trainjourney.controls.desk import Desk
from trainjourney.controls.midi_clock import MidiClock
from trainjourney.controls.midi_device import MidiDevice
from trainjourney.controls.midi_learn import Learner
from trainjourney.controls.midi_map import (
    Binding,
    Maps,
    device_name,
    map_file,
    read_maps,
    with_binding,
    with_defaults,
    write_maps,
)
from trainjourney.controls.midi_ports import Port, Ports
from trainjourney.errors import ControlError
from trainjourney.settings import MidiConfig
from trainjourney.types import Change

log = logging.getLogger(__name__)

LOOK_S = 1.0  # between two looks for devices
LIGHTS_S = 1.0 / 30.0


@dataclass
class _Open:
    """A device that is there."""

    name: str
    device: MidiDevice
    clock: MidiClock
    input: Port
    output: Port | None

    @property
    def source(self) -> str:
        return f"midi {self.name}"


class Midi:
    """All devices of a show, from `start` to `close`."""

    def __init__(
        self,
        desk: Desk,
        config: MidiConfig,
        open_ports: Callable[[], Ports],
    ) -> None:
        self._desk, self._config, self._open_ports = desk, config, open_ports
        self._wanted = [one.strip().lower() for one in config.devices.split(",") if one.strip()]
        self._path = map_file(config.map)
        self._stamp: tuple[int, int] | None = None
        self._maps: Maps = {}
        self._ports: Ports | None = None
        self._there: dict[str, _Open] = {}  # by the name of the port
        self._told: set[str] = set()  # complaints, each told once
        self._lock = threading.Lock()
        self._turned: dict[str, str] = {}  # control -> who turned it; lights to be sent
        self.counts: Counter[str] = Counter()
        self.learner = Learner()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="midi", daemon=True)
        self._deaf: Callable[[], None] = lambda: None

    @property
    def devices(self) -> list[str]:
        """The names of those that are there."""
        return sorted(one.name for one in list(self._there.values()))

    def start(self) -> None:
        """Begin to look for devices."""
        self._deaf = self._desk.listen(self._note)
        self._thread.start()

    def close(self) -> None:
        """Let all devices go."""
        self._deaf()
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(5.0)
        for name in list(self._there):
            self._let_go(name)

    def look(self) -> None:
        """Look once: at the map's file, and for devices that came or went."""
        try:
            self._read_maps()
            self._ports = self._ports or self._open_ports()
            inputs, outputs = self._ports.inputs(), self._ports.outputs()
        except ControlError as err:
            self._tell(str(err))
            return
        for name in self._there.keys() - set(inputs):
            log.info("midi: %s is gone", self._there[name].name)
            self._let_go(name)
        for name in inputs:
            if name not in self._there and self._is_wanted(name):
                self._open(self._ports, name, outputs)

    def light(self) -> None:
        """Send what has changed to the devices' lights."""
        with self._lock:
            turned, self._turned = self._turned, {}
        values = self._desk.values() if turned else {}
        for one in list(self._there.values()):
            messages = [
                message
                for name, source in turned.items()
                if source != one.source
                for message in one.device.lights(name, values)
            ]
            self._shine(one, messages)

    def _run(self) -> None:
        looked_s = float("-inf")
        while not self._ended.wait(LIGHTS_S):
            if time.monotonic() - looked_s >= LOOK_S:
                looked_s = time.monotonic()
                self.look()
            self.light()
            if found := self.learner.learnt(time.monotonic()):
                self._keep(*found)

    def _open(self, ports: Ports, port: str, outputs: list[str]) -> None:
        name = device_name(port)
        device = MidiDevice(self._bindings(name))
        one: list[_Open] = []

        def heard(message: bytes) -> None:
            if one:
                self._hear(one[0], message)

        try:
            opened = ports.open_input(port, heard)
        except ControlError as err:  # another program has it, as on Windows
            self._tell(str(err))
            return
        same = [other for other in outputs if device_name(other) == name]
        out = port if port in same else next(iter(same), None)  # two alike: each its own
        output: Port | None = None
        try:
            output = ports.open_output(out) if out and self._config.lights else None
        except ControlError as err:
            self._tell(str(err))
        one.append(_Open(name, device, MidiClock(), opened, output))
        self._there[port] = one[0]
        known = "its map" if name in self._maps else "no map: learn one, or play its pads"
        log.info("midi: %s is there (%s)", name, known)
        self._shine(one[0], list(device.all_lights(self._desk.values())))

    def _hear(self, one: _Open, message: bytes) -> None:
        """A message came; in a thread of the library."""
        time_s = time.monotonic()
        self.counts["messages"] += 1
        if message and message[0] >= 0xF8:
            changes = one.clock.hear(message[0], time_s) if self._config.clock else []
        elif message and message[0] < 0xF0 and self.learner.hear(one.name, message, time_s):
            return
        else:
            changes = one.device.hear(message, self._desk.values(), time_s)
        for change in changes:
            self._desk.turn(change, one.source)
            self.counts["turned"] += 1

    def _note(self, change: Change, source: str) -> None:
        if not source.startswith("midi "):
            self.learner.turned(change.parameter, change.value)
        with self._lock:
            if self._there:
                self._turned[change.parameter] = source

    def _shine(self, one: _Open, messages: list[bytes]) -> None:
        if one.output is None:
            return
        try:
            for message in messages:
                one.output.send(message)
        except ControlError as err:
            self._tell(f"{err}; {one.name} gets no lights")
            one.output.close()
            one.output = None

    def _let_go(self, port: str) -> None:
        one = self._there.pop(port)
        for opened in (one.input, one.output):
            if opened:
                opened.close()

    def _is_wanted(self, port: str) -> bool:
        return not self._wanted or any(part in port.lower() for part in self._wanted)

    def _bindings(self, name: str) -> list[Binding]:
        return with_defaults(self._maps.get(name, ()))

    def _keep(self, name: str, binding: Binding) -> None:
        """Put what was learnt into the map, and play by it, also where it cannot be put there."""
        try:
            write_maps(self._path, with_binding(read_maps(self._path), name, binding))
        except ControlError as err:
            log.warning("%s; %s turns %s, but that is not kept", err, name, binding.parameter)
            self._play_by(with_binding(self._maps, name, binding))
            return
        log.info("midi: %s turns %s from now on", name, binding.parameter)
        self.look()

    def _read_maps(self) -> None:
        """Read the maps where the file is another one."""
        stamp = _stamp(self._path)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            maps = read_maps(self._path)
        except ControlError as err:
            self._tell(str(err))
            return
        if wrong := {told for told in self._told if told.startswith(f"{self._path}: ")}:
            self._told -= wrong
            log.info("midi: %s is in order again", self._path)
        self._play_by(maps)

    def _play_by(self, maps: Maps) -> None:
        self._maps = maps
        for one in self._there.values():
            one.device = MidiDevice(self._bindings(one.name))

    def _tell(self, complaint: str) -> None:
        if complaint not in self._told and len(self._told) < 100:
            self._told.add(complaint)
            log.warning("%s", complaint)


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size
