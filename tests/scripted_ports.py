"""MIDI ports by script: devices that are plugged in, played and pulled out."""

from collections.abc import Callable

from trainjourney.controls.midi_ports import Heard, Port
from trainjourney.errors import ControlError


class ScriptedPort:
    """Keeps what was sent to it."""

    def __init__(self, ports: "ScriptedPorts", name: str) -> None:
        self.ports, self.name, self.sent, self.closed = ports, name, list[bytes](), False

    def send(self, message: bytes) -> None:
        if self.name not in self.ports.names:
            raise ControlError("midi: cannot be written to: gone")
        self.sent.append(message)

    def close(self) -> None:
        self.closed = True


class ScriptedPorts:
    """A machine with the devices that `names` lists."""

    def __init__(self, *names: str) -> None:
        self.names = list(names)
        self.heard: dict[str, Heard] = {}
        self.lights: dict[str, ScriptedPort] = {}
        self.busy: set[str] = set()
        self.on_open: Callable[[str, Heard], None] = lambda name, heard: None

    def inputs(self) -> list[str]:
        return list(self.names)

    def outputs(self) -> list[str]:
        return list(self.names)

    def open_input(self, name: str, heard: Heard) -> Port:
        if name in self.busy:
            raise ControlError(f"midi: cannot be opened ({name}): busy")
        self.heard[name] = heard
        self.on_open(name, heard)
        return ScriptedPort(self, name)

    def open_output(self, name: str) -> Port:
        self.lights[name] = ScriptedPort(self, name)
        return self.lights[name]


def plays(*messages: tuple[int, ...]) -> Callable[[str, Heard], None]:
    """What a device does as soon as it is opened."""

    def play(name: str, heard: Heard) -> None:
        for message in messages:
            heard(bytes(message))

    return play
