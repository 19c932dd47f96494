"""Opening hours: whether the room is open at a time of the wall clock. Pure: the time is given.

"Tue-Sun 10:00-18:00, Thu 10:00-20:00": days and times, with commas between. What is said last of a
day holds for it; a day of which nothing is said is closed. 18:00-02:00 ends on the next day.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from trainjourney.errors import ConfigError

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MOST_LETTERS = 1000
_ENTRY = re.compile(
    r"(?:([a-z]{3})(?:\s*-\s*([a-z]{3}))?\s+)?(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})"
)
_HINT = 'write it as in "Tue-Sun 10:00-18:00, Thu 10:00-20:00"'
_DAY = 24 * 60  # minutes


@dataclass(frozen=True)
class Hours:
    """From and until when a room is open, in minutes of the day, by weekday from Monday.

    An end of more than a day is one on the next. None is closed.
    """

    days: tuple[tuple[int, int] | None, ...]

    def open_at(self, time: datetime) -> bool:
        """Whether it is open then: from the first minute on, and not in the last."""
        minute = time.hour * 60 + time.minute
        today, before = self.days[time.weekday()], self.days[(time - timedelta(1)).weekday()]
        late = before is not None and minute + _DAY < before[1]
        return late or (today is not None and today[0] <= minute < today[1])


def read_hours(text: str) -> Hours | None:
    """The hours that a text says; None where it is empty: always open. Raises ConfigError."""
    if not text.strip():
        return None
    if len(text) > MOST_LETTERS:
        raise ConfigError(f"hours.open: {len(text)} letters, {MOST_LETTERS} at most; {_HINT}")
    days: list[tuple[int, int] | None] = [None] * len(DAYS)
    for entry in text.split(","):
        found = _ENTRY.fullmatch(entry.strip().lower())
        if found is None:
            raise ConfigError(f"hours.open: '{entry.strip()[:60]}' is no time to open; {_HINT}")
        begin, end = _minutes(*found.group(3, 4)), _minutes(*found.group(5, 6))
        if end <= begin:
            end += _DAY
        for day in _days(*found.group(1, 2)):
            days[day] = (begin, end)
    return Hours(tuple(days))


def _days(first: str | None, last: str | None) -> list[int]:
    """All of them where none is named; over the end of the week where the last comes first."""
    for name in (first, last):
        if name and name not in DAYS:
            raise ConfigError(f"hours.open: no day '{name}'; give {', '.join(DAYS)}")
    if first is None:
        return list(range(len(DAYS)))
    begin = DAYS.index(first)
    count = (DAYS.index(last or first) - begin) % len(DAYS) + 1
    return [(begin + i) % len(DAYS) for i in range(count)]


def _minutes(hour: str, minute: str) -> int:
    made = int(hour) * 60 + int(minute)
    if int(minute) > 59 or made > _DAY:
        raise ConfigError(f"hours.open: {hour}:{minute} is no time of a day; {_HINT}")
    return made
