"""OSC: what messages do to the desk, who is heard, who is told."""

import asyncio
import re
from pathlib import Path

import pytest
from osc_ear import SENDER, Said, osc_server

from trainjourney.controls.desk import Desk
from trainjourney.controls.osc import SUBSCRIBE, UNSUBSCRIBE, OscServer
from trainjourney.controls.osc_feedback import MOST_AT_ONCE, STANDING
from trainjourney.controls.osc_message import read_datagram, write_bundle, write_message
from trainjourney.controls.osc_table import ADDRESSES, MAIN
from trainjourney.controls.osc_words import monitor_lines
from trainjourney.controls.parameters import PARAMETERS
from trainjourney.errors import ConfigError, ControlError
from trainjourney.settings import OscConfig
from trainjourney.types import Change


@pytest.mark.parametrize(
    ("address", "arguments", "heard"),
    [
        ("/train/speed", (0.75,), ("speed", 1.0)),
        ("/train/speed", (1,), ("speed", 2.0)),
        ("/train/speed", (False,), ("speed", -2.0)),
        ("/train/speed", (7.0,), ("speed", 2.0)),
        ("/train/speed/raw", (-0.5,), ("speed", -0.5)),
        ("/train/speed/raw", (-50,), ("speed", -2.0)),
        ("/train/hold", (True,), ("hold", 1.0)),
        ("/train/hold", (1.0,), ("hold", 1.0)),
        ("/train/hold", (0,), ("hold", 0.0)),
        ("/train/look", (3,), ("look", 3.0)),
        ("/train/look", ("winter dusk",), ("look", "winter dusk")),
        ("/train/look/7", (1.0,), ("look", 7.0)),
        ("/train/look/7", (), ("look", 7.0)),
        ("/train/look/3/weight", (0.5,), ("weight.3", 0.5)),
        ("/train/melt/curve", ("soft",), ("melt_curve", 2.0)),
        ("/train/melt/raw", (4,), ("melt_s", 4.0)),
        ("/train/seed", (12345,), ("seed", 12345.0)),
        ("/train/preset", (3.0,), ("preset", 3.0)),
        ("/train/tap", (), ("tap", 1.0)),
        ("/train/bpm/raw", (999,), ("bpm", 300.0)),
    ],
)
def test_a_message_turns_its_control(
    address: str, arguments: tuple[object, ...], heard: tuple[str, float | str]
) -> None:
    said = Said()
    said.say(address, *arguments)
    assert said.heard == [heard] and said.ear.counts["taken"] == 1


def test_every_control_has_an_address_and_comes_back_from_it() -> None:
    for name, parameter in PARAMETERS.items():
        control = f"{name}.2" if parameter.slots else name
        address, desk = MAIN[control], Desk()
        value = parameter.clip(parameter.low + 0.75 * (parameter.high - parameter.low))
        told = address.arguments({control: value})
        [change] = address.changes(told, 0.0)
        assert desk.turn(change) and change.parameter == control
        assert change.value == pytest.approx(value)
    assert len(ADDRESSES) == len({path.casefold() for path in ADDRESSES})


def test_every_address_that_the_docs_promise_is_there() -> None:
    text = (Path(__file__).resolve().parent.parent / "docs/controls.md").read_text("utf-8")
    text, _, beside = text.partition("Beside these")
    further = re.findall(r"\| `(/train/[^` ]*)", beside)
    assert {"/train/look/1", "/train/pad", SUBSCRIBE, UNSUBSCRIBE} == set(further)
    assert set(further) - {SUBSCRIBE, UNSUBSCRIBE} <= set(ADDRESSES)
    promised = re.findall(r"\| `(/train/[^`]*?)(\[/raw\])?`(?:, where 0.5 is [^|]+)? \|", text)
    assert len(promised) == len(PARAMETERS)
    raw = {path.format(slot=1) + "/raw" for path, raw in promised if raw}
    assert {path.format(slot=1) for path, _ in promised} | raw <= set(ADDRESSES)
    there = {re.sub(r"/\d+/", "/1/", path) for path in ADDRESSES}
    assert raw == {path for path in there if path.endswith("/raw")}


