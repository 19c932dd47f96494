"""What comes by on the track, longer than a tile: platforms, bridges and tunnels, drawn by lot.

A network that dreams a tile at a time, beside half a tile that it continues, cannot know how long
a bridge already is, nor where its next post is to stand: they end in mid-air, or come to nothing.
So what comes, where it begins and how long it is are drawn when a tile of the track is begun, are
kept until it has passed, and are told for every tile that it stands in.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .embedder import SIZE
from .placement import even
from .planes import DOWN, ROWS


@dataclass(frozen=True)
class Kind:
    """Along it, in cells: what stands in it again and again (from its begin on, up to so long
    before its end, so wide), and the portals that reach beyond its ends, if it has any. What
    `hides` the country is never drawn: a train may stand in it for hours."""

    first: float
    step: float
    wide: float
    until: float
    portal: tuple[float, float] | None = None  # outside, inside
    hides: bool = False


KINDS = {
    "platform": Kind(25.0, 42.0, 2.0, 20.0),
    "bridge": Kind(0.0, 40.0, 3.5, 0.0),
    "tunnel": Kind(25.0, 45.0, 13.0, 15.0, (11.0, 3.0), hides=True),
}
NONE = 0  # in the place of a kind, which is 1 and more
LONG = (130.0, 260.0)  # cells, of any
APART = 48.0  # cells that the last one lies behind, before another is drawn
EDGE = 12.0  # cells from the beginning of a tile, at which one may begin: portals stand before it
EVENT_TOLD = 3 + (len(KINDS) + 1) * DOWN  # channels in which the network is told of them
_SELDOM = 3.0  # how much likelier none is, before anything is learnt
_NEVER = 1e6
_RAMP = 64.0  # cells from an end of it that are counted


class Events(nn.Module):
    """From the look to how likely each kind begins in a tile of the track, or none."""

    def __init__(self) -> None:
        super().__init__()
        self.look = nn.Linear(SIZE, len(KINDS) + 1)
        nn.init.zeros_(self.look.weight)
        self.look.bias = nn.Parameter(torch.tensor([_SELDOM] + [0.0] * len(KINDS)))

    def forward(self, embedding: Tensor) -> Tensor:
        """Logits [B, KINDS + 1], the first of none, of looks [B, SIZE]."""
        said: Tensor = self.look(embedding * SIZE**0.5)
        return said


def draw_event(logits: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """A kind or NONE, 0..1 of the way along the tile where it begins, and its length in cells, [B]
    each, of logits [B, KINDS + 1] and normal noise [B, KINDS + 3]."""
    chance = even(noise)
    logits = logits - torch.tensor([0.0] + [_NEVER * kind.hides for kind in KINDS.values()])
    kind = (logits - (-chance[:, :-2].log()).log()).argmax(1)
    return kind, chance[:, -2], LONG[0] + (LONG[1] - LONG[0]) * chance[:, -1]


def following(
    event: Tensor, drawn: tuple[Tensor, Tensor, Tensor], left: Tensor, column: Tensor,
    ring: int, tile: int,
) -> Tensor:  # fmt: skip
    """What is kept when a tile at a ring column is begun, which grows to the `left` or not: the
    last event [3] (kind, ring column where it begins from the left, length) until it lies behind,
    then what was drawn for this tile, [1] each as of `draw_event`."""
    kind, along, length = drawn
    _, last, back = _beside(event, column, ring, tile).unbind(0)
    gone = torch.where(left > 0, tile - (last - back), last)  # its far end, from the tile's begin
    keeps = (event[0] != NONE) & (gone > -APART)
    begins = EDGE + (tile - EDGE) * along[0]
    first = torch.where(left > 0, tile - begins - length[0], begins)
    new = torch.stack([kind[0].float(), (first + column + ring) % ring, length[0]])
    new = new * (kind[0] != NONE).float()
    return torch.where(keeps, event, new)


def _beside(event: Tensor, column: Tensor, ring: int, tile: int) -> Tensor:
    """Kind, end and length of an event, its end in cells from the left corner of a tile."""
    kind, first, length = event.unbind(0)
    away = (first - column + 0.5 * (length - tile) + 1.5 * ring) % ring - 0.5 * ring
    return torch.stack([kind, away + 0.5 * (length + tile), length])


def beside(event: Tensor, column: Tensor, ring: int, tile: int) -> Tensor:
    """An event [3] as kept, as it lies beside a tile at a ring column: kind, first and last cell
    from the tile's left corner."""
    kind, last, length = _beside(event, column, ring, tile).unbind(0)
    return torch.stack([kind, last - length, last])


def event_told(event: Tensor, mirrored: Tensor, tile: int) -> Tensor:
    """What the network is told of events [B, 3] (kind, first and last cell from the left corner of
    a tile, unmirrored; a kind below 0 where nothing was drawn) in a tile, turned round where it is
    mirrored [B]: [B, EVENT_TOLD, ROWS / DOWN, tile].

    1 all over the first channel where it was drawn; how far each column is from begin and end; of
    every cell how much each kind covers, and what stands in it again and again.
    """
    kind, first, last = event[:, :, None].unbind(1)
    along = torch.arange(tile * DOWN, device=event.device)
    begun, left = along - first, last - along
    inside = _cover(begun, left) * (kind > NONE).float()
    ramps = [(x / _RAMP).clamp(0.0, 1.0) * inside for x in (begun, left)]
    covers, marks = [], torch.zeros_like(inside)
    for number, (_, what) in enumerate(KINDS.items(), NONE + 1):
        mine = (kind == number).float()
        since = begun - what.first
        in_step = since - what.step * (since / what.step + 1e-4).floor()
        stands = _cover(in_step, what.wide - in_step) * _cover(since, left - what.until)
        if what.portal:
            outside, within = what.portal
            for side in (begun, left):
                stands = torch.maximum(stands, _cover(side + outside, within - side))
        covers.append(inside * mine)
        marks = marks + stands * mine
    drawn = (kind >= 0.0).float()
    columns = torch.stack(ramps, 1).view(-1, 2, tile, DOWN).mean(3)
    cells = torch.stack([*covers, marks], 1).view(-1, len(KINDS) + 1, tile, DOWN)
    told = torch.cat([drawn[:, None].expand(-1, 1, tile), columns], 1)
    cells = torch.where(mirrored[:, None, None, None], cells.flip(3), cells)
    told = torch.cat([told, cells.transpose(2, 3).flatten(1, 2)], 1)
    told = torch.where(mirrored[:, None, None], told.flip(2), told)
    return told[:, :, None].expand(-1, -1, ROWS // DOWN, -1)


def _cover(since: Tensor, until: Tensor) -> Tensor:
    """How much of a cell lies between two ends, from their distances."""
    return (torch.minimum(since, until) + 0.5).clamp(0.0, 1.0)
