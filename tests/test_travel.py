"""The loop under a fake clock: even, early where a control was turned, begun anew once."""

import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from scripted import ScriptedEngine, scripted_manifest
from test_board import board

from trainjourney.inference import GaveWay, Overtaken, never
from trainjourney.journey.finish import LIGHT
from trainjourney.journey.pacing import Pacer
from trainjourney.journey.world import DreamWorld
from trainjourney.outputs.null import NullOutput
from trainjourney.show.meter import Meter
from trainjourney.show.travel import travel
from trainjourney.types import Change, Embedding, Frame, State


class Clock:
    """A clock that moves when it is slept on, or when the world works."""

    def __init__(self) -> None:
        self.now_s = 50.0
        self.slept: list[float] = []

    def now(self) -> float:
        return self.now_s

    def sleep(self, wait_s: float) -> None:
        self.slept.append(wait_s)
        self.now_s += wait_s


class Watcher(NullOutput):
    """Notes when it was shown what."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock, self.times, self.seen = clock, list[float](), list[Frame]()

    def show(self, frame: Frame) -> None:
        super().show(frame)
        self.times.append(self.clock.now_s)
        self.seen.append(frame)


class ScriptedSource:
    """Changes at polls of given numbers."""

    def __init__(self, script: dict[int, Change]) -> None:
        self.script, self.polls = script, -1

    def poll(self) -> Iterator[Change]:
        self.polls += 1
        if self.polls in self.script:
            yield self.script[self.polls]


class ScriptedLive:
    """Changes at given times of a clock."""

    def __init__(self, clock: Clock, script: list[Change], hz: float = 0.0) -> None:
        """`hz`: of a window's screen, that looks for a frame 4 ms after every whole second."""
        self.clock, self.script, self.hz = clock, script, hz

    def screen(self) -> tuple[float, float]:
        if not self.hz:
            return 0.0, 0.0
        looks = math.floor((self.clock.now_s - 0.004) * self.hz)
        return looks / self.hz + 0.004, 1.0 / self.hz

    def turned(self) -> bool:
        return any(change.time_s <= self.clock.now_s for change in self.script)

    def steered(self) -> bool:
        due = [change for change in self.script if change.time_s <= self.clock.now_s]
        return any(change.parameter not in LIGHT for change in due)

    def poll(self) -> Iterator[Change]:
        return self._take(lambda change: True)

    def poll_light(self) -> Iterator[Change]:
        return self._take(lambda change: change.parameter in LIGHT)

    def _take(self, wanted: Callable[[Change], bool]) -> Iterator[Change]:
        for change in list(self.script):
            if change.time_s <= self.clock.now_s and wanted(change):
                self.script.remove(change)
                yield change


class SlowEyes(ScriptedEngine):
    """It looks ahead, and its decoding takes as long."""

    def __init__(self, clock: Clock, work_s: float, beside: bool) -> None:
        super().__init__(looks_ahead=True, side_by_side=beside)
        self.clock, self.work_s = clock, work_s

    def decode(
        self, state: State, embedding: Embedding, speed: float, overtaken: Overtaken = never
    ) -> Frame:
        self.clock.now_s += self.work_s
        return super().decode(state, embedding, speed, overtaken)


def scripted_world(clock: Clock, work_s: float, kind: str = "plain") -> DreamWorld:
    """A "plain" world, or one that looks "ahead", or does so and predicts "beside"."""

    def work(number: int) -> str:
        clock.now_s += work_s
        return ""

    plain = kind == "plain"
    engine = ScriptedEngine(work) if plain else SlowEyes(clock, work_s, kind == "beside")
    world = DreamWorld(engine, scripted_manifest(looks_ahead=not plain), 0)
    world.reset(np.random.default_rng(5).integers(0, 255, (32, 64, 3), np.uint8))
    return world


