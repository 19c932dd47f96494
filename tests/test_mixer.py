"""The mixer: looks, weights and pad lead by turns, and none of them jumps."""

from itertools import pairwise

import numpy as np
import pytest
from test_board import FRAME_S, board, look

from trainjourney.controls.parameters import PARAMETERS
from trainjourney.journey.board import Board
from trainjourney.journey.looks import Looks
from trainjourney.journey.melt import mix, slerp
from trainjourney.types import Change, Embedding

NAMES = ("dawn", "dusk", "noon", "night")


def four(**values: float) -> Board:
    looks = Looks([look(name, axis) for axis, name in enumerate(NAMES)])
    return Board(looks, looks.first, values)


def turn(the_board: Board, **values: float | str) -> None:
    for name, value in values.items():
        the_board.apply(Change(name.replace("__", "."), value, 0.0))


def ride(the_board: Board, seconds: float) -> list[Embedding]:
    return [the_board.step(FRAME_S).embedding for _ in range(round(seconds / FRAME_S))]


def axis(number: int) -> Embedding:
    return look("", number).embedding


def furthest_step(embeddings: list[Embedding]) -> float:
    return max(float(np.linalg.norm(b - a)) for a, b in pairwise(embeddings))


def test_a_mix_of_two_is_a_place_on_their_melt() -> None:
    rng = np.random.default_rng(4)
    for share in (0.1, 0.5, 0.8):
        a, b = rng.standard_normal((2, 64)).astype(np.float32)
        mixed = mix(np.stack([a, b]), np.array([1.0 - share, share]) * 3.0)
        np.testing.assert_allclose(mixed, slerp(a, b, share), atol=2e-6)


def test_a_mix_of_eight_is_one_in_the_middle_whatever_their_order() -> None:
    rng = np.random.default_rng(5)
    eight = rng.standard_normal((8, 64)).astype(np.float32)
    eight /= np.linalg.norm(eight, axis=1, keepdims=True)
    weights = rng.uniform(0.1, 1.0, 8)
    mixed = mix(eight, weights)
    order = rng.permutation(8)
    np.testing.assert_allclose(mixed, mix(eight[order], weights[order]), atol=1e-6)
    angles = np.arccos(eight @ mixed)
    across = eight - (eight @ mixed)[:, None] * mixed
    pull = (weights * angles / np.linalg.norm(across, axis=1)) @ across
    assert np.linalg.norm(pull) < 1e-5 and np.linalg.norm(mixed) == pytest.approx(1.0, abs=1e-5)


def test_opposite_looks_in_equal_parts_have_a_mix_too() -> None:
    a = axis(0)
    mixed = mix(np.stack([a, -a]), np.ones(2))
    assert np.isfinite(mixed).all() and abs(float(mixed @ a)) < 1e-3
    np.testing.assert_array_equal(mixed, mix(np.stack([a, -a]), np.ones(2)))


def test_weights_make_a_mean_and_take_the_lead_by_a_melt() -> None:
    train = four(melt_s=1.0)
    turn(train, weight__2=0.5, weight__3=0.5)
    way = ride(train, 2.0)
    np.testing.assert_allclose(way[-1], slerp(axis(1), axis(2), 0.5), atol=1e-3)
    assert furthest_step([axis(0), *way]) < 0.12
    turn(train, weight__3=0.0)
    way = ride(train, 1.0)  # at the glide's pace, not the melt's
    np.testing.assert_allclose(way[15], axis(1), atol=0.02)
    assert furthest_step(way) < 0.3


def test_weights_that_are_all_gone_leave_the_mix_where_it_was() -> None:
    train = four(melt_s=0.5)
    turn(train, weight__2=1.0)
    ride(train, 1.0)
    turn(train, weight__2=0.0)
    np.testing.assert_allclose(ride(train, 1.0)[-1], axis(1), atol=1e-6)
    turn(train, weight__4=1.0)  # from nowhere: a melt again, no jump
    way = ride(train, 1.5)
    assert furthest_step(way) < 0.25
    np.testing.assert_allclose(way[-1], axis(3), atol=1e-6)


def test_the_pad_lies_between_its_four_corners() -> None:
    train = four(melt_s=0.2)
    for (x, y), corner in {(0, 0): 0, (1, 0): 1, (0, 1): 2, (1, 1): 3}.items():
        turn(train, pad_x=x, pad_y=y)
        way = ride(train, 2.0)
        np.testing.assert_allclose(way[-1], axis(corner), atol=1e-5)
    turn(train, pad_x=0.5, pad_y=0.5)
    middle = ride(train, 2.0)[-1]
    np.testing.assert_allclose(middle, middle[::-1], atol=1e-3)
    turn(train, pad_d="dawn")
    assert float(ride(train, 2.0)[-1] @ axis(0)) > 0.75


