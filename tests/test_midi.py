"""MIDI devices: plugged in, pulled out, learnt, lit; by script, and through a real port of JACK."""

import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from scripted_ports import ScriptedPorts

from trainjourney.controls.desk import Desk
from trainjourney.controls.midi import Midi
from trainjourney.controls.midi_map import (
    Binding,
    device_name,
    read_maps,
    with_binding,
    write_maps,
)
from trainjourney.controls.midi_ports import Heard
from trainjourney.controls.midi_words import learn_lines, list_lines, monitor_lines
from trainjourney.errors import ControlError
from trainjourney.settings import MidiConfig
from trainjourney.types import Change

PORT = "nanoKONTROL2:nanoKONTROL2 nanoKONTROL2 _ CTRL 20:0"
NAME = "nanoKONTROL2"
FADER = Binding(parameter="blackout", message="cc", number=0)
ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def config(tmp_path: Path) -> MidiConfig:
    return MidiConfig(map=str(tmp_path / "midi.toml"))


def plays(*messages: tuple[int, ...]) -> Callable[[str, Heard], None]:
    """What a device does as soon as it is opened."""

    def play(name: str, heard: Heard) -> None:
        for message in messages:
            heard(bytes(message))

    return play


@pytest.mark.parametrize(
    ("port", "name"),
    [
        (PORT, NAME),
        ("nanoKONTROL2 1", "nanoKONTROL2"),
        ("Launchpad Mini:Launchpad Mini MIDI 1 24:0", "Launchpad Mini"),
        ("a2j:MIDI Mix 28:0", "a2j:MIDI Mix"),
        ("Faderport", "Faderport"),
        ("7", "7"),
    ],
)
def test_a_device_has_one_name_in_every_socket(port: str, name: str) -> None:
    assert device_name(port) == name


