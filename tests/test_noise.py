"""Noise is a pure function of seed and frame."""

import numpy as np

from trainjourney.journey.noise import draw_noise


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
