"""A world that is too slow is told of, with a rate that it can keep."""

import pytest

from trainjourney.show.slow import AGAIN_S, WINDOW_S, WINDOWS, Slowness


def told(slowness: Slowness, fps: float, seconds: float, wanted: int = 30) -> list[str]:
    """What is told in so many seconds of so many frames each, looked at twice a second."""
    steps = range(round(2 * seconds) + 1)
    looks = (slowness.look(wanted, int(k * fps / 2), 100.0 + k / 2, least=12) for k in steps)
    return [line for line in looks if line]


def test_who_keeps_up_hears_nothing() -> None:
    assert told(Slowness(), 29.5, 300.0) == []


@pytest.mark.parametrize(
    ("wanted", "fps", "rate"),
    [
        (30, 23.0, 20),
        (30, 28.0, 20),
        (60, 44.0, 30),
        (50, 40.0, 25),
        (25, 22.0, 20),  # no divisor of 25 is that high: 60 Hz have no such rate either
        (50, 24.0, 22),
        (24, 20.0, 12),
    ],
)
def test_a_slow_world_is_told_of_and_what_evens_it(wanted: int, fps: float, rate: int) -> None:
    (line,) = told(Slowness(), fps, 300.0, wanted)
    assert line.endswith(f"engine.fps={rate}") and f"{fps:.1f} of {wanted} " in line


def test_no_rate_is_told_at_which_the_train_would_be_slower() -> None:
    (line,) = told(Slowness(), 12.5, 60.0)
    assert "engine.fps" not in line and line.endswith("cores")


def test_it_is_told_again_after_an_hour_and_no_sooner() -> None:
    lines = told(Slowness(), 20.0, 2.5 * AGAIN_S)
    assert len(lines) == 3


def test_slow_stretches_and_those_without_a_world_are_no_reason() -> None:
    slowness, number = Slowness(), 0
    slow_s = WINDOW_S * WINDOWS - 1.0
    for k in range(3000):
        away = k % 500 >= 10 * slow_s  # then none is wanted for a while
        number += k % 2 if not away else 0
        assert slowness.look(0 if away else 30, number, k / 10) == ""
    assert number > 500
