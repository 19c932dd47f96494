"""What steers a show beside window and page: OSC, MIDI, taps, presets, a tour, hours, looks.

Each turns the desk or listens to it. Whatever one of them meets is told of in one line, and the
picture goes on.
"""

import asyncio
import logging
import socket
import time
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

from aiohttp import web

from trainjourney.controls.announce import Announcement
from trainjourney.controls.desk import Desk
from trainjourney.controls.midi import Midi
from trainjourney.controls.midi_ports import MidoPorts
from trainjourney.controls.osc import OscServer
from trainjourney.controls.oscquery import OscQuery
from trainjourney.controls.presets import Presets
from trainjourney.controls.tempo import Tempo
from trainjourney.errors import ControlError
from trainjourney.inference import Bundle, Look
from trainjourney.journey.hours import read_hours
from trainjourney.journey.looks import Looks
from trainjourney.journey.tour import Tour, read_tour
from trainjourney.outputs.web.address import reached_at
from trainjourney.settings import Config
from trainjourney.show.bank import FolderWatch
from trainjourney.show.hours import Doorkeeper
from trainjourney.show.network import Service
from trainjourney.show.rounds import Rounds
from trainjourney.show.stage import Stage
from trainjourney.types import Change

log = logging.getLogger(__name__)

LEARN_KEY = "m"
_TOUR_S = 1.0 / 60.0


class Instruments:
    """Made before the train departs, so that what is wrong in the settings is told then.

    As a context it plays; its `services` are for the network thread, its OSCQuery for the page.
    """

    def __init__(self, config: Config, stage: Stage, bundles: Sequence[Bundle]) -> None:
        """`bundles` are those of the show, the first one's first. Raises ConfigError."""
        self._config, self._stage = config, stage
        # One of each embedder: all others understand the same embeddings.
        self._bundles = {one.manifest.files["embedder.onnx"]: one for one in reversed(bundles)}
        tour = config.journey.tour
        self._tour = read_tour(Path(tour).expanduser()) if tour else None
        self._hours = read_hours(config.hours.open)
        self._stack = ExitStack()
        self._presets: Presets | None = None  # while it plays
        self._no_midi, self._asked = "", False  # why there is none, and whether M asked
        self._midi = self._open_midi()
        self._osc = OscServer(stage.desk, config.osc) if config.osc.port else None
        self.oscquery = OscQuery(stage.desk, config.osc.port, self._names)

    def services(self) -> dict[str, Service]:
        """What runs in the network thread: name -> a coroutine function."""
        found: dict[str, Service] = {}
        if self._osc:
            found["osc"] = self._serve_osc
            if self._config.osc.announce:
                found["zeroconf"] = self._announce
        return found

    def routes(self) -> list[web.RouteDef]:
        """Further doors of the page."""
        return self.oscquery.routes()

    def counts(self) -> dict[str, Any]:
        """What became of all that came."""
        osc = dict(self._osc.counts) if self._osc else {}
        midi = dict(self._midi.counts) if self._midi else {}
        return {"osc": osc, "oscquery": dict(self.oscquery.ear.counts), "midi": midi}

    def presets(self) -> list[int]:
        """The presets that there are, by number."""
        return self._presets.numbers() if self._presets else []

    def press(self, key: str) -> bool:
        """A key went down in the window; whether it is one for here: M learns MIDI."""
        if key != LEARN_KEY:
            return False
        if self._midi:
            self._midi.learner.switch()
        self._asked = not self._asked
        return True

    @property
    def words(self) -> str:
        """What the overlay shall say in place of its figures, if anything."""
        if self._midi:
            return self._midi.learner.words
        return self._no_midi if self._asked else ""

    def __enter__(self) -> "Instruments":
        desk, stack = self._stage.desk, self._stack
        stack.callback(self.oscquery.close)
        tempo, self._presets = Tempo(desk), Presets(desk)
        stack.callback(tempo.close)
        stack.callback(self._presets.close)
        watched = [*self._bundles.values()] if self._config.looks.folder else []  # first one last
        for bundle in watched:
            watch = FolderWatch(
                self._config.looks, bundle, self._config.engine.backend, partial(self._lay, bundle),
                self._check_tour if bundle is watched[-1] else lambda: None,
            )  # fmt: skip
            watch.start()
            stack.callback(watch.close)
        if not watched:
            self._check_tour()
        if self._midi:
            self._midi.start()
            stack.callback(self._midi.close)
        if self._tour:
            guide = TourGuide(self._tour, desk)
            guide.start()
            stack.callback(guide.close)
        if self._hours:
            doorkeeper = Doorkeeper(self._hours, desk)
            doorkeeper.start()
            stack.callback(doorkeeper.close)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        err: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def _open_midi(self) -> Midi | None:
        config = self._config.midi
        if config.play == "off":
            self._no_midi = "midi: is off; give --set midi.play=on"
            return None
        try:
            ports = MidoPorts()
        except ControlError as err:
            self._no_midi = str(err)
            if config.play == "on":
                log.warning("%s", err)
            return None
        return Midi(self._stage.desk, config, lambda: ports)

    def _names(self) -> dict[int, str]:
        return {slot: look.name for slot, look in self._stage.keeper.looks.items()}

    def _lay(self, bundle: Bundle, looks: dict[int, Look]) -> None:
        """Another bank; in the thread of the folder's watch."""
        self._stage.lay_bank(looks, bundle)
        self.oscquery.bank_changed()
        log.info("looks: %d in the bank", len(looks))

    def _check_tour(self) -> None:
        """Tell of looks that the tour asks for and the bank has not; the folder was read."""
        looks = Looks.in_slots(self._stage.keeper.looks)
        for lack in self._tour.lacks(looks) if self._tour else ():
            log.warning("%s: %s", self._config.journey.tour, lack)

    async def _serve_osc(self) -> None:
        assert self._osc
        self._osc.start()
        try:
            await asyncio.Event().wait()
        finally:
            self._osc.close()

    async def _announce(self) -> None:
        osc, page = self._config.osc, self._config.web
        addresses = [reached_at(host) for host in (page.listen, osc.host)]
        if any(address.startswith("127.") for address in addresses):
            log.info("osc: heard on this machine alone, so it is not announced")
            return
        name = f"Trainjourney {socket.gethostname()}"
        announcement = Announcement(name, sorted(set(addresses)), page.port, osc.port)
        await announcement.start()
        try:
            await asyncio.Event().wait()
        finally:
            await announcement.close()


class TourGuide(Rounds):
    """A tour by the clock: turns the desk in a thread, from `start` to `close`."""

    def __init__(self, tour: Tour, desk: Desk) -> None:
        super().__init__("tour", _TOUR_S)
        self._tour, self._desk = tour, desk
        self._begun_s, self._after_s = time.monotonic(), -1.0

    def go_round(self) -> None:
        """Turn what was due since the last time."""
        now_s = time.monotonic()
        until_s = now_s - self._begun_s
        self._tour.set_to |= self._desk.values()  # what others turned meanwhile: glides begin there
        for change in self._tour.changes(self._after_s, until_s):
            self._desk.turn(Change(change.parameter, change.value, now_s), "tour")
        self._after_s = until_s