def test_the_pad_takes_both_ways_at_once() -> None:
    said = Said()
    said.say("/train/pad", 0.25, 1.5)
    assert said.heard == [("pad_x", 0.25), ("pad_y", 1.0)]


def test_a_pattern_turns_all_it_means() -> None:
    said = Said()
    said.say("/train/look/[1-3]/weight", 0.5)
    assert said.heard == [("weight.1", 0.5), ("weight.2", 0.5), ("weight.3", 0.5)]


@pytest.mark.parametrize(
    ("address", "arguments", "why"),
    [
        ("/train/spede", (1.0,), "no such address"),
        ("/train/*x*", (1.0,), "no such address"),
        ("/train/speed", (), "too few arguments"),
        ("/train/pad", (0.5,), "too few arguments"),
        ("/train/speed", ("fast",), "a text where a number is meant"),
        ("/train/speed", (b"fast",), "no number"),
        ("/train/speed", (None,), "no number"),
        ("/train/look/7", ("dusk",), "a text where a number is meant"),
        ("/train/melt/curve", ("square",), "by the desk"),
        ("/train/subscribe", ("there",), "no port"),
        ("/train/subscribe", (99999,), "no port"),
    ],
)
def test_what_means_nothing_is_counted_and_let_go(
    address: str, arguments: tuple[object, ...], why: str
) -> None:
    said = Said()
    said.say(address, *arguments)
    assert said.heard == [] and said.ear.counts == {f"refused: {why}": 1}


def test_a_time_tag_within_a_second_is_waited_for_and_one_beyond_let_go() -> None:
    said = Said()
    speed = write_message("/train/speed", [1.0])
    brake = write_message("/train/brake", [1.0])
    said.send(write_bundle(said.clock_s + 0.5, [brake]))
    said.send(write_bundle(said.clock_s + 0.4, [speed]))
    said.send(write_bundle(said.clock_s + 2.0, [speed]))
    said.send(write_bundle(said.clock_s - 9.0, [write_message("/train/dream", [1.0])]))
    assert said.heard == [("dream", 1.0)] and said.ear.counts["too far ahead"] == 1
    said.wait(0.39)
    assert len(said.heard) == 1 and said.ear.busy
    said.wait(0.2)
    assert said.heard[1:] == [("speed", 2.0), ("brake", 1.0)] and not said.ear.busy


def test_only_the_allowed_are_heard() -> None:
    said = Said(allow="192.168.1.0/24, ::1")
    for host in ("127.0.0.1", "192.168.2.1", "10.0.0.1", "fe80::1%eth0", "nonsense"):
        said.say("/train/speed", 1.0, sender=(host, 9))
    assert said.heard == [] and said.ear.counts == {"from a stranger": 5}
    for host in ("192.168.1.77", "::1", "::ffff:192.168.1.3"):
        said.say("/train/speed", 1.0, sender=(host, 9))
    assert len(said.heard) == 3


def test_strangers_are_told_of_once_each_and_only_some(caplog: pytest.LogCaptureFixture) -> None:
    said = Said(allow="127.0.0.0/8, ::1")
    for i in range(200):
        for _ in range(3):
            said.say("/train/speed", 1.0, sender=(f"10.0.0.{i}", 9))
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 32 and said.ear.counts["from a stranger"] == 600
    assert told[5] == (
        'osc: 10.0.0.5 may not send; give --set osc.allow="127.0.0.0/8, ::1/128, 10.0.0.5"'
    )
    caplog.clear()
    said = Said(allow="::1")
    said.say("/train/speed", 1.0, sender=("fe80::1%eth0", 9))
    assert '"::1/128, fe80::1"' in caplog.text


