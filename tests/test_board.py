"""The board: smoothed at frame rate, exact where it must be, deaf to nonsense."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainjourney.controls.parameters import PARAMETERS
from trainjourney.inference.bundle import Look
from trainjourney.journey.board import Board
from trainjourney.journey.glide import Glide
from trainjourney.journey.looks import Looks
from trainjourney.types import Change

FRAME_S = 1 / 30


def look(name: str, axis: int) -> Look:
    return Look(name, np.eye(4, dtype=np.float32)[axis], Path(f"looks/{name}.jpg"))


def board(**values: float) -> Board:
    looks = Looks([look("dawn", 0), look("dusk", 1)])
    return Board(looks, looks.first, values)


def ride(the_board: Board, frames: int) -> list[float]:
    return [the_board.step(FRAME_S).speed for _ in range(frames)]


@pytest.mark.parametrize("speed", [-2.0, -0.7, 0.0, 0.31, 1.0, 2.0])
def test_a_commanded_speed_is_exact_from_the_first_frame(speed: float) -> None:
    assert ride(board(speed=speed), 100) == [speed] * 100


def test_the_train_departs_and_brakes_softly() -> None:
    train = board(speed=0.0)
    train.apply(Change("speed", 1.0, 0.0))
    speeds = [0.0, *ride(train, 150)]
    gains = np.diff(speeds) * 30
    assert speeds == sorted(speeds) and speeds[-1] == 1.0
    assert gains.max() <= PARAMETERS["speed"].rate + 1e-9
    assert np.abs(np.diff(gains)).max() < 0.6  # no jolt
    assert 1.0 < speeds.index(1.0) / 30 < 5.0


def test_space_stands_and_goes_on_at_the_same_speed() -> None:
    train = board(speed=1.4)
    train.apply(Change("brake", 1.0, 0.0))
    assert ride(train, 150)[-1] == 0.0
    train.apply(Change("brake", 0.0, 0.0))
    assert ride(train, 150)[-1] == 1.4


def test_from_forward_to_backward_through_a_stand() -> None:
    train = board(speed=1.0)
    train.apply(Change("speed", -1.0, 0.0))
    speeds = ride(train, 300)
    assert speeds[-1] == -1.0
    assert speeds == sorted(speeds, reverse=True)


@given(st.floats(-2, 2), st.floats(-2, 2), st.sampled_from([1 / 60, 1 / 30, 1 / 12, 1.0]))
def test_a_glide_never_overshoots(start: float, target: float, frame_s: float) -> None:
    glide = Glide(start, settle_s=1.2, rate=0.6)
    low, high = min(start, target) - 1e-3, max(start, target) + 1e-3
    for _ in range(round(12 / frame_s)):
        assert low <= glide.step(target, frame_s) <= high
    assert glide.value == target


def test_a_look_melts_in_the_time_that_is_set() -> None:
    train = board(melt_s=1.0)
    train.apply(Change("look", "dusk", 0.0))
    embeddings = [train.step(FRAME_S).embedding for _ in range(30)]
    np.testing.assert_array_equal(embeddings[-1], look("dusk", 1).embedding)
    assert 0.5 < embeddings[14] @ embeddings[-1] < 0.9
    assert train.look.name == train.set_to["look"] == "dusk"
    train.apply(Change("look", 1.0, 0.0))
    assert train.look.name == "dawn"


@pytest.mark.parametrize(
    "change",
    [
        Change("look", "dsuk", 0.0),
        Change("look", 17, 0.0),
        Change("speed", "fast", 0.0),
        Change("speed", float("nan"), 0.0),
        Change("speed", float("inf"), 0.0),
        Change("warp", 1.0, 0.0),
    ],
)
def test_nonsense_is_logged_and_let_go(change: Change, caplog: pytest.LogCaptureFixture) -> None:
    train = board()
    before = dict(train.set_to)
    train.apply(change)
    assert train.set_to == before
    assert len(caplog.records) == 1


def test_out_of_range_is_clipped() -> None:
    train = board()
    train.apply(Change("speed", 99, 0.0))
    train.apply(Change("dream", -1, 0.0))
    assert (train.set_to["speed"], train.set_to["dream"]) == (2.0, 0.0)


def test_light_that_is_turned_while_a_frame_is_made_acts_on_it_as_if_turned_before() -> None:
    before, meanwhile = board(), board()
    picture = np.full((2, 4, 3), 200, np.uint8)
    for number in range(12):
        turned = {2: Change("brightness", 0.3, 0.0), 7: Change("blackout", 1.0, 0.0)}.get(number)
        if turned:
            before.apply(turned)
        before.step(1 / 30)
        meanwhile.step(1 / 30)
        if turned:
            meanwhile.apply(turned)
        lit = before.finish(picture)
        np.testing.assert_array_equal(lit, meanwhile.finish(picture))
        assert bool((lit < 200).any()) == (number >= 2)
        np.testing.assert_array_equal(lit, before.finish(picture))  # it moves once a step


def test_a_step_can_be_taken_back_with_all_that_it_moved() -> None:
    plain, undone = board(), board()
    changes = {
        1: [Change("weight.1", 1.0, 0.0), Change("weight.2", 0.5, 0.0), Change("speed", 2.0, 0.0)],
        4: [Change("pad_x", 0.9, 0.0), Change("bpm", 200.0, 0.0), Change("beat", 1.0, 0.0)],
        8: [Change("on_beat", 1.0, 0.0), Change("look", 2.0, 0.0), Change("departure", 1.0, 0.0)],
    }
    for number in range(40):
        for change in changes.get(number, ()):
            plain.apply(change)
            undone.apply(change)
        back = undone.keep()
        undone.step(1 / 30)
        undone.departure()
        back()
        one, other = plain.step(1 / 30), undone.step(1 / 30)
        np.testing.assert_array_equal(one.embedding, other.embedding)
        assert (one.speed, one.dream) == (other.speed, other.dream)
        assert plain.departure() == undone.departure()
        assert plain.progress == undone.progress
