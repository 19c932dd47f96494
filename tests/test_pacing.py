"""Pacing under a fake clock: even, without drift, skipping instead of racing."""

import math
from collections.abc import Sequence
from random import Random

import numpy as np
import pytest

from trainjourney.journey.pacing import Pacer, ScreenPacer


def ride(fps: float, work_s: Sequence[float], start_s: float = 100.0) -> tuple[list[float], Pacer]:
    """When each frame is shown if making it takes `work_s`."""
    pacer, now_s, shown = Pacer(fps), start_s, []
    for work in work_s:
        now_s += work
        now_s += pacer.wait_s(now_s)
        pacer.shown(now_s)
        shown.append(now_s)
    return shown, pacer


@pytest.mark.parametrize("fps", [24, 29.97, 30, 60])
def test_frames_are_even_and_do_not_drift(fps: float) -> None:
    shown, pacer = ride(fps, [0.010, 0.003, 0.014] * 12_000)
    assert shown[-1] == pytest.approx(shown[0] + 35_999 / fps, abs=1e-6)
    gaps = [b - a for a, b in zip(shown, shown[1:], strict=False)]
    assert max(gaps) - min(gaps) < 1e-6
    assert pacer.skipped == 0


def test_a_late_frame_is_shown_at_once_and_the_next_on_time() -> None:
    shown, pacer = ride(10, [0.0, 0.15, 0.02, 0.02])
    assert shown == pytest.approx([100.0, 100.15, 100.2, 100.3])
    assert pacer.skipped == 0


def test_after_a_stall_the_old_beat_goes_on_without_a_race() -> None:
    shown, pacer = ride(10, [0.0, 10.04, 0.02, 0.02])
    assert shown == pytest.approx([100.0, 110.04, 110.1, 110.2])
    assert pacer.skipped == 99


def test_a_world_slower_than_its_rate_never_waits() -> None:
    shown, pacer = ride(30, [0.05] * 300)
    assert shown[-1] == pytest.approx(100.05 + 299 * 0.05)
    assert pacer.skipped > 100


def test_the_first_frame_waits_for_nothing_and_reset_starts_anew() -> None:
    pacer = Pacer(25)
    assert pacer.wait_s(5.0) == 0.0
    pacer.shown(5.0)
    assert pacer.wait_s(5.01) == pytest.approx(0.03)
    pacer.reset()
    assert pacer.wait_s(900.0) == 0.0


class SimulatedScreen:
    """A screen whose flips end at its refreshes, or at once."""

    def __init__(self, hz: float, waits: bool, flip_s: float = 0.001) -> None:
        self.hz, self.waits, self.flip_s = hz, waits, flip_s

    def flip(self, now_s: float) -> float:
        now_s += self.flip_s
        return math.ceil(now_s * self.hz) / self.hz if self.waits else now_s


@pytest.mark.parametrize(
    ("told_hz", "hz", "waits"),
    [(60, 60.0, True), (60, 59.94, True), (59, 59.94, True), (144, 143.86, True), (60, 60, False)],
)
def test_flips_keep_in_step_with_the_screen(told_hz: float, hz: float, waits: bool) -> None:
    screen, pacer, random = SimulatedScreen(hz, waits), ScreenPacer(told_hz), Random(1)
    now_s, shown, waited = 7.3, list[float](), list[float]()
    for _ in range(3000):
        now_s += pacer.wait_s(now_s) + random.uniform(0.0, 0.05) / told_hz  # wakes a little late
        begun_s, now_s = now_s, screen.flip(now_s)
        pacer.flipped(begun_s, now_s)
        shown.append(now_s)
        waited.append(now_s - begun_s)
    steps = np.diff(shown[600:]) * (hz if waits else told_hz)
    assert np.abs(steps - 1.0).max() < 0.1  # none left out, none twice
    assert pacer.interval_s == pytest.approx(1.0 / (hz if waits else told_hz), rel=1e-3)
    if waits:
        assert np.mean(waited[600:]) * hz < 0.35  # a picture may come late


def test_a_screen_that_was_away_is_not_raced_after() -> None:
    pacer = ScreenPacer(60.0)
    assert pacer.wait_s(5.0) == 0.0
    pacer.flipped(5.0, 5.001)
    pacer.flipped(5.017, 8.0)  # the window was dragged
    waits = []
    now_s = 8.0
    for _ in range(10):
        waits.append(pacer.wait_s(now_s))
        now_s += waits[-1]
        pacer.flipped(now_s, now_s + 0.001)
        now_s += 0.001
    assert all(0.005 < wait < 0.02 for wait in waits[1:])
