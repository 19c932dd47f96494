"""A world that is too slow is told of once, with a rate that it can keep."""

import pytest

from trainjourney.show.slow import WINDOW_S, Slowness


def told(slowness: Slowness, fps: float, seconds: float, wanted: int = 30) -> list[str]:
    """What is told in so many seconds of so many frames each, looked at ten times a second."""
    steps = range(round(10 * seconds) + 1)
    return [line for k in steps if (line := slowness.look(wanted, int(k * fps / 10), k / 10))]


def test_who_keeps_up_hears_nothing() -> None:
    assert told(Slowness(), 29.5, 300.0) == []


@pytest.mark.parametrize(
    ("wanted", "fps", "cure"),
    [
        (30, 23.0, 20),
        (30, 28.0, 20),
        (30, 11.0, 10),
        (60, 44.0, 30),
        (50, 40.0, 25),
        (24, 20.0, 12),
    ],
)
def test_a_slow_world_is_told_of_once_and_what_evens_it(wanted: int, fps: float, cure: int) -> None:
    (line,) = told(Slowness(), fps, 300.0, wanted)
    assert line.endswith(f"engine.fps={cure}") and f"{fps:.1f} of {wanted} " in line


def test_what_is_slower_than_any_even_rate_is_told_otherwise() -> None:
    (line,) = told(Slowness(), 6.0, 60.0)
    assert "engine.fps" not in line and line.endswith("cores")


def test_one_slow_stretch_and_one_without_a_world_are_no_reason() -> None:
    slowness, number = Slowness(), 0
    for k in range(1200):
        away = k % 300 < 120  # three quarters of a slow stretch, then none is wanted for a while
        number += k % 2 if not away else 0
        assert slowness.look(0 if away else 30, number, k / 10) == ""
    assert WINDOW_S * 2 > 18.0  # the stretches above are shorter
