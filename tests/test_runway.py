"""The runway: where a tile may be laid, and what another look replaces."""

import pytest
import torch
from small_tensors import another_look

from trainjourney.model.embedder import SIZE
from trainjourney.model.planes import (
    MATERIALS,
    PLANES,
    ROWS,
    TRAVEL,
    VIEW_W,
)
from trainjourney.model.ring import (
    CELL,
    CHANNELS,
    RING,
    TILE_CELLS,
    P,
)
from trainjourney.model.runway import Road, choose, lay


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize(
    ("offset", "fits"), [(0, False), (1, True), (30, True), (40, True), (41, False), (384, False)]
)
def test_a_tile_is_laid_only_where_it_joins_unseen_country(
    side: int, offset: int, fits: bool
) -> None:
    """Forty columns of country beyond the window on either side; plane 5 stands at 600.25."""
    country = torch.zeros(P, dtype=torch.int32) + 40 * CELL
    part = CELL // 4
    position = torch.zeros(P, dtype=torch.int32) + 600 * CELL + part
    road = Road(position, country - part, country + part)
    ring = torch.full((P * RING, CHANNELS * ROWS), 7, dtype=torch.uint8)
    along = torch.arange(TILE_CELLS, dtype=torch.uint8)
    masks = along.expand(MATERIALS, ROWS, TILE_CELLS)
    begin = 600 - TILE_CELLS - offset if side else 600 + VIEW_W + offset
    job = torch.tensor([5, side, begin % RING, 1], dtype=torch.int32)

    same, _, never = lay(ring, road, job, masks, torch.tensor(0, dtype=torch.int32))
    assert torch.equal(same, ring) and not never
    after, onward, laid = lay(ring, road, job, masks, torch.tensor(1, dtype=torch.int32))
    assert bool(laid) == fits
    if not fits:
        assert torch.equal(after, ring) and torch.equal(onward.ahead, road.ahead)
        assert torch.equal(onward.behind, road.behind)
        return
    # the tile's first column is the one that joins the country it continues
    place = (begin + torch.arange(TILE_CELLS)) % RING
    columns = after.view(P, RING, CHANNELS, ROWS)[5, place]
    told = columns[:, 0, 0].tolist()
    assert told == list(range(TILE_CELLS))[:: -1 if side else 1]
    assert (columns[:, MATERIALS:] == 128).all()
    changed = (after != ring).any(1).nonzero()[:, 0]
    assert set(changed.tolist()) <= set((5 * RING + place).tolist())
    grown = onward.margin(torch.tensor(side))[5]
    assert int(grown) == (offset + TILE_CELLS) * CELL + (part if side else -part)
    others = torch.arange(P) != 5
    assert torch.equal(onward.ahead[others], road.ahead[others])
    assert torch.equal(onward.behind[others], road.behind[others])


@pytest.mark.parametrize("speed", [1.0, -1.0])
def test_country_of_another_look_is_dreamt_anew_beyond_the_window(speed: float) -> None:
    """With plenty of country, the next tile is at its far end; in a new look, close by."""
    side = int(speed < 0)
    country = torch.zeros(P, dtype=torch.int32) + 200 * CELL
    road = Road(torch.zeros(P, dtype=torch.int32), country, country)
    look, parallax = another_look(1), torch.tensor([p.parallax for p in PLANES])
    painted = look.expand(2 * P, SIZE)
    told, slow = torch.tensor(speed), torch.zeros(P, dtype=torch.bool)
    far = choose(road, painted, look, told, parallax, slow)[0].tolist()
    near = choose(road, painted, another_look(2), told, parallax, slow)[0].tolist()
    assert far[1] == near[1] == side and far[3] == near[3] == 1
    begin = (-200 - TILE_CELLS if side else VIEW_W + 200) % RING
    assert far[0] == P - 1 and far[2] == begin, "the foreground runs out of country first"
    offset = (-TILE_CELLS - near[2] if side else near[2] - VIEW_W) % RING
    assert 0 < offset < 200
    frames = offset / (TRAVEL * PLANES[near[0]].parallax)
    assert frames > 9, "it would be in the window before it is dreamt"
