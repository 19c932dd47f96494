"""Playing: a journey in a window and on the net, its world in a process; or into a film, in one.

A film is made as fast as the machine can, every frame of it. Live, the world runs at its own
rate in its own process and the window at the screen's, so that neither waits for the other.
"""

import logging
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

from trainjourney.inference import Bundle, find_bundle, load_bundle
from trainjourney.journey.board import Board
from trainjourney.journey.looks import Looks
from trainjourney.journey.pacing import Pacer
from trainjourney.journey.tour import TourSource, read_tour
from trainjourney.outputs.null import NullOutput
from trainjourney.outputs.window import Window
from trainjourney.settings import Config, FilmConfig
from trainjourney.show.departure import Departure, depart, open_desk, read_departure, set_out
from trainjourney.show.journals import (
    begin_journal,
    drop_empty,
    journalled,
    read_show,
    render,
    with_journal,
)
from trainjourney.show.live import play_live
from trainjourney.show.meter import Meter, Summary
from trainjourney.show.resume import Positions
from trainjourney.show.screen import run_screen
from trainjourney.show.slot import Slot, Turns
from trainjourney.show.travel import travel
from trainjourney.signals import setting
from trainjourney.types import Output

log = logging.getLogger(__name__)

TWO_PROCESSES = os.name == "posix"  # descriptors are handed over there


def play(
    config: Config,
    output: str | None = None,
    frames: int | None = None,
    window: bool = True,
    then: str | None = None,
) -> Summary:
    """Play a journey live, or into a film (`output`) with or without a window; "null" is one too.

    `then` names a bundle that opens beside the first and takes over. Ends after `frames` frames,
    when the window is closed, or on Ctrl-C; a film is closed in all cases. Raises
    TrainjourneyError.
    """
    bundle = load_bundle(find_bundle(config.engine.name)).at_rate(config.engine.fps)
    here = bool(output) or not TWO_PROCESSES
    if not output and not TWO_PROCESSES:
        log.warning("this system has keys alone: no page, no OSC and no MIDI; Linux has them")
    positions = Positions(config.journey) if config.show.resume and not here else None
    if positions:
        config, departure = positions.resume(config, bundle)
    else:
        departure = read_departure(config, bundle, whole=here)
    config = with_journal(config)
    stop = threading.Event()
    with setting(stop), ExitStack() as stack:
        stack.callback(drop_empty, config)
        if here:
            summary = _play_here(config, bundle, departure, output, frames, window, stop)
        else:
            summary = play_live(config, bundle, departure, frames, then, stop, positions)
    log.info("%s", f"{output}: {summary}" if output else summary)
    return summary


def render_film(
    config: Config, path: Path, output: str, engine: str | None = None, frames: int | None = None
) -> Summary:
    """Make the film of a show again from its journal. Raises TrainjourneyError."""
    replay, bundle = read_show(path, engine)
    stop = threading.Event()
    with (
        setting(stop),
        closing(replay),
        closing(_open_output(output, bundle, config.film)) as film,
    ):
        summary = render(config, path, film, bundle, replay, frames, stop.is_set)
    log.info("%s: %s", output, summary)
    return summary


def _play_here(
    config: Config,
    bundle: Bundle,
    departure: Departure,
    output: str | None,
    frames: int | None,
    window: bool,
    stop: threading.Event,
) -> Summary:
    """All in this process: a film has every frame."""
    meter, fps = Meter(), bundle.manifest.frame.fps
    with ExitStack() as stack:
        outputs: list[Output] = []
        if output:
            film = _open_output(output, bundle, config.film)
            outputs.append(stack.enter_context(closing(film)))
        if window:
            _play_in_window(config, bundle, departure, outputs, meter, frames, stop)
        else:
            world, board = depart(config, bundle, departure)
            set_out(world, board, departure)
            with journalled(begin_journal(config, bundle, world, departure)) as (first, heard):
                travel(
                    world, board, (*first, *_tour(config, fps, board.looks)), outputs, meter,
                    fps=fps, frames=frames, stopped=stop.is_set, heard=heard,
                )  # fmt: skip
    return meter.summary()


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
    frame, slot = bundle.manifest.frame, Slot()
    slot.show(departure.picture)  # something to see while the engine opens
    desk, turns = open_desk(config.journey), Turns()
    desk.listen(turns.turn)
    boards: list[Board] = []

    def ride() -> None:
        world, board = depart(config, bundle, departure)
        set_out(world, board, departure)
        boards.append(board)
        with journalled(begin_journal(config, bundle, world, departure)) as (first, heard):
            travel(
                world, board, (*first, *_tour(config, frame.fps, board.looks), turns),
                (slot, *outputs), meter,
                fps=frame.fps, frames=frames, pacer=Pacer(frame.fps), stopped=stop.is_set,
                heard=heard,
            )  # fmt: skip

    def note() -> str:
        if not boards:
            return "opening"
        look = boards[0].look.name.replace("_", " ")
        return f"{meter.fps:.1f} fps   {meter.p99_ms:.0f} ms p99   {look}"

    with (
        closing(Window(frame.width, frame.height, config.window)) as window,
        ThreadPoolExecutor(1, "world") as pool,
    ):
        riding = pool.submit(ride)
        try:
            run_screen(window, slot, desk, note, lambda: riding.done() or stop.is_set())
        finally:
            stop.set()  # before the pool waits for its thread
        riding.result()


def _tour(config: Config, fps: float, looks: Looks) -> list[TourSource]:
    """The tour that the settings name, by frames; looks that it lacks are told of."""
    if not (name := config.journey.tour):
        return []
    tour = read_tour(Path(name).expanduser())
    for lack in tour.lacks(looks):
        log.warning("%s: %s", name, lack)
    return [TourSource(tour, fps)]


def _open_output(name: str, bundle: Bundle, config: FilmConfig) -> Output:
    if name == "null":
        return NullOutput()
    from trainjourney.outputs.recorder import Recorder  # a film's libraries, for films alone

    frame = bundle.manifest.frame
    return Recorder(
        Path(name).expanduser(), frame.width, frame.height, config.fps or frame.fps, config
    )
