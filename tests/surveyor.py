"""A surveyor of the runway: which column of the endless country lies where in the ring."""

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from small_graphs import State

from trainjourney.model.planes import PLANES, TRAVEL, VIEW_W
from trainjourney.model.ring import BEYOND, CELL, RING, TILE_CELLS, P


def wanted_at(speed: float) -> NDArray[np.int64]:
    """How far every plane wants to move in a frame, [P], 1/CELL cells."""
    parallax = torch.tensor([p.parallax for p in PLANES])
    way = (torch.tensor(speed) * TRAVEL * CELL * parallax).round().long()
    return np.asarray(way.numpy(), np.int64)


@dataclass
class Surveyor:
    """Knows for every column of the ring which column of the endless country lies there."""

    land: NDArray[np.int64] = field(init=False)
    travelled: NDArray[np.int64] = field(init=False)  # [P] 1/CELL cells, never wrapped
    tiles: int = 0
    repainted: int = 0

    def __post_init__(self) -> None:
        self.land = np.full((P, RING), -(10**9))
        begun = np.arange(-TILE_CELLS, VIEW_W + TILE_CELLS)  # the window, and it mirrored
        self.land[:, begun % RING] = begun
        self.travelled = np.zeros(P, np.int64)

    def watch(self, before: State, after: State, wanted: NDArray[np.int64]) -> None:
        """Check one frame in which every plane wanted to move by `wanted` [P], 1/CELL cells."""
        room = {k: before[k].numpy().astype(np.int64) for k in ("ahead", "behind")}
        way = np.clip(wanted, -room["behind"], room["ahead"])
        self.travelled += way
        position = after["position"].numpy().astype(np.int64)
        assert (position == self.travelled % (RING * CELL)).all(), "moved beyond its country"
        self._note_tile(before, after)

        ahead, behind = (after[k].numpy().astype(np.int64) for k in ("ahead", "behind"))
        assert (ahead >= 0).all() and (behind >= 0).all()
        assert (ahead + behind <= BEYOND * CELL).all()
        first, last = self.travelled - behind, self.travelled + VIEW_W * CELL + ahead
        assert not (first % CELL).any() and not (last % CELL).any(), "country ends inside a column"
        for p in range(P):
            told = np.arange(first[p] // CELL, last[p] // CELL)
            assert (self.land[p, told % RING] == told).all(), f"plane {p} shows what is not there"

    def _note_tile(self, before: State, after: State) -> None:
        """Find what was painted by looking at the ring itself."""
        ours = (after["ring"] != before["ring"]).any(1).view(P, RING).numpy()
        ours = self._less_repainting(ours, after)
        if not ours.any():
            return
        self.tiles += 1
        plane, side, column, _ = after["job"].tolist()
        assert not np.delete(ours, plane, 0).any(), "a tile touched another plane"
        assert not after["job"][3] and float(after["time"]) > 0.999, "laid before it was done"
        place = (column + np.arange(TILE_CELLS)) % RING
        assert not np.delete(ours[plane], place).any(), "painted beside its place"
        cell = self.travelled[plane] // CELL
        if side:
            begin = cell - TILE_CELLS - (cell - TILE_CELLS - column) % RING
        else:
            begin = cell + VIEW_W + (column - cell - VIEW_W) % RING
        window = np.arange(cell, -(-self.travelled[plane] // CELL) + VIEW_W)
        assert not ours[plane, window % RING].any(), "painted inside the window"
        self.land[plane, place] = begin + np.arange(TILE_CELLS)

    def _less_repainting(self, ours: NDArray[np.bool_], after: State) -> NDArray[np.bool_]:
        """Leave out what dissolves; its place is country from the first frame of it on."""
        plane, column, step = after["laying"].tolist()
        if step == 2:
            self.repainted += 1
            cell = int(self.travelled[plane]) // CELL
            begin = cell + (column - cell + RING // 2) % RING - RING // 2
            self.land[plane, column + np.arange(TILE_CELLS) - RING] = begin + np.arange(TILE_CELLS)
        ours = ours.copy()
        ours[plane, column + np.arange(TILE_CELLS) - RING] = False
        return ours
