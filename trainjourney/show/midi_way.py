"""The way of a MIDI message to a show, to be measured: a virtual port, heard as a device is."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from trainjourney.controls.desk import Desk
from trainjourney.controls.midi import Midi
from trainjourney.controls.midi_map import Binding, device_name, write_maps
from trainjourney.controls.midi_ports import MidoPorts
from trainjourney.errors import ControlError
from trainjourney.settings import MidiConfig

_NAME = "trainbench"
_FOUND_S = 10.0  # the port is looked for once a second


@contextmanager
def midi_way(desk: Desk, turns: list[tuple[str, float]]) -> Iterator[Callable[[str, float], None]]:
    """Calls that play a note, each of which makes one of the turns: a parameter's, to a value.

    Raises ControlError where this machine has no MIDI, or no virtual ports.
    """
    ports = MidoPorts()
    notes = [
        Binding(parameter=name, message="note", number=number, way="press", value=value)
        for number, (name, value) in enumerate(turns)
    ]
    with tempfile.TemporaryDirectory() as folder, closing(_open()) as port:
        wanted = [name for name in ports.inputs() if _NAME in name]
        path = Path(folder) / "midi.toml"
        write_maps(path, {device_name(name): notes for name in wanted})
        midi = Midi(desk, MidiConfig(map=str(path), devices=_NAME, lights=False), lambda: ports)
        midi.start()
        with closing(midi):
            end_s = time.monotonic() + _FOUND_S
            while not midi.devices and time.monotonic() < end_s:
                time.sleep(0.01)
            if not midi.devices:
                raise ControlError("midi: the virtual port was not found; is MIDI on here?")
            yield lambda name, value: port.send(_note(turns.index((name, value))))


def _open() -> Any:
    import mido

    try:
        return mido.open_output("notes", virtual=True, client_name=_NAME)
    except (OSError, ValueError, TypeError) as err:
        told = " ".join(str(err).split())
        raise ControlError(f"midi: no virtual port can be made here ({told})") from err


def _note(number: int) -> Any:
    import mido

    return mido.Message("note_on", note=number, velocity=127)
