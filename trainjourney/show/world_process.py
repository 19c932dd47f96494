"""The world's own process: reads the block, runs the loop, fills the ring, keeps its state.

It is started by a keeper with one line of JSON on its standard input, and tells in lines of JSON
on its standard output. The input stays open as long as the show lives: its end is this one's.
"""

import ctypes
import gc
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from io import RawIOBase
from typing import Any, TypedDict

from trainjourney.errors import TrainjourneyError
from trainjourney.inference import find_bundle, load_bundle
from trainjourney.journey.board import Board
from trainjourney.journey.journal import How, Journal, Resumed
from trainjourney.journey.looks import Looks
from trainjourney.journey.pacing import Pacer
from trainjourney.journey.world import DreamWorld
from trainjourney.settings import Config
from trainjourney.show.block import Block, BlockSource
from trainjourney.show.departure import depart, depart_again, read_departure, set_out
from trainjourney.show.frames import FrameRing, Status
from trainjourney.show.journals import begin_journal, journalled
from trainjourney.show.kept import KeptState, Place
from trainjourney.show.meter import Meter
from trainjourney.show.retrace import go_on
from trainjourney.show.travel import travel
from trainjourney.signals import let_through
from trainjourney.types import Change, Frame

KEPT_EVERY_S = 0.5
_DEATH_OF_PARENT = 1  # PR_SET_PDEATHSIG


class Order(TypedDict):
    """What a keeper tells a world."""

    config: dict[str, Any]
    ring: int  # descriptors
    block: int
    kept: int
    resume: How  # begin at the start, or go on from the kept state or from the last picture
    frames: int | None  # end after so many
    arrive: bool  # be at once where the controls are set to


def run_world() -> int:
    """Run a world as ordered; returns the exit code."""
    _die_with_the_show()
    let_through()
    life = os.fdopen(sys.stdin.fileno(), "rb", buffering=0, closefd=False)
    order: Order = json.loads(life.readline())
    ended = threading.Event()
    threading.Thread(target=_live_on, args=(life, ended), daemon=True).start()
    try:
        _travel(order, ended)
    except TrainjourneyError as err:
        _tell(error=type(err).__name__, message=str(err))
        return err.exit_code
    return 0


def _travel(order: Order, ended: threading.Event) -> None:
    config = Config.model_validate(order["config"])
    bundle = load_bundle(find_bundle(config.engine.name)).at_rate(config.engine.fps)
    manifest = bundle.manifest
    ring = FrameRing(manifest.frame.height, manifest.frame.width, order["ring"])
    block = Block(manifest.embedding.size, order["block"])
    kept = KeptState(manifest.state, order["kept"])
    seen = ring.newest(0)
    departure = depart_again(config, bundle, seen[1]) if seen else read_departure(config, bundle)
    world, board = depart(config, bundle, departure)
    resumed = _go_on(world, order["resume"], ring, kept)
    if resumed is None or resumed.how == "start":
        set_out(world, board, departure)
    board.next_seed = world.seed + 1
    if start := board.looks.get(0):
        _tell(start=start.name, embedding=start.embedding.tolist())
    journal = begin_journal(config, bundle, world, departure, resumed)
    source = Instruments(block, board, journal)
    if order["arrive"]:
        for change in source.poll():
            board.apply(change)
            if journal:
                journal.heard(0, change)
        if source.later("departure", "seed"):  # departures since have used it up
            change = Change("seed", float(world.seed + 1), 0.0)
            board.apply(change)
            if journal:
                journal.heard(0, change)
        board.arrive()
        if journal:
            journal.arrive()
    meter, fps = Meter(), manifest.frame.fps
    shelf = Shelf(ring, kept, world, board, source, meter, fps)
    gc.freeze()  # what was loaded stays; to look through it now and then would cost frames
    with journalled(journal) as (first, heard):
        travel(
            world, board, first, (journal, shelf) if journal else (shelf,), meter,
            fps=fps, frames=order["frames"], pacer=Pacer(fps), stopped=ended.is_set, heard=heard,
            live=source,
        )  # fmt: skip


def _go_on(world: DreamWorld, how: How, ring: FrameRing, kept: KeptState) -> Resumed | None:
    """Set the world to where it was; it stands at its start already. None: it was nowhere yet."""
    place, last = kept.last(), ring.newest(0)
    if last is None:
        return None
    if how == "state" and place is None:
        how = "picture"  # it was lost before a state was kept
    go_on(world, how, place, last[1])
    return Resumed(how, ring.latest, place.frames if how == "state" and place else 0)


class Instruments(BlockSource):
    """The block's changes; before them, its looks are laid on the board when they are others."""

    def __init__(self, block: Block, board: Board, journal: Journal | None) -> None:
        super().__init__(block)
        self._board, self._journal, self._number = board, journal, 0
        self._own = board.looks.get(0)  # the start picture's

    def poll(self) -> Iterator[Change]:
        """Look after the bank, then read the changes."""
        if found := self._block.bank(self._number):
            self._number, looks = found
            if self._own:
                looks.setdefault(0, self._own)
            if looks:
                self._board.lay(Looks.in_slots(looks))
                if self._journal:
                    self._journal.lay(looks)
        return super().poll()


class Shelf:
    """The Output of a world process: frames into the ring, the state kept twice a second."""

    def __init__(
        self,
        ring: FrameRing,
        kept: KeptState,
        world: DreamWorld,
        board: Board,
        source: BlockSource,
        meter: Meter,
        fps: int,
    ) -> None:
        self._ring, self._kept, self._world, self._board = ring, kept, world, board
        self._source, self._meter, self._fps = source, meter, fps
        self._every = max(1, round(fps * KEPT_EVERY_S))
        self._distance = ring.status()[1].distance
        self._begun_s = time.monotonic()

    def show(self, frame: Frame) -> None:
        """Put the frame where every reader finds it."""
        board = self._board
        speed = self._world.reached(board.speed)
        self._distance += speed / self._fps if not board.hold else 0.0
        status = Status(
            speed=speed,
            distance=self._distance,
            progress=board.progress,
            serial=self._source.serial,
            thrown=self._world.thrown,
            guarded=self._world.guard.count,
            hold=board.hold,
            made_ms=self._meter.last_ms,
        )
        frames = self._ring.write(frame, status)
        if frames % self._every == 0:
            world = self._world
            self._kept.keep(Place(world.state, world.seed, world.number, frames, world.unseen))

    def close(self) -> None:
        """Nothing to close."""


def _die_with_the_show() -> None:
    """Be killed when the show is, however it ends and whatever this process is doing.

    Linux does it even to a process that stands still; elsewhere the end of the input must do.
    Ctrl-C is for the show, which ends this one.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_DEATH_OF_PARENT, signal.SIGKILL)


def _live_on(life: RawIOBase, ended: threading.Event) -> None:
    """Wait for the show's end; then give the loop a moment to end by itself."""
    life.read()
    ended.set()
    time.sleep(1.0)
    os._exit(0)


def _tell(**facts: Any) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()
