"""MIDI bytes to changes and back: pickup, fine faders, encoders, pads, clock, learning."""

from typing import Any

import mido
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainjourney.controls.desk import Desk
from trainjourney.controls.midi_clock import START, TICK, MidiClock
from trainjourney.controls.midi_device import MidiDevice
from trainjourney.controls.midi_learn import guess
from trainjourney.controls.midi_map import Binding, default_bindings
from trainjourney.types import Change


class Played:
    """A device on a desk, played with mido's own messages."""

    def __init__(self, *bindings: Binding) -> None:
        self.desk, self.device = Desk(), MidiDevice(bindings)
        self.heard: list[tuple[str, Any]] = []

    def play(self, kind: str, **words: int) -> list[tuple[str, Any]]:
        message = mido.Message(kind, **words).bytes()
        changes = self.device.hear(message, self.desk.values(), 0.0)
        for change in changes:
            assert self.desk.turn(change, "midi")
        return [(change.parameter, change.value) for change in changes]

    def cc(self, value: int, control: int = 1) -> list[tuple[str, Any]]:
        return self.play("control_change", control=control, value=value)

    def turn(self, name: str, value: float) -> None:
        self.desk.turn(Change(name, value, 0.0), "web")


DREAM = Binding(parameter="dream", message="cc", number=1)


def test_a_fader_never_jumps_it_picks_its_control_up() -> None:
    played = Played(DREAM)  # dream stands at 0.2
    assert played.cc(127) == [] and played.cc(100) == []
    assert played.cc(20) == [("dream", pytest.approx(20 / 127))]  # went past it
    assert played.cc(90) == [("dream", pytest.approx(90 / 127))]  # and has it now
    played.turn("dream", 0.1)
    assert played.cc(95) == [] and played.cc(91) == []
    assert played.cc(14) == [("dream", pytest.approx(14 / 127))]  # near is enough
    played.turn("dream", 0.5)
    assert played.cc(80) == [("dream", pytest.approx(80 / 127))]  # past again


def test_a_fader_has_its_own_range_and_may_stand_on_its_head() -> None:
    played = Played(Binding(parameter="speed", message="cc", number=1, low=1.0, high=-1.0))
    assert played.cc(0) == [("speed", 1.0)]
    assert played.cc(127) == [("speed", -1.0)]


def test_fourteen_bits_are_one_fine_fader() -> None:
    played = Played(Binding(parameter="brightness", message="cc14", number=7))
    assert played.cc(63, 7) == []
    [(name, value)] = played.cc(127, 39)
    assert name == "brightness" and value == pytest.approx(2 * (63 * 128 + 127) / 16383)
    [(_, finer)] = played.cc(126, 39)
    assert 0 < float(value) - float(finer) < 2 / 16000


@pytest.mark.parametrize(("way", "more", "less"), [("twos", 3, 125), ("offset", 67, 61)])
def test_encoders_step_from_wherever_the_control_is(way: str, more: int, less: int) -> None:
    played = Played(Binding.model_validate({"parameter": "dream", "message": "cc", "way": way}))
    [(_, up)] = played.cc(more, 0)
    assert up == pytest.approx(0.2 + 3 / 127)
    played.turn("dream", 0.99)
    assert played.cc(more, 0) == [("dream", 1.0)]
    assert played.cc(less, 0)[0][1] == pytest.approx(1.0 - 3 / 127)
    assert played.cc(64 if way == "offset" else 0, 0) == []
    looks = Played(Binding.model_validate({"parameter": "look", "message": "cc", "way": way}))
    assert looks.cc(more, 0) == [("look", 4.0)]


def test_a_pad_melts_to_its_look_the_harder_the_faster() -> None:
    played = Played(*default_bindings())
    soft = played.play("note_on", note=38, velocity=1)
    assert soft == [("melt_s", pytest.approx(8 * 126 / 127)), ("look", 3.0)]
    assert played.play("note_on", note=36, velocity=127, channel=9) == [("melt_s", 0), ("look", 1)]
    for kind, velocity in (("note_off", 64), ("note_on", 0)):
        assert played.play(kind, note=36, velocity=velocity) == []
    assert played.play("note_on", note=36, velocity=9, channel=3) == []


def test_a_program_is_a_preset_and_a_bend_a_place() -> None:
    played = Played(*default_bindings(), Binding(parameter="pad_x", message="bend"))
    assert played.play("program_change", program=4) == [("preset", 5.0)]
    assert played.play("pitchwheel", pitch=0)[0][1] == pytest.approx(0.5, abs=1e-3)
    assert played.play("pitchwheel", pitch=-8192) == [("pad_x", 0.0)]