def test_the_one_touched_last_leads() -> None:
    train = four(melt_s=0.3)
    turn(train, look="night")
    ride(train, 1.0)
    turn(train, pad_x=0.0, pad_y=0.0)
    assert float(ride(train, 2.0)[-1] @ axis(0)) > 0.99
    turn(train, weight__2=1.0)
    assert float(ride(train, 2.0)[-1] @ axis(1)) > 0.99
    turn(train, look=3.0)
    np.testing.assert_array_equal(ride(train, 2.0)[-1], axis(2))
    turn(train, pad_x=0.0, pad_y=0.0)
    ride(train, 2.0)
    turn(train, weight__2=0.0)  # one that is let go takes no lead
    assert float(ride(train, 2.0)[-1] @ axis(0)) > 0.99


def test_a_look_taken_out_of_the_bank_goes_out_of_the_mix_by_a_melt() -> None:
    train = four(melt_s=1.0)
    turn(train, weight__1=1.0, weight__2=1.0)
    before = ride(train, 2.0)
    train.lay(Looks.in_slots({1: look("dawn", 0), 7: look("snow", 3)}))
    way = ride(train, 2.0)
    assert furthest_step([before[-1], *way]) < 0.1
    np.testing.assert_allclose(way[-1], axis(0), atol=1e-6)
    turn(train, weight__7=1.0)
    assert float(ride(train, 2.0)[-1] @ axis(3)) > 0.5


@pytest.mark.parametrize(("curve", "share"), [(0.0, 0.25), (1.0, 0.156), (2.0, 0.104)])
def test_a_melt_goes_along_its_curve(curve: float, share: float) -> None:
    train = four(melt_s=2.0)
    turn(train, melt_curve=curve, look="dusk")
    quarter = ride(train, 0.5)[-1]
    np.testing.assert_allclose(quarter, slerp(axis(0), axis(1), share), atol=0.01)


def test_a_look_that_was_asked_for_waits_for_the_beat() -> None:
    train = board(melt_s=0.0)
    turn(train, bpm=60.0, on_beat=1.0, beat=1.0)
    ride(train, 0.5)
    turn(train, look="dusk")
    waiting = ride(train, 1.0)
    came = [float(one @ axis(1)) > 0.5 for one in waiting].index(True)
    assert came == 15  # frame 0 was the beat and 14 more went by: the next is the 30th
    turn(train, look="dawn", on_beat=0.0)
    np.testing.assert_array_equal(ride(train, FRAME_S)[-1], axis(0))


@pytest.mark.parametrize("bpm", [20.0, 97.0, 120.0, 300.0])
def test_beats_do_not_drift(bpm: float) -> None:
    train = board(melt_s=0.0)
    turn(train, bpm=bpm, beat=1.0)
    train.step(FRAME_S)
    fell = []
    for frame in range(1, 30 * 60 + 1):
        if train._beat.step(FRAME_S, bpm):
            fell.append(frame * FRAME_S)
    due = np.arange(1, len(fell) + 1) * 60.0 / bpm
    assert len(fell) == round(bpm)
    late = np.array(fell) - due
    assert late.min() > -1e-6 and late.max() < FRAME_S + 1e-6


def test_departures_take_the_seed_that_was_set_and_then_the_next() -> None:
    train = board()
    train.next_seed = 8
    assert train.departure() is None
    seeds = []
    for changes in ({}, {}, {"seed": 40.0}, {}):
        turn(train, **changes, departure=1.0)
        seeds += [train.departure(), train.departure()]
    assert seeds == [8, None, 9, None, 40, None, 41, None]


def test_brightness_contrast_and_blackout_are_a_table_over_the_frame() -> None:
    train = board()
    ramp = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    assert train.finish(ramp) is ramp
    train.cut("brightness", 0.5)
    np.testing.assert_allclose(train.finish(ramp), ramp * 0.5, atol=0.51)
    train.cut("brightness", 1.0)
    train.cut("contrast", 2.0)
    bent = train.finish(ramp)
    assert (bent[:4].max(), bent[12:].min(), bent[8, 0, 0]) == (0, 255, 129)
    turn(train, blackout=1.0)
    lights = []
    for _ in range(60):
        train.step(FRAME_S)
        lights.append(int(train.finish(ramp).max()))
    assert lights[0] > 200 and lights == sorted(lights, reverse=True) and lights[-1] == 0
    assert max(-np.diff(lights)) < 40


def test_at_arrival_all_is_where_it_is_set_to() -> None:
    train = four(melt_s=5.0)
    turn(train, speed=-1.0, dream=0.9, weight__3=1.0, blackout=1.0)
    train.arrive()
    controls = train.step(FRAME_S)
    assert (controls.speed, controls.dream) == (-1.0, 0.9)
    np.testing.assert_allclose(controls.embedding, axis(2), atol=1e-6)
    assert train.progress == 1.0


def test_every_control_that_glides_has_one_here() -> None:
    """A parameter that settles but is known to no glide would jump."""
    moving = {p.name for p in PARAMETERS.values() if p.settle_s}
    assert moving == set(board()._glides) | {"weight", "pad_x", "pad_y"}
