"""Repainting: slow planes are dreamt anew where they are seen, when the look has changed.

Near things leave the window in seconds; mountains would stand in the old look for minutes. So a
plane whose country in the window is of another look, and would stay, gets TILES new tiles from
the window's left edge on, one after the other, each dissolving into its place. The dream lever
far up does the same to every slow plane by turns.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .decoder import RESIDUAL
from .planes import MATERIALS, ROWS, TRAVEL, VIEW_W
from .ring import BEYOND, CELL, RING, TILE_CELLS, P
from .runway import STALE, STILL, Road

TILES = 3  # of a repainting: two cover the window, the third what enters next
SLOW = 150.0  # frames that a plane's country still stays in the window, from which it is repainted
RIPPLE, MELT = 3.0, 8.0  # frames until a tile's last column begins to dissolve, and one column's
ROUND = int(RIPPLE + MELT)  # frames of a whole tile's dissolving
WAIT = 14.0  # frames that the runway must be able to wait
RESTLESS = 0.65  # of the dream lever, from which planes are repainted by turns
FREE = 0.95  # from which a repainting follows nothing that was, and dissolves at once
TRACK = 6  # the plane of the wires
# Which plane is repainted first: sky, mountains, middle, hills, far, near, track, foreground.
_RANK = (0, 1, 3, 4, 2, 5, 6, 7)


@dataclass(frozen=True)
class Repaint:
    """What is being repainted (see STATE)."""

    seen: Tensor  # [P, SIZE] the look of the country in the window
    fresh: Tensor  # [P] int32: 1/CELL cells until the window shows what its runway was dreamt in
    aim: Tensor  # [SIZE] the look of the repainting that goes on
    work: Tensor  # [4] int32: plane, next ring column, tiles left, plane repainted last
    sheet: Tensor  # [TILE_CELLS, MATERIALS * ROWS] uint8: the tile that dissolves into its place
    laying: Tensor  # [3] int32: its plane, its first column, frames it has been dissolving


def settle(again: Repaint, way: Tensor, painted: Tensor, speed: Tensor) -> Repaint:
    """After a roll by `way` [P]: where the old country has left the window, the new is seen."""
    left = (again.fresh - way.abs()).clamp(min=0)
    through = (again.fresh > 0) & (left < 1)
    side = torch.where(speed < 0.0, painted[P:], painted[:P])
    seen = torch.where(through[:, None], side, again.seen)
    return replace(again, seen=seen, fresh=left)


def lingering(again: Repaint, speed: Tensor, parallax: Tensor) -> Tensor:
    """Planes whose country stays in the window for long, [P] bool."""
    pace = parallax * TRAVEL * speed.abs().clamp(min=STILL)  # cells a frame
    whole = torch.where(again.fresh > 0, again.fresh, torch.full_like(again.fresh, VIEW_W * CELL))
    return whole.float() / CELL / pace > SLOW


def out_of_date(again: Repaint, embedding: Tensor, slow: Tensor) -> Tensor:
    """Planes that stay in the window and show there another look than the present one, [P] bool."""
    return slow & ((again.seen @ embedding) < STALE)


def tiles_of(plane: Tensor, dream: Tensor) -> Tensor:
    """How many tiles a repainting of a plane takes. A free one of the track begins before the
    window: in a tile that follows nothing, wires are broken one time in seven."""
    return TILES + ((plane == TRACK) & (dream > FREE)).to(torch.int32)


def begin(
    again: Repaint, road: Road, stale: Tensor, dream: Tensor, slow: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The next tile to repaint: job [4] int32, whether there is one, and `work` if it is taken."""
    rank = torch.tensor(_RANK, dtype=torch.int32)
    numbers = torch.arange(P, dtype=torch.int32)
    wanted = stale | (slow & (dream > RESTLESS) & ~stale.any())
    last = (rank * (numbers == again.work[3])).sum()
    turn = torch.where(stale.any(), rank, (rank - last - 1) % P)
    fresh_plane = torch.where(wanted, turn, turn + P).argmin().to(torch.int32)
    going = again.work[2] > 0
    plane = torch.where(going, again.work[0], fresh_plane)
    cell = (road.position // CELL * (numbers == plane)).sum().to(torch.int32)
    cell = (cell - (tiles_of(plane, dream) - TILES) * TILE_CELLS) % RING
    column = torch.where(going, again.work[1], cell)
    free = (again.laying[2] < 1) | (again.laying[2] >= ROUND - 8)  # eight frames of dreaming
    able = (going | wanted.any()) & free
    one = torch.ones(1, dtype=torch.int32)
    job = torch.cat([plane.reshape(1), one * 0, column.reshape(1), one * 2])
    tiles = torch.where(going, again.work[2], tiles_of(plane, dream))
    work = torch.cat(
        [plane.reshape(1), column.reshape(1), tiles.reshape(1), again.work[3].reshape(1)]
    )
    return job, able, work


def ready(again: Repaint, job: Tensor) -> Tensor:
    """Whether a tile that is dreamt may be taken: one of a repainting waits for the one before."""
    return (job[3:] == 1) | ((job[3:] == 2) & (again.laying[2:] < 1))


def finish(
    again: Repaint, road: Road, painted: Tensor, job: Tensor, masks: Tensor, done: Tensor
) -> tuple[Repaint, Road, Tensor]:
    """A tile of a repainting is dreamt (`done`, and job[3] is 2): let its masks dissolve into their
    place, [MATERIALS, ROWS, TILE_CELLS] uint8.

    With the last one the plane's runway begins anew behind it.
    """
    ours = (job[3] == 2) & (done > 0)
    columns = masks.permute(2, 0, 1).flatten(1)
    sheet = torch.where(ours, columns, again.sheet)
    zero = torch.zeros(1, dtype=torch.int32)
    laying = torch.where(ours, torch.cat([job[:1], job[2:3], zero + 1]), again.laying)
    left = again.work[2:3] - 1
    last = torch.where(left < 1, job[:1], again.work[3:])
    following = torch.cat([job[:1], (job[2:3] + TILE_CELLS) % RING, left, last])
    work = torch.where(ours, following, again.work)

    mine = torch.arange(P, dtype=torch.int32) == job[0]
    cell, part = road.position // CELL, road.position % CELL
    middle = RING // 2
    end = (job[2] - cell - VIEW_W + middle) % RING - middle + TILE_CELLS  # beyond the window
    grown = end * CELL - part
    ended = mine & ours & (left < 1)
    fits = ended & (grown >= 0) & (grown <= BEYOND * CELL)
    ahead = torch.where(fits, grown, road.ahead)
    most = BEYOND * CELL
    behind = torch.where(fits, torch.minimum(road.behind, (most - grown).clamp(min=0)), road.behind)
    seen = torch.where(ended[:, None], again.aim[None], again.seen)
    fresh = torch.where(ended, torch.zeros_like(again.fresh), again.fresh)
    rows = torch.cat([fits, torch.zeros_like(fits)])
    painted = torch.where(rows[:, None], again.aim[None], painted)
    after = Repaint(seen, fresh, again.aim, work, sheet, laying)
    return after, Road(road.position, ahead, behind), painted


def dissolve(ring: Tensor, again: Repaint, dream: Tensor) -> tuple[Tensor, Repaint]:
    """One frame of a tile's dissolving: column by column, a ripple from left to right."""
    plane, column, step = again.laying[0], again.laying[1], again.laying[2]
    along = torch.arange(TILE_CELLS, dtype=torch.int32)
    at = ((column + along) % RING + plane * RING).long()
    before = ring[at].float()
    blank = torch.full((TILE_CELLS, RESIDUAL * ROWS), 128.0)
    target = torch.cat([again.sheet.float(), blank], 1)
    assert target.shape[1] == (MATERIALS + RESIDUAL) * ROWS
    begun = step.float() - along.float() * (RIPPLE / TILE_CELLS)
    share = (1.0 / (MELT - begun).clamp(min=1.0)) * (begun > 0.0)
    share = torch.where(dream > FREE, torch.ones_like(share), share) * (step > 0)
    mixed = (before + (target - before) * share[:, None]).round().clamp(0, 255).to(torch.uint8)
    ring = ring.index_put((at,), mixed)
    more = (step > 0) & (step < ROUND) & (dream <= FREE)
    step = torch.where(more, step + 1, torch.zeros_like(step))
    laying = torch.cat([again.laying[:2], step.reshape(1)])
    return ring, replace(again, laying=laying)
