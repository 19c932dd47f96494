"""In step with a screen: every picture stands for as many of its refreshes."""

from random import Random

import numpy as np
import pytest
from scripted import ScriptedEngine, scripted_manifest
from test_board import board
from test_travel import Clock, ScriptedLive, Watcher, scripted_world

from trainjourney.journey.genlock import Genlock
from trainjourney.journey.pacing import Pacer
from trainjourney.journey.world import DreamWorld
from trainjourney.show.meter import Meter
from trainjourney.show.travel import travel
from trainjourney.types import Change

SECONDS, LEARNT_S = 120, 20


def stood(
    hz: float, fps: float, locked: bool, phase: float, spread_s: float, made_s: float = 0.012
) -> list[int]:
    """For how many refreshes each picture stands on a screen of `hz`, the first seconds let go.

    Frames take `made_s` and up to `spread_s` more to make.
    """
    pacer, random, now_s, there = Pacer(fps), Random(3), 50.0, list[float]()
    lock = Genlock(pacer)
    looks = 50.0 + phase / hz + np.arange(int((SECONDS + 10) * hz)) / hz
    while now_s < looks[-1] - 1.0:
        now_s += pacer.wait_s(now_s) + random.uniform(0.0, 0.001)
        pacer.shown(now_s)
        took_s = made_s + random.uniform(0.0, spread_s)
        there_s = now_s = now_s + took_s
        if locked:
            now_s += lock.early_s(now_s)
        there.append(now_s)
        if locked:
            looked_s = looks[np.searchsorted(looks, now_s) - 1]
            lock.follow((float(looked_s), 1.0 / hz), now_s, there_s)
    which = np.searchsorted(there, looks[int(LEARNT_S * hz) : int(SECONDS * hz)])
    return [int(count) for count in np.unique(which, return_counts=True)[1][1:-1]]


def uneven(hz: float, fps: float, locked: bool, spread_s: float, made_s: float) -> list[float]:
    """The share of pictures that stand for another number, in each of ten phases."""
    found = [stood(hz, fps, locked, phase, spread_s, made_s) for phase in np.arange(0.05, 1.0, 0.1)]
    return [float(np.mean(np.not_equal(one, round(hz / fps)))) for one in found]


@pytest.mark.parametrize(
    ("hz", "fps"), [(60, 30), (59.94, 30), (59.94, 60), (50, 25), (60.2, 15), (120.4, 30)]
)
def test_every_picture_stands_for_as_many_refreshes(hz: float, fps: float) -> None:
    """Whatever the phase in which they begin; without it some phase has them uneven."""
    made_s = min(0.012, 0.4 / fps)
    plain, ours = (uneven(hz, fps, way, 0.003, made_s) for way in (False, True))
    assert max(ours) < 0.002 and max(plain) > 0.02


def test_frames_of_uneven_length_are_shown_evenly() -> None:
    """A refresh or more from the quickest to the slowest, as on a machine that does all else."""
    plain, ours = (uneven(60, 15, way, 0.024, 0.020) for way in (False, True))
    assert max(ours) < 0.02 and min(plain) > 0.3


def test_a_world_that_is_too_slow_is_no_slower() -> None:
    plain, ours = (stood(60, 30, way, 0.3, 0.020, 0.030) for way in (False, True))
    assert len(ours) > 0.98 * len(plain) > 0


def test_a_screen_that_no_rate_fits_is_not_followed() -> None:
    followed, plain = (stood(60, 25, way, 0.4, 0.003) for way in (True, False))
    assert followed == plain


def test_nothing_waits_for_a_screen_that_is_gone() -> None:
    pacer = Pacer(30)
    lock = Genlock(pacer)
    pacer.wait_s(10.0)
    pacer.shown(10.0)
    lock.follow((10.0, 1 / 60), 10.030, 10.030)
    assert lock.early_s(10.0) == pytest.approx(1.1 / 60)
    lock.follow((10.0, 1 / 60), 10.6, 10.030)
    assert lock.early_s(10.0) == 0.0


@pytest.mark.parametrize("hz", [60.0, 59.94, 60.2, 120.5])
def test_frames_come_midway_between_the_looks_of_the_screen(hz: float) -> None:
    clock = Clock()
    watcher = Watcher(clock)
    travel(
        scripted_world(clock, 0.012), board(), (), (watcher,), Meter(), fps=30, frames=900,
        pacer=Pacer(30), live=ScriptedLive(clock, [], hz), now=clock.now, sleep=clock.sleep,
    )  # fmt: skip
    gaps = np.diff(watcher.times)
    assert np.abs(gaps - 1 / 30).max() < 0.6e-3  # nobody sees it lean
    after = ((np.array(watcher.times[300:]) - 0.004) * hz) % 1.0
    assert after == pytest.approx(0.5, abs=0.06)


def test_what_is_quick_waits_for_its_place_but_not_what_obeys_a_control() -> None:
    clock, watcher = Clock(), list[float]()
    took_s = [0.030 if n % 4 == 0 else 0.012 for n in range(500)]  # the slow ones are usual, too

    def work(number: int) -> str:
        clock.now_s += took_s[number]
        return ""

    world = DreamWorld(ScriptedEngine(work), scripted_manifest(), 0)
    world.reset(np.zeros((32, 64, 3), np.uint8))
    turned_s = 50.0 + 401 / 15 + 0.001
    seen = Watcher(clock)
    live = ScriptedLive(clock, [Change("speed", 1.5, turned_s)], 60.0)
    travel(
        world, board(), (), (seen,), Meter(), fps=15, frames=420, pacer=Pacer(15), live=live,
        now=clock.now, sleep=clock.sleep,
    )  # fmt: skip
    watcher = [(s - 0.004) * 60.0 % 1.0 for s in seen.times[300:400]]
    assert min(watcher) > 0.05 and max(watcher) < 0.95  # none about when the screen looks
    looks = np.floor((np.array(seen.times) - 0.004) * 60.0)
    assert (np.diff(looks[300:400]) == 4).all()
    late_s = np.array(seen.times) - turned_s
    assert late_s[late_s > 0.0][0] < 0.03  # begun anew at once, or early; and not held


def test_a_picture_that_was_held_comes_back_in_step() -> None:
    clock, the_board = Clock(), board()
    watcher = Watcher(clock)
    script = [Change("hold", float(held), 50.0 + s) for s, held in ((10.0, 1), (20.0, 0))]
    travel(
        scripted_world(clock, 0.012), the_board, (), (watcher,), Meter(), fps=30, frames=650,
        pacer=Pacer(30), live=ScriptedLive(clock, script, 59.94), now=clock.now, sleep=clock.sleep,
    )  # fmt: skip
    after = ((np.array(watcher.times) - 0.004) * 59.94) % 1.0
    assert len({frame.tobytes() for frame in watcher.seen[310:590]}) == 1
    assert after[601:] == pytest.approx(0.5, abs=0.1)  # at once


def test_a_screen_that_is_gone_is_not_followed() -> None:
    clock = Clock()
    watcher, live = Watcher(clock), ScriptedLive(clock, [], 60.0)
    last = live.screen()
    live.screen = lambda: last  # type: ignore[method-assign]
    travel(
        scripted_world(clock, 0.012), board(), (), (watcher,), Meter(), fps=30, frames=60,
        pacer=Pacer(30), live=live, now=clock.now, sleep=clock.sleep,
    )  # fmt: skip
    gaps = np.diff(watcher.times)
    assert np.abs(gaps[:13] - 1 / 30).max() > 1e-6  # for half a second it was believed in
    np.testing.assert_allclose(gaps[17:], 1 / 30, atol=1e-9)
