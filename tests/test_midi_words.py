"""MIDI on the command line: learning, listing, and what devices send."""

import threading
from pathlib import Path

import pytest
from scripted_ports import ScriptedPorts, plays

from trainjourney.controls.midi_map import Binding, device_name, read_maps, write_maps
from trainjourney.controls.midi_words import learn_lines, list_lines, monitor_lines
from trainjourney.errors import ControlError
from trainjourney.settings import MidiConfig

PORT = "nanoKONTROL2:nanoKONTROL2 nanoKONTROL2 _ CTRL 20:0"
NAME = "nanoKONTROL2"
OTHER = "Launchpad Mini:Launchpad Mini MIDI 1 24:0"
STILL = Binding(parameter="speed", message="cc", way="none")


@pytest.fixture
def config(tmp_path: Path) -> MidiConfig:
    return MidiConfig(map=str(tmp_path / "midi.toml"))


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
    learnt = read_maps(Path(config.map))[NAME]
    write_maps(Path(config.map), {NAME: [*learnt, STILL]})
    lines = list(list_lines(config, lambda: ScriptedPorts("Piano")))
    assert lines == [
        "Piano  no map: pads 36.. are looks, programs presets, the wheel speed",
        f"{NAME}  (not there now)",
        "    note 40, channel 10: press look to 5", "    cc 4, channel 1: absolute speed",
        "    cc: by default no speed", "    and by default look, preset",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("parameter", "ports", "told"),
    [
        ("spede", (PORT,), "no control 'spede'; did you mean 'speed'"),
        ("weight", (PORT,), "no control 'weight'; it wants its slot, as weight.1"),
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


@pytest.mark.parametrize("value", [500.0, -3.0, float("nan")])
def test_a_press_sets_only_what_the_control_can_be(value: float, config: MidiConfig) -> None:
    with pytest.raises(ControlError, match="speed goes from -2 to 2"):
        list(learn_lines(config, "speed", value, 0.05, lambda: ScriptedPorts(PORT)))


def test_the_monitor_tells_what_comes_and_what_it_turns(config: MidiConfig) -> None:
    ports = ScriptedPorts(PORT)
    ports.on_open = plays((0xF8,), (0x90, 38, 127), (0xC1, 4))
    lines = monitor_lines(config, lambda: ports)
    assert [next(lines) for _ in range(3)] == [
        f"listening to {NAME}", f"{NAME}  note on 38 127, channel 1  melt_s 0, look 3",
        f"{NAME}  program 4, channel 2",
    ]  # fmt: skip
    lines.close()  # type: ignore[attr-defined]


def test_the_monitor_hears_a_device_that_is_plugged_in_later(
    config: MidiConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainjourney.controls.midi_words.LOOK_S", 0.01)
    ports = ScriptedPorts()
    ports.on_open = plays((0xC1, 4))
    lines = monitor_lines(config, lambda: ports)
    assert next(lines) == "listening to no device: none is there yet"
    for _ in range(2):  # and when it was away
        ports.names.append(PORT)
        assert next(lines) == f"listening to {NAME}"
        assert next(lines) == f"{NAME}  program 4, channel 2"
        ports.names.clear()
        threading.Timer(0.05, ports.names.append, (OTHER,)).start()
        assert next(lines) == f"listening to {device_name(OTHER)}"
        assert next(lines).startswith(device_name(OTHER))
        ports.names.clear()
    lines.close()  # type: ignore[attr-defined]
