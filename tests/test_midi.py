"""MIDI devices: plugged in, pulled out, learnt, lit; by script."""

import logging
import time
from pathlib import Path

import pytest
from scripted_ports import ScriptedPorts
from serving import wait_for

from trainjourney.controls.desk import Desk
from trainjourney.controls.midi import Midi
from trainjourney.controls.midi_map import (
    Binding,
    default_bindings,
    device_name,
    read_maps,
    with_binding,
    with_defaults,
    write_maps,
)
from trainjourney.errors import ControlError
from trainjourney.settings import MidiConfig
from trainjourney.types import Change

PORT = "nanoKONTROL2:nanoKONTROL2 nanoKONTROL2 _ CTRL 20:0"
NAME = "nanoKONTROL2"
OTHER = "Launchpad Mini:Launchpad Mini MIDI 1 24:0"
FADER = Binding(parameter="blackout", message="cc", number=0)
ALONE = [  # no defaults
    Binding(parameter="look", message="note", way="none"),
    Binding(parameter="speed", message="cc", way="none"),
    Binding(parameter="preset", message="program", way="none"),
]


@pytest.fixture
def config(tmp_path: Path) -> MidiConfig:
    return MidiConfig(map=str(tmp_path / "midi.toml"))


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
    write_maps(Path(config.map), {NAME: [FADER, *ALONE]})
    midi = Midi(desk, config, lambda: ports)
    midi.start()
    try:
        wait_for(lambda: midi.devices == [NAME])
        sent = ports.lights[PORT].sent
        assert sent == [bytes((0xB0, 0, 0))]  # as it stood when the device came
        desk.turn(Change("blackout", 0.5, 0.0), "web")
        wait_for(lambda: sent[-1] == bytes((0xB0, 0, 64)))
        ports.heard[PORT](bytes((0xB0, 0, 64)))
        ports.heard[PORT](bytes((0xB0, 0, 70)))
        time.sleep(0.2)
        assert len(sent) == 2  # nothing of its own comes back
        ports.names = []
        desk.turn(Change("blackout", 0.1, 0.0), "web")
        wait_for(lambda: midi.devices == [])
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
    ports.heard[PORT](bytes((0xC0, 4)))
    assert desk.values()["preset"] == 5.0  # and go on beneath one
    path.write_text("nonsense")
    midi.look()
    midi.look()
    ports.heard[PORT](bytes((0xB0, 0, 3)))
    assert desk.values()["blackout"] == pytest.approx(3 / 127)
    write_maps(path, {NAME: [FADER]})
    midi.look()
    path.write_text("nonsense")  # a fault that comes again is told again
    midi.look()
    ours = [one for one in caplog.records if one.name.startswith("trainjourney")]
    lines = [record.message for record in ours]  # asyncio may tell of tests before
    assert [line for line in lines if "\n" in line] == []
    assert ["holds no maps" in line for line in lines] == [True, True]
    midi.close()


