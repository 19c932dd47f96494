"""Signs: every thing has its word where it stands, and says which part of it a cell is."""

from itertools import combinations

import numpy as np
import pytest

from trainjourney.model.network import TALL
from trainjourney.model.planes import DOWN, SIGNS
from trainjourney.scenery.layout import Layout, Stand, plan
from trainjourney.scenery.signs import CODES, paint_signs
from trainjourney.scenery.worlds import WORLDS

NEAR = 5
FOOT = 96.0  # px of the strip


def bare(plane: int, *stands: Stand) -> Layout:
    lay = plan(1, plane, 640, lambda x: WORLDS["meadow"])
    lay.stands, lay.poles, lay.fence, lay.events = list(stands), [], [], []
    return lay


def house(x: float, mirrored: bool = False) -> Stand:
    return Stand("house", x, FOOT, 40.0, np.zeros(24, np.float32), mirrored)


def test_no_two_words_are_neighbours() -> None:
    for one, other in combinations(CODES.values(), 2):
        assert (one != other).sum() >= 2


def test_where_nothing_stands_all_is_silent() -> None:
    assert not paint_signs(bare(NEAR)).any()


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_house_says_what_it_is_and_where_in_it(mirrored: bool) -> None:
    signs = paint_signs(bare(NEAR, house(320.0, mirrored))) / 127.0
    assert signs.shape == (SIGNS, TALL, 640 // (2 * DOWN))
    row, column = int(FOOT / 8) - 2, 320 // 8
    assert np.allclose(signs[: SIGNS - 2, row, column], CODES["house"], atol=0.01)
    across, up = signs[SIGNS - 2, row, 36:44], signs[SIGNS - 1, 6:12, column]
    steps = np.diff(across)
    assert (steps < 0).all() if mirrored else (steps > 0).all()
    assert np.diff(up).max() < 0, "up is up"
    assert not signs[:, :, :30].any() and not signs[:, :, 50:].any()


def test_the_nearer_thing_is_named_where_two_stand() -> None:
    tree = Stand("round", 320.0, FOOT + 2, 40.0, np.zeros(24, np.float32))
    signs = paint_signs(bare(NEAR, house(320.0), tree)) / 127.0
    assert np.allclose(signs[: SIGNS - 2, int(FOOT / 8) - 2, 40], CODES["round"], atol=0.01)


@pytest.mark.parametrize("name", ["meadow", "city", "coast"])
def test_every_plane_of_a_world_can_be_signed(name: str) -> None:
    spoken = [paint_signs(plan(3, p, 640, lambda x: WORLDS[name])).any() for p in range(8)]
    assert all(spoken[p] for p in (0, 3, 4, 5, 6))
