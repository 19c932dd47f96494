"""The stage: a show's desk, its worlds in their processes, and the one picture that comes of them.

A thread of its own watches over the worlds. A second one may open beside the first and take over
by a fade when its first frame is there.
"""

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from trainjourney.controls.desk import Desk
from trainjourney.errors import ConfigError, TrainjourneyError
from trainjourney.inference import Bundle, Look
from trainjourney.journey.looks import Looks
from trainjourney.settings import Config
from trainjourney.show.block import BlockSource
from trainjourney.show.frames import FrameRing
from trainjourney.show.keeper import Keeper
from trainjourney.show.meter import Meter, Summary
from trainjourney.show.relay import Relay
from trainjourney.show.slow import Slowness
from trainjourney.types import Change, Frame

log = logging.getLogger(__name__)

TAKE_OVER_S = 2.0
_WATCH_S = 0.02


class Stage:
    """Worlds that play what the desk says. Close it, or its worlds stay as long as the process."""

    def __init__(self, desk: Desk, picture: Frame, fps: float) -> None:
        """`picture` is shown until the first frame comes, and gives the size of all frames."""
        self.desk = desk
        self.frames = Relay(picture, fps)
        self.failure: TrainjourneyError | None = None  # why there is no show
        self._keeper: Keeper | None = None  # whose frames are shown
        self._next: Keeper | None = None  # who opens beside it
        self._left: Keeper | None = None  # whose picture fades out
        self._arrive = False  # controls stand elsewhere than the settings say
        self._then: tuple[Config, Bundle] | None = None
        self._turning = threading.Lock()  # of controls, while a second world takes them over
        self._banks: dict[str, dict[int, Look]] = {}  # that were laid last, by embedder
        self._ended = threading.Event()
        self._frames_before = 0  # of worlds that were left
        self._meter = Meter()
        self._seen: deque[tuple[int, float]] = deque(maxlen=60)  # frame numbers, and when
        self._slowness = Slowness()
        self._thread = threading.Thread(target=self._watch, name="keeper")

    def open(
        self,
        config: Config,
        bundle: Bundle,
        then: tuple[Config, Bundle] | None = None,
        frames: int | None = None,
        standing: Mapping[str, float | str] = MappingProxyType({}),
    ) -> None:
        """Open a world, and another beside it that takes over once it plays.

        `frames`: the show ends after so many of the first one's. `standing`: where controls stand
        when it begins, in the order of their turns.
        """
        self._keeper = Keeper(config, bundle, frames)
        self.frames.take_over(self._keeper.ring)
        self.desk.listen(self._heard)
        for name, value in standing.items():  # looks too that a folder has still to bring
            self.desk.turn(Change(name, value, time.monotonic()), "resume")
        self._arrive = bool(standing)
        self.desk.find_look = self._find_look
        self._then = then
        self._thread.start()

    @property
    def keeper(self) -> Keeper:
        """Of the world whose frames are shown."""
        assert self._keeper, "not open"
        return self._keeper

    def status(self) -> dict[str, Any]:
        """How the show is, in plain values."""
        keeper = self.keeper
        made_s, world = keeper.ring.status()
        seen = list(self._seen)
        took_s = seen[-1][1] - seen[0][1] if seen else 0.0
        return {
            "world": keeper.health,
            "bundle": keeper.bundle.manifest.name,
            "look": self._look_name(),
            "frame": keeper.ring.latest,
            "fps": (seen[-1][0] - seen[0][0]) / took_s if took_s else 0.0,
            "age_ms": 1000.0 * (time.monotonic() - made_s) if keeper.ring.latest else 0.0,
            "made_ms": world.made_ms,
            "speed": world.speed,
            "distance": world.distance,
            "progress": world.progress,
            "hold": bool(world.hold),
            "serial": int(world.serial),
            "thrown": int(world.thrown),
            "guarded": int(world.guarded),
            "restarts": keeper.restarts,
            "then": self._next.bundle.manifest.name if self._next else "",
        }

    def looked(self, looked_s: float, period_s: float) -> None:
        """The window looked for a frame: worlds come in step with it."""
        for keeper in (self._keeper, self._next):
            if keeper:
                keeper.block.looked(looked_s, period_s)

    def pace(self) -> float:
        """How fast the picture goes by now, x cruising: 0 while it is held or its world is away."""
        world = self.keeper.ring.status()[1]
        return world.speed if self.keeper.health == "playing" and not world.hold else 0.0

    def _find_look(self, wanted: float | str) -> Look:
        looks = self.keeper.looks
        if not looks:
            raise ConfigError("there is no look in the bank")
        return Looks.in_slots(looks).find(wanted)

    def _look_name(self) -> str:
        """Of the look that was asked for last, or of those with a weight, or the pad's: of what
        was turned last. A slot's number where it is empty."""
        values = self.desk.values()
        leads = [name for name, value in values.items() if _may_lead(name, value)]
        if leads[-1].startswith("pad"):
            return "between four"
        if leads[-1].startswith("weight."):
            slots = [name.partition(".")[2] for name in leads if name.startswith("weight.")]
            return " + ".join(self._name_in(int(slot)) for slot in sorted(slots, key=int))
        wanted = values["look"]
        return wanted if isinstance(wanted, str) else self._name_in(int(wanted))

    def _name_in(self, slot: int) -> str:
        look = self.keeper.looks.get(slot)
        return look.name if look else f"{slot}"

    def lay_bank(self, looks: Mapping[int, Look], bundle: Bundle) -> None:
        """Lay another bank for every world that understands the embeddings of `bundle`, also for
        one that opens later."""
        with self._turning:
            self._banks[_embedder(bundle)] = dict(looks)
            for keeper in (self._keeper, self._next):
                if keeper and _embedder(keeper.bundle) == _embedder(bundle):
                    keeper.lay_bank(looks)

    @property
    def alive(self) -> bool:
        """Whether a world plays, or is on its way."""
        return self._thread.is_alive() and self.keeper.health not in ("done", "failed")

    def summary(self) -> Summary:
        """What the show came to."""
        told = self._meter.summary()
        return Summary(self._frames_before + self.keeper.ring.latest, told.seconds, told.p99_ms)

    def close(self) -> None:
        """End the worlds."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def _heard(self, change: Change, source: str) -> None:
        with self._turning:
            for keeper in (self._keeper, self._next):
                if keeper:
                    keeper.block.turn(change)

    def _watch(self) -> None:
        assert self._keeper
        try:
            self._keeper.start(time.monotonic(), self._arrive)
            while not self._ended.wait(_WATCH_S):
                self._step(time.monotonic())
        finally:
            for keeper in (self._keeper, self._next, self._left):
                if keeper:
                    keeper.close()

    def _step(self, now_s: float) -> None:
        keeper = self.keeper
        keeper.watch(now_s)
        self.failure = keeper.failure if keeper.health == "failed" else None
        self._measure(keeper.ring)
        if told := self._slow(keeper, now_s):
            log.warning("%s", told)
        if self._then and keeper.health == "playing":
            self._open_next(*self._then, now_s)
            self._then = None
        if self._next:
            self._next.watch(now_s)
            if self._next.health == "playing":
                self._hand_over()
            elif self._next.health == "failed":
                log.warning("%s; %s plays on", self._next.failure, keeper.bundle.manifest.name)
                self._next.close()
                self._next = None
        if self._left and not self.frames.fading:
            self._left.close()
            self._left = None

    def _slow(self, keeper: Keeper, now_s: float) -> str:
        """What there is to tell of a world that is too slow; one beside another may well be."""
        manifest, alone = keeper.bundle.manifest, not (self._next or self._left)
        wanted = manifest.frame.fps if alone and keeper.health == "playing" else 0
        least = math.ceil(manifest.frame.fps * keeper.bundle.pace / manifest.ranges.speed[1])
        return self._slowness.look(wanted, keeper.ring.latest, now_s, least)

    def _measure(self, ring: FrameRing) -> None:
        latest = ring.latest
        if latest and (not self._seen or latest > self._seen[-1][0]):
            made_s, world = ring.status()
            self._seen.append((latest, made_s))
            self._meter.add(world.made_ms / 1000.0, made_s, made_s)

    def _open_next(self, config: Config, bundle: Bundle, now_s: float) -> None:
        following = Keeper(config, bundle)
        with self._turning:
            for change in BlockSource(self.keeper.block).poll():  # as all is set, in its order
                following.block.turn(change)
            if _embedder(bundle) == _embedder(self.keeper.bundle):
                following.lay_bank(self.keeper.looks)
            elif _embedder(bundle) in self._banks:
                following.lay_bank(self._banks[_embedder(bundle)])
            self._next = following
        following.start(now_s, arrive=True)

    def _hand_over(self) -> None:
        assert self._next and self._keeper
        self._frames_before += self._keeper.ring.latest
        self._left, self._keeper, self._next = self._keeper, self._next, None
        self._seen.clear()
        self._slowness = Slowness()
        self.frames.take_over(self.keeper.ring, TAKE_OVER_S)


def _may_lead(name: str, value: float | str) -> bool:
    return name in ("look", "pad_x", "pad_y") or (name.startswith("weight.") and bool(value))


def _embedder(bundle: Bundle) -> str:
    """The hash of its embedder: where it is the same, a picture has the same embedding."""
    return bundle.manifest.files["embedder.onnx"]
