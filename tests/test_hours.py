"""Opening hours: what a text means, and what is turned when the room opens and closes."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainjourney.controls.desk import Desk
from trainjourney.errors import ConfigError
from trainjourney.journey.hours import DAYS, Hours, read_hours
from trainjourney.show.hours import FADE_S, Doorkeeper
from trainjourney.types import Change

MONDAY = datetime(2026, 11, 23)


def at(text: str) -> datetime:
    day, time = text.split()
    hour, minute = time.split(":")
    return MONDAY + timedelta(DAYS.index(day), hours=int(hour), minutes=int(minute))


def hours(text: str) -> Hours:
    found = read_hours(text)
    assert found
    return found


@pytest.mark.parametrize(
    ("text", "opened", "closed"),
    [
        ("10:00-18:00", "mon 10:00, sun 17:59", "mon 9:59, sun 18:00"),
        ("Tue - Sun 10:00 - 18:00", "tue 10:00, sun 12:00", "mon 12:00, tue 9:59"),
        ("tue-sun 10:00-18:00, thu 10:00-20:00", "thu 19:59, fri 17:00", "wed 19:00, thu 20:00"),
        ("Fri 18:00-02:00", "fri 23:00, sat 1:59", "fri 1:00, fri 17:59, sat 2:00, sat 18:00"),
        ("Sun 22:00-1:00", "sun 23:00, mon 0:30", "mon 1:00, mon 22:00, sun 0:30"),
        ("Sat-Mon 9:00-12:00", "sat 9:00, sun 9:00, mon 11:59", "tue 9:00, fri 9:00"),
        ("wed 0:00-24:00", "wed 0:00, wed 23:59", "tue 23:59, thu 0:00"),
        ("wed 8:00-8:00", "wed 8:00, thu 7:59", "wed 7:59, thu 8:00"),
    ],
)
def test_hours_are_read(text: str, opened: str, closed: str) -> None:
    found = hours(text)
    for time in opened.split(", "):
        assert found.open_at(at(time)), time
    for time in closed.split(", "):
        assert not found.open_at(at(time)), time


def test_no_hours_are_always() -> None:
    assert read_hours("") is None and read_hours("  ") is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("10-18", "'10-18' is no time to open; write it as"),
        ("Xyz 10:00-18:00", "no day 'xyz'; give mon"),
        ("mon-xyz 10:00-18:00", "no day 'xyz'"),
        ("10:60-18:00", "10:60 is no time of a day"),
        ("10:00-24:01", "24:01 is no time of a day"),
        ("10:00-18:00,", "'' is no time to open"),
        ("10:00-18:00, " * 200, "letters, 1000 at most"),
    ],
)
def test_hours_that_cannot_be_meant_are_refused(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        read_hours(text)


@given(st.text(alphabet="montuewdfri0123456789:-, ", max_size=40))
def test_any_text_is_hours_or_refused_in_one_line(text: str) -> None:
    try:
        found = read_hours(text)
    except ConfigError as err:
        assert "\n" not in str(err)
    else:
        assert found is None or any(found.days)


class Room:
    """A doorkeeper, a clock, and what the desk heard of them."""

    def __init__(self, text: str, start: str) -> None:
        self.time, self.desk, self.now_s = at(start), Desk(), 0.0
        self.turned: list[tuple[str, float | str]] = []
        self.desk.listen(lambda change, source: self.turned.append(self._of(change.parameter)))
        self.keeper = Doorkeeper(hours(text), self.desk, self._clock)

    def _clock(self) -> datetime:
        return self.time

    def _of(self, name: str) -> tuple[str, float | str]:
        return name, self.desk.values()[name]

    def wait(self, seconds: float) -> None:
        for _ in range(int(seconds)):
            self.keeper.look(self.now_s)
            self.now_s += 1.0
            self.time += timedelta(seconds=1)

    def heard(self) -> list[tuple[str, float | str]]:
        found, self.turned = self.turned, []
        return found


def test_it_goes_dark_rests_and_goes_on() -> None:
    room = Room("10:00-18:00", "mon 17:59")
    room.wait(60)
    assert room.heard() == []
    room.wait(FADE_S)
    assert room.heard() == [("blackout", 1.0)]
    room.wait(16 * 3600 - FADE_S)
    assert room.heard() == [("hold", 1.0)]
    room.wait(3600)
    assert room.heard() == [("hold", 0.0), ("blackout", 0.0)]


def test_a_show_that_begins_at_night_is_dark() -> None:
    room = Room("10:00-18:00", "mon 3:00")
    room.wait(1)
    assert room.heard() == [("blackout", 1.0)]
    room.wait(FADE_S + 1)
    assert room.heard() == [("hold", 1.0)]


def test_who_lights_it_at_night_has_it() -> None:
    room = Room("10:00-18:00", "mon 18:00")
    room.wait(2)
    room.desk.turn(Change("blackout", 0.0, room.now_s), "web")
    room.wait(3600)
    assert room.heard() == [("blackout", 1.0), ("blackout", 0.0)]


def test_a_clock_that_jumps_is_followed() -> None:
    room = Room("10:00-18:00", "mon 12:00")
    room.wait(1)
    room.time = at("mon 19:00")
    room.wait(1)
    assert room.heard() == [("blackout", 1.0)]
    room.time = at("mon 12:00")
    room.wait(FADE_S + 2)
    assert room.heard() == [("hold", 0.0), ("blackout", 0.0)]


def test_its_thread_looks_at_once_and_ends() -> None:
    room = Room("10:00-18:00", "mon 3:00")
    room.keeper.start()
    room.keeper.close()
    assert room.heard() == [("blackout", 1.0)]
    assert not room.keeper._thread.is_alive()
