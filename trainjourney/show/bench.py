"""Measuring a show as it plays: how soon a turned control is seen, and how even the window is."""

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from trainjourney.controls.desk import Desk
from trainjourney.errors import TrainjourneyError
from trainjourney.inference import find_bundle, load_bundle
from trainjourney.inference.bench import core_count, machine_name
from trainjourney.outputs.window import Window
from trainjourney.settings import Config
from trainjourney.show.departure import read_departure
from trainjourney.show.keeper import Patience
from trainjourney.show.play import open_desk
from trainjourney.show.screen import run_screen
from trainjourney.show.stage import Stage
from trainjourney.types import Change, Frame

_BRIGHT, _DARK = 1.0, 0.4  # turned between: the first frame that obeys is some 12 % darker
_CHANGED = 0.04  # of a frame's light; the country's own is less from one frame to the next
_SETTLE_S = 0.5
_LOST_S = 2.0  # a change that was not seen by then is counted as lost


def bench_latency(config: Config, tries: int) -> dict[str, Any]:
    """From `desk.turn` to the first frame with other pixels handed to the window.

    The brightness is turned to and fro at times that know nothing of the frames'; it is read at
    the same moment as every control, before the world's step. Raises TrainjourneyError.
    """
    waits_ms: list[float] = []
    lost = 0
    with _show(config) as (stage, window, play):
        seen = _Lights(stage)

        def turn() -> None:
            nonlocal lost
            chance = random.Random(0)
            for number in range(tries):
                time.sleep(_SETTLE_S + chance.uniform(0.0, 0.1))
                wanted = _DARK if number % 2 == 0 else _BRIGHT
                wait_s = seen.next_change(stage.desk, Change("brightness", wanted, 0.0))
                if wait_s is None:
                    lost += 1
                else:
                    waits_ms.append(1000.0 * wait_s)

        play(turn, seen.newest)
        fps, refresh_hz = stage.keeper.bundle.manifest.frame.fps, window.refresh_hz
        told = stage.status()
    return {
        "what": "desk.turn to the first changed frame handed to the window",
        "tries": tries,
        "lost": lost,
        "latency_ms": _percentiles(waits_ms),
        "latency_frames": _percentiles([wait * fps / 1000.0 for wait in waits_ms]),
        "refresh_hz": refresh_hz,
        "world_fps": round(told["fps"], 1),
        "step_ms": round(told["made_ms"], 1),
        "cores": core_count(),
        "machine": machine_name(),
    }


def bench_window(config: Config, seconds: float, stall_s: float) -> dict[str, Any]:
    """How even the window's refreshes are: while the world plays, while it stands (SIGSTOP),
    and how long it takes to be back after SIGKILL. Raises TrainjourneyError."""
    parts: dict[str, list[float]] = {}
    back_s = 0.0
    with _show(config, Patience(hung_s=10.0 * stall_s + 10.0)) as (stage, window, play):
        flips: list[float] = []

        def ride() -> None:
            nonlocal back_s
            stage_fps.append(_fps(stage, seconds))
            parts["playing"] = flips.copy()
            memory.append(_memory_mb(stage))
            flips.clear()
            os.kill(stage.keeper.pid, signal.SIGSTOP)
            time.sleep(stall_s)
            parts["stalled"] = flips.copy()
            os.kill(stage.keeper.pid, signal.SIGCONT)
            time.sleep(1.0)
            latest, since_s = stage.keeper.ring.latest, time.monotonic()
            os.kill(stage.keeper.pid, signal.SIGKILL)
            while stage.keeper.ring.latest <= latest + 1 and time.monotonic() - since_s < 60.0:
                time.sleep(0.01)
            back_s = time.monotonic() - since_s

        stage_fps: list[float] = []
        memory: list[float] = []
        play(ride, None, flips.append)
        refresh_hz = window.refresh_hz
    period_ms = 1000.0 / refresh_hz
    return {
        "refresh_hz": refresh_hz,
        "world_fps": round(stage_fps[0], 1),
        **{name: _evenness(times, period_ms) for name, times in parts.items()},
        "back_after_kill_s": round(back_s, 2),
        "memory_mb": round(memory[0]),
        "cores": core_count(),
        "machine": machine_name(),
    }


