"""What the dream network and its lot learn of suns: those of the skies of a batch."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ..model.network import TILE
from ..model.placement import DISC, PAST, SKY, Placement, disc_cells
from ..model.planes import DOWN
from .country import Country
from .dataset import CELLS

SHORT, NOTHING = 0.3, 0.1  # of the skies, whose past is cut short, and is unknown


class Suns(NamedTuple):
    """The skies of a batch: which they are [S], cells of a disc in the columns before the tile
    [S, PAST], how many of these are known [S], the latent column of its sun, or TILE, [S], the disc
    of the sun that is seen in it, wholly or not, [S, 3] (placement.py), and the look [S, SIZE]."""

    of: Tensor
    past: Tensor
    known: Tensor
    place: Tensor
    disc: Tensor
    look: Tensor


def suns_of(
    country: Country, discs: Tensor, rng: torch.Generator, n: Tensor, plane: Tensor,
    mirrored: Tensor, at: Tensor, look: Tensor,
) -> Suns:  # fmt: skip
    """Of the skies among places: all styles' `discs` [N, SUNS, 3] as Shards has them; style, plane,
    mirrored, first column of the tile, [B] each, and look [B, SIZE]."""
    of = (plane == SKY).nonzero()[:, 0]
    if not len(of):
        none = torch.zeros(0, PAST, device=of.device)
        return Suns(of, none, of, of, none[:, :3], look[of])
    zero = torch.zeros_like(of)
    strips = country.masks(n[of], plane[of], zero, CELLS)[:, DISC].float() / 255.0
    cells = disc_cells(torch.where(mirrored[of, None, None], strips.flip(2), strips))
    along = at[of, None] + torch.arange(-PAST, 0, device=at.device)
    past = cells.gather(1, along.clamp(min=0)) * (along >= 0)
    disc = discs[n[of]]
    disc[..., 0] = torch.where(mirrored[of, None], CELLS - 1 - disc[..., 0], disc[..., 0])
    disc[..., 0] -= at[of, None] * DOWN
    near, radius = (disc[..., 0] - (TILE * DOWN - 1) / 2).abs(), disc[..., 2]
    seen = (radius > 0.0) & (near < TILE * DOWN / 2 + radius)  # one at most: they stand far apart
    disc = (disc * seen[..., None]).sum(1)
    column = ((disc[:, 0] + 0.5) / DOWN).floor()
    within = (disc[:, 2] > 0.0) & (column >= 0) & (column < TILE)
    place = torch.where(within, column, torch.full_like(column, TILE)).long()
    # of some less is known, as if the journey began there; of some nothing, as at a departure
    cut = torch.randint(PAST, (len(of),), generator=rng)
    chance = torch.rand(2, len(of), generator=rng)
    cut = torch.where(chance[0] < SHORT, cut, torch.full_like(cut, PAST))
    cut = (cut * (chance[1] >= NOTHING)).to(at.device)
    return Suns(of, past, torch.minimum(at[of], cut), place, disc, look[of])


def lot_loss(placement: Placement, suns: Suns) -> Tensor:
    """How surprised the lot is by where they stand, and by their rows and radii."""
    said = placement(suns.past, suns.known).float()
    mean, spread = placement.sizes(suns.look)
    off = (suns.disc[:, 1:] - mean) / spread
    sizes = (spread.log() + 0.5 * off.square()).sum(1) * (suns.disc[:, 2] > 0.0)
    return F.cross_entropy(said, suns.place) + sizes.mean()
