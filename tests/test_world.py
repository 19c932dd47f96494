"""The dreamed world: it goes on from the last good state whatever a step does."""

import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scripted import HEIGHT, SIZE, WIDTH, ScriptedEngine, scripted_manifest

from trainjourney.errors import BackendError
from trainjourney.inference import Bundle
from trainjourney.inference.band import FIGURES
from trainjourney.journey.guard import DREAM
from trainjourney.journey.world import PATIENCE, DreamWorld
from trainjourney.types import Controls, Frame

LOOK = np.full(SIZE, 0.5, np.float32)
CRUISE = Controls(LOOK, speed=1.0, dream=0.2)


def start() -> Frame:
    return np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def world(engine: ScriptedEngine, seed: int = 1) -> DreamWorld:
    the_world = DreamWorld(engine, scripted_manifest(looks_ahead=engine.looks_ahead), seed)
    the_world.reset(start())
    return the_world


def test_steps_go_on_from_each_other() -> None:
    the_world = world(ScriptedEngine())
    for number in range(1, 5):
        np.testing.assert_array_equal(the_world.step(CRUISE), np.roll(start(), -6 * number, axis=1))


@pytest.mark.parametrize(("fps", "shift"), [(60, 3), (30, 6), (15, 12)])
def test_the_train_is_as_fast_at_any_rate(fps: int, shift: int) -> None:
    bundle = Bundle(Path("engines/none"), scripted_manifest(), ()).at_rate(fps)
    assert bundle.manifest.frame.fps == fps
    the_world = DreamWorld(ScriptedEngine(), bundle.manifest, 1, pace=bundle.pace)
    the_world.reset(start())
    for number in range(1, 5):
        seen = the_world.step(CRUISE)
        np.testing.assert_array_equal(seen, np.roll(start(), -shift * number, axis=1))


def test_at_a_low_rate_the_train_reaches_what_a_frame_allows() -> None:
    slow, fast = (
        DreamWorld(ScriptedEngine(), scripted_manifest(), 1, pace=pace) for pace in (1.5, 0.5)
    )
    assert slow.reached(1.0) == 1.0 and slow.reached(-2.0) == pytest.approx(-4 / 3)
    assert fast.reached(-2.0) == -2.0


def test_noise_is_of_the_seed_and_the_frame() -> None:
    engines = [ScriptedEngine() for _ in range(3)]
    for engine, seed in zip(engines, (1, 1, 2), strict=True):
        the_world = world(engine, seed)
        for _ in range(3):
            the_world.step(CRUISE)
    one, same, other = ([noise.tobytes() for noise in engine.noises] for engine in engines)
    assert one == same
    assert len({*one, *other}) == 6


def test_reset_starts_the_same_journey_again() -> None:
    engine = ScriptedEngine()
    the_world = world(engine)
    first = [the_world.step(CRUISE) for _ in range(3)]
    the_world.reset(start())
    np.testing.assert_array_equal([the_world.step(CRUISE) for _ in range(3)], first)
    np.testing.assert_array_equal(engine.noises[:3], engine.noises[3:])


@pytest.mark.parametrize("ahead", [False, True])
def test_frames_that_nobody_wants_are_left_out_and_the_journey_is_the_same(ahead: bool) -> None:
    """Even where the guard looks, and finds every frame wrong."""
    dark = dict.fromkeys(FIGURES, (0.0, 0.01))
    worlds = []
    for _ in range(2):
        engine = ScriptedEngine(looks_ahead=ahead)
        worlds.append(DreamWorld(engine, scripted_manifest(looks_ahead=ahead, band=dark), 1))
        worlds[-1].reset(start())
    whole, sparse = worlds
    for number in range(1, 301):
        frame, other = whole.step(CRUISE), sparse.step(CRUISE, drawn=number % 7 == 0)
        if number % 7 == 0:
            np.testing.assert_array_equal(frame, other)
    one, two = (world.engine for world in worlds)
    assert isinstance(one, ScriptedEngine) and isinstance(two, ScriptedEngine)
    assert one.dreams == two.dreams and set(one.dreams) == {0.2, DREAM}
    assert one.decodes == 300 and 100 < two.decodes < 150  # a third for the guard


@pytest.mark.parametrize("beside", [False, True])
def test_a_bundle_that_looks_ahead_shows_the_same_journey(beside: bool) -> None:
    """Its states are predicted when their frames are out, or beside their decoding."""
    plain, ahead = ScriptedEngine(), ScriptedEngine(looks_ahead=True, side_by_side=beside)
    one, other = world(plain), world(ahead)
    for number in range(1, 6):
        controls = Controls(LOOK, speed=0.5 * number, dream=0.2)
        np.testing.assert_array_equal(one.step(controls), other.step(controls))
        assert plain.predicts == number and (beside or ahead.predicts == number - 1)
        if number % 2:
            other.get_ready()  # or else the next step does it
            assert ahead.predicts == number
    for name, array in one.state.items():
        np.testing.assert_array_equal(array, other.state[name])
    assert ahead.predicts == 5, "nothing is predicted twice"
    np.testing.assert_array_equal(plain.noises, ahead.noises)


