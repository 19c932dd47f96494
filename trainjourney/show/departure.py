"""The departure: where a journey starts, and the world and board that begin there."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from trainjourney import __version__
from trainjourney.controls.desk import Desk
from trainjourney.errors import ConfigError, PictureError
from trainjourney.inference import Bundle, Look, open_engine
from trainjourney.inference.shipped_start import read_start
from trainjourney.journey.bank import own_looks
from trainjourney.journey.board import Board
from trainjourney.journey.departed import Departed
from trainjourney.journey.journal_head import bundle_hash
from trainjourney.journey.looks import Looks
from trainjourney.journey.picture import cover, load_picture
from trainjourney.journey.world import DreamWorld
from trainjourney.machine import processor_features, processor_name, version_of
from trainjourney.settings import Config, JourneyConfig
from trainjourney.show.bank import read_bank
from trainjourney.side_by_side import core_count
from trainjourney.types import Frame

log = logging.getLogger(__name__)

# Packages that the numbers of a dream hang on, to the last bit
RUNNERS = ("numpy", "openvino", "onnxruntime", "onnxruntime-gpu", "torch", "tensorrt")


@dataclass(frozen=True)
class Departure:
    """Where a journey starts and in which look; no look is the picture's own."""

    picture: Frame
    name: str
    look: Look | None
    given: bool  # the picture; else it is the look's own
    bank: Mapping[int, Look]  # the looks by slot, but for the picture's own


def read_departure(config: Config, bundle: Bundle, whole: bool = False) -> Departure:
    """Read the picture and find the look that the settings name. Raises TrainjourneyError.

    The folder of looks is read where that look is in no bundle, or the `whole` bank is wanted:
    it may take a second a picture that is new. In a live show a thread looks after it.
    """
    journey, whole = config.journey, whole or not config.looks.bundle
    bank = read_bank(config, bundle) if whole else own_looks(bundle)
    try:
        look = Looks.in_slots(bank).find(journey.look) if journey.look else None
    except ConfigError:
        if whole:
            raise
        return read_departure(config, bundle, whole=True)
    if journey.start:
        path = Path(journey.start).expanduser()
    else:
        look = look or Looks.in_slots(bank).first
        path = look.picture
    frame = bundle.manifest.frame
    picture = load_picture(path, frame.width, frame.height)
    return Departure(picture, path.stem, look, bool(journey.start), bank)


def depart_again(config: Config, bundle: Bundle, seen: Frame) -> Departure:
    """As `read_departure`, for a world that was there before: where the picture or the look that
    the settings name is gone since, it needs neither and begins at what was `seen` last.

    Raises TrainjourneyError.
    """
    try:
        return read_departure(config, bundle)
    except (ConfigError, PictureError) as err:
        log.warning("%s; the journey goes on without it", err)
        return Departure(seen, "", None, False, own_looks(bundle))


def open_desk(config: JourneyConfig) -> Desk:
    """The desk, set to where a journey starts."""
    values = {name: getattr(config, name) for name in ("speed", "dream", "melt_s")}
    return Desk({**values, "look": config.look or (0.0 if config.start else 1.0)})


def depart(config: Config, bundle: Bundle, departure: Departure) -> tuple[DreamWorld, Board]:
    """The world at its start and the board that steers it: the slow part, with the engine's."""
    choice = config.engine
    engine = open_engine(bundle, choice.backend, choice.precision, choice.threads)
    start = None
    if departure.given:
        size = bundle.manifest.embedding
        small = cover(Image.fromarray(departure.picture), size.picture_width, size.picture_height)
        start = Look(departure.name, engine.embed(small), Path(config.journey.start))
    looks = Looks.in_slots({0: start, **departure.bank} if start else departure.bank)
    values = {name: getattr(config.journey, name) for name in ("speed", "dream", "melt_s")}
    board = Board(looks, departure.look or looks.first, values)
    board.next_seed = config.journey.seed + 1
    kept = Departed(
        bundle.manifest.state, __version__, [*map(version_of, RUNNERS)], bundle_hash(bundle),
        engine.backend, engine.precision, choice.threads or core_count(),
        processor_name(), sorted(processor_features()), shipped=read_start(bundle),
    )  # fmt: skip
    world = DreamWorld(engine, bundle.manifest, config.journey.seed, kept, bundle.pace)
    world.reset(departure.picture)
    return world, board


def set_out(world: DreamWorld, board: Board, departure: Departure) -> None:
    """Leave the start: a given picture as it is, a look's own by dreaming the country of the look.

    What an encoder guesses of a picture is less than what a look alone brings about; a picture of
    one's own is worth that. Raises BackendError.
    """
    if not departure.given:
        world.set_out(board.look.embedding)
