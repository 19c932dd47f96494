"""View rows between tall stored rows, drawn along the lines that cross them.

Where rows are blended straight down, a line that leans by a cell and more from one to the next is
two pale ones half-way between: a row of beads. So both rows are moved toward each other first, to
where they agree (edge-based line averaging, Doyle & Looymans 1990), by as much as bridges lean.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from .planes import Plane

SPAN = 4  # view rows of a stored row that is drawn so
LEANS = 2.7  # cells to either side from a stored row to the next, as bridges in the scenery
REACH = 3  # whole cells
STRAIGHT = 0.03  # of the cover, by which rows must agree better aslant than straight down
SURE = 40.0  # how soon the way that agrees best is taken alone


def slanted(plane: Plane) -> tuple[int, int, int] | None:
    """Its first tall stored row, how many there are, and the view row in the middle of the first;
    None where there are not three."""
    row, y = 0, 0
    for count, height in plane.bands:
        if height == SPAN and count > 2:
            return row, count, y + SPAN // 2
        row, y = row + count, y + count * height
    return None


def along_lines(layer: Tensor) -> Tensor:
    """Stored rows [B, C, n, W], the cover last of their channels -> the view rows from the middle
    of the first to the middle of the last, [B, C, SPAN * (n - 1), W]."""
    rows, width = layer.shape[2] - 1, layer.shape[3]
    wide = F.pad(layer, (REACH, REACH, 0, 0), mode="replicate")

    def moved(row: int, cells: float) -> Tensor:
        """The upper (0) or the lower (1) row of every pair, moved so far to the right."""
        whole = math.floor(cells)
        part = cells - whole
        here, before = (
            wide[:, :, row : row + rows, REACH - x : REACH - x + width] for x in (whole, whole + 1)
        )
        return here * (1.0 - part) + before * part if part else here

    def apart(upper: int, lower: int) -> Tensor:
        return (moved(0, upper)[:, -1:] - moved(1, lower)[:, -1:]).abs()

    misses = [apart(0, 0)]
    for side in (1, -1):  # half-way a line has gone one cell and a half
        misses.append(0.5 * (apart(side, -2 * side) + apart(2 * side, -side)) + STRAIGHT)
    miss = F.avg_pool2d(torch.cat(misses, 1), (1, 5), 1, (0, 2))
    shares = torch.softmax(-SURE * miss, 1).split([1, 1, 1], 1)  # type: ignore[no-untyped-call]
    drawn = []
    for j in range(SPAN):
        part, row = (2 * j + 1) / (2 * SPAN), torch.zeros(())
        for share, side in zip(shares, (0, 1, -1), strict=True):
            lean = side * LEANS
            upper, lower = moved(0, part * lean), moved(1, (part - 1.0) * lean)
            row = row + share * (upper * (1.0 - part) + lower * part)
        drawn.append(row)
    return torch.stack(drawn, 3).flatten(2, 3)