Play = Callable[..., None]


@contextmanager
def _show(config: Config, patience: Patience | None = None) -> Iterator[tuple[Stage, Window, Play]]:
    """A show that plays, its window, and what plays it: a work in a thread, until that is done."""
    bundle = load_bundle(find_bundle(config.engine.name))
    frame = bundle.manifest.frame
    desk: Desk = open_desk(config.journey)
    stage = Stage(desk, read_departure(config.journey, bundle).picture, frame.fps)
    with closing(stage), closing(Window(frame.width, frame.height, config.window)) as window:
        stage.open(config, bundle, patience=patience)

        def play(
            work: Callable[[], None],
            newest: Callable[[int], tuple[int, Frame] | None] | None = None,
            flipped: Callable[[float], None] = lambda now_s: None,
        ) -> None:
            class Seen:
                def newest(self, after: int) -> tuple[int, Frame] | None:
                    return (newest or stage.frames.newest)(after)

            def begin() -> None:
                while stage.keeper.ring.latest < 30 and stage.alive:
                    time.sleep(0.05)
                if stage.alive:
                    work()

            thread = threading.Thread(target=begin)
            thread.start()
            run_screen(
                window, Seen(), desk, lambda: "", lambda: not thread.is_alive(),
                lambda number, now_s: flipped(now_s),
            )  # fmt: skip
            thread.join()
            if stage.failure:
                raise stage.failure
            if window.closed:
                raise TrainjourneyError("the window was closed; let it stand until the bench ends")

        yield stage, window, play


class _Lights:
    """A Frames that notes when the light of what the window takes has changed."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._light = 0.0
        self._awaited = threading.Event()
        self._came = threading.Event()
        self._came_s = 0.0

    def newest(self, after: int) -> tuple[int, Frame] | None:
        """As the show's frames, looked at on their way."""
        found = self._stage.frames.newest(after)
        if found:
            now_s, light = time.perf_counter(), float(found[1][::4, ::4].mean())
            changed = abs(light - self._light) > _CHANGED * max(self._light, 1.0)
            if self._awaited.is_set() and changed and not self._came.is_set():
                self._came_s = now_s
                self._came.set()
            self._light = light
        return found

    def next_change(self, desk: Desk, change: Change) -> float | None:
        """Seconds from the turn to the next changed frame; None if none came."""
        self._came.clear()
        self._awaited.set()
        turned_s = time.perf_counter()
        desk.turn(change)
        came = self._came.wait(_LOST_S)
        self._awaited.clear()
        return self._came_s - turned_s if came else None


def _fps(stage: Stage, seconds: float) -> float:
    before, since_s = stage.keeper.ring.latest, time.monotonic()
    time.sleep(seconds)
    return (stage.keeper.ring.latest - before) / (time.monotonic() - since_s)


def _percentiles(values: list[float]) -> dict[str, float]:
    if not values:
        return {}
    found = np.percentile(values, [50, 95, 99])
    told = {f"p{p}": round(float(v), 2) for p, v in zip((50, 95, 99), found, strict=True)}
    return {**told, "most": round(max(values), 2)}


def _evenness(times_s: list[float], period_ms: float) -> dict[str, Any]:
    """Intervals between refreshes, and the share of them within one refresh of even."""
    steps_ms = 1000.0 * np.diff(times_s)
    edges = [0.0, 0.5, 0.9, 1.1, 1.5, 2.0, 3.0, np.inf]
    counted, _ = np.histogram(steps_ms / period_ms, edges)
    names = [f"{low:g}-{high:g}" for low, high in zip(edges[:-1], edges[1:], strict=True)]
    return {
        "refreshes": len(times_s),
        "even_share": round(float((np.abs(steps_ms - period_ms) <= period_ms).mean()), 5),
        "interval_ms": _percentiles(steps_ms.tolist()),
        "histogram_periods": dict(zip(names, counted.tolist(), strict=True)),
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
