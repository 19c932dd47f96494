"""The melt: on the sphere, without a jump, whatever it is between."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainjourney.journey.melt import CURVES, Melt, slerp
from trainjourney.types import Embedding


def unit(*values: float) -> Embedding:
    vector = np.array(values, np.float32)
    return vector / np.float32(np.linalg.norm(vector))


def near(seed: int, size: int = 16) -> Embedding:
    return unit(*np.random.default_rng(seed).standard_normal(size))


@given(st.integers(0, 99), st.integers(0, 99), st.floats(0.0, 1.0))
def test_slerp_stays_on_the_sphere_and_moves_evenly(a: int, b: int, t: float) -> None:
    one, other = near(a), near(b)
    middle = slerp(one, other, t)
    assert middle.dtype == np.float32
    assert np.linalg.norm(middle) == pytest.approx(1.0, abs=1e-5)
    angle = np.arccos(np.clip(one @ other, -1.0, 1.0))
    assert np.arccos(np.clip(one @ middle, -1.0, 1.0)) == pytest.approx(t * angle, abs=2e-3)


def test_slerp_ends_exactly_where_it_should() -> None:
    one, other = near(1), near(2)
    np.testing.assert_array_equal(slerp(one, other, 0.0), one)
    np.testing.assert_array_equal(slerp(one, other, 1.0), other)


def test_norms_go_by_a_line() -> None:
    middle = slerp(unit(1, 0) * np.float32(2), unit(0, 1) * np.float32(4), 0.5)
    assert np.linalg.norm(middle) == pytest.approx(3.0, abs=1e-5)
    assert middle[0] == pytest.approx(middle[1])


@pytest.mark.parametrize("off", [0.0, 1e-9, 1e-7, 1e-4])
def test_opposite_embeddings_go_round_the_sphere_and_not_through_it(off: float) -> None:
    one = near(5)
    other = -one + np.float32(off) * near(6)
    way = [slerp(one, other, t) for t in np.linspace(0.0, 1.0, 33)]
    assert all(np.linalg.norm(step) == pytest.approx(1.0, abs=1e-3) for step in way)
    strides = [float(np.linalg.norm(b - a)) for a, b in zip(way, way[1:], strict=False)]
    assert max(strides) < 0.11  # pi / 32


def test_a_zero_embedding_takes_the_other_s_direction() -> None:
    one, zero = near(3), np.zeros(16, np.float32)
    np.testing.assert_allclose(slerp(zero, one, 0.25), 0.25 * one, atol=1e-6)
    np.testing.assert_allclose(slerp(one, zero, 0.25), 0.75 * one, atol=1e-6)
    np.testing.assert_array_equal(slerp(zero, zero, 0.5), zero)


@pytest.mark.parametrize("curve", CURVES)
def test_curves_rise_from_0_to_1(curve: str) -> None:
    values = [CURVES[curve](t) for t in np.linspace(0.0, 1.0, 50)]
    assert values[0] == 0.0 and values[-1] == pytest.approx(1.0)
    assert values == sorted(values)


def test_a_melt_takes_its_time_and_arrives() -> None:
    melt = Melt(near(1))
    melt.to(near(2), 3.0)
    for _ in range(89):
        melt.step(1 / 30)
        assert melt.progress < 1.0
    np.testing.assert_array_equal(melt.step(1 / 30), near(2))
    assert melt.progress == 1.0
    np.testing.assert_array_equal(melt.step(1 / 30), near(2))


def test_zero_seconds_cut() -> None:
    melt = Melt(near(1))
    melt.to(near(2), 0.0)
    np.testing.assert_array_equal(melt.step(0.0), near(2))


def test_a_new_wish_in_mid_melt_does_not_jump() -> None:
    melt = Melt(near(1))
    melt.to(near(2), 2.0, "linear")
    way = [melt.step(1 / 30) for _ in range(20)]
    melt.to(near(3), 2.0, "linear")
    way += [melt.step(1 / 30) for _ in range(60)]
    strides = [float(np.linalg.norm(b - a)) for a, b in zip(way, way[1:], strict=False)]
    assert max(strides) < np.pi / 60 + 1e-3
    np.testing.assert_array_equal(way[-1], near(3))


def test_the_same_wish_again_does_not_start_anew() -> None:
    melt = Melt(near(1))
    melt.to(near(2), 1.0)
    for frame in range(30):
        if frame == 20:
            melt.to(near(2), 1.0)
        melt.step(1 / 30)
    np.testing.assert_array_equal(melt.embedding, near(2))
