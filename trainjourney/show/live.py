"""The live show: the world in its own process, the window and everything networked in this one."""

import logging
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from trainjourney.errors import DisplayError
from trainjourney.inference import Bundle, find_bundle, load_bundle
from trainjourney.journey.picture import cover
from trainjourney.outputs.ndi import NdiFeed, check_ndi
from trainjourney.outputs.window import Window
from trainjourney.settings import Config, WebConfig
from trainjourney.show.departure import Departure, open_desk
from trainjourney.show.meter import Summary
from trainjourney.show.network import Network
from trainjourney.show.notify import Manager
from trainjourney.show.resume import Positions
from trainjourney.show.screen import run_screen
from trainjourney.show.stage import Stage
from trainjourney.signals import held_back
from trainjourney.types import Frame

if TYPE_CHECKING:
    from trainjourney.show.instruments import Instruments

log = logging.getLogger(__name__)


def play_live(
    config: Config,
    bundle: Bundle,
    departure: Departure,
    frames: int | None,
    then: str | None,
    stop: threading.Event,
    positions: Positions | None = None,
) -> Summary:
    """Play until the window is closed, or `stop`. Raises TrainjourneyError.

    `positions` is where the controls begin, and keeps where they stand.
    """
    check_ndi(config.ndi)
    if config.web != WebConfig() or config.publish.url or config.webrtc.turn:
        from trainjourney.show.page import check

        check(config)  # before a window opens; as it stands by itself it needs no check
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
        following = (other, load_bundle(find_bundle(then)).at_rate(config.engine.fps))
        picture = _larger(picture, following[1])
    desk = open_desk(config.journey)
    stage = Stage(desk, picture, bundle.manifest.frame.fps)
    with ExitStack() as stack:
        stack.callback(stage.close)
        manager = stack.enter_context(closing(Manager(stage.status)))
        with held_back():
            stage.open(config, bundle, following, frames, positions.values if positions else {})
            if positions:
                positions.keep(desk)
                stack.callback(positions.close)
            window = _open_window(config, picture)
            if window:
                stack.enter_context(closing(window))
                window.show(picture)  # something to see while the rest opens
            bundles = [bundle, following[1]] if following else [bundle]
            instruments = _serve(config, stage, bundles, stack)

        def ended() -> bool:
            return stop.is_set() or not stage.alive

        if window:
            run_screen(
                window, stage.frames, desk, lambda: instruments.words or _note(stage), ended,
                lambda _, __: manager.beat(time.monotonic()), instruments.press, stage.looked,
            )  # fmt: skip
        while not window and not ended():
            manager.beat(time.monotonic())
            stop.wait(0.1)
        if stage.failure:
            raise stage.failure
        return stage.summary()


def _open_window(config: Config, picture: Frame) -> Window | None:
    """The window; None where there is no screen, for the page shows the picture too.

    Raises DisplayError where the whole screen was asked for.
    """
    height, width, _ = picture.shape
    try:
        return Window(width, height, config.window)
    except DisplayError as err:
        if config.window.fullscreen:
            raise
        log.info("%s; playing without a window", str(err).partition("; ")[0])
        return None


def _serve(
    config: Config, stage: Stage, bundles: Sequence[Bundle], stack: ExitStack
) -> "Instruments":
    """Start instruments and network; `stack` ends them. Raises TrainjourneyError.

    Their libraries take as long to load as the world takes to open, so it opens meanwhile.
    """
    from trainjourney.show.instruments import Instruments
    from trainjourney.show.page import page_service

    instruments = Instruments(config, stage, bundles)
    fps = bundles[0].manifest.frame.fps
    counts, services = [instruments.counts], instruments.services()
    if config.ndi.name:
        feed = NdiFeed(stage.frames, fps, config.ndi)
        counts.append(feed.counts)
        services["ndi"] = feed.run
    page = page_service(
        config,
        stage,
        fps,
        instruments.routes(),
        instruments.oscquery.root,
        counts,
        instruments.presets,
    )
    stack.enter_context(instruments)
    network = Network({"the page": page, **services})
    network.start()
    stack.callback(network.close)
    return instruments


def _larger(picture: Frame, bundle: Bundle) -> Frame:
    """The start picture in the size of the bundle that takes over, if that is the larger."""
    frame = bundle.manifest.frame
    if frame.width <= picture.shape[1]:
        return picture
    return cover(Image.fromarray(picture), frame.width, frame.height)


def _note(stage: Stage) -> str:
    told = stage.status()
    if told["world"] != "playing":
        return "the world opens" if told["world"] == "opening" else "the world is started again"
    look, speed = told["look"].replace("_", " "), told["speed"] + 0.0
    return f"{told['fps']:.1f} fps   {told['made_ms']:.0f} ms   {look}   speed {speed:.1f}"