@pytest.mark.parametrize("beside", [False, True])
@pytest.mark.parametrize("fault", ["nan", "fail"])
def test_a_state_thrown_away_when_its_frame_is_out_is_tried_again(fault: str, beside: bool) -> None:
    engine = ScriptedEngine(
        lambda number: fault if number in (2, 3) else "", looks_ahead=True, side_by_side=beside
    )
    the_world = world(engine)
    frames = [the_world.step(CRUISE) for _ in range(6)]
    for frame, place in zip(frames, (1, 2, 3, 3, 3, 4), strict=True):
        np.testing.assert_array_equal(frame, np.roll(start(), -6 * place, axis=1))
    assert the_world.thrown == 2 and np.isfinite(the_world.state["place"]).all()


def test_a_departure_waits_for_what_is_being_predicted() -> None:
    """An engine predicts one state at a time, also where a world turns to another journey."""
    busy, crossed = threading.Lock(), []

    def script(number: int) -> str:
        if not busy.acquire(blocking=False):
            crossed.append(number)
            return ""
        time.sleep(0.002)
        busy.release()
        return ""

    engine = ScriptedEngine(script, looks_ahead=True, side_by_side=True)
    the_world = DreamWorld(engine, scripted_manifest(looks_ahead=True, departure=8), 1)
    the_world.reset(start())
    for number in range(20):
        the_world.step(CRUISE)
        if number % 5 == 0:
            the_world.depart(number, None)
    the_world.get_ready()
    assert engine.predicts > 20 and not crossed and not the_world.thrown


