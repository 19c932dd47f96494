"""The keeper: starts a world in its own process, watches over it, and starts it again.

A heartbeat is a frame. A world that ended, or gave no frame for too long, is killed and started
anew: from its kept state; if that soon fails again from its last picture; then from the start.
"""

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import numpy as np

from trainjourney import errors
from trainjourney.errors import BackendError, TrainjourneyError
from trainjourney.inference import Bundle, Look
from trainjourney.journey.bank import own_looks
from trainjourney.journey.journal import How
from trainjourney.settings import Config
from trainjourney.show.block import Block
from trainjourney.show.frames import FrameRing
from trainjourney.show.kept import KeptState
from trainjourney.show.world_process import Order

log = logging.getLogger(__name__)

WELL_AFTER_S = 10.0  # of playing, a world is well, and its next fall is a first one
_RESUMES: tuple[How, ...] = ("state", "picture", "picture", "start")  # by falls in a row
REOPENING_S = 30.0  # a world that has played before opens sooner: its graphs are compiled
_MOST_TOLD_BYTES = 1 << 20
Health = Literal["opening", "playing", "lost", "failed", "done"]


class Keeper:
    """One world process and the memory that it shares. Its methods belong to one thread, which must
    live as long as the world: Linux ends a child with the thread that started it.

    The memory outlives the process: a world that is started again fills the same ring.
    """

    def __init__(
        self,
        config: Config,
        bundle: Bundle,
        frames: int | None = None,
    ) -> None:
        """`frames`: the world is done after so many."""
        frame = bundle.manifest.frame
        self.config, self.bundle = config, bundle
        self.frames = frames
        self.ring = FrameRing(frame.height, frame.width)
        self.block = Block(bundle.manifest.embedding.size)
        self._laying = threading.Lock()
        self.looks: dict[int, Look] = {}
        self.lay_bank(own_looks(bundle))
        self.health: Health = "opening"
        self.restarts = 0
        self.failure: TrainjourneyError | None = None  # why it could not be opened at all
        self._kept = KeptState(bundle.manifest.state)
        self._process: subprocess.Popen[bytes] | None = None
        self._falls = 0  # in a row
        self._latest = 0
        self._begun_s = self._moved_s = self._watched_s = self._again_s = 0.0

    @property
    def pid(self) -> int:
        """Of the world's process; 0 where there is none."""
        return self._process.pid if self._process else 0

    def start(self, now_s: float, arrive: bool = False) -> None:
        """Start the world; `arrive`: where the controls are set to, without a ramp."""
        self._spawn("start", arrive, now_s)

    def watch(self, now_s: float) -> None:
        """See that the world is well, and help it up where it is not. Never blocks long."""
        if self.health in ("failed", "done"):
            return
        if now_s - self._watched_s > 1.0:  # this process stood still itself: blame no other
            self._moved_s = now_s
        self._watched_s = now_s
        self._listen()
        latest = self.ring.latest
        if latest > self._latest:
            self._latest, self._moved_s = latest, now_s
            self._be_well(now_s)
        if self._process is None:
            if now_s >= self._again_s:
                self.restarts += 1
                self._spawn(_RESUMES[min(self._falls, len(_RESUMES)) - 1], True, now_s)
        elif self._process.poll() == 0 and self.frames and latest >= self.frames:
            self.health = "done"
        elif self._process.poll() is not None:
            self._fell(f"ended with {self._process.returncode}", now_s)
        elif now_s - self._moved_s > self._longest_s():
            self._fell(f"no frame for {self._longest_s():g} s", now_s)

    def lay_bank(self, looks: Mapping[int, Look]) -> None:
        """Give the world these looks by slot; the start picture's own stays. From any thread."""
        with self._laying:
            start = {0: self.looks[0]} if 0 in self.looks else {}
            self.looks = {**start, **looks}
            self.block.lay_bank(self.looks)

    def close(self) -> None:
        """End the world, and let go of what was shared."""
        if process := self._process:
            _end(process, 1.5)
            self._process = None
        for memory in (self.ring.memory, self.block.memory, self._kept.memory):
            memory.close()

    def _spawn(self, resume: How, arrive: bool, now_s: float) -> None:
        shared = (self.ring.memory.fd, self.block.memory.fd, self._kept.memory.fd)
        order: Order = {
            "config": self.config.model_dump(), "resume": resume, "arrive": arrive,
            "frames": self.frames and self.frames - self.ring.latest,
            "ring": shared[0], "block": shared[1], "kept": shared[2],
        }  # fmt: skip
        self._begun_s = self._moved_s = self._watched_s = now_s
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "trainjourney", "world"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, pass_fds=shared,
            )  # fmt: skip
        except OSError as err:  # no memory, too many processes
            self._fell(f"cannot be started ({err.strerror})", now_s)
            return
        assert self._process.stdin and self._process.stdout
        os.set_blocking(self._process.stdout.fileno(), False)
        self._told = b""
        with suppress(BrokenPipeError):  # it ended at once; the next watch sees it
            self._process.stdin.write(json.dumps(order).encode() + b"\n")

    def _be_well(self, now_s: float) -> None:
        if self.health != "playing":
            if self.restarts:
                log.info("the world is back, after %.1f s", now_s - self._begun_s)
            self.health, self._begun_s = "playing", now_s
        elif self._falls and now_s - self._begun_s > WELL_AFTER_S:
            self._falls = 0

    def _longest_s(self) -> float:
        patience = self.config.show
        if self.health == "playing":
            return patience.hung_s
        return min(REOPENING_S, patience.opening_s) if self.restarts else patience.opening_s

    def _fell(self, how: str, now_s: float) -> None:
        self._listen()
        if self._process:
            _end(self._process, 0.0)
        self._process = None
        if not self._latest and self.health == "opening":  # it never played: no use to try again
            self.health = "failed"
            self.failure = self.failure or BackendError(
                f"the world of {self.bundle.folder} {how} before its first frame; "
                "try --set engine.backend=onnxruntime"
            )
            return
        wait_s = 0.0 if self._falls == 0 else min(0.25 * 2.0 ** min(self._falls, 9), 10.0)
        told = self.failure or how
        log.warning("the world was lost (%s); starting it again in %.1f s", told, wait_s)
        self.health, self.failure = "lost", None
        self._falls += 1
        self._again_s, self._begun_s = now_s + wait_s, now_s

    def _listen(self) -> None:
        """Take in what the world told since."""
        if self._process is None or self._process.stdout is None:
            return
        self._told += self._process.stdout.read() or b""
        *lines, self._told = self._told[:_MOST_TOLD_BYTES].split(b"\n")
        for line in lines:
            try:
                facts = json.loads(line)
            except ValueError:
                continue  # a library's chatter
            if isinstance(facts, dict):
                self._hear(facts)

    def _hear(self, facts: dict[str, Any]) -> None:
        if "start" in facts:
            embedding = np.array(facts["embedding"], np.float32)
            start = Look(str(facts["start"]), embedding, Path(self.config.journey.start))
            self.lay_bank({**self.looks, 0: start})
        elif "error" in facts:
            kind = getattr(errors, str(facts["error"]), TrainjourneyError)
            self.failure = kind(str(facts["message"]))


def _end(process: subprocess.Popen[bytes], wait_s: float) -> None:
    """End a world: its input first, then by force; and wait until it is gone."""
    assert process.stdin and process.stdout
    with suppress(BrokenPipeError):
        process.stdin.close()
    try:
        process.wait(wait_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()
