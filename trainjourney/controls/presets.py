"""Presets: what all controls are set to, stored by number and recalled by it.

A preset leaves alone what it would hurt to turn by surprise (`LEFT`). Its values are kept in the
order of their last turns, so that of looks, weights and pad the one leads again that led.
"""

import logging
import math
import threading
import time
import tomllib
from pathlib import Path

from trainjourney.controls.desk import Desk
from trainjourney.controls.parameters import PARAMETERS, find_parameter
from trainjourney.folders import state_folder
from trainjourney.tables import write_table
from trainjourney.types import Change

log = logging.getLogger(__name__)

LEFT = ("preset", "store", "record", "blackout", "seed")
MOST_BYTES = 4 << 20
NOTE = "The presets of Trainjourney: numbers, and what the controls were set to."
Values = dict[str, float | str]


class Presets:
    """A listener of the desk that stores at "store" and recalls at "preset". `close` ends it.

    "preset" is 0 again as soon as anything that it holds is turned otherwise.

    The file is written in a thread: who turns a control never waits for a disk.
    """

    def __init__(self, desk: Desk, path: Path | None = None) -> None:
        self._desk = desk
        self._path = path or state_folder() / "presets.toml"
        self._lock = threading.Lock()
        self._presets, self._usable = read_presets(self._path)
        self._stands = False  # all is as a preset was recalled
        self._end = desk.listen(self._heard)
        self._writing: threading.Thread | None = None

    def numbers(self) -> list[int]:
        """The presets that there are."""
        with self._lock:
            return sorted(self._presets)

    def close(self) -> None:
        """End; what was stored is on disk then."""
        self._end()
        if self._writing:
            self._writing.join(5.0)

    def _heard(self, change: Change, source: str) -> None:
        name, value = change.parameter, change.value
        if name in ("store", "preset") and isinstance(value, float) and value >= 1.0:
            act = self._store if name == "store" else self._recall
            act(int(value), change.time_s)
        elif self._stands and source != "preset" and _kept(name, value) and name not in LEFT:
            self._stands = False  # it is not that preset any more
            self._desk.turn(Change("preset", 0.0, change.time_s), "preset")

    def _store(self, number: int, time_s: float) -> None:
        values = {
            name: value
            for name, value in self._desk.values().items()
            if name not in LEFT and _kept(name, value)
        }
        with self._lock:
            self._presets[number] = values
        log.info("preset %d stored", number)
        self._desk.turn(Change("store", 0.0, time_s), "preset")
        former = self._writing
        self._writing = threading.Thread(target=self._write, args=(former,), name="presets")
        self._writing.start()

    def _recall(self, number: int, time_s: float) -> None:
        with self._lock:
            values = dict(self._presets.get(number, {}))
        if not values:
            log.warning("there is no preset %d; store one first", number)
            return
        now = self._desk.values()
        gone = [name for name in now if name.startswith("weight.") and name not in values]
        for name in gone:
            if now[name]:
                self._desk.turn(Change(name, 0.0, time_s), "preset")
        for name, value in values.items():
            self._desk.turn(Change(name, value, time_s), "preset")
        self._stands = True

    def _write(self, former: threading.Thread | None) -> None:
        if former:
            former.join()
        with self._lock:
            presets = {str(number): dict(self._presets[number]) for number in sorted(self._presets)}
        try:
            if not self._usable and self._path.exists():  # keep what could not be read
                self._path.replace(self._path.with_suffix(f".{int(time.time())}.toml"))
            write_table(self._path, {"preset": presets}, NOTE)
            self._usable = True
        except OSError as err:
            reason = (err.strerror or str(err)).lower()
            log.warning("%s: the presets cannot be written (%s)", self._path, reason)


def read_presets(path: Path) -> tuple[dict[int, Values], bool]:
    """The presets in a file, and whether all of it could be read. What cannot be is told of."""
    try:
        if not path.exists():
            return {}, True
        if path.stat().st_size > MOST_BYTES:
            raise ValueError("is above 4 MB")
        tables = tomllib.loads(path.read_text(encoding="utf-8"))["preset"]
        presets = {int(number): checked(values) for number, values in tables.items()}
    except OSError as err:
        log.warning("%s: cannot be read (%s); no presets", path, (err.strerror or "").lower())
        return {}, False
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as err:
        log.warning("%s: holds no presets (%s); beginning anew beside it", path, err)
        return {}, False
    return presets, True


def checked(values: Values) -> Values:
    """Those of a file's values that a preset may hold."""
    return {name: value for name, value in values.items() if _kept(name, value)}


def _kept(name: str, value: object) -> bool:
    """Whether this is a value that a preset may hold."""
    found = find_parameter(name)
    if found is None or found[0].kind == "trigger":
        return False
    number = isinstance(value, int | float) and math.isfinite(value)
    return number or (isinstance(value, str) and PARAMETERS[found[0].name].named)
