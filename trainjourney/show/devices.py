"""Display, audio and MIDI as SDL and PortMidi see them.

They are asked in a process of their own: a driver that prints, hangs or crashes takes only that
process with it.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable

KINDS = ("display", "audio", "midi")
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
    asks: dict[str, Callable[[], str]] = {"display": _display, "audio": _audio, "midi": _midi}
    names = {}
    for kind, ask in asks.items():
        try:
            names[kind] = ask()
        except (ImportError, RuntimeError):  # pygame.error is a RuntimeError
            names[kind] = ""
    return json.dumps(names)


def _display() -> str:
    import pygame

    pygame.display.init()
    driver = str(pygame.display.get_driver())
    if driver in ("dummy", "offscreen", "evdev"):
        return ""
    width, height = pygame.display.get_desktop_sizes()[0]
    return f"{width}x{height} ({driver})"


def _audio() -> str:
    import pygame

    pygame.mixer.init()
    rate_hz, _, channels = pygame.mixer.get_init() or (0, 0, 0)
    silent = os.environ.get("SDL_AUDIODRIVER") in ("dummy", "disk")
    return "" if silent else f"{rate_hz} Hz, {channels} channels"


def _midi() -> str:
    import pygame.midi

    pygame.midi.init()
    ports = [pygame.midi.get_device_info(port) for port in range(pygame.midi.get_count())]
    return ", ".join(os.fsdecode(info[1]) for info in ports if info and info[2])
