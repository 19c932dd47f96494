"""Taps to a tempo."""

import pytest

from trainjourney.controls.desk import Desk
from trainjourney.controls.tempo import Taps, Tempo
from trainjourney.types import Change


def tempo_of(times: list[float]) -> float | None:
    taps, bpm = Taps(), None
    for time_s in times:
        bpm = taps.tap(time_s)
    return bpm


@pytest.mark.parametrize(
    ("times", "bpm"),
    [
        ([0.0], None),
        ([0.0, 0.5], 120.0),
        ([10.0, 10.49, 11.01, 11.5, 12.0], 120.0),
        ([0.0, 0.5, 1.0, 1.5, 1.51], None),  # bounced
        ([0.0, 0.5, 1.0, 9.0], None),  # a pause
        ([0.0, 0.5, 1.0, 9.0, 9.4], 150.0),
        ([0.0, 0.5, 1.0, 1.5, 2.5, 3.5, 4.5], 60.0),  # another tempo
        ([5.0, 4.0], None),  # a clock that was set back
    ],
)
def test_taps_come_to_a_tempo(times: list[float], bpm: float | None) -> None:
    found = tempo_of(times)
    assert found == (bpm if bpm is None else pytest.approx(bpm, rel=0.03))


def test_a_tap_turns_the_tempo_and_lets_a_beat_fall() -> None:
    desk, heard = Desk(), []
    tempo = Tempo(desk)
    desk.listen(lambda change, source: heard.append((change.parameter, source)))
    desk.turn(Change("tap", 1.0, 1.0), "osc")
    desk.turn(Change("tap", 1.0, 1.4), "osc")
    assert desk.values()["bpm"] == pytest.approx(150.0)
    assert heard.count(("beat", "tap")) == 2 and heard.count(("bpm", "tap")) == 1
    tempo.close()
    desk.turn(Change("tap", 1.0, 1.8), "osc")
    assert heard.count(("beat", "tap")) == 2
