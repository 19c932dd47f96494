"""Where the next sun is to stand: drawn by lot before its tile of the sky is dreamt.

What stands alone in a window and a half a network that dreams a tile at a time gets wrong: it sees
too little, and each place of a tile decides for itself. So of the suns, which stay in sight for
minutes, the place is drawn first, from all that the sky has shown; then the tile is dreamt.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .planes import DOWN, PLANES

SKY = [plane.name for plane in PLANES].index("sky")
DISC = PLANES[SKY].materials.index("disc")
PAST = 104  # latent columns of the sky that are looked back on: more than from sun to sun
_FULL = 4 * DOWN  # cells of a disc in a latent column that are surely one


class Placement(nn.Module):
    """From the suns of the past to how likely each latent column of a tile has one, or none has."""

    def __init__(self, tile: int, width: int = 64) -> None:
        super().__init__()
        self.past = nn.Linear(2 * PAST, width)
        self.place = nn.Linear(width, tile + 1)

    def forward(self, discs: Tensor, known: Tensor) -> Tensor:
        """Logits [B, TILE + 1], the last of none. `discs` [B, PAST] are the cells of a disc in each
        latent column before the tile, of which the nearest `known` [B] have been seen."""
        there = torch.arange(PAST, 0, -1, device=discs.device) <= known[:, None]
        seen = (discs / _FULL).clamp(max=1.0) * there
        said: Tensor = self.place(F.silu(self.past(torch.cat([seen, there.float()], 1))))
        return said


def disc_cells(masks: Tensor) -> Tensor:
    """Cells of a disc by latent column, [B, W / DOWN], of masks of the sky [B, ROWS, W] 0..1."""
    return masks.sum(1).view(len(masks), -1, DOWN).sum(2)


def draw(logits: Tensor, noise: Tensor) -> Tensor:
    """A column or, TILE, none, [B], by the Gumbel trick: logits and normal noise [B, TILE + 1]."""
    even = (0.5 + 0.5 * torch.erf(noise * 0.5**0.5)).clamp(1e-6, 1.0 - 1e-6)
    drawn: Tensor = (logits - (-even.log()).log()).argmax(1)
    return drawn


def heading(place: Tensor, tile: int) -> Tensor:
    """What the network is told of a place drawn [B]: [B, 2, TILE], 1 in all of the first row where
    it was drawn at all (not below 0), and 1 in the second in its column."""
    drawn = (place >= 0).float()[:, None].expand(-1, tile)
    here = (torch.arange(tile, device=place.device) == place[:, None]).float()
    return torch.stack([drawn, here], 1)
