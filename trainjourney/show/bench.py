"""Measuring a show as it plays: how soon a turned control is seen, and how even the window is."""

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from trainjourney.controls.osc import OscServer
from trainjourney.controls.osc_message import write_message
from trainjourney.controls.parameters import PARAMETERS
from trainjourney.errors import TrainjourneyError
from trainjourney.inference import find_bundle, load_bundle
from trainjourney.machine import processor_name
from trainjourney.outputs.window import Window
from trainjourney.settings import Config
from trainjourney.show.departure import open_desk, read_departure
from trainjourney.show.evenness import evenness, percentiles, stands
from trainjourney.show.midi_way import midi_way
from trainjourney.show.network import Network
from trainjourney.show.screen import run_screen
from trainjourney.show.stage import Stage
from trainjourney.side_by_side import core_count
from trainjourney.types import Frame

# Turned between: the first frame that obeys the brightness is some 12 % darker.
_TURNED = {"speed": (0.9, 1.0), "brightness": (0.4, 1.0)}
_CHANGED = 0.04  # of a frame's light; the country's own is less from one frame to the next
_SETTLE_S = 0.5
_LOST_S = 2.0  # a change that was not seen by then is counted as lost
_FLOOD = 20_000  # OSC messages a second


def bench_latency(config: Config, tries: int, midi: bool = False) -> dict[str, Any]:
    """From an OSC packet sent to the first frame that obeys handed to the window, and to its flip.

    With `midi` from a note played on a virtual port. Two controls are turned to and fro at times
    that know nothing of the frames'. The speed is read before the world's step, as nearly every
    control: the first frame that was made with it counts, by what the world says of the frame. The
    brightness may act on a frame that is being made: the first with other pixels counts. Raises
    TrainjourneyError.
    """
    waits: dict[str, list[tuple[float, float]]] = {"speed": [], "brightness": []}

    def turn(bench: "Bench") -> None:
        chance = random.Random(0)
        pairs = [(name, value) for name, values in _TURNED.items() for value in values]
        way = midi_way(bench.stage.desk, pairs) if midi else _osc_way(bench)
        with way as say:
            for number in range(tries):
                time.sleep(_SETTLE_S)
                for name, values in _TURNED.items():
                    time.sleep(chance.uniform(0.0, 0.1))
                    say_it = partial(say, name, values[number % 2])
                    if waited := bench.next_change(say_it, seen=name == "brightness"):
                        waits[name].append(waited)

    with _bench(config) as bench:
        bench.play(turn)
        fps, told = bench.stage.keeper.bundle.manifest.frame.fps, bench.stage.status()
        refresh_hz = bench.window.refresh_hz
    return {
        "what": f"{'a MIDI note' if midi else 'an OSC packet'} sent to the first frame that obeys "
        "handed to the window",
        "tries": tries,
        **{name: _latency(found, tries, fps) for name, found in waits.items()},
        "refresh_hz": refresh_hz,
        "world_fps": round(told["fps"], 1),
        "step_ms": round(told["made_ms"], 1),
        "cores": core_count(),
        "machine": processor_name(),
    }


def bench_window(config: Config, seconds: float, stall_s: float = 10.0) -> dict[str, Any]:
    """How even the window's refreshes are: while the world plays; for `stall_s` each under a flood
    of OSC and while the world stands (SIGSTOP); and how soon it is back after SIGKILL.

    Raises TrainjourneyError.
    """
    patient = config.show.model_copy(update={"hung_s": 5.0 * stall_s + 5.0})
    figures: dict[str, Any] = {}

    def ride(bench: "Bench") -> None:
        keeper, desk = bench.stage.keeper, bench.stage.desk
        before, since_s = keeper.ring.latest, time.monotonic()
        figures["playing"] = bench.refreshes(lambda: time.sleep(seconds))
        figures["pictures"] = bench.shown.copy()
        figures["world_fps"] = (keeper.ring.latest - before) / (time.monotonic() - since_s)
        figures["memory_mb"] = _memory_mb(bench.stage)
        figures["flooded"] = bench.refreshes(lambda: _flood(bench.port, stall_s))
        time.sleep(1.0)  # what was held back is heard
        kept = {p.name: p.default for p in PARAMETERS.values()}
        values = desk.values()
        figures["last_applied"] = all(values[name] == kept[name] for name in ("speed", "pad_y"))
        os.kill(keeper.pid, signal.SIGSTOP)
        figures["stalled"] = bench.refreshes(lambda: time.sleep(stall_s))
        os.kill(keeper.pid, signal.SIGCONT)
        time.sleep(1.0)
        latest, since_s = keeper.ring.latest, time.monotonic()
        os.kill(keeper.pid, signal.SIGKILL)
        while keeper.ring.latest <= latest + 1 and time.monotonic() - since_s < 60.0:
            time.sleep(0.01)
        figures["back_after_kill_s"] = time.monotonic() - since_s

    with _bench(config.model_copy(update={"show": patient})) as bench:
        bench.play(ride)
        refresh_hz = bench.window.refresh_hz
        fps = bench.stage.keeper.bundle.manifest.frame.fps
    refresh_s = float(np.median(np.diff(figures["playing"])))  # as it is, whatever was told
    figures["pictures"] = stands(figures["pictures"], 1.0 / (fps * refresh_s))
    for name in ("playing", "flooded", "stalled"):
        figures[name] = evenness(figures[name], 1000.0 / refresh_hz)
    for name in ("world_fps", "memory_mb", "back_after_kill_s"):
        figures[name] = round(figures[name], 2)
    figures |= {"refresh_hz": refresh_hz, "cores": core_count(), "machine": processor_name()}
    return figures