def test_what_means_nothing_is_told_of_less_and_less(caplog: pytest.LogCaptureFixture) -> None:
    said = Said()
    for _ in range(9):
        said.say("/train/spede\n", 1.0)
    said.say("/train/speed", "fast")
    said.send(b"nonsense")
    said.say("/train/subscribe", "there")
    said.say("/train/melt/curve", "square")  # of that the desk tells
    told = [record.getMessage() for record in caplog.records]
    assert told[0] == (
        r"osc: '/train/spede\n' (1.0,) from 127.0.0.1 is refused: no such address; "
        "let go (1 so far), see trainjourney osc list"
    )
    assert "(8 so far)" in told[3]
    others = ("speed' ('fast',)", "b'nonsense' ", "subscribe' 'there'", "'square' cannot")
    for part, line in zip(others, told[4:], strict=True):
        assert part in line


def test_a_flood_is_thinned_and_its_last_values_win() -> None:
    said = Said(rate=1000)
    for i in range(20_000):  # in no time at all
        said.say("/train/speed", i / 20_000)
        said.say("/train/brake", i / 40_000)
    assert len(said.heard) == 500  # half a second's worth at once
    said.say("/train/dream", 0.5, sender=("127.0.0.2", 1))  # another one is not held up
    assert said.heard[-1] == ("dream", 0.5)
    said.wait(0.01)
    assert said.desk.values()["speed"] == pytest.approx(-2 + 4 * 19_999 / 20_000)
    assert said.desk.values()["brake"] == pytest.approx(19_999 / 40_000)
    assert not said.ear.busy and said.ear.counts["thinned"] == 40_000 - 500 - 2


def test_a_bundle_costs_what_is_in_it() -> None:
    said = Said(rate=100)
    whole = write_bundle(None, [write_message("/train/speed", [0.5])] * 100)
    said.send(whole)
    said.say("/train/speed", 1.0)
    assert len(said.heard) == 100
    said.wait(0.49)
    assert len(said.heard) == 100
    said.wait(0.1)
    assert said.heard[-1] == ("speed", 2.0)


def test_a_question_is_answered() -> None:
    said = Said()
    said.desk.turn(said_change("look", "dusk"))
    said.say("/train/speed", "?")
    said.say("/train/look", "?")
    said.say("/train/speed/raw", "?")
    said.say("/train/pad", "?")
    answers = [(read_datagram(data)[0].message, to) for data, to in said.ear.answers]
    assert [(m.address, m.arguments) for m, _ in answers] == [
        ("/train/speed", (0.75,)), ("/train/look", ("dusk",)),
        ("/train/speed/raw", (1.0,)), ("/train/pad", (0.5, 0.5)),
    ]  # fmt: skip
    assert {to for _, to in answers} == {SENDER}


def said_change(name: str, value: float | str) -> Change:
    return Change(name, value, 0.0)


def test_subscribers_are_told_by_all_but_themselves_until_they_fall_silent() -> None:
    said = Said(feedback="10.0.0.9:9001")
    tablet, other = ("127.0.0.1", 5000), ("127.0.0.1", 6000)
    said.say("/train/subscribe", 5001, sender=tablet)
    said.say("/train/subscribe", sender=other)

    def told() -> dict[tuple[str, int], list[tuple[str, object]]]:
        found: dict[tuple[str, int], list[tuple[str, object]]] = {}
        for data, to in said.ear.feedback.due(said.now_s):
            message = read_datagram(data)[0].message
            found.setdefault(to, []).append((message.address, message.arguments[0]))
        return found

    while told():
        pass
    for i in range(50):
        said.say("/train/speed", i / 100, sender=tablet)
    said.say("/train/speed", 0.75, sender=tablet)
    assert told() == {other: [("/train/speed", 0.75)], ("10.0.0.9", 9001): [("/train/speed", 0.75)]}
    said.desk.turn(said_change("hold", 1.0), "web")
    assert set(told()) == {("127.0.0.1", 5001), other, ("10.0.0.9", 9001)}
    said.say("/train/unsubscribe", sender=tablet)
    said.desk.turn(said_change("hold", 0.0), "web")
    assert set(told()) == {other, ("10.0.0.9", 9001)}
    said.now_s += 61
    said.desk.turn(said_change("hold", 1.0), "web")
    assert set(told()) == {("10.0.0.9", 9001)}


