"""What is seen while a departure is dreamt out of sight."""

import numpy as np
import pytest
from scripted import HEIGHT, WIDTH, ScriptedEngine, scripted_manifest

from trainjourney.errors import BackendError
from trainjourney.inference import Overtaken, never
from trainjourney.journey.leaving import FAR, THICK, Leaving, misted
from trainjourney.journey.picture import blend
from trainjourney.journey.world import DreamWorld
from trainjourney.types import Controls, Embedding, Frame, State

LOOK = np.array([1, 0, 0, 0], np.float32)
OTHER = np.array([0, 1, 0, 0], np.float32)


class Watched(ScriptedEngine):
    """Tells what it was asked to decode; from the `broken` one on it cannot."""

    def __init__(self, broken: int = 10_000) -> None:
        super().__init__(looks_ahead=True)
        self.broken = broken
        self.decoded: list[tuple[float, float]] = []

    def decode(
        self, state: State, embedding: Embedding, speed: float, overtaken: Overtaken = never
    ) -> Frame:
        self.decoded.append((float(embedding[1]), speed))
        if len(self.decoded) >= self.broken:
            raise BackendError("broken")
        return super().decode(state, embedding, speed)


def country() -> Frame:
    return np.random.default_rng(5).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)


def cruise(speed: float = 1.0, look: Embedding = LOOK) -> Controls:
    return Controls(look, speed, 0.2)


def apart(one: Frame, other: Frame) -> float:
    return float(np.abs(one.astype(int) - other).mean())


def test_the_old_country_rolls_on_behind_breath_that_comes_up() -> None:
    engine = Watched()
    leaving = Leaving(engine, 30, country(), engine.encode(country()))
    speeds = [1.0] * 20 + [2.0] * 20 + [-1.0] * 10
    frames = [leaving.next(cruise(speed)) for speed in speeds]
    for count, frame in enumerate(frames, 1):
        rolled = np.roll(country(), -6 * round(sum(speeds[:count])), axis=1)
        wanted = blend(rolled, misted(rolled), THICK * min(count / 30, 1.0))
        np.testing.assert_array_equal(frame, wanted)


def test_it_melts_into_the_look_that_is_wanted() -> None:
    engine = Watched()
    leaving = Leaving(engine, 30, country(), engine.encode(country()))
    for look in (LOOK, OTHER):
        leaving.next(cruise(look=look))
    assert [second for second, _ in engine.decoded] == [0.0, 1.0]


def test_it_is_rolled_so_far_and_no_further() -> None:
    """More would leave the whole numbers that a position is kept in."""
    engine = Watched()
    leaving = Leaving(engine, 30, country(), engine.encode(country()))
    for speed in (2.0, -2.0):
        for _ in range(round(FAR) + 20):
            leaving.next(cruise(speed))
        assert engine.decoded[-1][1] == (FAR if speed > 0 else -FAR)


@pytest.mark.parametrize("broken", [1, 5])
def test_what_cannot_be_decoded_stands_and_is_told_once(
    broken: int, caplog: pytest.LogCaptureFixture
) -> None:
    engine = Watched(broken)
    leaving = Leaving(engine, 30, country(), engine.encode(country()))
    frames = [leaving.next(cruise()) for _ in range(40)]
    stands = np.roll(country(), -6 * (broken - 1), axis=1)
    np.testing.assert_array_equal(frames[-1], blend(stands, misted(stands), THICK))
    assert len(engine.decoded) == broken and caplog.text.count("stands still: broken") == 1


def test_without_a_state_the_picture_stands() -> None:
    engine = Watched()
    leaving = Leaving(engine, 30, country(), None)
    for count in (1, 2):
        wanted = blend(country(), misted(country()), THICK * count / 30)
        np.testing.assert_array_equal(leaving.next(cruise()), wanted)
    assert not engine.decoded


def test_breath_leaves_of_a_picture_its_light_and_its_colours_by_place() -> None:
    half = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    half[: HEIGHT // 2], half[HEIGHT // 2 :] = (40, 90, 220), (60, 160, 40)
    half[:, ::7] = 0  # poles
    seen = misted(half).astype(float)
    assert np.abs(seen.mean((0, 1)) - half.mean((0, 1))).max() < 3.0
    assert seen[4, :, 2].mean() > 1.5 * seen[-4, :, 2].mean(), "sky above, meadow below"
    assert seen.std(1).mean() < 0.15 * half.astype(float).std(1).mean(), "no pole is told"


@pytest.mark.parametrize("beside", [False, True])
def test_departures_upon_departures_never_show_an_empty_picture_or_jump(beside: bool) -> None:
    """While the old country is left, in the midst of another departure, and while a new one fades
    in: whoever leans on the key sees a train that rolls on behind glass."""
    engine = ScriptedEngine(looks_ahead=True, side_by_side=beside)
    smooth = np.zeros((256, 512, 3), np.uint8)
    smooth[:] = (128 + 90 * np.sin(np.arange(512) * 2 * np.pi / 512))[None, :, None]
    the_world = DreamWorld(engine, scripted_manifest(512, 256, looks_ahead=True, departure=100), 1)
    the_world.reset(smooth)
    frames = []
    for number in range(240):
        if number in (40, 50, 95, 150, 151, 152):
            the_world.depart(number, None)
        frames.append(the_world.step(cruise()))
    jumps = [apart(one, other) for one, other in zip(frames, frames[1:], strict=False)]
    # a frame of travel is 4.2, of a fade 1/30 of the way to mid grey
    assert max(jumps) < 6.5, [round(jump, 1) for jump in jumps]
    flat = [number for number, frame in enumerate(frames) if (frame == 128).all()]
    assert flat and min(flat) > 152 + 20, "the fog that this engine dreams, and nothing before"
