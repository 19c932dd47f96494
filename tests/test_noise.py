"""Noise is a pure function of seed and frame."""

import threading
from itertools import product

import numpy as np
import pytest

from trainjourney.inference.noise import NoiseAhead, draw_noise


def test_a_frame_s_noise_does_not_ask_for_those_before_it() -> None:
    forward = [draw_noise(7, n, (2, 3, 4)) for n in range(5)]
    backward = [draw_noise(7, n, (2, 3, 4)) for n in reversed(range(5))]
    for one, other in zip(forward, reversed(backward), strict=True):
        np.testing.assert_array_equal(one, other)


def test_frames_and_seeds_differ() -> None:
    drawn = [draw_noise(seed, n, (64,)) for seed in (0, 1, 2**63) for n in (0, 1, 2**40)]
    assert len({noise.tobytes() for noise in drawn}) == len(drawn)


def test_noise_is_standard_normal_and_neighbours_are_strangers() -> None:
    one, next_ = (draw_noise(3, n, (100_000,)).astype(float) for n in (10, 11))
    assert abs(one.mean()) < 0.02 and abs(one.std() - 1.0) < 0.02
    assert abs(np.corrcoef(one, next_)[0, 1]) < 0.02
    assert draw_noise(3, 10, (2, 5)).dtype == np.float32


def test_numpy_still_makes_the_same_film() -> None:
    known = [1.1197171, -1.2581526, 0.7917979, -1.7999631]
    np.testing.assert_allclose(draw_noise(1, 2, (4,)), known, rtol=1e-5)


def test_drawn_ahead_it_is_the_same_whatever_is_asked_for() -> None:
    """In order, backwards, begun anew, of another seed: what was drawn ahead is never mistaken."""
    asked = [(7, 0, 1), (7, 1, 2), (7, 1, 2), (7, 9, 8), (7, 8, 7), (8, 7, 8), (7, 8, 9)]
    both = [NoiseAhead((2, 5), on_gpu) for on_gpu in (False, True)]
    for ahead, (seed, number, following) in product(both, asked):
        taken = ahead.take(seed, number, following)
        np.testing.assert_array_equal(taken, draw_noise(seed, number, (2, 5)))


def test_who_draws_ahead_ends_with_what_it_draws_for() -> None:
    before = {thread for thread in threading.enumerate() if thread.name == "noise"}
    ahead = NoiseAhead((2, 5), on_gpu=True)
    ahead.take(1, 2, 3)
    (thread,) = {one for one in threading.enumerate() if one.name == "noise"} - before
    del ahead
    thread.join(5.0)
    assert not thread.is_alive()


def test_a_frame_that_there_is_not_is_refused_at_once() -> None:
    with pytest.raises(AssertionError):
        NoiseAhead((2, 5), on_gpu=True).take(1, 2, 2**64)