def test_a_control_that_has_no_address_keeps_nobody_from_being_told() -> None:
    said = Said(feedback="10.0.0.9:9001")
    while list(said.ear.feedback.due(said.now_s)):
        pass
    said.desk.turn(said_change("weight.0", 0.5), "web")
    said.desk.turn(said_change("hold", 1.0), "web")
    told = [read_datagram(data)[0].message for data, _ in said.ear.feedback.due(said.now_s)]
    assert [(one.address, one.arguments) for one in told] == [("/train/hold", (1,))]


def test_who_subscribes_hears_once_what_all_is_set_to_and_little_at_a_time() -> None:
    said = Said(feedback="10.0.0.9:9001", rate=200)
    said.desk.turn(said_change("look", "dusk"))

    def told() -> dict[tuple[str, int], dict[str, object]]:
        found: dict[tuple[str, int], dict[str, object]] = {}
        while due := list(said.ear.feedback.due(said.now_s)):
            assert len(due) <= MOST_AT_ONCE + 2  # the pad as a whole with its two ways
            for data, to in due:
                message = read_datagram(data)[0].message
                found.setdefault(to, {})[message.address] = message.arguments[0]
        return found

    at_start = told()
    assert (
        set(at_start) == {("10.0.0.9", 9001)}
        and at_start["10.0.0.9", 9001]["/train/look"] == "dusk"
    )
    standing = {MAIN[name].path for name in STANDING} | {"/train/pad"}
    assert set(at_start["10.0.0.9", 9001]) == standing
    surface = ("127.0.0.1", 9001)
    said.say("/train/subscribe", 9001)
    assert {to: set(values) for to, values in told().items()} == {surface: standing}
    said.wait(0.5)
    said.say("/train/subscribe", 9001)  # lives on
    assert told() == {}
    said.wait(0.5)
    said.say("/train/subscribe", 9001, sender=("127.0.0.1", 5001))  # begun anew
    assert {to: set(values) for to, values in told().items()} == {surface: standing}
    for _ in range(50):
        said.say("/train/speed", 1.0)
    assert said.ear.busy  # what was sent for it is on its account


def test_the_pad_is_told_as_a_whole_too() -> None:
    said = Said()
    said.say("/train/subscribe")
    while list(said.ear.feedback.due(said.now_s)):
        pass
    said.desk.turn(said_change("pad_x", 0.25), "web")
    told = [read_datagram(data)[0].message for data, _ in said.ear.feedback.due(said.now_s)]
    assert [(one.address, one.arguments) for one in told] == [
        ("/train/pad/x", (0.25,)), ("/train/pad", (0.25, 0.5)),
    ]  # fmt: skip


def test_settings_that_cannot_be_meant_are_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"osc.allow: 'moon' is no address"):
        Said(allow="10.0.0.1, moon")
    for wrong in ("here", "10.0.0.1", "10.0.0.1:0", "tablet.local:9001"):
        with pytest.raises(ConfigError, match=r"osc.feedback: .* is no address:port"):
            Said(feedback=wrong)


def test_a_port_in_use_is_one_line() -> None:
    with osc_server(Desk()) as first:
        second = OscServer(Desk(), OscConfig(port=first.port))

        async def start() -> None:
            second.start()

        with pytest.raises(ControlError, match=r"in use.*--set osc.port=9001"):
            asyncio.run(start())
        with pytest.raises(ControlError, match=r"in use.*give another, --port 9001"):
            next(monitor_lines(OscConfig(), first.port, None))
