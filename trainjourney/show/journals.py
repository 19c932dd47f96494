"""The journals of shows: which file, what its first line says, and how one is made a film again."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from pydantic import ValidationError

from trainjourney.errors import BundleError, OutputError
from trainjourney.inference import Bundle, find_bundle, load_bundle
from trainjourney.journey.bank import own_looks
from trainjourney.journey.journal import Journal, Resumed, new_journal
from trainjourney.journey.journal_head import bundle_hash, head_of
from trainjourney.journey.looks import Looks
from trainjourney.journey.replay import Replay, open_journal
from trainjourney.journey.world import DreamWorld
from trainjourney.settings import Config, JourneyConfig, LooksConfig
from trainjourney.show.departure import Departure, depart, read_departure, set_out
from trainjourney.show.meter import Meter, Summary
from trainjourney.show.retrace import Retrace
from trainjourney.show.travel import Heard, Stopped, travel
from trainjourney.types import Output, Source

log = logging.getLogger(__name__)

_GB = 1e9


def with_journal(config: Config) -> Config:
    """The settings with a journal's file of its own in them, or with none.

    A disk that refuses is told of in one line, and there is no journal. Raises OutputError where
    a file was asked for that is there already, or in a folder that is not.
    """
    chosen = config.journal
    if not chosen.write:
        return config
    asked = Path(chosen.file).expanduser() if chosen.file else None
    if asked and asked.exists():
        raise OutputError(f"{chosen.file}: is there already; give --set journal.file=ANOTHER")
    if asked and not asked.parent.is_dir():
        raise OutputError(f"{chosen.file}: no such folder; type: mkdir -p {asked.parent}")
    try:
        file = str(asked or new_journal(chosen.folder, chosen.keep_gb * _GB))
    except OutputError as err:
        log.warning("%s; there is no journal of this show", err)
        return config.model_copy(update={"journal": chosen.model_copy(update={"write": False})})
    return config.model_copy(update={"journal": chosen.model_copy(update={"file": file})})


def drop_empty(config: Config) -> None:
    """Take a journal away again in which nothing was written: the train never departed."""
    path = Path(config.journal.file)
    with suppress(OSError):
        if config.journal.write and config.journal.file and not path.stat().st_size:
            path.unlink()


def begin_journal(
    config: Config,
    bundle: Bundle,
    world: DreamWorld,
    departure: Departure,
    resumed: Resumed | None = None,
) -> Journal | None:
    """The journal that the settings name, begun or gone on with; None where there is none."""
    if not config.journal.write or not config.journal.file:
        return None
    engine = world.engine
    head = head_of(
        config, bundle, engine.backend, engine.precision, departure.picture, departure.name,
        departure.bank,
    )  # fmt: skip
    try:
        return Journal(
            Path(config.journal.file), head, bundle.looks, resumed=resumed,
            most_bytes=config.journal.keep_gb * _GB / 2,
        )  # fmt: skip
    except OutputError as err:
        log.warning("%s; there is no journal of this show", err)
        return None


@contextmanager
def journalled(journal: Journal | None) -> Iterator[tuple[Sequence[Source], Heard]]:
    """The loop's first source and its `heard` for a journal, or for none; closed in the end."""
    if journal is None:
        yield (), lambda number, change: None
        return
    with closing(journal):
        yield (journal,), journal.heard


def render(
    config: Config,
    path: Path,
    output: Output,
    bundle: Bundle,
    replay: Replay,
    frames: int | None = None,
    stopped: Stopped = lambda: False,
) -> Summary:
    """Make a show's film again, as fast as the machine can. Raises TrainjourneyError."""
    config, departure = _as_it_was(config, path, bundle, replay)
    world, board = depart(config, bundle, departure)
    engine, wanted = world.engine, replay.head.engine
    if (engine.backend, engine.precision) != (wanted.backend, wanted.precision):
        log.warning(
            "the show ran on %s %s, this is %s %s: alike, not the same frame for frame",
            wanted.backend, wanted.precision, engine.backend, engine.precision,
        )  # fmt: skip
    retrace = Retrace(world, board, departure, replay.kept)
    replay.resume = retrace.resume
    for frame in replay.resumed[:3]:
        log.warning("at frame %d the world was lost and came back: from there it may differ", frame)
    set_out(world, board, departure)
    replay.lay = lambda looks: board.lay(Looks.in_slots(looks))
    replay.arrive = board.arrive
    meter = Meter()
    travel(
        world, board, (replay,), (output, retrace), meter,
        fps=bundle.manifest.frame.fps, frames=frames or replay.frames, stopped=stopped,
    )  # fmt: skip
    return meter.summary()


def read_show(path: Path, engine: str | None) -> tuple[Replay, Bundle]:
    """A journal and the bundle that it was made with. Raises TrainjourneyError."""
    replay = open_journal(path)
    if not replay.frames:
        raise OutputError(f"{path}: the show ended before its first frame; give another journal")
    told = replay.head.bundle
    bundle = load_bundle(find_bundle(engine or told.name)).at_rate(replay.head.fps)
    if bundle_hash(bundle) != told.sha256:
        raise BundleError(
            f"{bundle.folder}: is not the bundle of this show (bundle.toml of sha256 "
            f"{told.sha256[:12]}…); give --engine FOLDER where that is"
        )
    return replay, bundle


def _as_it_was(
    config: Config, path: Path, bundle: Bundle, replay: Replay
) -> tuple[Config, Departure]:
    """The settings and the departure of the show; what was said of the engine now stands."""
    head = replay.head
    words = {"backend": head.engine.backend, "precision": head.engine.precision}
    chosen = {key: word for key, word in words.items() if getattr(config.engine, key) == "auto"}
    start = head.start.name or "start" if head.start and head.start.given else ""
    replay.known = {look.name: look for look in bundle.looks}
    bank = replay.bank() or own_looks(bundle)
    try:
        journey = JourneyConfig(**{**head.journey.model_dump(), "start": start})
        engine = config.engine.model_validate({**config.engine.model_dump(), **chosen})
    except ValidationError as err:
        told = err.errors(include_url=False)[0]
        raise OutputError(f"{path}: line 1: {told['loc'][0]}: {told['msg']}; give another") from err
    looks = LooksConfig(folder="")  # all that the show knew is in its journal
    config = config.model_copy(update={"engine": engine, "journey": journey, "looks": looks})
    if head.start is None:
        return config, read_departure(config, bundle)
    picture = head.start.frame(str(path))
    if picture.shape != bundle.manifest.frame_shape:
        raise OutputError(f"{path}: its start picture has another size than the bundle's frames")
    known = Looks.in_slots(bank)
    look = known.find(journey.look) if journey.look else None
    if not head.start.given:
        return config, Departure(picture, head.start.name, look or known.first, False, bank)
    return config, Departure(picture, start, look, True, bank)
