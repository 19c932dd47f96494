"""The drift guard: patient, bounded, and silent where all is well."""

import numpy as np
import pytest

from trainjourney.inference.band import FIGURES, Band, figures, find_band
from trainjourney.journey.guard import DREAM, PATIENCE_S, REPAINT_S, REST_S, Guard
from trainjourney.types import Frame

FPS = 30


def picture(seed: int = 0, mean: float = 128.0, spread: float = 40.0) -> Frame:
    rng = np.random.default_rng(seed)
    coarse = rng.normal(mean, spread, (16, 32, 3)).clip(0, 255)
    return coarse.astype(np.uint8).repeat(16, 0).repeat(16, 1)


@pytest.fixture
def band() -> Band:
    return find_band(np.stack([figures(picture(seed)) for seed in range(50)]))


def black() -> Frame:
    return np.zeros((256, 512, 3), np.uint8)


def watch(guard: Guard, frame: Frame, frames: int) -> list[float]:
    said = []
    for _ in range(frames):
        guard.watch(frame)
        said.append(guard.dream(0.2))
    return said


def test_the_figures_say_what_they_are_called() -> None:
    assert figures(black()).tolist() == [0.0] * len(FIGURES)
    white = figures(np.full((256, 512, 3), 255, np.uint8))
    assert white[0] == pytest.approx(1.0, abs=1e-6) and not white[1:].round(6).any()
    red = np.zeros((256, 512, 3), np.uint8)
    red[..., 0] = 255
    assert figures(red)[2] == 1.0
    red[:, ::8] = 0
    assert figures(red)[3] > 0.2


def test_a_good_picture_is_left_alone(band: Band) -> None:
    guard = Guard(band, FPS)
    assert set(watch(guard, picture(99), 20 * FPS)) == {0.2} and guard.count == 0


@pytest.mark.parametrize("bad", ["black", "white", "noise", "grey"])
def test_a_picture_that_rots_is_repainted_after_two_seconds(band: Band, bad: str) -> None:
    rng = np.random.default_rng(1)
    frames = {
        "black": black(),
        "white": np.full((256, 512, 3), 255, np.uint8),
        "noise": rng.integers(0, 256, (256, 512, 3)).astype(np.uint8),
        "grey": np.full((256, 512, 3), 128, np.uint8),
    }
    guard = Guard(band, FPS)
    watch(guard, picture(99), FPS)
    said = watch(guard, frames[bad], 5 * FPS)
    first = said.index(DREAM)
    assert PATIENCE_S * FPS - 1 <= first <= (PATIENCE_S + 1.0) * FPS
    assert guard.count == 1 and guard.repainting


def test_it_ends_and_rests_even_where_nothing_helps(band: Band) -> None:
    guard = Guard(band, FPS)
    said = watch(guard, black(), 60 * FPS)
    share = np.mean(np.array(said) == DREAM)
    assert share < 1.2 * REPAINT_S / (REPAINT_S + REST_S)
    assert 2 <= guard.count <= 4


def test_a_flash_is_no_drift(band: Band) -> None:
    guard = Guard(band, FPS)
    for _ in range(10):
        watch(guard, black(), FPS // 2)
        watch(guard, picture(99), 3 * FPS)
    assert guard.count == 0


def test_a_wish_for_more_is_kept(band: Band) -> None:
    guard = Guard(band, FPS)
    watch(guard, black(), 3 * FPS)
    assert guard.dream(1.0) == 1.0


def test_without_a_band_nothing_is_guarded() -> None:
    guard = Guard(None, FPS)
    assert set(watch(guard, black(), 10 * FPS)) == {0.2}


def test_a_band_bounds_what_it_was_made_of(band: Band) -> None:
    limits = band.limits()
    for seed in range(50):
        seen = figures(picture(seed))
        assert ((seen >= limits[:, 0] - 1e-3) & (seen <= limits[:, 1] + 1e-3)).all()
