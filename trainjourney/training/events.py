"""What the dream network and its lot learn of what comes by on the track."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ..model.events import EDGE, NONE, Events
from ..model.network import TILE
from ..model.planes import DOWN
from ..model.repaint import TRACK

_REACH = 11.0  # cells beyond its ends, where its portals stand
_CELLS = TILE * DOWN


class Passing(NamedTuple):
    """The tracks of a batch in which none stands already where the tile begins: the kind that
    begins in it or NONE [T], and the look [T, SIZE]."""

    kind: Tensor
    look: Tensor


def events_beside(events: Tensor, plane: Tensor, left: Tensor) -> Tensor:
    """Which of all of a place [B, EVENTS, 3] (kind, first and last cell of its strip) stands in a
    tile whose left corner is cell `left` [B]: kind, first and last cell from there, [B, 3]; NONE
    where none does, less where the plane [B] is not the track."""
    kind, ends = events[..., 0], events[..., 1:] - left[:, None, None]
    seen = (kind > NONE) & (ends[..., 1] > -_REACH) & (ends[..., 0] < _CELLS + _REACH)
    beside = torch.cat([kind[..., None], ends], 2) * seen[..., None]
    one = beside.sum(1)  # at most: they stand far apart
    return torch.where((plane == TRACK)[:, None], one, torch.full_like(one, -1.0))


def passing(event: Tensor, mirrored: Tensor, look: Tensor) -> Passing:
    """Of events as of `events_beside`, of tiles that are mirrored [B] or not, and of looks."""
    kind, first, last = event.unbind(1)
    near = torch.where(mirrored, _CELLS - 1 - last, first)
    stands = (kind > NONE) & (near < EDGE)
    begins = (kind > NONE) & (near < _CELLS)
    of = ((kind >= NONE) & ~stands).nonzero()[:, 0]
    return Passing(torch.where(begins, kind, torch.zeros_like(kind))[of].long(), look[of])


def passing_loss(events: Events, here: Passing) -> Tensor:
    """How surprised the lot is by what begins."""
    return F.cross_entropy(events(here.look).float(), here.kind)
