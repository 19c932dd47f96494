"""The runway: which plane needs country next, where it is dreamt, and how it is laid into the ring.

A plane needs country where little lies ahead of the window, or where what lies ahead was dreamt in
another look than the present one; then the new tile begins close beyond the window's edge, and
what lay there is forgotten only when its replacement is ready.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from .decoder import RESIDUAL
from .planes import ROWS, TRAVEL, VIEW_W
from .ring import BEYOND, CELL, RING, TILE_CELLS, P, to_columns

STILL = 0.2  # speed below which the order of the planes no longer changes
REACT = 14.0  # frames of travel kept before a tile that replaces another look's country
STALE = 0.93  # cosine of two looks below which the one's country is stale in the other
_NEVER = 1e6


@dataclass(frozen=True)
class Road:
    """Where the window stands on every plane, and the country on either side (see STATE)."""

    position: Tensor  # [P] int32
    ahead: Tensor  # [P] int32
    behind: Tensor  # [P] int32

    def margin(self, side: Tensor) -> Tensor:
        """Country on a side (1 left), [P] int32."""
        return torch.where(side > 0, self.behind, self.ahead)


def roll(road: Road, speed: Tensor, parallax: Tensor) -> Road:
    """Move every plane by a frame of travel; a plane waits where it has no country."""
    way = (speed * TRAVEL * CELL * parallax).round().to(torch.int32)
    way = torch.maximum(torch.minimum(way, road.ahead), -road.behind)
    return Road((road.position + way) % (RING * CELL), road.ahead - way, road.behind + way)


def choose(
    road: Road, painted: Tensor, embedding: Tensor, speed: Tensor, parallax: Tensor, slow: Tensor
) -> tuple[Tensor, Tensor]:
    """The next job [4] int32: plane, side, first ring column of its tile, 1; and the frames [P]
    until each plane wants country.

    What lies ahead of `slow` planes [P] bool is not replaced here: they are repainted whole.
    """
    numbers = torch.arange(P, dtype=torch.int32)
    left = (speed < 0.0).to(torch.int32).reshape(1)
    part = road.position % CELL
    pace = parallax * TRAVEL * speed.abs().clamp(min=STILL)  # cells a frame
    margin = road.margin(left)
    # whole cells between the window's edge and the end of the country
    whole = torch.where(left > 0, margin - part, margin + part) // CELL
    stale = (torch.where(left > 0, painted[P:] @ embedding, painted[:P] @ embedding)) < STALE
    stale = stale & ~(slow & (left < 1))
    soon = (REACT * pace).ceil().to(torch.int32) + 2
    near = torch.minimum(whole, torch.where(stale, soon, whole))
    full = near + TILE_CELLS > BEYOND
    waiting = (whole <= 0).float()  # it stands still for want of country: before all that roll
    frames = (near.float() + 4.0) / pace + (full.float() - waiting) * _NEVER
    plane = frames.argmin().to(torch.int32)
    offset = (near * (numbers == plane)).sum().to(torch.int32)
    cell = (road.position // CELL * (numbers == plane)).sum().to(torch.int32)
    right = cell + VIEW_W + offset
    column = torch.where(left > 0, cell - TILE_CELLS - offset, right) % RING
    return torch.cat([plane.reshape(1), left, column, torch.ones_like(left)]), frames


def lay(
    ring: Tensor, road: Road, job: Tensor, masks: Tensor, done: Tensor
) -> tuple[Tensor, Road, Tensor]:
    """Lay a finished tile of masks [MATERIALS, ROWS, TILE_CELLS] uint8.

    Gives ring, road and 1 if laid.
    It is laid where its place is still beyond the window and within, or at the end of, its
    plane's country.
    """
    numbers = torch.arange(P, dtype=torch.int32)
    plane, side, column = job[0], job[1], job[2]
    mine = (numbers == plane).to(torch.int32)
    part, cell = road.position % CELL, road.position // CELL
    offset = torch.where(side > 0, cell - TILE_CELLS - column, column - cell - VIEW_W) % RING
    whole = torch.where(side > 0, road.behind - part, road.ahead + part) // CELL
    fits = (offset <= whole) & (offset + TILE_CELLS <= BEYOND)
    fits = fits & ((offset > 0) | (whole == 0))
    ok = ((mine * fits.to(torch.int32)).sum() * done).to(torch.int32)

    blank = torch.full((RESIDUAL, ROWS, TILE_CELLS), 128, dtype=torch.uint8)
    new = to_columns(torch.cat([masks, blank])[None])[0]
    along = torch.arange(TILE_CELLS, dtype=torch.int32)
    order = torch.where(side > 0, TILE_CELLS - 1 - along, along)
    at = ((column + order) % RING + plane * RING).long()
    ring = ring.index_put((at,), torch.where(ok > 0, new, ring[at]))

    reach = (offset + TILE_CELLS) * CELL
    grown = torch.where(side > 0, reach + part, reach - part)
    ours = (mine * ok) > 0
    ahead = torch.where(ours & (side < 1), grown, road.ahead)
    behind = torch.where(ours & (side > 0), grown, road.behind)
    # the far end of the other side is forgotten where the ring is full
    most = BEYOND * CELL
    ahead = torch.where(
        ours & (side > 0), torch.minimum(ahead, (most - behind).clamp(min=0)), ahead
    )
    behind = torch.where(
        ours & (side < 1), torch.minimum(behind, (most - ahead).clamp(min=0)), behind
    )
    return ring, Road(road.position, ahead, behind), ok
