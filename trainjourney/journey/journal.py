"""The journal of a show: all that is needed to make the same film again, as lines of JSON.

The first line is the head: bundle, engine, seed, start and the looks. Each later one has the
number of the frame, from 0, that it first acts on:
{"frame": 90, "parameter": "speed", "value": 0.5}    a control was turned
{"frame": 120, "looks": {"1": {...}}}                another bank was laid
{"frame": 0, "arrive": true}                         all is at once where it is set to
{"frame": 300, "time": "2026-06-01T20:00:10"}        a sign of life, every ten seconds
{"frame": 400, "resumed": "state", "kept": 390}      the world was lost, and went on from where it
                                                     was after 390 frames; or from the last
                                                     "picture", or from the "start"
{"frame": 900, "end": true}                          the film has as many frames
"""

import io
import json
import logging
import math
import re
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any, Literal

from trainjourney.controls.parameters import find_parameter
from trainjourney.errors import OutputError
from trainjourney.folders import make_room, state_folder
from trainjourney.inference.bundle import Look
from trainjourney.journey.journal_head import Head, described, now_text
from trainjourney.types import Change, Frame

log = logging.getLogger(__name__)

LIFE_S = 10.0  # between two signs of life
RETRY_S = 2.0  # before a disk that refused is tried again
MOST_PENDING = 20_000  # lines kept for a disk that refuses
_NAME = re.compile(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d(_\d+)?(\.then)?\.jsonl")

How = Literal["state", "picture", "start"]


@dataclass(frozen=True)
class Resumed:
    """How a world went on where another was lost."""

    how: How
    frames: int  # that the show had by then
    kept: int = 0  # those that it had when the state was kept from which it went on


def new_journal(folder: str, keep_bytes: float = math.inf) -> Path:
    """A new, empty journal in a folder; "" is that of the user's state. Raises OutputError.

    The oldest there make room for it where together they have more than `keep_bytes`.
    """
    home = Path(folder).expanduser() if folder else state_folder() / "journals"
    name = datetime.now().astimezone().strftime("%Y-%m-%d_%H-%M-%S")
    try:
        home.mkdir(parents=True, exist_ok=True)
        make_room(filter(_is_over, home.iterdir()), keep_bytes)
        for number in count(1):
            path = home / f"{name}{'' if number == 1 else f'_{number}'}.jsonl"
            with suppress(FileExistsError):
                path.open("xb").close()
                break
    except OSError as err:
        raise _cannot(home, err) from err
    return path


def _is_over(path: Path) -> bool:
    """Whether it is a journal by its name, and no show is writing it."""
    return bool(_NAME.fullmatch(path.name)) and time.time() - path.stat().st_mtime > 3 * LIFE_S


class Journal:
    """A journal being written. A Source of no changes that counts the frames: the loop's first.

    As the first Output it is whole whenever a frame goes out, else when the next one begins. A
    disk that refuses is told of in one line; what is to be written is kept, and tried again.
    """

    def __init__(
        self,
        path: Path,
        head: Head,
        known: Iterable[Look] = (),
        *,
        resumed: Resumed | None = None,
        most_bytes: float = math.inf,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin one, or with `resumed` go on with the one that is there.

        `known` are the bundle's looks; with `most_bytes` it ends. Raises OutputError where it
        cannot be written at all.
        """
        self.path, self.number = path, -1  # of the frame that is being made
        self._known, self._fps, self._now = tuple(known), int(head["fps"]), now
        self._most_bytes = most_bytes
        self._heard: list[dict[str, Any]] = []  # for the frame that is being made
        self._pending: list[bytes] = []
        self._refused = False
        self._retry_s = 0.0
        self._first = 0  # of the frames of a world that went on
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._first = max(_frames_in(path), resumed.frames) if resumed else 0
            self._file = path.open("ab" if resumed else "wb", buffering=0)
            self._whole = self._file.seek(0, io.SEEK_END)
        except OSError as err:
            raise _cannot(path, err) from err
        if resumed and self._whole >= most_bytes:
            self._file.close()  # it has ended
        elif resumed:
            self._say({"frame": self._first, "resumed": resumed.how, "kept": resumed.kept})
        else:
            self._say(head)

    def poll(self) -> tuple[()]:
        """A frame begins."""
        self._say()
        if self._whole >= self._most_bytes and not self._file.closed:
            log.warning(
                "%s: ends at %.1f MB; the show goes on, and a higher --set journal.keep_gb keeps "
                "more of the next", self.path, self._whole / 1e6,
            )  # fmt: skip
            self.close()
        self.number += 1
        if self.number and self.number % round(self._fps * LIFE_S) == 0:
            self._say({"frame": self._first + self.number, "time": now_text()})
        return ()

    def show(self, frame: Frame) -> None:
        """A frame is made: what acts on it is written before it goes out."""
        self._say()

    def heard(self, number: int, change: Change) -> None:
        """A change acts on frame `number` for the first time; the loop's `heard`.

        Of several of a control that glides the last one counts: nothing goes by the others. But of
        weights each, for one that is given takes the lead and one that is let go does not.
        """
        if self._file.closed:
            return
        name, found = change.parameter, find_parameter(change.parameter)
        if found and found[0].kind == "number" and found[0].settle_s and not found[0].slots:
            self._heard = [line for line in self._heard if line["parameter"] != name]
        self._heard.append(
            {"frame": self._first + number, "parameter": name, "value": change.value}
        )

    def lay(self, looks: Mapping[int, Look]) -> None:
        """Another bank is laid for the frame that is being made."""
        told = described(looks, self._known)
        self._say({"frame": self._first + max(self.number, 0), "looks": told})

    def arrive(self) -> None:
        """What was heard for this frame is there at once, without a ramp."""
        self._say({"frame": self._first + max(self.number, 0), "arrive": True})

    def close(self) -> None:
        """The film ends before the frame that is next."""
        if not self._file.closed:
            self._say({"frame": self._first + self.number + 1, "end": True})
            if self._pending:
                log.warning("%s: %d lines were not written", self.path, len(self._pending))
            self._file.close()

    def _say(self, *lines: Mapping[str, Any]) -> None:
        """Write what was heard and is not written yet, then these."""
        if self._file.closed:
            return
        for line in (*self._heard, *lines):
            self._pending.append(json.dumps(line, separators=(",", ":")).encode() + b"\n")
        self._heard.clear()
        del self._pending[MOST_PENDING:]  # a film that ends early is still a film
        if self._pending and (not self._refused or self._now() >= self._retry_s):
            self._write()

    def _write(self) -> None:
        data = b"".join(self._pending)
        try:
            left = memoryview(data)
            while left:  # a full disk takes a part of it, and tells why the next time
                left = left[self._file.write(left) :]
        except OSError as err:
            self._tear_off()
            if not self._refused:
                reason = (err.strerror or str(err)).lower()
                log.warning(
                    "%s: %s; the show goes on, the journal as soon as there is room",
                    self.path, reason,
                )  # fmt: skip
            self._refused, self._retry_s = True, self._now() + RETRY_S
            return
        if self._refused:
            log.info("%s: written again", self.path)
        self._refused = False
        self._whole += len(data)
        self._pending.clear()

    def _tear_off(self) -> None:
        """Take away what was written of lines that are not whole."""
        try:
            self._file.truncate(self._whole)
            self._file.seek(self._whole)
        except OSError:
            return  # a reader lets a torn line go


def _cannot(path: Path, err: OSError) -> OutputError:
    reason = (err.strerror or str(err)).lower()
    return OutputError(
        f"{path}: the journal cannot be written ({reason}); "
        "give --set journal.folder=FOLDER another place"
    )


def _frames_in(path: Path) -> int:
    """The frames of a journal so far, by its last whole line; its torn end is cut off."""
    with path.open("r+b") as file:
        size = file.seek(0, io.SEEK_END)
        file.seek(max(0, size - 65536))
        tail = file.read()
        whole = tail[: tail.rfind(b"\n") + 1]
        file.truncate(size - (len(tail) - len(whole)))
    for line in reversed(whole.splitlines()):
        try:
            return int(json.loads(line)["frame"])
        except (ValueError, KeyError, TypeError):
            continue
    return 0