@contextmanager
def _osc_way(bench: "Bench") -> Iterator[Callable[[str, float], None]]:
    yield lambda name, value: bench.send(write_message(f"{PARAMETERS[name].osc}/raw", [value]))


@dataclass
class Bench:
    """A show that plays in its window, with OSC; what it takes to measure it."""

    stage: Stage
    window: Window
    port: int  # of its OSC
    _light: float = 0.0
    _by_pixels: bool = True
    _serial: int = 0  # of the block, before the turn that is awaited
    _came_s: float = 0.0
    _came_number: int = 0
    _shown_s: float = 0.0
    _awaited: threading.Event = field(default_factory=threading.Event)
    _came: threading.Event = field(default_factory=threading.Event)
    _shown: threading.Event = field(default_factory=threading.Event)
    _flips: list[float] = field(default_factory=list)
    shown: list[int] = field(default_factory=list)  # the number of the frame at every refresh

    def play(self, work: Callable[["Bench"], None]) -> None:
        """Run the window on this thread, and the work in another once the world plays."""

        failed: list[TrainjourneyError] = []

        def begin() -> None:
            while self.stage.keeper.ring.latest < 30 and self.stage.alive:
                time.sleep(0.05)
            try:
                if self.stage.alive:
                    work(self)
            except TrainjourneyError as err:
                failed.append(err)

        thread = threading.Thread(target=begin)
        thread.start()
        run_screen(
            self.window, self, self.stage.desk, str, lambda: not thread.is_alive(),
            self._flipped, looked=self.stage.looked,
        )  # fmt: skip
        if self.window.closed:
            raise TrainjourneyError("the window was closed; let it stand until the bench ends")
        thread.join()
        for err in (*failed, self.stage.failure):
            if err:
                raise err

    def newest(self, after: int) -> tuple[int, Frame] | None:
        """As the show's frames, each looked at as it is handed to the window."""
        obeyed = self.stage.keeper.ring.status()[1].serial  # by the newest frame or one before
        found = self.stage.frames.newest(after)
        if found:
            now_s, light = time.perf_counter(), float(found[1][::4, ::4].mean())
            changed = abs(light - self._light) > _CHANGED * max(self._light, 1.0)
            if not self._by_pixels:
                changed = obeyed > self._serial
            if self._awaited.is_set() and changed and not self._came.is_set():
                self._came_s, self._came_number = now_s, found[0]
                self._came.set()
            self._light = light
        return found

    def _flipped(self, number: int, now_s: float) -> None:
        self._flips.append(now_s)
        self.shown.append(number)
        if self._came.is_set() and number >= self._came_number and not self._shown.is_set():
            self._shown_s = now_s
            self._shown.set()

    def send(self, packet: bytes) -> None:
        """One datagram to the show's OSC."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.sendto(packet, ("127.0.0.1", self.port))

    def next_change(self, turn: Callable[[], None], seen: bool) -> tuple[float, float] | None:
        """Seconds from the turn to the coming of the first frame that obeys to the window, and to
        the flip that shows it; None if none came. `seen`: by its pixels, else by its own word."""
        self._by_pixels, self._serial = seen, self.stage.keeper.block.serial
        self._came.clear()
        self._shown.clear()
        self._awaited.set()
        turned_s = time.perf_counter()
        turn()
        came = self._shown.wait(_LOST_S)
        self._awaited.clear()
        return (self._came_s - turned_s, self._shown_s - turned_s) if came else None

    def refreshes(self, while_: Callable[[], None]) -> list[float]:
        """When the window was refreshed while that was done."""
        self._flips.clear()
        self.shown.clear()
        while_()
        return self._flips.copy()


@contextmanager
def _bench(config: Config) -> Iterator[Bench]:
    bundle = load_bundle(find_bundle(config.engine.name)).at_rate(config.engine.fps)
    frame, listening = bundle.manifest.frame, threading.Event()
    stage = Stage(open_desk(config.journey), read_departure(config, bundle).picture, frame.fps)
    silent = config.journal.model_copy(update={"write": False})
    osc = OscServer(stage.desk, config.osc.model_copy(update={"port": 0, "feedback": ""}))

    async def serve() -> None:
        osc.start()
        listening.set()
        try:
            await asyncio.Event().wait()
        finally:
            osc.close()

    network = Network({"osc": serve})
    with closing(stage), closing(Window(frame.width, frame.height, config.window)) as window:
        stage.open(config.model_copy(update={"journal": silent}), bundle)
        with closing(network):
            network.start()
            if not listening.wait(10.0):
                raise TrainjourneyError("osc: no port to be had; look what takes them all")
            yield Bench(stage, window, osc.port)


def _flood(port: int, seconds: float) -> None:
    """From a process of its own, that the show need not share Python with."""
    code = f"from trainjourney.show.flood import flood; flood({port}, {_FLOOD}, {seconds})"
    subprocess.run([sys.executable, "-c", code], check=True)


def _latency(found: list[tuple[float, float]], tries: int, fps: float) -> dict[str, Any]:
    handed_ms, flipped_ms = ([1000.0 * one[i] for one in found] for i in (0, 1))
    return {
        "lost": tries - len(found),
        "ms": percentiles(handed_ms),
        "frames": percentiles([wait_ms * fps / 1000.0 for wait_ms in handed_ms]),
        "flipped_ms": percentiles(flipped_ms),
    }


def _memory_mb(stage: Stage) -> float:
    """Memory of both processes; what they share counts once (PSS). 0 where it is not told."""
    total_kb = 0
    for pid in (os.getpid(), stage.keeper.pid):
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8").splitlines()
        except OSError:
            return 0.0
        total_kb += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total_kb / 1024.0
