"""The desk: one word for all sources, deaf to what cannot be meant, heard in order."""

import math
import threading

import pytest

from trainjourney.controls.desk import Desk
from trainjourney.controls.parameters import PARAMETERS, SLOTS, find_parameter
from trainjourney.errors import ConfigError
from trainjourney.types import Change


@pytest.mark.parametrize(
    ("parameter", "value", "taken"),
    [
        ("speed", 9.0, 2.0),
        ("speed", -9, -2.0),
        ("hold", 0.7, 1.0),
        ("look", "meadow", "meadow"),
        ("look", 2.6, 3.0),
        ("melt_curve", "soft", 2.0),
        ("weight.3", 0.25, 0.25),
        (f"weight.{SLOTS}", True, 1.0),
    ],
)
def test_what_is_meant_takes_effect(parameter: str, value: float | str, taken: object) -> None:
    desk = Desk()
    heard: list[tuple[Change, str]] = []
    desk.listen(lambda change, source: heard.append((change, source)))
    assert desk.turn(Change(parameter, value, 1.5), "osc")
    assert desk.values()[parameter] == taken
    assert heard == [(Change(parameter, taken, 1.5), "osc")]


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("spede", 1.0),
        ("speed", "fast"),
        ("speed", math.nan),
        ("speed", math.inf),
        ("weight", 1.0),
        ("weight.65", 1.0),
        ("weight.-1", 1.0),
        ("weight.³", 1.0),
        ("speed.1", 1.0),
        ("melt_curve", "square"),
        ("look", ""),
        ("look", "x" * 201),
        ("look", "\ud800"),  # half a character, as JSON can say it
    ],
)
def test_what_cannot_be_meant_is_counted_and_let_go(parameter: str, value: float | str) -> None:
    desk = Desk()
    before = desk.values()
    assert not desk.turn(Change(parameter, value, 0.0))
    assert (desk.values(), desk.refused) == (before, 1)


def test_values_are_in_the_order_of_their_last_turns_and_a_look_leads_at_first() -> None:
    desk = Desk({"look": 2.0})
    assert [*desk.values()][-1] == "look"
    for name in ("weight.3", "look", "weight.3"):
        desk.turn(Change(name, 1.0, 0.0))
    assert [*desk.values()][-2:] == ["look", "weight.3"]


def test_a_trigger_goes_off_and_keeps_no_value() -> None:
    desk, heard = Desk(), []
    end = desk.listen(lambda change, source: heard.append(change.value))
    assert desk.turn(Change("tap", 1.0, 0.0)) and desk.turn(Change("tap", 0.0, 0.1))
    end()
    assert desk.turn(Change("tap", 1.0, 0.2))
    assert heard == [1.0] and "tap" not in set(desk.values()) - set(PARAMETERS)


def test_threads_that_turn_at_once_lose_nothing() -> None:
    desk, heard = Desk(), []
    desk.listen(lambda change, source: heard.append((source, change.value)))

    def turn(source: str) -> None:
        for i in range(200):
            desk.turn(Change("bpm", 20.0 + i, 0.0), source)

    threads = [threading.Thread(target=turn, args=(str(n),)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(heard) == 800 and desk.values()["bpm"] == heard[-1][1]
    for n in range(4):
        assert [value for source, value in heard if source == str(n)] == [
            20.0 + i for i in range(200)
        ]


def test_every_parameter_is_found_by_its_name() -> None:
    for name, parameter in PARAMETERS.items():
        named = f"{name}.7" if parameter.slots else name
        assert find_parameter(named) == (parameter, 7 if parameter.slots else None)


def test_a_look_that_the_bank_has_not_is_not_played(caplog: pytest.LogCaptureFixture) -> None:
    def find(wanted: float | str) -> object:
        if wanted not in ("harvest", 3.0):
            raise ConfigError(f"look '{wanted}' is not in the bank; there are 3 harvest")
        return wanted

    desk = Desk({"look": "harvest"})
    heard: list[float | str] = []
    desk.find_look = find
    desk.listen(lambda change, source: heard.append(change.value))
    for wanted in ("nosuch", 0.0, 32.0):
        assert not desk.turn(Change("look", wanted, 0.0), "osc")
        assert desk.values()["look"] == "harvest"
    assert "look 'nosuch' is not in the bank; there are 3 harvest; let go (1 so far)" in caplog.text
    desk.refused = 0
    assert not desk.turn(Change("look", -3.0, 0.0)) and "look '-3.0' is not in the" in caplog.text
    assert not desk.turn(Change("look", 99.0, 0.0)) and "look '99.0' is not in the" in caplog.text
    assert desk.turn(Change("look", 3.2, 0.0)) and heard == [3.0]
