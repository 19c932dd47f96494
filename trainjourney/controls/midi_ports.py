"""The MIDI ports of this machine, by mido and python-rtmidi: the one place that knows them."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from trainjourney.errors import ControlError

Heard = Callable[[bytes], None]  # in a thread of the library
_IN_VAIN = 10  # looks without a port, before it is asked by another client
_THROUGH = ("midi through", "rtmidi")  # what programs, not devices, offer


class Port(Protocol):
    """One open port."""

    def send(self, message: bytes) -> None: ...

    def close(self) -> None: ...


class Ports(Protocol):
    """What devices there are, and the way to open them. Everything raises ControlError."""

    def inputs(self) -> list[str]: ...

    def outputs(self) -> list[str]: ...

    def open_input(self, name: str, heard: Heard) -> Port: ...

    def open_output(self, name: str) -> Port: ...


class MidoPorts:
    """The ports of the machine."""

    def __init__(self) -> None:
        """Raises ControlError where the libraries are not installed, or there is no MIDI."""
        try:
            import mido
            import rtmidi
        except ModuleNotFoundError as err:
            raise ControlError(
                f"midi: {err.name} is not installed here; type: pip install '.[midi]'"
            ) from err
        # Asked for ports where there are none, ALSA complains on the screen, each time.
        alsa = sys.platform == "linux" and "MIDO_BACKEND" not in os.environ
        if alsa and not Path("/dev/snd/seq").exists():
            raise ControlError(
                "midi: this machine has no MIDI (/dev/snd/seq is missing); "
                "load the kernel's snd-seq, or give --set midi.play=off"
            )
        self._mido, self._rtmidi = mido, rtmidi
        self._askers: tuple[Any, Any] | None = None  # clients that never open a port
        self._in_vain = 0

    def inputs(self) -> list[str]:
        """The names of all inputs."""
        if self._in_vain >= _IN_VAIN:  # a server that was begun anew answers no old client
            self._askers, self._in_vain = None, 0
        names = self._names(0)
        self._in_vain = 0 if names else self._in_vain + 1
        return names

    def outputs(self) -> list[str]:
        """The names of all outputs."""
        return self._names(1)

    def _names(self, way: int) -> list[str]:
        """Asked by clients that stay: mido opens four to look once, which takes JACK a quarter of
        a second, and Python's lock for 50 ms of it."""
        backend = self._mido.backend
        with _told("listed"):
            if backend.name == "mido.backends.rtmidi":
                names = self._ask(way, backend.api or "UNSPECIFIED")
            else:  # another one, by MIDO_BACKEND
                names = (backend.get_input_names, backend.get_output_names)[way]()
        return [name for name in dict.fromkeys(names) if _meant(name)]

    def _ask(self, way: int, api: str) -> list[str]:
        """Raises ValueError, OSError."""
        rtmidi = self._rtmidi
        if not hasattr(rtmidi, f"API_{api}"):
            raise ValueError(f"MIDO_BACKEND names no way to the ports: {api}")
        try:
            if self._askers is None:
                number = getattr(rtmidi, f"API_{api}")
                self._askers = (rtmidi.MidiIn(number), rtmidi.MidiOut(number))
            return list(self._askers[way].get_ports())
        except rtmidi.RtMidiError as err:
            raise OSError(str(err)) from err

    def open_input(self, name: str, heard: Heard) -> Port:
        """Open an input; `heard` gets each message's bytes."""
        with _told(f"opened ({name})"):
            port = self._mido.open_input(name, callback=lambda one: heard(bytes(one.bytes())))
        return MidoPort(port, self._mido)

    def open_output(self, name: str) -> Port:
        """Open an output."""
        with _told(f"opened ({name})"):
            return MidoPort(self._mido.open_output(name), self._mido)


class MidoPort:
    """A port of mido's."""

    def __init__(self, port: Any, mido: Any) -> None:
        self._port, self._mido = port, mido

    def send(self, message: bytes) -> None:
        """Send a message's bytes. Raises ControlError."""
        with _told("written to"):
            self._port.send(self._mido.Message.from_bytes(message))

    def close(self) -> None:
        """Close it; a device that is gone already is closed too."""
        try:
            self._port.close()
        except OSError:
            return


def _meant(name: str) -> bool:
    return not name.lower().startswith(_THROUGH)


@contextmanager
def _told(what: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as err:  # mido makes OSErrors of rtmidi's
        raise ControlError(f"midi: cannot be {what}: {' '.join(str(err).split())}") from err