def test_devices_come_and_go_and_the_show_goes_on(
    config: MidiConfig, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    desk, ports = Desk(), ScriptedPorts()
    write_maps(Path(config.map), {NAME: [FADER]})
    midi = Midi(desk, config, lambda: ports)
    midi.look()
    assert midi.devices == []
    ports.names = [PORT, "Busy 1"]
    ports.busy = {"Busy 1"}
    midi.look()
    midi.look()
    assert midi.devices == [NAME]
    ports.heard[PORT](bytes((0xB0, 0, 0)))
    ports.heard[PORT](bytes((0xB0, 0, 127)))
    assert desk.values()["blackout"] == 1.0
    ports.names = []
    midi.look()
    assert midi.devices == []
    ports.names = ["nanoKONTROL2:nanoKONTROL2 nanoKONTROL2 _ CTRL 28:0"]  # another socket
    midi.look()
    ports.heard[ports.names[0]](bytes((0xB0, 0, 126)))
    assert desk.values()["blackout"] == pytest.approx(126 / 127)
    midi.close()
    told = [record.message for record in caplog.records]
    assert told == [
        f"midi: {NAME} is there (its map)", "midi: cannot be opened (Busy 1): busy",
        f"midi: {NAME} is gone", f"midi: {NAME} is there (its map)",
    ]  # fmt: skip


def test_lights_follow_what_others_turn(config: MidiConfig) -> None:
    desk, ports = Desk(), ScriptedPorts(PORT)
    write_maps(Path(config.map), {NAME: [FADER]})
    midi = Midi(desk, config, lambda: ports)
    midi.start()
    try:
        until(lambda: midi.devices == [NAME])
        sent = ports.lights[PORT].sent
        assert sent == [bytes((0xB0, 0, 0))]  # as it stood when the device came
        desk.turn(Change("blackout", 0.5, 0.0), "web")
        until(lambda: sent[-1] == bytes((0xB0, 0, 64)))
        ports.heard[PORT](bytes((0xB0, 0, 64)))
        ports.heard[PORT](bytes((0xB0, 0, 70)))
        time.sleep(0.2)
        assert len(sent) == 2  # nothing of its own comes back
        ports.names = []
        desk.turn(Change("blackout", 0.1, 0.0), "web")
        until(lambda: midi.devices == [])
    finally:
        midi.close()


def test_a_map_that_is_learnt_or_broken_while_it_plays(
    config: MidiConfig, caplog: pytest.LogCaptureFixture
) -> None:
    desk, ports, path = Desk(), ScriptedPorts(PORT), Path(config.map)
    midi = Midi(desk, config, lambda: ports)
    midi.look()
    ports.heard[PORT](bytes((0x90, 38, 127)))
    assert desk.values()["look"] == 3.0  # pads are looks where there is no map
    write_maps(path, {NAME: [FADER]})
    midi.look()
    ports.heard[PORT](bytes((0xB0, 0, 1)))
    assert desk.values()["blackout"] == pytest.approx(1 / 127)
    path.write_text("nonsense")
    midi.look()
    midi.look()
    ports.heard[PORT](bytes((0xB0, 0, 3)))
    assert desk.values()["blackout"] == pytest.approx(3 / 127)
    [line] = [record.message for record in caplog.records]
    assert "holds no maps" in line and "\n" not in line
    midi.close()


def test_only_those_wanted_are_opened(tmp_path: Path) -> None:
    ports = ScriptedPorts(PORT, "Launchpad", "Piano")
    config = MidiConfig(map=str(tmp_path / "midi.toml"), devices="launch, KONTROL")
    midi = Midi(Desk(), config, lambda: ports)
    midi.look()
    assert midi.devices == ["Launchpad", NAME]
    midi.close()


def test_learning_keeps_the_binding_by_the_device_s_name(config: MidiConfig) -> None:
    ports = ScriptedPorts(PORT)
    ports.on_open = plays(*((0xB0, 4, v) for v in (9, 12, 20)))
    first, last = learn_lines(config, "dream", None, 0.2, lambda: ports)
    assert first == f"move what shall turn dream on {NAME}"
    assert last.startswith(f"{NAME}: cc 4, channel 1: absolute dream; kept in ")
    ports.on_open = plays((0x99, 40, 100))
    list(learn_lines(config, "look", 5.0, 0.2, lambda: ports))
    ports.on_open = plays(*((0xB0, 4, v) for v in (9, 12)))
    list(learn_lines(config, "speed", None, 0.2, lambda: ports))  # the same knob, another control
    assert [one.parameter for one in read_maps(Path(config.map))[NAME]] == ["look", "speed"]
    lines = list(list_lines(config, lambda: ScriptedPorts("Piano")))
    assert lines == [
        "Piano  no map: pads 36.. are looks, programs presets", f"{NAME}  (not there now)",
        "    note 40, channel 10: press look to 5", "    cc 4, channel 1: absolute speed",
    ]  # fmt: skip


def test_a_show_learns_what_was_turned_last_from_what_moves_next(config: MidiConfig) -> None:
    desk, ports = Desk(), ScriptedPorts(PORT)
    midi = Midi(desk, config, lambda: ports)
    midi.start()
    try:
        until(lambda: midi.devices == [NAME])
        assert midi.learner.words == ""
        midi.learner.switch()
        assert "turn the control" in midi.learner.words
        desk.turn(Change("contrast", 1.5, 0.0), "keyboard")
        assert midi.learner.words == "MIDI: now move what shall turn contrast"
        for value in (10, 12, 15):
            ports.heard[PORT](bytes((0xB0, 21, value)))
        assert desk.values()["contrast"] == 1.5
        until(lambda: "contrast is on nanoKONTROL2 now" in midi.learner.words)
        desk.turn(Change("look", 4.0, 0.0), "web")
        ports.heard[PORT](bytes((0x90, 50, 90)))
        until(lambda: "look is on" in midi.learner.words)
        midi.learner.switch()
        assert midi.learner.words == ""
        until(lambda: len(read_maps(Path(config.map))[NAME]) == 2)  # written once it is said
        learnt = read_maps(Path(config.map))[NAME]
        assert [(one.parameter, one.message, one.number) for one in learnt] == [
            ("contrast", "cc", 21), ("look", "note", 50),
        ]  # fmt: skip
        desk.turn(Change("look", 1.0, 0.0), "web")
        until(
            lambda: bool(ports.heard[PORT](bytes((0x90, 50, 90)))) or desk.values()["look"] == 4.0
        )
    finally:
        midi.close()


@pytest.mark.parametrize(
    ("parameter", "ports", "told"),
    [
        ("spede", (PORT,), "no control 'spede'; did you mean 'speed'"),
        ("weight", (PORT,), "wants its slot, as weight.1"),
        ("speed", (), "no device is there"),
        ("speed", (PORT,), "nothing moved within 0.05 s"),
    ],
)
def test_what_cannot_be_learnt_is_one_line(
    parameter: str, ports: tuple[str, ...], told: str, config: MidiConfig
) -> None:
    with pytest.raises(ControlError) as caught:
        list(learn_lines(config, parameter, None, 0.05, lambda: ScriptedPorts(*ports)))
    assert told in str(caught.value) and "\n" not in str(caught.value)


def test_the_monitor_tells_what_comes_and_what_it_turns(config: MidiConfig) -> None:
    ports = ScriptedPorts(PORT)
    ports.on_open = plays((0xF8,), (0x90, 38, 127), (0xC1, 4))
    lines = monitor_lines(config, lambda: ports)
    assert [next(lines) for _ in range(3)] == [
        f"listening to {NAME}", f"{NAME}  note on 38 127, channel 1  melt_s 0, look 3",
        f"{NAME}  program 4, channel 2",
    ]  # fmt: skip
    lines.close()  # type: ignore[attr-defined]


def test_another_press_of_one_control_stands_beside_the_first() -> None:
    pads = [Binding(parameter="look", message="note", number=n, way="press", value=n)
            for n in (1, 2)]  # fmt: skip
    maps = with_binding(with_binding({}, NAME, pads[0]), NAME, pads[1])
    assert maps[NAME] == pads
    knob = Binding(parameter="dream", message="cc", number=5)
    other = Binding(parameter="dream", message="cc", number=6)
    assert with_binding(with_binding(maps, NAME, knob), NAME, other)[NAME] == [*pads, other]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[["x"]]\nparameter = "speed"', "message: Field required"),
        ('[["x"]]\nparameter = "spede"\nmessage = "cc"', "no control 'spede'"),
        ('[["x"]]\nparameter = "speed"\nmessage = "cc"\nchannel = 17', "channel"),
        ('[["x"]]\nparameter = "speed"\nmessage = "cc"\nport = 1', "port"),
        ("x = 3", "holds no maps"),
        ("x = [3]", "valid"),
        ("[", "holds no maps"),
    ],
)
def test_a_map_of_no_use_is_one_line(text: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "midi.toml").write_text(text)
    with pytest.raises(ControlError, match=told) as caught:
        read_maps(tmp_path / "midi.toml")
    assert "\n" not in str(caught.value)


def until(true: Callable[[], bool], wait_s: float = 10.0) -> None:
    end_s = time.monotonic() + wait_s
    while not true():
        assert time.monotonic() < end_s, "waited in vain"
        time.sleep(0.01)


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
    until(lambda: (SHARED / f"jack_{SERVER}_{os.getuid()}_0").exists())
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
def test_a_real_port_is_found_heard_and_let_go(jack: dict[str, str], tmp_path: Path) -> None:
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
def test_to_look_for_ports_takes_no_time_of_the_window_s(jack: dict[str, str]) -> None:
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
