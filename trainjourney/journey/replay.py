"""A journal read again: its head, and a Source of the changes that it holds, frame by frame."""

import base64
import binascii
import io
import json
import math
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, get_args

import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from trainjourney.errors import OutputError
from trainjourney.inference.bundle import Look
from trainjourney.journey.journal import How
from trainjourney.journey.journal_head import FORMAT
from trainjourney.types import Change, Frame

MOST_LINE_BYTES = 64 << 20  # a bank of 64 looks with large embeddings
MOST_FRAMES = 1 << 40
Lay = Callable[[Mapping[int, Look]], None]


class _Table(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class BundleName(_Table):
    name: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class EngineWords(_Table):
    backend: str
    precision: str


class JourneyWords(_Table):
    look: str
    speed: float
    dream: float
    melt_s: float
    seed: int = Field(ge=0, lt=2**63)


class StartPicture(_Table):
    name: str = Field(max_length=200)
    picture: str  # PNG in base64
    given: bool = True  # else it is the look's own

    def frame(self, place: str) -> Frame:
        """The frame that the show started in. Raises OutputError."""
        try:
            data = base64.b64decode(self.picture, validate=True)
            with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
                return np.asarray(image.convert("RGB"), np.uint8).copy()
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as err:
            raise OutputError(f"{place}: its start picture is broken; it cannot be made") from err


class Head(_Table):
    """What a show set out with."""

    journal: int
    bundle: BundleName
    engine: EngineWords
    fps: int = Field(ge=1, le=240)
    journey: JourneyWords
    start: StartPicture | None = None
    looks: dict[str, Any] = {}  # that it set out with, by slot


@dataclass
class Replay:
    """A Source that reads a journal along with the frames. `close` it.

    `frames` is how many the show had, known by its end; a torn last line is let go.
    """

    path: Path
    head: Head
    frames: int
    resumed: list[int]  # frames at which the world was not what the journal says
    kept: frozenset[int]  # counts of frames at which the show kept what it went on from
    lay: Lay = lambda looks: None  # another bank for the board
    arrive: Callable[[], None] = lambda: None  # the board is at once where it is set to
    resume: Callable[[How, int], None] = lambda how, kept: None  # the world was lost here
    known: Mapping[str, Look] = field(default_factory=dict)  # the bundle's looks by name
    _number: int = -1

    def __post_init__(self) -> None:
        self._lines = _lines(self.path)
        self._next: dict[str, Any] | None = {"frame": 0}  # before the head

    def poll(self) -> Iterator[Change]:
        """The changes that act on the next frame for the first time."""
        self._number += 1
        while self._next is not None and self._next["frame"] <= self._number:
            line = self._next
            self._next = next(self._lines, None)
            if "parameter" in line:
                yield Change(line["parameter"], line["value"], self._number / self.head.fps)
            elif "kept" in line:
                self.resume(line["resumed"], line["kept"])
            elif "arrive" in line:
                self.arrive()
            elif "looks" in line and "journal" not in line:
                self.lay(self._looks(line["looks"]))

    def bank(self) -> dict[int, Look]:
        """The looks by slot that the show set out with. Raises OutputError."""
        return self._looks(self.head.looks)

    def close(self) -> None:
        """Close the journal."""
        self._lines.close()

    def _looks(self, told: Any) -> dict[int, Look]:
        looks, sizes = {}, {one.embedding.shape for one in self.known.values()}
        try:
            for slot, one in told.items():
                if "embedding" in one:
                    data = base64.b64decode(one["embedding"], validate=True)
                    embedding = np.frombuffer(data, "<f4").astype(np.float32)
                    if {embedding.shape} != sizes or not np.isfinite(embedding).all():
                        raise ValueError("no embedding of this bundle")
                    looks[int(slot)] = Look(one["name"], embedding, Path(one["picture"]))
                else:
                    looks[int(slot)] = self.known[one["name"]]
        except (AttributeError, KeyError, TypeError, ValueError, binascii.Error) as err:
            raise OutputError(
                f"{self.path}: frame {max(self._number, 0)}: its looks are broken"
            ) from err
        return looks


def open_journal(path: Path) -> Replay:
    """Read a journal through once, to be played after. Raises OutputError."""
    lines = _lines(path)
    first = next(lines, None)
    if first is None or first.get("journal") != FORMAT:
        raise OutputError(f"{path}: is no journal of a show; give one that play has written")
    try:
        head = Head.model_validate(first)
    except ValidationError as err:
        what = err.errors(include_url=False)[0]
        where = ".".join(str(part) for part in what["loc"])[:120]
        raise OutputError(f"{path}: line 1: {where}: {what['msg']}; give another") from err
    frames, resumed, kept = 0, [], set()
    for line in lines:
        frames = max(frames, line["frame"] + ("end" not in line))
        if "kept" in line:
            kept.add(line["kept"])
        elif "resumed" in line:  # as journals were once
            resumed.append(line["frame"])
    return Replay(path, head, frames, resumed, frozenset(kept))


def _lines(path: Path) -> Generator[dict[str, Any], None, None]:
    """The lines as checked tables; a last one that is torn is let go. Raises OutputError."""
    last = 0
    try:
        with path.open("rb") as file:
            for number in count(1):
                data = file.readline(MOST_LINE_BYTES)
                if not data.endswith(b"\n") and len(data) < MOST_LINE_BYTES:
                    return
                try:
                    line = _checked(json.loads(data), last, head=number == 1)
                except (ValueError, KeyError, TypeError, RecursionError) as err:
                    raise OutputError(
                        f"{path}: line {number} cannot be meant; cut the file off before it"
                    ) from err
                last = line["frame"]
                yield line
    except FileNotFoundError as err:
        raise OutputError(f"{path}: no such journal; give one that play has written") from err
    except OSError as err:
        reason = (err.strerror or str(err)).lower()
        raise OutputError(f"{path}: cannot be read ({reason}); give another journal") from err


def _checked(line: Any, last: int, head: bool) -> dict[str, Any]:
    """A line that can be meant, or a ValueError, KeyError, TypeError."""
    if not isinstance(line, dict):
        raise TypeError("no table")
    if head:
        return {"frame": 0} | line
    frame = line["frame"]
    if not isinstance(frame, int) or not last <= frame < MOST_FRAMES:
        raise ValueError("frames go up")
    if "parameter" in line:
        value = line["value"]
        number = isinstance(value, int | float) and math.isfinite(value)
        if not isinstance(line["parameter"], str) or not (number or isinstance(value, str)):
            raise ValueError("no change")
    if "kept" in line:
        how, kept = line["resumed"], line["kept"]
        if how not in get_args(How) or not isinstance(kept, int):
            raise ValueError("no way to go on")
        if not (0 < kept <= frame if how == "state" else kept == 0):
            raise ValueError("kept before it was")
    return line
