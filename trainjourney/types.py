"""The contract on one screen: what passes between the rooms."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8]  # [H, W, 3] RGB
Embedding = NDArray[np.float32]  # [D], norm 1: how the world looks
State = dict[str, NDArray[Any]]  # named and shaped by the bundle, opaque above inference


@dataclass(frozen=True)
class Controls:
    """What steers one step of a world."""

    embedding: Embedding
    speed: float  # x cruising; 0 stands, negative runs backwards
    dream: float  # 0..1: repaint more, follow less


@dataclass(frozen=True)
class Change:
    """One turn of one control, as a source reports it."""

    parameter: str
    value: float | str
    time_s: float


class World(Protocol):
    """Makes frames; knows no clock and no screen."""

    def reset(self, start: Frame | None) -> None: ...

    def step(
        self, controls: Controls, drawn: bool = True, overtaken: Callable[[], bool] = ...
    ) -> Frame: ...

    def get_ready(self) -> None:
        """Do now what the next step would have to do first; the last frame is out."""
        ...

    def depart(self, seed: int, picture: Path | None) -> None:
        """Begin anew in the country of the look that is steered to; `picture` is its own."""
        ...


class Frames(Protocol):
    """Where readers find the newest frame: a ring in shared memory, or one slot between threads."""

    def newest(self, after: int) -> tuple[int, Frame] | None:
        """The newest frame and its number, if that is above `after`; never blocks.

        Numbers count from 1. The frame is the reader's to keep, not to write into.
        """
        ...


class Source(Protocol):
    """Turns controls: a keyboard, later OSC, MIDI, the web, a journal."""

    def poll(self) -> Iterable[Change]:
        """The changes since the last poll. Never blocks."""
        ...


class Output(Protocol):
    """Takes frames: a window, a film, nothing."""

    def show(self, frame: Frame) -> None:
        """Take one frame. Never stalls; may drop it."""
        ...

    def close(self) -> None: ...
