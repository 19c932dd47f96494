"""Care: rare things count more in what the dream network learns from, once it is certain."""

import numpy as np
import pytest
import torch

from trainjourney.model.planes import DOWN, PLANES, ROWS, SIGNS
from trainjourney.scenery.layout import plan
from trainjourney.scenery.signs import CODES, paint_signs
from trainjourney.scenery.worlds import WORLDS
from trainjourney.training.care import CARE, Care, careful

WIDTH = 1024  # px
CARED = Care(torch.device("cpu"))


def signs_of(kind: str) -> torch.Tensor:
    signs = torch.zeros(1, SIGNS, 2, 3)
    signs[0, : SIGNS - 2, 0, 1] = torch.from_numpy(CODES[kind])
    return signs


@pytest.mark.parametrize("kind", sorted(CODES))
def test_only_the_cells_of_a_rare_thing_count_more(kind: str) -> None:
    care = CARED.of(signs_of(kind))
    assert care.shape == (1, 1, 2, 3)
    assert float(care[0, 0, 0, 1]) == pytest.approx(CARE.get(kind, 1.0))
    care[0, 0, 0, 1] = 1.0
    assert (care == 1.0).all()


def test_half_a_cell_counts_less_than_a_whole_one() -> None:
    whole, half = (float(CARED.of(share * signs_of("sun")).max()) for share in (1.0, 0.6))
    assert 1.0 < half < whole


def test_the_sun_of_a_rendered_sky_is_cared_for() -> None:
    """Where the renderer draws the disc, and nowhere else."""
    lay = plan(5, 0, WIDTH, lambda x: WORLDS["ember"])
    suns = [s for s in lay.stands if s.kind == "sun"]
    assert suns
    signs = torch.from_numpy(paint_signs(lay)).float()[None] / 127.0
    cared = CARED.of(signs)[0, 0].numpy() > 4.0
    assert cared.shape == (ROWS // DOWN, WIDTH // (2 * DOWN))
    inside = np.zeros(WIDTH, bool)
    for sun in suns:
        inside[max(0, int(sun.x - sun.size)) : int(sun.x + sun.size)] = True
    columns = np.flatnonzero(cared.any(0)) * 2 * DOWN
    assert len(columns) and inside[columns].all()
    assert PLANES[0].name == "sky"


def test_care_waits_until_it_is_certain_what_stands_there() -> None:
    """At the beginning of the road every error counts the same, or rare things would be many."""
    care = CARED.of(signs_of("sun")).expand(3, 1, 2, 3)
    error = torch.ones(3, 4, 2, 3)
    early, middle, late = careful(error, care, torch.tensor([0.2, 0.5, 0.9]))[:, 0].tolist()
    assert early == 1.0 and early < middle < late
    assert late == pytest.approx(1.0 + (CARE["sun"] - 1.0) / 6.0)
