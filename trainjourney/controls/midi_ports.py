"""The MIDI ports of this machine, by mido and python-rtmidi: the one place that knows them."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from trainjourney.errors import ControlError

Heard = Callable[[bytes], None]  # in a thread of the library
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
            import rtmidi  # noqa: F401  found missing now, not at the first port
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
        self._mido = mido

    def inputs(self) -> list[str]:
        """The names of all inputs."""
        with _told("listed"):
            return [name for name in self._mido.get_input_names() if _meant(name)]

    def outputs(self) -> list[str]:
        """The names of all outputs."""
        with _told("listed"):
            return [name for name in self._mido.get_output_names() if _meant(name)]

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
    except (OSError, ValueError) as err:  # rtmidi's errors are OSErrors
        raise ControlError(f"midi: cannot be {what}: {' '.join(str(err).split())}") from err