@pytest.mark.parametrize("fault", ["nan", "fail"])
def test_a_bad_step_is_thrown_away_and_counted(
    fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    the_world = world(ScriptedEngine(lambda number: fault if number in (2, 3) else ""))
    frames = [the_world.step(CRUISE) for _ in range(6)]
    np.testing.assert_array_equal(frames[2], frames[1])
    np.testing.assert_array_equal(frames[3], frames[1])
    np.testing.assert_array_equal(frames[5], np.roll(start(), -6 * 4, axis=1))
    assert the_world.thrown == 2
    assert len(caplog.records) == 1  # once for a row of them


def test_a_world_that_never_recovers_says_so() -> None:
    the_world = world(ScriptedEngine(lambda number: "nan" if number else ""))
    with pytest.raises(BackendError, match="state 'place' is not finite; try --set engine"):
        for _ in range(PATIENCE + 1):
            the_world.step(CRUISE)
    assert the_world.thrown == PATIENCE


def test_controls_are_clipped_to_the_bundle_s_ranges() -> None:
    engine = ScriptedEngine()
    world(engine).step(Controls(LOOK, speed=9.0, dream=0.0))
    assert engine.speeds == [2.0]


def test_no_start_is_a_fog() -> None:
    the_world = DreamWorld(ScriptedEngine(), scripted_manifest(), 0)
    the_world.reset(None)
    assert (the_world.step(CRUISE) == 128).all()


def test_a_departure_fades_into_another_journey_of_the_seed_that_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    the_world = world(ScriptedEngine())
    before = the_world.step(CRUISE)
    picture = np.full((HEIGHT, WIDTH, 3), 200, np.uint8)
    Image.fromarray(picture).save(tmp_path / "look.png")
    the_world.depart(9, tmp_path / "look.png")
    frames = [the_world.step(CRUISE) for _ in range(30)]
    assert the_world.seed == 9 and the_world.number == 30
    apart = [float(np.abs(frame.astype(int) - before).mean()) for frame in frames]
    assert apart[0] < 5.0 and max(np.diff(apart)) < 5.0
    np.testing.assert_array_equal(frames[-1], picture)
    the_world.depart(4, tmp_path / "gone.png")
    np.testing.assert_array_equal(the_world.step(CRUISE), picture)
    assert the_world.seed == 9 and "no new departure" in caplog.text


def test_a_world_resumes_as_if_nothing_had_been() -> None:
    the_world, other = world(ScriptedEngine(), 3), world(ScriptedEngine(), 5)
    for _ in range(7):
        the_world.step(CRUISE)
    state = {name: array.copy() for name, array in the_world.state.items()}
    other.resume(state, start(), the_world.seed, the_world.number)
    for _ in range(3):
        np.testing.assert_array_equal(the_world.step(CRUISE), other.step(CRUISE))
    engines = (the_world.engine, other.engine)
    noises = [one.noises[-1] for one in engines if isinstance(one, ScriptedEngine)]
    np.testing.assert_array_equal(noises[0], noises[1])


def test_a_departure_that_is_cut_off_is_gone_on_with() -> None:
    worlds = [DreamWorld(ScriptedEngine(), scripted_manifest(departure=40), n) for n in (1, 2)]
    for one in worlds:
        one.reset(start())
    first, other = worlds
    first.depart(9, None)
    frames = [first.step(CRUISE) for _ in range(5)]
    assert first.unseen == 40 - 10
    state = {name: array.copy() for name, array in first.state.items()}
    other.resume(state, frames[-1], first.seed, first.number, first.unseen)
    while first.unseen:
        whole, resumed = first.step(CRUISE), other.step(CRUISE)
        assert np.abs(whole.astype(int) - resumed).mean() < 40.0  # both behind breath
    assert other.unseen == 0
    for name, array in first.state.items():
        np.testing.assert_array_equal(array, other.state[name])


def test_a_bundle_that_can_departs_from_the_look_alone(tmp_path: Path) -> None:
    """Out of sight, standing, dreaming freely; nothing is read."""
    engine = ScriptedEngine()
    the_world = DreamWorld(engine, scripted_manifest(departure=40), 1)
    the_world.reset(start())
    the_world.step(CRUISE)
    left = the_world.step(CRUISE).astype(int)
    before = engine.predicts
    the_world.depart(7, tmp_path / "no such picture.jpg")
    apart = []
    while engine.predicts < before + 40:
        apart.append(np.abs(the_world.step(CRUISE).astype(int) - left).mean())
    assert len(apart) == 20 and apart == sorted(apart) and apart[0] < 0.2 * apart[-1]
    assert set(engine.speeds[before:]) == {0.0} and set(engine.dreams[before:]) == {1.0}
    assert len({noise.tobytes() for noise in engine.noises[before:]}) == 40
    for _ in range(40):
        frame = the_world.step(CRUISE)
    assert engine.speeds[-1] == 1.0 and engine.dreams[-1] == 0.2
    assert np.unique(frame).tolist() == [128], "it began in a fog"
    again = ScriptedEngine()
    other = DreamWorld(again, scripted_manifest(departure=40), 3)
    other.reset(start())
    other.depart(7, None)
    for _ in range(30):
        other.step(CRUISE)
    noises = [noise.tobytes() for noise in engine.noises[before : before + 50]]
    assert noises == [noise.tobytes() for noise in again.noises[:50]], "the seed is not all"


def test_setting_out_from_a_look_alone_is_done_before_the_first_frame() -> None:
    """Its country is dreamt at once; the picture melts into it while the train already rolls."""
    engine = ScriptedEngine()
    the_world = DreamWorld(engine, scripted_manifest(departure=40), 1)
    the_world.reset(start())
    the_world.set_out(LOOK)
    assert engine.predicts == 40 and set(engine.speeds) == {0.0} and the_world.number == 0
    apart = []
    for _ in range(30):
        apart.append(np.abs(the_world.step(CRUISE).astype(int) - start().astype(int)).mean())
    assert set(engine.speeds[40:]) == {1.0}
    assert apart == sorted(apart) and apart[0] < 0.1 * apart[-1]


def test_a_bundle_that_cannot_sets_out_from_the_picture() -> None:
    engine = ScriptedEngine()
    the_world = DreamWorld(engine, scripted_manifest(), 1)
    the_world.reset(start())
    the_world.set_out(LOOK)
    assert engine.predicts == 0
    plain = DreamWorld(ScriptedEngine(), scripted_manifest(), 1)
    plain.reset(start())
    np.testing.assert_array_equal(the_world.step(CRUISE), plain.step(CRUISE))


def test_steps_of_a_departure_that_fail_are_left_out() -> None:
    engine = ScriptedEngine(lambda number: "nan" if number % 3 == 0 else "")
    the_world = DreamWorld(engine, scripted_manifest(departure=30), 1)
    the_world.reset(start())
    the_world.depart(7, None)
    for _ in range(30):
        the_world.step(CRUISE)
    assert the_world.thrown > 5 and engine.speeds[-1] == 1.0


def test_a_picture_out_of_the_band_is_dreamt_more_freely_and_counted() -> None:
    band = {"luma": (0.3, 0.7), "contrast": (0.1, 0.4), "saturation": (0, 1), "detail": (0, 1)}
    engine = ScriptedEngine()
    the_world = DreamWorld(engine, scripted_manifest(band=band), 1)
    the_world.reset(np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    for _ in range(90):
        the_world.step(CRUISE)
    assert the_world.guard.count == 1
    assert engine.dreams[:59] == [0.2] * 59 and engine.dreams[-1] == 0.9
    the_world.reset(start())
    for _ in range(90):
        the_world.step(CRUISE)
    assert the_world.guard.count == 1 and set(engine.dreams[90:]) == {0.2}
