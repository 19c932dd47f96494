"""MIDI through a real port of JACK: found, heard, let go; and looking for ports costs nothing."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from jack import KNOB, jack  # noqa: F401

LISTENER = """
import logging, sys
from trainjourney.controls.desk import Desk
from trainjourney.controls.midi import Midi
from trainjourney.controls.midi_ports import MidoPorts
from trainjourney.settings import MidiConfig
logging.basicConfig(stream=sys.stdout, format="%(message)s", level=logging.INFO)
desk = Desk()
desk.listen(lambda change, source: print(source, change.parameter, change.value, flush=True))
midi = Midi(desk, MidiConfig(map=sys.argv[1]), MidoPorts)
midi.start()
sys.stdin.read()
midi.close()
"""


@pytest.mark.skipif(not shutil.which("jackd"), reason="no jackd; apt install jackd2")
def test_a_real_port_is_found_heard_and_let_go(
    jack: dict[str, str],  # noqa: F811
    tmp_path: Path,
) -> None:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    python = [sys.executable, "-c"]
    listener = subprocess.Popen(
        [*python, LISTENER, str(tmp_path / "midi.toml")], env=jack, text=True, **pipes
    )  # type: ignore[call-overload]
    knob = subprocess.Popen([*python, KNOB], env=jack, text=True, **pipes)  # type: ignore[call-overload]
    try:
        assert knob.stdout.readline() == "there\n"
        assert listener.stdout.readline().startswith("midi: nanoKnobs:Knobs is there")
        for message in ("90 26 7F", "C0 04"):
            knob.stdin.write(message + "\n")
            knob.stdin.flush()
        lines = [listener.stdout.readline().strip() for _ in range(3)]
        assert lines == ["midi nanoKnobs:Knobs melt_s 0.0", "midi nanoKnobs:Knobs look 3.0",
                         "midi nanoKnobs:Knobs preset 5.0"]  # fmt: skip
        knob.communicate()  # its input ends, and so it does
        assert listener.stdout.readline() == "midi: nanoKnobs:Knobs is gone\n"
    finally:
        knob.kill()
        knob.communicate()
        _, told = listener.communicate(timeout=20)
    assert listener.returncode == 0 and "Traceback" not in told, told


LOOKER = """
import time
from statistics import median
from trainjourney.controls.midi_ports import MidoPorts
ports, took = MidoPorts(), []
for _ in range(10):
    begun = time.perf_counter()
    names = ports.inputs(), ports.outputs()
    took.append(time.perf_counter() - begun)
print(*names, median(took))
"""


@pytest.mark.skipif(not shutil.which("jackd"), reason="no jackd; apt install jackd2")
def test_to_look_for_ports_takes_no_time_of_the_window_s(
    jack: dict[str, str],  # noqa: F811
) -> None:
    knob = subprocess.Popen(
        [sys.executable, "-c", KNOB], env=jack, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert knob.stdout and knob.stdout.readline() == "there\n"
        command = [sys.executable, "-c", LOOKER]
        looked = subprocess.run(command, env=jack, text=True, capture_output=True, timeout=30)
    finally:
        knob.communicate()  # in peace: a server whose client was killed ends badly itself
    names, _, took_s = looked.stdout.split()[-3:]
    assert names == "['nanoKnobs:Knobs']", looked
    assert float(took_s) < 0.05  # a client opened each time took a quarter of a second
