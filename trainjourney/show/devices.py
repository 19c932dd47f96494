"""Display and MIDI as the show would see them: by SDL, and by what plays MIDI.

They are asked in a process of their own: a driver that prints, hangs or crashes takes only that
process with it.
"""

import json
import os
import subprocess
import sys

from trainjourney.errors import ControlError

KINDS = ("display", "midi", "no midi")  # the last is why there is none
_ASK = "import sys; from trainjourney.show.devices import see; sys.stdout.write('\\n' + see())"


def find_devices(timeout_s: float = 20.0) -> dict[str, str]:
    """What each kind of device is called here; a kind that is not there is left out."""
    env = os.environ | {"PYGAME_HIDE_SUPPORT_PROMPT": "1"}
    try:
        answer = subprocess.run(
            [sys.executable, "-c", _ASK], env=env, capture_output=True, timeout=timeout_s
        )
        found = json.loads(answer.stdout.decode().strip().splitlines()[-1])
    except (OSError, subprocess.TimeoutExpired, IndexError, ValueError):
        return {}
    return {kind: str(found[kind]) for kind in KINDS if found.get(kind)}


def see() -> str:
    """The names of the devices as JSON. Opens them: call it in a process of its own."""
    names = {}
    try:
        names["display"] = _display()
    except (ImportError, RuntimeError):  # pygame.error is a RuntimeError
        names["display"] = ""
    try:
        names["midi"] = _midi()
    except ControlError as err:
        names["no midi"] = str(err)
    return json.dumps(names)


def _display() -> str:
    import pygame

    pygame.display.init()
    driver = str(pygame.display.get_driver())
    if driver in ("dummy", "offscreen", "evdev"):
        return ""
    width, height = pygame.display.get_desktop_sizes()[0]
    return f"{width}x{height} ({driver})"


def _midi() -> str:
    """Raises ControlError."""
    from trainjourney.controls.midi_ports import MidoPorts

    return ", ".join(MidoPorts().inputs())