def test_what_is_learnt_beside_a_broken_map_plays_and_is_not_said_to_be_kept(
    config: MidiConfig, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    desk, ports, path = Desk(), ScriptedPorts(PORT), Path(config.map)
    path.write_text("nonsense")
    midi = Midi(desk, config, lambda: ports)
    midi.start()
    try:
        wait_for(lambda: midi.devices == [NAME])
        midi.learner.switch()
        desk.turn(Change("contrast", 1.5, 0.0), "keyboard")
        for value in (10, 12, 15):
            ports.heard[PORT](bytes((0xB0, 21, value)))
        wait_for(lambda: "but that is not kept" in caplog.text)
        midi.learner.switch()
        for value in (0, 127):
            ports.heard[PORT](bytes((0xB0, 21, value)))
        assert desk.values()["contrast"] == 2.0 and path.read_text() == "nonsense"
        assert "from now on" not in caplog.text
    finally:
        midi.close()


def test_two_devices_of_one_name_have_each_its_own_lights(config: MidiConfig) -> None:
    write_maps(Path(config.map), {NAME: [FADER, *ALONE]})
    other = PORT.replace("20:0", "28:0")
    ports = ScriptedPorts(PORT, other)
    midi = Midi(Desk(), config, lambda: ports)
    midi.look()
    assert midi.devices == [NAME, NAME] and set(ports.lights) == {PORT, other}
    assert all(len(port.sent) == 1 for port in ports.lights.values())
    midi.close()


def test_only_those_wanted_are_opened(tmp_path: Path) -> None:
    ports = ScriptedPorts(PORT, "Launchpad", "Piano")
    config = MidiConfig(map=str(tmp_path / "midi.toml"), devices="launch, KONTROL")
    midi = Midi(Desk(), config, lambda: ports)
    midi.look()
    assert midi.devices == ["Launchpad", NAME]
    midi.close()


def test_a_show_learns_what_was_turned_last_from_what_moves_next(config: MidiConfig) -> None:
    desk, ports = Desk(), ScriptedPorts(PORT)
    midi = Midi(desk, config, lambda: ports)
    midi.start()
    try:
        wait_for(lambda: midi.devices == [NAME])
        assert midi.learner.words == ""
        midi.learner.switch()
        assert "turn the control" in midi.learner.words
        desk.turn(Change("contrast", 1.5, 0.0), "keyboard")
        assert midi.learner.words == "MIDI: now move what shall turn contrast"
        for value in (10, 12, 15):
            ports.heard[PORT](bytes((0xB0, 21, value)))
        assert desk.values()["contrast"] == 1.5
        wait_for(lambda: "contrast is on nanoKONTROL2 now" in midi.learner.words)
        desk.turn(Change("look", 4.0, 0.0), "web")
        ports.heard[PORT](bytes((0x90, 50, 90)))
        wait_for(lambda: "look is on" in midi.learner.words)
        midi.learner.switch()
        assert midi.learner.words == ""
        wait_for(lambda: len(read_maps(Path(config.map))[NAME]) == 2)  # written once it is said
        learnt = read_maps(Path(config.map))[NAME]
        assert [(one.parameter, one.message, one.number) for one in learnt] == [
            ("contrast", "cc", 21), ("look", "note", 50),
        ]  # fmt: skip
        desk.turn(Change("look", 1.0, 0.0), "web")
        wait_for(
            lambda: bool(ports.heard[PORT](bytes((0x90, 50, 90)))) or desk.values()["look"] == 4.0
        )
    finally:
        midi.close()


def test_another_press_of_one_control_stands_beside_the_first() -> None:
    pads = [Binding(parameter="look", message="note", number=n, way="press", value=n)
            for n in (1, 2)]  # fmt: skip
    maps = with_binding(with_binding({}, NAME, pads[0]), NAME, pads[1])
    assert maps[NAME] == pads
    knob = Binding(parameter="dream", message="cc", number=5)
    other = Binding(parameter="dream", message="cc", number=6)
    assert with_binding(with_binding(maps, NAME, knob), NAME, other)[NAME] == [*pads, other]


def test_the_defaults_are_beneath_what_is_learnt_but_for_those_taken_away() -> None:
    knob = Binding(parameter="dream", message="cc14", number=1)
    pad = Binding(parameter="hold", message="note", channel=10, number=36, way="toggle")
    played = with_defaults([pad, knob])
    defaults = default_bindings()
    assert played[:2] == [pad, knob] and set(played[2:]) < set(defaults)
    gone = [(one.parameter, one.message, one.channel) for one in defaults if one not in played]
    assert gone == [("look", "note", 10), ("speed", "cc", 1)]
    maps = {NAME: ALONE}
    for one in (FADER, Binding(parameter="look", message="note", number=0)):
        maps = with_binding(maps, NAME, one)
    assert with_defaults(maps[NAME]) == maps[NAME][3:] and len(maps[NAME]) == 5
    assert with_defaults([]) == defaults


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[["x"]]\nparameter = "speed"', "x, binding 1: message: Field required"),
        ('[["x"]]\nparameter = "spede"\nmessage = "cc"', "x, binding 1: no control 'spede'"),
        ('[["x"]]\nparameter = "speed"\nmessage = "cc"\nlow = nan', "low: .*finite"),
        ('["x"]\nparameter = "speed"\nmessage = "cc"', r'write \[\["x"\]\] above'),
        ('[["x"]]\nparameter = "speed"\nmessage = "cc"\nchannel = 17', "channel"),
        ('[["x"]]\nparameter = "speed"\nmessage = "cc"\nport = 1', "port"),
        ("x = 3", "x: has no bindings"),
        ("x = [3]", "x: has no bindings"),
        ("[", "holds no maps"),
    ],
)
def test_a_map_of_no_use_is_one_line(text: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "midi.toml").write_text(text)
    with pytest.raises(ControlError, match=told) as caught:
        read_maps(tmp_path / "midi.toml")
    assert "\n" not in str(caught.value)


def test_a_map_saved_by_an_editor_of_windows_is_read(tmp_path: Path) -> None:
    text = '[["x"]]\nparameter = "speed"\nmessage = "cc"\n'
    (tmp_path / "midi.toml").write_text(text, encoding="utf-8-sig")
    assert [one.parameter for one in read_maps(tmp_path / "midi.toml")["x"]] == ["speed"]