def test_buttons_flip_hold_or_set() -> None:
    flip = Played(Binding(parameter="hold", message="cc", number=1, way="toggle"))
    assert flip.cc(127) == [("hold", 1.0)] and flip.cc(0) == []
    assert flip.cc(127) == [("hold", 0.0)]
    held = Played(Binding(parameter="brake", message="note", number=5))
    assert held.play("note_on", note=5, velocity=50) == [("brake", 1.0)]
    assert held.play("note_off", note=5) == [("brake", 0.0)]
    tap = Played(Binding(parameter="tap", message="note", number=5, way="press"))
    assert tap.play("note_on", note=5) == [("tap", 1.0)] and tap.play("note_off", note=5) == []


def test_lights_show_what_others_turned_and_the_fader_has_to_pick_up_again() -> None:
    pads = [Binding(parameter="look", message="note", number=36 + n, way="press", value=n)
            for n in (1, 2)]  # fmt: skip
    fine = Binding(parameter="brightness", message="cc14", number=7)
    played = Played(DREAM, *pads, fine, Binding(parameter="hold", message="note", number=9))
    played.turn("look", 2.0)
    played.turn("dream", 1.0)
    values = played.desk.values()
    assert list(played.device.lights("dream", values)) == [bytes((0xB0, 1, 127))]
    lights = list(played.device.lights("look", values))
    assert lights == [bytes((0x90, 37, 0)), bytes((0x90, 38, 127))]
    assert list(played.device.lights("brightness", values)) == [
        bytes((0xB0, 7, 64)), bytes((0xB0, 39, 0)),
    ]  # fmt: skip
    whole = list(played.device.all_lights(values))
    assert len(whole) == 6 and bytes((0x90, 9, 0)) in whole
    for message in whole:
        mido.Message.from_bytes(message)


@given(st.lists(st.binary(max_size=5) | st.lists(st.integers(-9, 300), max_size=4), max_size=30))
def test_no_bytes_do_harm(messages: list[bytes | list[int]]) -> None:
    everything = Binding(parameter="speed", message="cc14", number=3)
    played = Played(DREAM, *default_bindings(), everything)
    for message in messages:
        for change in played.device.hear(message, played.desk.values(), 0.0):
            assert played.desk.turn(change)
    assert played.desk.refused == 0


def test_a_clock_gives_tempo_and_beats() -> None:
    clock, found = MidiClock(), []
    assert clock.hear(START, 0.0) == []
    for tick in range(24 * 6):
        wobble_s = 0.001 if tick % 2 else 0.0
        found += clock.hear(TICK, 5.0 + tick * 60 / (132 * 24) + wobble_s)
    beats = [change for change in found if change.parameter == "beat"]
    tempos = [change.value for change in found if change.parameter == "bpm"]
    assert len(beats) == 6 and beats[1].time_s - beats[0].time_s == pytest.approx(60 / 132)
    assert tempos and all(float(bpm) == pytest.approx(132, rel=0.01) for bpm in tempos)
    assert clock.hear(TICK, 100.0) and clock.hear(TICK, 100.01) == []  # begins anew after a stop
    assert clock.hear(START, 100.02) == []
    assert [change.parameter for change in clock.hear(TICK, 100.03)] == ["beat"]


def moved(control: int, values: list[int]) -> list[list[int]]:
    return [[0xB2, control, value] for value in values]


@pytest.mark.parametrize(
    ("messages", "parameter", "value", "learnt"),
    [
        (moved(7, [3, 5, 9, 20]), "speed", None, ("cc", 3, 7, "absolute")),
        (moved(7, [1, 1, 2, 1, 127, 127]), "speed", None, ("cc", 3, 7, "twos")),
        (moved(7, [65, 65, 66, 63, 63]), "speed", None, ("cc", 3, 7, "offset")),
        (moved(7, [3, 3]) + moved(39, [5, 90]), "speed", None, ("cc14", 3, 7, "absolute")),
        (moved(7, [127, 0]), "hold", None, ("cc", 3, 7, "toggle")),
        (moved(7, [127, 0]), "tap", None, ("cc", 3, 7, "press")),
        ([[0xF8], [0x89, 4, 0], [0x99, 40, 90]], "look", 5.0, ("note", 10, 40, "press")),
        ([[0xC0, 5]], "preset", None, ("program", 1, 0, "absolute")),
        ([[0xE1, 5, 6]], "pad_x", None, ("bend", 2, 0, "absolute")),
    ],
)
def test_what_moves_is_learnt_for_what_it_is(
    messages: list[list[int]], parameter: str, value: float | None,
    learnt: tuple[str, int, int, str],
) -> None:  # fmt: skip
    found = guess(messages, parameter, value)
    assert found and (found.message, found.channel, found.number, found.way) == learnt
    if value is not None:
        assert found.value == value and found.velocity_s == 8.0


def test_where_nothing_moved_nothing_is_learnt() -> None:
    assert guess([], "speed", None) is None and guess([[0xF8], []], "speed", None) is None
