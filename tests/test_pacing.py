"""Pacing under a fake clock: even, without drift, skipping instead of racing."""

from collections.abc import Sequence

import pytest

from trainjourney.journey.pacing import Pacer


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
