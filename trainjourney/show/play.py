"""Playing: a journey in a window and on the net, its world in a process; or into a film, in one.

A film is made as fast as the machine can, every frame of it. Live, the world runs at the bundle's
rate in its own process and the window at the screen's, so that neither waits for the other.
"""

import logging
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from PIL import Image

from trainjourney.controls.desk import Desk
from trainjourney.errors import DisplayError
from trainjourney.inference import Bundle, find_bundle, load_bundle
from trainjourney.journey.board import Board
from trainjourney.journey.pacing import Pacer
from trainjourney.journey.picture import cover
from trainjourney.journey.tour import TourSource, read_tour
from trainjourney.outputs.null import NullOutput
from trainjourney.outputs.recorder import Recorder
from trainjourney.outputs.window import Window
from trainjourney.settings import Config, FilmConfig, JourneyConfig
from trainjourney.show.departure import Departure, depart, read_departure
from trainjourney.show.instruments import Instruments
from trainjourney.show.journals import (
    begin_journal,
    journalled,
    read_show,
    render,
    with_journal,
)
from trainjourney.show.meter import Meter, Summary
from trainjourney.show.network import Network, Service
from trainjourney.show.page import check as check_page
from trainjourney.show.page import page_service
from trainjourney.show.screen import run_screen
from trainjourney.show.slot import Slot, Turns
from trainjourney.show.stage import Stage
from trainjourney.show.travel import travel
from trainjourney.types import Frame, Output

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
    bundle = load_bundle(find_bundle(config.engine.name))
    departure = read_departure(config.journey, bundle)
    config = with_journal(config)
    stop = threading.Event()
    with _signals_set(stop):
        if output or not TWO_PROCESSES:
            summary = _play_here(config, bundle, departure, output, frames, window, stop)
        else:
            summary = _play_live(config, bundle, departure, frames, then, stop)
    log.info("%s", f"{output}: {summary}" if output else summary)
    return summary


def render_film(
    config: Config, path: Path, output: str, engine: str | None = None, frames: int | None = None
) -> Summary:
    """Make the film of a show again from its journal. Raises TrainjourneyError."""
    replay, bundle = read_show(path, engine)
    stop = threading.Event()
    with (
        _signals_set(stop),
        closing(replay),
        closing(_open_output(output, bundle, config.film)) as film,
    ):
        summary = render(config, path, film, bundle, replay, frames, stop.is_set)
    log.info("%s: %s", output, summary)
    return summary


def _play_live(
    config: Config,
    bundle: Bundle,
    departure: Departure,
    frames: int | None,
    then: str | None,
    stop: threading.Event,
) -> Summary:
    """The world in its own process; window, keyboard and network here."""
    check_page(config)
    following = None
    picture = departure.picture
    if then:
        other = config.model_copy(
            update={"engine": config.engine.model_copy(update={"name": then})}
        )
        if other.journal.write:  # a journal of its own beside the first one's
            file = Path(other.journal.file).with_suffix(".then.jsonl")
            journal = other.journal.model_copy(update={"file": str(file)})
            other = other.model_copy(update={"journal": journal})
        following = (other, load_bundle(find_bundle(then)))
        picture = _larger(picture, following[1])
    desk = open_desk(config.journey)
    stage = Stage(desk, picture, bundle.manifest.frame.fps)
    instruments = Instruments(config, stage, bundle)
    services = _services(config, stage, bundle.manifest.frame.fps, instruments)
    with ExitStack() as stack:
        stack.callback(stage.close)
        stage.open(config, bundle, following, frames)
        stack.enter_context(instruments)
        height, width, _ = picture.shape
        try:
            window = stack.enter_context(closing(Window(width, height, config.window)))
        except DisplayError as err:
            if not services:
                raise
            window = None
            log.info("%s; playing without a window", str(err).partition("; ")[0])
        if services:
            network = Network(services)
            network.start()
            stack.callback(network.close)

        def ended() -> bool:
            return stop.is_set() or not stage.alive

        if window:
            run_screen(window, stage.frames, desk, lambda: _note(stage), ended)
        while not window and not ended():
            stop.wait(0.1)
        if stage.failure:
            raise stage.failure
        return stage.summary()


def open_desk(config: JourneyConfig) -> Desk:
    """The desk, set to where a journey starts."""
    values = {name: getattr(config, name) for name in ("speed", "dream", "melt_s")}
    return Desk({**values, "look": config.look or (0.0 if config.start else 1.0)})


def _larger(picture: Frame, bundle: Bundle) -> Frame:
    """The start picture in the size of the bundle that takes over, if that is the larger."""
    frame = bundle.manifest.frame
    if frame.width <= picture.shape[1]:
        return picture
    return cover(Image.fromarray(picture), frame.width, frame.height)


def _services(
    config: Config, stage: Stage, fps: float, instruments: Instruments
) -> dict[str, Service]:
    """What serves on the network beside this show: name -> a coroutine function."""
    page = page_service(
        config, stage, fps, instruments.routes(), instruments.oscquery.root, [instruments.counts]
    )
    return {"the page": page, **instruments.services()}


def _note(stage: Stage) -> str:
    told = stage.status()
    if told["world"] != "playing":
        return "the world opens" if told["world"] == "opening" else "the world is started again"
    look, speed = told["look"].replace("_", " "), told["speed"] + 0.0
    return f"{told['fps']:.1f} fps   {told['made_ms']:.0f} ms   {look}   speed {speed:.1f}"


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
            with journalled(begin_journal(config, bundle, world, departure)) as (first, heard):
                travel(
                    world, board, (*first, *_tour(config, fps)), outputs, meter,
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
        boards.append(board)
        with journalled(begin_journal(config, bundle, world, departure)) as (first, heard):
            travel(
                world, board, (*first, *_tour(config, frame.fps), turns), (slot, *outputs), meter,
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


def _tour(config: Config, fps: float) -> list[TourSource]:
    """The tour that the settings name, by frames."""
    name = config.journey.tour
    return [TourSource(read_tour(Path(name).expanduser()), fps)] if name else []


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