def test_with_a_pacer_frames_are_shown_evenly_and_late_by_none() -> None:
    clock = Clock()
    watcher, meter = Watcher(clock), Meter()
    world = scripted_world(clock, 0.012)
    travel(
        world, board(), (), (watcher,), meter,
        fps=30, frames=90, pacer=Pacer(30), now=clock.now, sleep=clock.sleep,
    )  # fmt: skip
    np.testing.assert_allclose(np.diff(watcher.times), 1 / 30, atol=1e-9)
    assert meter.fps == pytest.approx(30.0)
    assert meter.p99_ms == pytest.approx(12.0)
    assert meter.summary().frames == 90


def test_a_frame_is_begun_early_when_a_control_was_turned_but_no_more_are_made() -> None:
    clock = Clock()
    watcher = Watcher(clock)
    turned_s = {20: 0.011, 40: 0.030, 60: 0.0105}  # after its due time, by frame
    script = [Change("melt_s", 2.0, 50.0 + (n - 1) / 30 + s) for n, s in turned_s.items()]
    travel(
        scripted_world(clock, 0.010), board(), (), (watcher,), Meter(), fps=30, frames=90,
        pacer=Pacer(30), live=ScriptedLive(clock, script), now=clock.now, sleep=clock.sleep,
    )  # fmt: skip
    early = np.arange(90) / 30 + 0.010 - (np.array(watcher.times) - 50.0)
    assert early[[20, 60]] == pytest.approx(1 / 60, abs=2e-3)
    assert early[40] == pytest.approx(1 / 30 - 0.030, abs=2e-3)
    assert np.delete(early, [20, 40, 60]) == pytest.approx(0.0, abs=1e-5)


KINDS = ["plain", "ahead", "beside"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_frame_that_a_change_overtakes_is_begun_anew_once_and_made_again_the_same(
    kind: str,
) -> None:
    clock = Clock()
    watcher, heard = Watcher(clock), list[tuple[int, Change]]()
    script = [
        Change("speed", 2.0, 50.0 + 5 / 30 + 0.004),
        Change("look", "blue", 50.0 + 9 / 30 + 0.004),
        Change("speed", 0.5, 50.0 + 9 / 30 + 0.012),  # in what was begun anew: for the next frame
        Change("hold", 1.0, 50.0 + 14 / 30 + 0.009),  # the picture of the frame before stays
        Change("hold", 0.0, 50.0 + 17 / 30 + 0.009),
        Change("speed", -1.0, 50.0 + 19 / 30 + 0.009),
    ]
    travel(
        scripted_world(clock, 0.010, kind), board(), (), (watcher,), Meter(), fps=30, frames=25,
        pacer=Pacer(30), live=ScriptedLive(clock, script), now=clock.now, sleep=clock.sleep,
        heard=lambda number, change: heard.append((number, change)),
    )  # fmt: skip
    assert [number for number, _ in heard] == [5, 9, 10, 14, 18, 19]
    late = np.array(watcher.times) - 50.0 - np.arange(25) / 30 - 0.010
    assert late[[5, 9, 19]] == pytest.approx(0.010, abs=1e-6)
    assert np.delete(late, [5, 9, 10, 14, 15, 16, 17, 18, 19]) == pytest.approx(0.0, abs=1e-6)
    again = Watcher(clock)

    class Replayed(ScriptedSource):
        def poll(self) -> Iterator[Change]:
            self.polls += 1
            yield from (change for number, change in heard if number == self.polls)

    world = scripted_world(clock, 0.0, kind)
    travel(world, board(), (Replayed({}),), (again,), Meter(), fps=30, frames=25, now=clock.now)
    assert len({frame.tobytes() for frame in watcher.seen}) > 15
    np.testing.assert_array_equal(np.stack(watcher.seen), np.stack(again.seen))


class OftenAsking(SlowEyes):
    """It asks in the midst of its work, too."""

    def decode(
        self, state: State, embedding: Embedding, speed: float, overtaken: Overtaken = never
    ) -> Frame:
        self.clock.now_s += self.work_s
        if overtaken():
            raise GaveWay
        return super().decode(state, embedding, speed, overtaken)


def test_a_fader_that_is_always_moving_costs_no_frames() -> None:
    clock = Clock()
    watcher, pacer = Watcher(clock), Pacer(30)
    world = DreamWorld(OftenAsking(clock, 0.0125, False), scripted_manifest(looks_ahead=True), 0)
    world.reset(np.zeros((32, 64, 3), np.uint8))
    turns = [Change("speed", (n % 7) / 7, 50.0 + 0.003 * n) for n in range(700)]
    travel(
        world, board(), (), (watcher,), Meter(), fps=30, frames=60, pacer=pacer,
        live=ScriptedLive(clock, turns), now=clock.now, sleep=clock.sleep,
    )  # fmt: skip
    assert watcher.times[0] - 50.0 > 0.034 and pacer.skipped == 0  # begun anew, longer than a frame
    assert watcher.times[-1] - watcher.times[0] == pytest.approx(59 / 30, abs=0.03)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("parameter", "after_s"), [("blackout", 0.004), ("speed", 0.018)], ids=["light", "late"]
)
def test_light_and_late_changes_overtake_nothing(kind: str, parameter: str, after_s: float) -> None:
    clock = Clock()
    watcher, work_s = Watcher(clock), 0.020
    live = ScriptedLive(clock, [Change(parameter, 1.0, 50.0 + 5 / 30 + after_s)])
    travel(
        scripted_world(clock, work_s, kind), board(), (), (watcher,), Meter(), fps=30, frames=9,
        pacer=Pacer(30), live=live, now=clock.now, sleep=clock.sleep,
    )  # fmt: skip
    assert watcher.times[5] == pytest.approx(50.0 + 5 / 30 + work_s)


