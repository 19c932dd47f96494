"""The one loop in which the world moves: for a film, for a test, in the world's own process."""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from typing import Protocol

from trainjourney.inference import GaveWay, Overtaken, never
from trainjourney.journey.board import Board
from trainjourney.journey.genlock import Genlock
from trainjourney.journey.pacing import Pacer
from trainjourney.show.meter import Meter
from trainjourney.types import Change, Frame, Output, Source, World

Stopped = Callable[[], bool]
EARLY = 0.5  # of a frame
LATE = 0.5  # of a frame
LOOK_S = 0.001  # between looks whether a control was turned
Heard = Callable[[int, Change], None]  # the frame, from 0, that a change first acts on


class Live(Source, Protocol):
    """A source that can be asked at any time whether there is something to poll."""

    def turned(self) -> bool:
        """Whether a control was turned since the last poll."""
        ...

    def steered(self) -> bool:
        """Whether one was that a frame cannot obey any more once it is made."""
        ...

    def poll_light(self) -> Iterable[Change]:
        """Only what a frame can still obey once it is made."""
        ...

    def screen(self) -> tuple[float, float]:
        """When the window last looked for a frame and its period, s; 0, 0 where there is none."""
        ...


def travel(
    world: World,
    board: Board,
    sources: Sequence[Source],
    outputs: Sequence[Output],
    meter: Meter,
    *,
    fps: float,
    frames: int | None = None,
    pacer: Pacer | None = None,
    stopped: Stopped = lambda: False,
    heard: Heard = lambda number, change: None,
    live: Live | None = None,
    now: Callable[[], float] = time.perf_counter,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Changes to the board, the board to the world, the world's frame to the outputs.

    Ends after `frames` frames, or when `stopped`. With a pacer every frame is begun when it is
    due and shown as soon as it is made. So that no change waits longer than it must, a frame is
    begun up to half a frame before it is due when a control of the `live` source was turned; one
    that is being made is begun anew, once, when a control is turned up to half a frame later, but
    no two in a row, so that a fader which is always moving costs no frames; and the light is asked
    for once more when it is made. Either way the board moves by 1/fps a frame, so that the same
    seed makes the same journey at any speed. What the world can do once a frame is out counts as
    making it too. Frames come in step with the window's screen, where it has one: one that was made
    too soon for its place waits for that, but not one that obeys a `live` control.
    """
    frame, begun_s, anew = None, 0.0, False
    lock = Genlock(pacer) if live and pacer else None

    def overtaken() -> bool:
        return live is not None and not anew and live.steered() and now() < begun_s + LATE / fps

    for number in count() if frames is None else range(frames):
        if pacer:
            _wait(pacer.wait_s, live.turned if live else never, now, sleep, EARLY / fps)
            pacer.shown(now())
        if stopped():
            break
        begun_s = now()
        held_s, turned = 0.0, False
        for source in sources:
            _turn(board, source.poll(), number, heard)
        if live is None:
            frame = _make(world, board, frame, fps)
        else:
            turned = _turn(board, live.poll(), number, heard)
            back = board.keep()
            try:
                frame = _make(world, board, frame, fps, overtaken)
                anew = False
            except GaveWay:
                back()
                anew = True
                turned = _turn(board, live.poll(), number, heard)
                frame = _make(world, board, frame, fps)
            if lock and not turned:
                held_s = _wait(lock.early_s, live.turned, now, sleep)
            _turn(board, live.poll_light(), number, heard)
        finished = board.finish(frame)
        made_s = now() - begun_s - held_s
        for output in outputs:
            output.show(finished)
        shown_s = now()
        if live and lock:
            there_s = None if board.hold else shown_s - held_s
            lock.follow(live.screen(), shown_s, there_s)
        world.get_ready()
        meter.add(made_s + now() - shown_s, begun_s, shown_s)


def _make(
    world: World, board: Board, last: Frame | None, fps: float, overtaken: Overtaken = never
) -> Frame:
    """The next frame as the board has it; the last one where that is held."""
    controls, seed = board.step(1.0 / fps), board.departure()
    if seed is not None:
        world.depart(seed, board.look.picture)
        overtaken = never  # there is no way back
    if last is not None and board.hold:
        return last
    return world.step(controls, overtaken=overtaken)


def _turn(board: Board, changes: Iterable[Change], number: int, heard: Heard) -> bool:
    """Whether there were any."""
    any_ = False
    for change in changes:
        heard(number, change)
        board.apply(change)
        any_ = True
    return any_


def _wait(
    left: Callable[[float], float],
    turned: Callable[[], bool],
    now: Callable[[], float],
    sleep: Callable[[float], None],
    early_s: float = math.inf,
) -> float:
    """Until there is nothing left; or when a control was turned, up to `early_s` before that. The
    seconds that were waited."""
    since_s = now()
    while (left_s := left(now())) > 1e-6:  # less is none to any clock
        if left_s > early_s + LOOK_S:
            sleep(left_s - early_s)
        elif turned():
            break
        else:
            sleep(min(left_s, LOOK_S))
    return now() - since_s
