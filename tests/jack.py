"""A JACK server without a sound card, and a device on it: real MIDI ports for real libraries."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import wait_for

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path("/dev/shm")
SERVER = f"trainjourney{os.getpid()}"


def forget_dead_servers() -> None:
    """JACK knows eight servers, and those that were killed count until somebody forgets them.

    Where no server runs at all, nobody needs the list.
    """
    running = subprocess.run(["pgrep", "-x", "jackd"], stdout=subprocess.DEVNULL).returncode == 0
    registry = SHARED / "jack-shm-registry"
    if not running and registry.exists() and registry.owner() == Path("/proc/self").owner():
        for path in (registry, *SHARED.glob("jack-[0-9]*")):
            path.unlink()


@pytest.fixture(scope="module")
def jack() -> Iterator[dict[str, str]]:
    """A JACK server without a sound card: real MIDI ports for real libraries."""
    forget_dead_servers()
    env = os.environ | {"JACK_NO_AUDIO_RESERVATION": "1", "JACK_DEFAULT_SERVER": SERVER}
    env |= {"MIDO_BACKEND": "mido.backends.rtmidi/UNIX_JACK", "PYTHONPATH": str(ROOT)}
    command = ["jackd", "-r", "-n", SERVER, "-d", "dummy", "-r", "48000", "-p", "512"]
    server = subprocess.Popen(
        command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )  # fmt: skip
    wait_for(lambda: (SHARED / f"jack_{SERVER}_{os.getuid()}_0").exists())
    yield env
    server.terminate()
    server.wait(10)
    for path in SHARED.glob(f"jack*_{SERVER}_*"):
        path.unlink()


KNOB = """
import sys, time, mido
out = mido.open_output("Knobs", virtual=True, client_name="nanoKnobs")
print("there", flush=True)
for line in sys.stdin:
    out.send(mido.Message.from_hex(line))
"""