def test_without_a_pacer_nothing_waits() -> None:
    clock = Clock()
    watcher = Watcher(clock)
    travel(
        scripted_world(clock, 0.005), board(), (), (watcher,), Meter(),
        fps=30, frames=10, now=clock.now, sleep=clock.sleep,
    )  # fmt: skip
    assert not clock.slept
    np.testing.assert_allclose(np.diff(watcher.times), 0.005)


def test_a_change_acts_on_the_very_next_frame() -> None:
    clock = Clock()
    world = scripted_world(clock, 0.0)
    engine = world.engine
    assert isinstance(engine, ScriptedEngine)
    source = ScriptedSource({5: Change("speed", 2.0, 0.0)})
    travel(world, board(), (source,), (), Meter(), fps=30, frames=9, now=clock.now)
    assert engine.speeds[:5] == [1.0] * 5
    assert engine.speeds[5] > 1.0


def test_a_change_of_light_acts_on_the_frame_that_is_made_meanwhile() -> None:
    clock = Clock()
    watcher, heard = Watcher(clock), list[tuple[int, str]]()
    world, the_board = scripted_world(clock, 0.01), board()
    the_board.cut("contrast", 0.0)  # all grey, whatever the world makes
    travel(
        world, the_board, (), (watcher,), Meter(), fps=30, frames=4, now=clock.now,
        live=ScriptedLive(clock, [Change("blackout", 1.0, 50.015)]),
        heard=lambda number, change: heard.append((number, change.parameter)),
    )  # fmt: skip
    assert heard == [(1, "blackout")]
    grey = [int(frame.max()) for frame in watcher.seen]
    assert grey[0] == 128 > grey[1] > grey[2]


def test_stopped_ends_the_loop() -> None:
    clock, meter = Clock(), Meter()
    travel(
        scripted_world(clock, 0.0), board(), (), (), meter,
        fps=30, stopped=lambda: meter.frames == 7, now=clock.now,
    )  # fmt: skip
    assert meter.frames == 7
