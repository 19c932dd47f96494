"""In step with a screen: every picture stands for as many of its refreshes."""

from random import Random

import numpy as np
import pytest

from trainjourney.journey.genlock import Genlock
from trainjourney.journey.pacing import Pacer

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
            lock.follow(float(looked_s), 1.0 / hz, there_s)
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
    lock.follow(10.0, 1 / 60, 10.030)
    assert lock.early_s(10.0) == pytest.approx(1.1 / 60)
    lock.leave()
    assert lock.early_s(10.0) == 0.0
