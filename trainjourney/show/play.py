"""Playing: the one loop in which the world moves, and what stands around it.

A film is made as fast as the machine can. For a window the loop runs in a thread at the bundle's
rate; the main thread owns the window and takes the newest frame, so neither waits for the other.
"""

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from PIL import Image

from trainjourney.controls.keyboard import Keyboard
from trainjourney.inference import Bundle, Look, find_bundle, load_bundle, open_engine
from trainjourney.journey.board import Board
from trainjourney.journey.looks import Looks
from trainjourney.journey.pacing import Pacer
from trainjourney.journey.picture import cover, load_picture
from trainjourney.journey.world import DreamWorld
from trainjourney.outputs.null import NullOutput
from trainjourney.outputs.recorder import Recorder
from trainjourney.outputs.window import Window
from trainjourney.settings import Config, FilmConfig, JourneyConfig
from trainjourney.show.meter import Meter, Summary
from trainjourney.show.slot import Slot
from trainjourney.types import Frame, Output, Source, World

log = logging.getLogger(__name__)

Stopped = Callable[[], bool]


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
    now: Callable[[], float] = time.perf_counter,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """The one loop: changes to the board, the board to the world, the world's frame to outputs.

    Ends after `frames` frames, or when `stopped`. With a pacer every frame is shown when it is
    due, without one as soon as it is made; either way the board moves by 1/fps a frame, so that
    the same seed makes the same journey at any speed.
    """
    for _ in count() if frames is None else range(frames):
        if stopped():
            break
        begun_s = now()
        for source in sources:
            for change in source.poll():
                board.apply(change)
        frame = world.step(board.step(1.0 / fps))
        made_s = now() - begun_s
        if pacer:
            sleep(pacer.wait_s(now()))
            pacer.shown(now())
        for output in outputs:
            output.show(frame)
        meter.add(made_s, begun_s, now())


def play(
    config: Config, output: str | None = None, frames: int | None = None, window: bool = True
) -> Summary:
    """Play a journey in a window, into a film (`output`), or both; "null" is an output too.

    Ends after `frames` frames, when the window is closed, or on Ctrl-C; the film is closed in all
    cases. Raises TrainjourneyError.
    """
    bundle = load_bundle(find_bundle(config.engine.name))
    departure = _read_departure(config.journey, bundle)
    meter, stop = Meter(), threading.Event()
    with ExitStack() as stack:
        stack.enter_context(_signals_set(stop))
        outputs: list[Output] = []
        if output:
            film = _open_output(output, bundle, config.film)
            outputs.append(stack.enter_context(closing(film)))
        if window:
            _play_in_window(config, bundle, departure, outputs, meter, frames, stop)
        else:
            world, board = _depart(config, bundle, departure)
            fps = bundle.manifest.frame.fps
            travel(world, board, (), outputs, meter, fps=fps, frames=frames, stopped=stop.is_set)
    summary = meter.summary()
    log.info("%s", f"{output}: {summary}" if output else summary)
    return summary


@dataclass(frozen=True)
class Departure:
    """Where a journey starts and in which look; no look is the picture's own."""

    picture: Frame
    name: str
    look: Look | None


def _read_departure(config: JourneyConfig, bundle: Bundle) -> Departure:
    look = Looks(bundle.looks).find(config.look) if config.look else None
    if config.start:
        path = Path(config.start).expanduser()
    else:
        look = look or bundle.looks[0]
        path = look.picture
    frame = bundle.manifest.frame
    return Departure(load_picture(path, frame.width, frame.height), path.stem, look)


def _depart(config: Config, bundle: Bundle, departure: Departure) -> tuple[DreamWorld, Board]:
    """The world at its start and the board that steers it: the slow part, with the engine's."""
    choice = config.engine
    engine = open_engine(bundle, choice.backend, choice.precision, choice.threads)
    start = None
    if config.journey.start:
        size = bundle.manifest.embedding
        small = cover(Image.fromarray(departure.picture), size.picture_width, size.picture_height)
        start = Look(departure.name, engine.embed(small), Path(config.journey.start))
    looks = Looks(bundle.looks, start)
    values = {name: getattr(config.journey, name) for name in ("speed", "dream", "melt_s")}
    board = Board(looks, departure.look or looks.first, values)
    world = DreamWorld(engine, bundle.manifest, config.journey.seed)
    world.reset(departure.picture)
    return world, board


def _play_in_window(
    config: Config,
    bundle: Bundle,
    departure: Departure,
    outputs: Sequence[Output],
    meter: Meter,
    frames: int | None,
    stop: threading.Event,
) -> None:
    """The window on this thread, the engine and the loop on another."""
    frame = bundle.manifest.frame
    slot = Slot()
    with closing(Window(frame.width, frame.height, config.window)) as window:
        window.show(departure.picture)  # something to see while the engine opens
        with ThreadPoolExecutor(1, "world") as pool:
            try:
                departing = pool.submit(_depart, config, bundle, departure)
                _watch(window, slot, departing, stop)
                if window.closed or stop.is_set():
                    return
                world, board = departing.result()
                keyboard = Keyboard(board.set_to)
                travelling = pool.submit(
                    travel, world, board, (keyboard,), (slot, *outputs), meter,
                    fps=frame.fps, frames=frames, pacer=Pacer(frame.fps), stopped=stop.is_set,
                )  # fmt: skip
                _watch(window, slot, travelling, stop, keyboard, lambda: _note(meter, board))
            finally:
                stop.set()  # before the pool waits for its thread
            travelling.result()


def _watch(
    window: Window,
    slot: Slot,
    work: Future[Any],
    stop: threading.Event,
    keyboard: Keyboard | None = None,
    note: Callable[[], str] = str,
) -> None:
    """Show what comes and hand on what is pressed, until the work is done or the window closed."""
    noted_s = 0.0
    while not (work.done() or window.closed or stop.is_set()):
        now_s = time.perf_counter()
        for key in window.pump():
            if keyboard:
                keyboard.press(key, now_s)
        if now_s - noted_s > 0.25:  # figures that change faster cannot be read
            window.note, noted_s = note(), now_s
        newest = slot.take(wait_s=0.01)
        if newest is not None and not window.closed:
            window.show(newest)


def _note(meter: Meter, board: Board) -> str:
    return (
        f"{meter.fps:.1f} fps   {meter.p99_ms:.0f} ms p99   "
        f"{board.look.name.replace('_', ' ')}   speed {board.speed + 0.0:.1f}"
    )


def _open_output(name: str, bundle: Bundle, config: FilmConfig) -> Output:
    if name == "null":
        return NullOutput()
    frame = bundle.manifest.frame
    return Recorder(
        Path(name).expanduser(), frame.width, frame.height, config.fps or frame.fps, config
    )


@contextmanager
def _signals_set(stop: threading.Event) -> Iterator[None]:
    """The first Ctrl-C (or kill) sets `stop`, so that a frame is finished; a second one breaks."""
    if threading.current_thread() is not threading.main_thread():
        yield  # no signals here
        return
    former = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def end(number: int, _: object) -> None:
        stop.set()
        signal.signal(number, former[signal.Signals(number)])

    try:
        for number in former:
            signal.signal(number, end)
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
