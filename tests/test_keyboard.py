"""The table of parameters and the keys it gives."""

import pytest

from trainjourney.controls.keyboard import KEYS, Keyboard
from trainjourney.controls.parameters import PARAMETERS
from trainjourney.settings import JourneyConfig
from trainjourney.types import Change


def pressed(keys: str, **values: float | str) -> list[Change]:
    set_to = {p.name: p.default for p in PARAMETERS.values()} | values
    keyboard = Keyboard(set_to)
    for key in keys.split():
        keyboard.press(key, 1.5)
    changes = []
    for change in keyboard.poll():
        set_to[change.parameter] = change.value
        changes.append(change)
    assert not list(keyboard.poll())
    return changes


def test_the_table_is_sound() -> None:
    for name, parameter in PARAMETERS.items():
        assert parameter.low <= parameter.default <= parameter.high, name
        assert parameter.osc.startswith("/train/") and parameter.help.endswith(".")
    addresses = [parameter.osc for parameter in PARAMETERS.values()]
    assert len(set(addresses)) == len(addresses)
    keys = [key for p in PARAMETERS.values() for key in p.key.replace("/", " ").split()]
    assert sorted(keys) == sorted(KEYS), "a key with two meanings"


def test_the_defaults_are_those_of_the_config() -> None:
    config = JourneyConfig()
    for name in ("speed", "dream", "melt_s"):
        assert getattr(config, name) == PARAMETERS[name].default


@pytest.mark.parametrize(
    ("keys", "parameter", "value"),
    [
        ("up", "speed", 1.1),
        ("right right", "speed", 1.2),
        ("down", "speed", 0.9),
        (" ".join(["left"] * 10), "speed", 0.0),
        (" ".join(["down"] * 99), "speed", -2.0),
        (" ".join(["up"] * 99), "speed", 2.0),
        ("space", "brake", 1.0),
        ("space space", "brake", 0.0),
        ("3", "look", 3.0),
        ("0", "look", 0.0),
        ("] ]", "dream", 0.3),
        (",", "melt_s", 2.5),
    ],
)
def test_keys_turn_controls(keys: str, parameter: str, value: float) -> None:
    assert pressed(keys)[-1] == Change(parameter, value, 1.5)


def test_an_odd_value_steps_onto_the_grid() -> None:
    assert pressed("up", speed=0.333)[0].value == 0.4


def test_keys_without_a_meaning_are_let_go() -> None:
    assert pressed("q return left") == [Change("speed", 0.9, 1.5)]


@pytest.mark.parametrize("key", ["n", "s", "t"])
def test_a_trigger_is_set_off_by_every_press(key: str) -> None:
    assert [change.value for change in pressed(f"{key} {key} {key}")] == [1.0, 1.0, 1.0]
