"""The one loop in which the world moves: for a film, for a test, in the world's own process."""

import time
from collections.abc import Callable, Iterable, Sequence
from itertools import count

from trainjourney.journey.board import Board
from trainjourney.journey.pacing import Pacer
from trainjourney.show.meter import Meter
from trainjourney.types import Change, Output, Source, World

Stopped = Callable[[], bool]
EARLY = 0.5  # of a frame
LOOK_S = 0.001  # between looks whether a control was turned
Heard = Callable[[int, Change], None]  # the frame, from 0, that a change first acts on


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
    turned: Callable[[], bool] = lambda: False,
    light: Callable[[], Iterable[Change]] = tuple,
    now: Callable[[], float] = time.perf_counter,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Changes to the board, the board to the world, the world's frame to the outputs.

    Ends after `frames` frames, or when `stopped`. With a pacer every frame is begun when it is
    due and shown as soon as it is made; when a control was `turned`, up to half a frame
    before it is due, so that no change waits longer than it must. Changes of the `light` alone are
    asked for once more when the frame is made, and act on it too. Either way the board moves by
    1/fps a frame, so that the same seed makes the same journey at any speed. What the world can do
    once a frame is out counts as making it too.
    """
    frame = None
    for number in count() if frames is None else range(frames):
        if pacer:
            _wait(pacer, turned, now, sleep)
            pacer.shown(now())
        if stopped():
            break
        begun_s = now()
        for source in sources:
            _turn(board, source.poll(), number, heard)
        controls = board.step(1.0 / fps)
        seed = board.departure()
        if seed is not None:
            world.depart(seed, board.look.picture)
        if frame is None or not board.hold:
            frame = world.step(controls)
        _turn(board, light(), number, heard)
        finished = board.finish(frame)
        made_s = now() - begun_s
        for output in outputs:
            output.show(finished)
        shown_s = now()
        world.get_ready()
        meter.add(made_s + now() - shown_s, begun_s, shown_s)


def _turn(board: Board, changes: Iterable[Change], number: int, heard: Heard) -> None:
    for change in changes:
        heard(number, change)
        board.apply(change)


def _wait(
    pacer: Pacer,
    turned: Callable[[], bool],
    now: Callable[[], float],
    sleep: Callable[[float], None],
) -> None:
    """Until the next frame is due; or nearly, when a control was turned."""
    early_s = EARLY / pacer.fps
    while (left_s := pacer.wait_s(now())) > 1e-6:  # less is none to any clock
        if left_s > early_s + LOOK_S:
            sleep(left_s - early_s)
        elif turned():
            break
        else:
            sleep(min(left_s, LOOK_S))
