"""The ring that holds the country: its layout, and the state of the pocket by name."""

from torch import Tensor

from .decoder import RESIDUAL
from .embedder import SIZE
from .network import CONTEXT, DREAMT, TALL, TILE
from .planes import DOWN, MATERIALS, PLANES, ROWS, VIEW_W

P = len(PLANES)
RING = 768  # columns of every plane's ring
CELL = 4096  # position units in one cell: integers, so that no precision is ever lost
TILE_CELLS, CONTEXT_CELLS = TILE * DOWN, CONTEXT * DOWN
CHANNELS = MATERIALS + RESIDUAL
STATE: dict[str, tuple[tuple[int, ...], str]] = {
    "ring": ((P * RING, CHANNELS * ROWS), "uint8"),  # a row is one column of one plane
    "position": ((P,), "int32"),  # left edge of the window, 1/CELL cells, modulo the ring
    "ahead": ((P,), "int32"),  # painted country right of the window, 1/CELL cells
    "behind": ((P,), "int32"),  # and left of it
    "tile": ((DREAMT, TALL, TILE), "float32"),  # the tile being dreamt, with its signs
    "job": ((4,), "int32"),  # its plane, side (1 left), ring column; 1 begun, 2 a repainting
    "time": ((1,), "float32"),  # how far it is, 0 noise, 1 done
    "disc": ((3,), "float32"),  # the sun that is to stand in it (see placement.py)
    "event": ((3,), "float32"),  # what comes by on the track (see events.py)
    "restarts": ((1,), "int32"),  # how many times it went back from there (see restart.py)
    "painted": ((2 * P, SIZE), "float32"),  # the look each runway was dreamt in, right, left
    "seen": ((P, SIZE), "float32"),  # the look of each plane's country in the window
    "fresh": ((P,), "int32"),  # 1/CELL cells until the window shows what the runway was dreamt in
    "aim": ((SIZE,), "float32"),  # the look of the repainting that goes on
    "work": ((4,), "int32"),  # its plane, next ring column, tiles left; plane repainted last
    "sheet": ((TILE_CELLS, MATERIALS * ROWS), "uint8"),  # the tile that dissolves into its place
    "laying": ((3,), "int32"),  # its plane, first ring column, frames it has been dissolving
    "fade": ((1,), "float32"),  # how much of the start picture's own colour is left
    "origin": ((SIZE,), "float32"),  # the start picture's embedding
}
NOISE = (2, DREAMT, TALL, TILE)  # for a new tile; for roughening its context
BEYOND = RING - VIEW_W  # cells of the ring outside the window


def to_columns(planes: Tensor) -> Tensor:
    """[P, C, ROWS, W] -> [P, W, C * ROWS], as the ring keeps it."""
    return planes.permute(0, 3, 1, 2).flatten(2)


def from_columns(columns: Tensor, channels: int) -> Tensor:
    """[P, W, C * ROWS] -> [P, C, ROWS, W]."""
    p, w, _ = columns.shape
    return columns.view(p, w, channels, ROWS).permute(0, 2, 3, 1)
