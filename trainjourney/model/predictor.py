"""`predictor.onnx`: a frame of travel, and a sampling step on the tile that is needed soonest."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from .codec import LATENT, Codec, known
from .denoiser import roughen
from .events import KINDS, beside, draw_event, event_told, following
from .layers import Wanted
from .network import CONTEXT, TALL, TILE, Network
from .placement import DISC, PAST, SKY, disc_cells, disc_told, draw_disc, draw_place
from .planes import DOWN, MATERIALS, PLANES, ROWS, VIEW_W
from .repaint import (
    FREE,
    TRACK,
    WAIT,
    Repaint,
    begin,
    dissolve,
    finish,
    lingering,
    out_of_date,
    ready,
    settle,
    tiles_of,
)
from .restart import go_back, may_restart
from .ring import CELL, CHANNELS, CONTEXT_CELLS, RING, TILE_CELLS, P, from_columns
from .runway import STALE, STILL, Road, choose, lay, roll
from .sampler import STEPS, euler

STRIDE = 1.0 / STEPS  # of time in a frame at cruising speed
HASTE = 1.0  # strides more for track and foreground, while others are repainted
FOLLOWING = 0.2  # of the dream lever, of tiles after the first of a departure
# Of the noise that a tile sets out from (truncation, Brock et al. 2019): less in the rows of the
# wires, where nothing is to surprise and one that breaks is seen by all.
CALM, WIRES = 0.5, slice(0, 8)  # their latent rows on the track
SEAM = 4  # latent columns of context decoded along with a tile, so that no seam shows


class PredictorGraph(nn.Module):
    """State, noise, embedding, speed, dream -> next state."""

    parallax: Tensor
    calm: Tensor
    comes_by = True  # anything on the track; not in country that was filmed

    def __init__(self, network: Network, codec: Codec) -> None:
        super().__init__()
        self.network, self.codec, self.wanted = network, codec, Wanted()
        self.register_buffer("parallax", torch.tensor([p.parallax for p in PLANES]))
        calm = torch.ones(P, TALL, 1)
        calm[TRACK, WIRES] = CALM
        self.register_buffer("calm", calm)

    def forward(
        self, ring: Tensor, position: Tensor, ahead: Tensor, behind: Tensor, tile: Tensor,
        job: Tensor, time: Tensor, disc: Tensor, event: Tensor, restarts: Tensor, painted: Tensor,
        seen: Tensor, fresh: Tensor, aim: Tensor, work: Tensor, sheet: Tensor, laying: Tensor,
        fade: Tensor, origin: Tensor, noise: Tensor, embedding: Tensor, speed: Tensor,
        dream: Tensor,
    ) -> tuple[Tensor, ...]:  # fmt: skip
        """One frame; the outputs are the state in the order of STATE."""
        before = Road(position, ahead, behind)
        road = roll(before, speed, self.parallax)
        again = Repaint(seen, fresh, aim, work, sheet, laying)
        again = settle(again, road.ahead - ahead, painted, speed)
        idle = job[3:] < 1
        slow = lingering(again, speed, self.parallax)
        wish, frames = choose(road, painted, embedding, speed, self.parallax, slow)
        stale = out_of_date(again, embedding, slow)
        hurry = stale.any()
        other, able, taken = begin(again, road, stale, dream, slow)
        departs = (dream > FREE) & (speed.abs() < STILL)  # no country is wanted but in the window
        able = able & ((frames.min() > WAIT) | departs)
        started = idle & able & (taken[2] == tiles_of(taken[0], dream))
        again = replace(
            again,
            work=torch.where(idle & able, taken, again.work),
            aim=torch.where(started, embedding, again.aim),
        )
        job = torch.where(idle, torch.where(able, other, wish), job)
        number = job[:1].long()
        free = (job[3:] == 2) & (again.work[2:3] == tiles_of(job[:1], dream)) & (dream > FREE)
        calm = torch.where(free[:, None, None], torch.ones_like(self.calm[:1]), self.calm[number])
        tile = torch.where(idle[:, None, None], calm[0] * noise[0], tile)
        time = torch.where(idle, torch.zeros_like(time), time)
        restarts = torch.where(idle, torch.zeros_like(restarts), restarts)

        told = torch.where(job[3] == 2, again.aim, embedding)
        drawn = self._draw(ring, road, job, again, dream, departs, told, noise[1])
        disc = torch.where(idle, drawn, disc)
        comes = self._come_by(event, job, departs, told, noise[1])
        event = torch.where(idle & (number == TRACK), comes, event)
        context = self.codec.encode(self._context(ring, job), number)
        context = torch.where(free, torch.zeros_like(context), context)
        # what a departure goes on from was dreamt in it
        level = 0.6 * torch.where(departs & ~free, torch.full_like(dream, FOLLOWING), dream)
        rough = roughen(context, level, noise[1][None, :LATENT, :, :CONTEXT])
        follows = 1.0 - free.float()
        lot = self._lot(disc, event, job)
        field = self.network(tile[None], time, rough, follows, level, lot, number, told[None])
        stride = torch.minimum(self._stride(road, job, speed, hurry), 1.0 - time)
        tile, time = euler(tile[None], field, time, stride)[0], time + stride

        once_more = (time > 0.999) & may_restart(
            job, restarts, frames, speed, departs, dream, hurry
        )
        back, earlier = go_back(tile, job[:1], noise[0])
        done = ((time > 0.999) & ready(again, job) & ~once_more).to(torch.int32)[0]
        joined = torch.cat([context[..., -SEAM:], tile[None, :LATENT]], 3)
        signs = known(tile[None, LATENT:])
        masks = self.codec.decode(joined, number, told[None], signs)[0, :, :, SEAM * DOWN :]
        masks = self.wanted(done > 0, (masks * 255.0).round().to(torch.uint8))
        again, road, painted = finish(again, road, painted, job, masks, done)
        ring, again = dissolve(ring, again, dream)
        ring, road, laid = lay(ring, road, job, masks, done * (job[3] == 1))
        row = torch.arange(2 * P, dtype=torch.int32) == job[0] + P * job[1]
        painted = torch.where((row & (laid > 0))[:, None], embedding[None], painted)
        # From here on the window fills with country of the look that the tile was dreamt in.
        renewed = (row[:P] | row[P:]) & (laid > 0) & ((again.seen @ embedding) < STALE)
        span = torch.where(renewed & (again.fresh < 1), road.margin(job[1]), again.fresh)
        span = torch.where(
            renewed & (again.fresh < 1), span + (VIEW_W - TILE_CELLS) * CELL, again.fresh
        )
        again = replace(again, fresh=span)
        tile = torch.where(once_more[:, None, None], back, tile)
        time = torch.where(once_more, earlier, time)
        restarts = restarts + once_more.to(torch.int32)
        job = torch.cat([job[:3], (job[3] * (1 - done)).reshape(1)])

        faith = ((embedding * origin).sum() * 2.5 - 1.25).clamp(0.0, 1.0)
        # half of it is gone after 3 s of cruising; a train that stands keeps its picture
        fade = fade * (1.0 - 0.007 * speed.abs().clamp(max=1.0) - 0.01 * dream)
        fade = torch.minimum(fade, fade + 0.1 * (faith - fade))
        return (
            ring, road.position, road.ahead, road.behind, tile, job, time, disc, event, restarts,
            painted, again.seen, again.fresh, again.aim, again.work, again.sheet, again.laying,
            fade, origin + 0.0,
        )  # fmt: skip

    def _context(self, ring: Tensor, job: Tensor) -> Tensor:
        """Masks of the country the tile is to continue, mirrored where it grows to the left."""
        at = _before(job, CONTEXT_CELLS) + job[0] * RING
        columns = ring[at.long()].float() / 255.0
        return from_columns(columns[None], CHANNELS)[:, :MATERIALS]

    def _draw(
        self, ring: Tensor, road: Road, job: Tensor, again: Repaint, dream: Tensor,
        departs: Tensor, look: Tensor, noise: Tensor,
    ) -> Tensor:  # fmt: skip
        """The sun in a tile of the sky that is begun, [3] as of `draw_disc`: its place by what was
        seen before it, in a departure by what was dreamt in it."""
        side, column = job[1], job[2]
        sky = ring[SKY * RING : (SKY + 1) * RING, DISC * ROWS : (DISC + 1) * ROWS]
        seen = sky[_before(job, PAST * DOWN).long()]
        discs = disc_cells(seen.float().t()[None] / 255.0)
        cell, beyond = road.position[SKY] // CELL, road.margin(1 - side)[SKY] // CELL
        left = cell + VIEW_W - TILE_CELLS - column
        # from the window's other edge; while a tile is dreamt that may have moved past it
        way = (torch.where(side > 0, left, column - cell) + TILE_CELLS) % RING - TILE_CELLS
        since = (tiles_of(job[:1], dream) - again.work[2:3]) * TILE_CELLS
        cells = torch.where(departs & (job[3] == 2), since, way + beyond)
        logits = self.network.placement(discs, cells // DOWN)
        chance = noise[LATENT : LATENT + 2, 0].flatten()[None]
        place = draw_place(logits, chance[:, : TILE + 1])
        sizes = self.network.placement.sizes(look[None])
        return draw_disc(place, *sizes, chance[:, TILE + 1 : TILE + 4], TILE)[0]

    def _come_by(
        self, event: Tensor, job: Tensor, departs: Tensor, look: Tensor, noise: Tensor
    ) -> Tensor:
        """What stands by the track when a tile of it is begun, [3] as of `following`: in a
        departure nothing, so that a show begins with an open view."""
        if not self.comes_by:
            return event
        chance = noise[LATENT : LATENT + 2, 1].flatten()[None, : len(KINDS) + 3]
        drawn = draw_event(self.network.events(look[None]), chance)
        comes = following(event, drawn, job[1], job[2], RING, TILE_CELLS)
        return torch.where(departs & (job[3] == 2), torch.zeros_like(comes), comes)

    def _lot(self, disc: Tensor, event: Tensor, job: Tensor) -> Tensor:
        """What the network is told for the tile of a job, [1, TOLD, TALL, TILE]."""
        near, nothing = beside(event, job[2], RING, TILE_CELLS), -torch.ones_like(disc)
        sun = torch.where(job[:1] == SKY, disc, nothing)
        comes = torch.where(job[:1] == TRACK, near, nothing)
        told = event_told(comes[None], job[1:2] > 0, TILE)
        return torch.cat([disc_told(sun[None], TILE), told], 1)

    def _stride(self, road: Road, job: Tensor, speed: Tensor, hurry: Tensor) -> Tensor:
        """Of time in this frame, [1]: longer at speed, where hardly any country is left, and, in a
        `hurry` to repaint, for what passes by soon."""
        mine = torch.arange(P, dtype=torch.int32) == job[0]
        margin = (road.margin(job[1]) * mine).sum()
        pressed = (margin < TILE_CELLS * CELL // 8).float() * 2.0
        passing = (hurry & (job[0] >= TRACK) & (job[3] == 1)).float() * HASTE
        stride = (speed.abs() / 0.9 + pressed + passing).clamp(min=1.0, max=4.0) * STRIDE
        return stride.reshape(1)


def _before(job: Tensor, count: int) -> Tensor:
    """The `count` columns of the ring before the tile of a job, from the furthest on; those on its
    right, mirrored, where it grows to the left."""
    along = torch.arange(count, dtype=torch.int32)
    left = job[2] + TILE_CELLS + count - 1 - along
    return torch.where(job[1] > 0, left, job[2] - count + along) % RING
