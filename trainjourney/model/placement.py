"""Where the next sun is to stand: its disc is drawn by lot before its tile of the sky is dreamt.

What stands alone in a window and a half a network that dreams a tile at a time gets wrong: it sees
too little, and each place of a tile decides for itself, of the place of a sun and of its outline.
So of the suns, which stay in sight for minutes, the disc is drawn first, its place from all that
the sky has shown, its height and size from the look; then the tile is dreamt around it.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .embedder import SIZE
from .planes import DOWN, PLANES, ROWS

SKY = [plane.name for plane in PLANES].index("sky")
DISC = PLANES[SKY].materials.index("disc")
PAST = 104  # latent columns of the sky that are looked back on: more than from sun to sun
DISC_TOLD = 2 + DOWN * DOWN  # channels in which the network is told of a disc
SMALL, LARGE = 2.0, 24.0  # cells, radius of the discs that are drawn
_FULL = 4 * DOWN  # cells of a disc in a latent column that are surely one
_ROW, _RADIUS = (32.0, 16.0), (8.0, 4.0)  # cells: where they usually are, and how far from it
_ODD = 1.5  # of its spread: no disc that is drawn is odder


class Placement(nn.Module):
    """From the suns of the past to how likely each latent column of a tile has one, or none has;
    from the look to where its suns are high and how large."""

    def __init__(self, tile: int, width: int = 64) -> None:
        super().__init__()
        self.past = nn.Linear(2 * PAST, width)
        self.place = nn.Linear(width, tile + 1)
        self.look = nn.Linear(SIZE, width)
        self.size = nn.Linear(width, 4)

    def forward(self, discs: Tensor, known: Tensor) -> Tensor:
        """Logits [B, TILE + 1], the last of none. `discs` [B, PAST] are the cells of a disc in each
        latent column before the tile, of which the nearest `known` [B] have been seen."""
        there = torch.arange(PAST, 0, -1, device=discs.device) <= known[:, None]
        seen = (discs / _FULL).clamp(max=1.0) * there
        said: Tensor = self.place(F.silu(self.past(torch.cat([seen, there.float()], 1))))
        return said

    def sizes(self, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """Of a look [B, SIZE] its suns' rows and radii, mean and spread, [B, 2] cells each."""
        said = self.size(F.silu(self.look(embedding * SIZE**0.5)))
        mean, wide = said[:, :2], said[:, 2:].clamp(-4.0, 1.0).exp()
        means, spreads = [], []
        for i, (usual, far) in enumerate((_ROW, _RADIUS)):
            means.append(usual + far * mean[:, i])
            spreads.append(far * wide[:, i])
        return torch.stack(means, 1), torch.stack(spreads, 1)


def disc_cells(masks: Tensor) -> Tensor:
    """Cells of a disc by latent column, [B, W / DOWN], of masks of the sky [B, ROWS, W] 0..1."""
    return masks.sum(1).view(len(masks), -1, DOWN).sum(2)


def draw_place(logits: Tensor, noise: Tensor) -> Tensor:
    """A column or, TILE, none, [B], by the Gumbel trick: logits and normal noise [B, TILE + 1]."""
    drawn: Tensor = (logits - (-even(noise).log()).log()).argmax(1)
    return drawn


def draw_disc(place: Tensor, mean: Tensor, spread: Tensor, noise: Tensor, tile: int) -> Tensor:
    """A disc in that column, wholly in the tile: its centre in cells from the tile's corner, and
    its radius, 0 for none, [B, 3]. mean, spread [B, 2] as of `sizes`, normal noise [B, 3]."""
    row, radius = (mean + spread * noise[:, :2].clamp(-_ODD, _ODD)).unbind(1)
    radius = radius.clamp(SMALL, LARGE)
    column = DOWN * (place + even(noise[:, 2])) - 0.5
    column = torch.minimum(torch.maximum(column, radius), tile * DOWN - 1.0 - radius)
    disc = torch.stack([column, row.clamp(0.0, ROWS - 1.0), radius], 1)
    return disc * (place < tile).float()[:, None]


def disc_told(disc: Tensor, tile: int) -> Tensor:
    """What the network is told of discs [B, 3], as `draw_disc` gives them, or of a radius below 0
    where nothing was drawn: [B, DISC_TOLD, ROWS / DOWN, tile]. 1 all over the first channel where
    it was drawn, 1 in the column of its centre in the second, and how much of each cell it covers.
    """
    x, y, radius = disc[:, :, None, None].unbind(1)
    along = torch.arange(tile * DOWN, device=disc.device)
    across = torch.arange(ROWS, device=disc.device)[:, None]
    away = ((along - x).square() + (across - y).square()).sqrt()
    cover = (radius + 0.5 - away).clamp(0.0, 1.0) * (radius > 0.0)
    cells = F.pixel_unshuffle(cover[:, None], DOWN)
    here = (torch.arange(tile, device=disc.device) == ((x + 0.5) / DOWN).floor()) & (radius > 0.0)
    drawn = (radius >= 0.0).float()[..., None].expand_as(cells[:, :1])
    return torch.cat([drawn, here.float()[:, None].expand_as(drawn), cells], 1)


def even(noise: Tensor) -> Tensor:
    """Even chance, 0..1, of normal noise."""
    return (0.5 + 0.5 * torch.erf(noise * 0.5**0.5)).clamp(1e-6, 1.0 - 1e-6)
