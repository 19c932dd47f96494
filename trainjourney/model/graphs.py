"""The four graphs of the pocket bundle: start a state from a picture, predict, decode, embed.

The state is a ring of `RING` columns per plane. The window stands somewhere in it; right and left
of the window lies painted country (the runway and what was passed). Every predicted frame moves
the window and takes one sampling step on one tile, the one whose plane will need it soonest.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .codec import DOWN, LATENT, Codec
from .decoder import GRAIN, RESIDUAL, Composite, Decoder
from .denoiser import roughen
from .embedder import SIZE, Embedder
from .encoder import Encoder
from .network import CONTEXT, TALL, TILE, Network
from .planes import HEIGHT, MATERIALS, PLANES, ROWS, TRAVEL, VIEW_W, WIDTH

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
    "tile": ((LATENT, TALL, TILE), "float32"),  # the tile being dreamt
    "job": ((4,), "int32"),  # its plane, side (1 left), ring column, 1 if begun
    "time": ((1,), "float32"),  # how far it is, 0 noise, 1 done
    "look": ((SIZE,), "float32"),  # the embedding the window is painted in
    "fade": ((1,), "float32"),  # how much of the start picture's own colour is left
    "origin": ((SIZE,), "float32"),  # the start picture's embedding
}
NOISE = (2, LATENT, TALL, TILE)  # for a new tile; for roughening its context
_STILL = 0.2  # speed below which the order of the planes no longer changes
_STRIDE = 1.0 / 8.0  # of time in a frame at cruising speed: eight steps a tile
_ROOM = RING - VIEW_W - TILE_CELLS  # most country ahead that leaves room for one more tile


def to_columns(planes: Tensor) -> Tensor:
    """[P, C, ROWS, W] -> [P, W, C * ROWS], as the ring keeps it."""
    return planes.permute(0, 3, 1, 2).flatten(2)


def from_columns(columns: Tensor, channels: int) -> Tensor:
    """[P, W, C * ROWS] -> [P, C, ROWS, W]."""
    return columns.unflatten(2, (channels, ROWS)).permute(0, 2, 3, 1)


class PictureGraph(nn.Module):
    """`embedder.onnx`: picture uint8 [h, w, 3] -> embedding [SIZE]."""

    def __init__(self, embedder: Embedder) -> None:
        super().__init__()
        self.embedder = embedder

    def forward(self, picture: Tensor) -> Tensor:
        """Embed one picture."""
        return self.embedder(picture.permute(2, 0, 1)[None].float() / 255.0)[0]


class DecoderGraph(nn.Module):
    """`decoder.onnx`: ring, position, look, fade -> frame uint8 [H, W, 3]."""

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        self.decoder = decoder
        self.base: Tensor
        self.grain: Tensor
        self.register_buffer("base", torch.arange(P, dtype=torch.int32)[:, None])
        self.register_buffer("span", torch.arange(VIEW_W + 1, dtype=torch.int32)[None])
        grain = to_columns(decoder.grain).flatten(0, 1)
        self.register_buffer("grain", grain.contiguous())

    def forward(self, ring: Tensor, position: Tensor, look: Tensor, fade: Tensor) -> Tensor:
        """See through the window."""
        cell = torch.div(position, CELL, rounding_mode="floor")
        phase = (position - cell * CELL).float() / CELL
        at = cell[:, None] + self.span
        near = ring[(self.base * RING + at % RING).long().flatten()].float()
        weave = self.grain[(self.base * VIEW_W + at % VIEW_W).long().flatten()]
        f = phase[:, None, None]
        near = near.view(P, VIEW_W + 1, -1)
        near = near[:, :-1] * (1.0 - f) + near[:, 1:] * f
        weave = weave.view(P, VIEW_W + 1, -1)
        weave = weave[:, :-1] * (1.0 - f) + weave[:, 1:] * f
        sheets = from_columns(near, CHANNELS)[None]
        picture = self.decoder(
            sheets[:, :, :MATERIALS] / 255.0,
            phase[None],
            from_columns(weave, GRAIN)[None],
            (sheets[:, :, MATERIALS:] - 128.0) / 127.0 * fade,
            look[None],
        )
        return (picture[0].clamp(0, 1) * 255.0).round().permute(1, 2, 0).to(torch.uint8)


class PredictorGraph(nn.Module):
    """`predictor.onnx`: state, noise, embedding, speed, dream -> next state."""

    def __init__(self, network: Network, codec: Codec) -> None:
        super().__init__()
        self.network, self.codec = network, codec
        self.parallax: Tensor
        parallax = torch.tensor([p.parallax for p in PLANES])
        self.register_buffer("parallax", parallax)
        self.register_buffer("context_span", torch.arange(CONTEXT_CELLS, dtype=torch.int32))
        self.register_buffer("tile_span", torch.arange(TILE_CELLS, dtype=torch.int32))
        self.register_buffer("plane_numbers", torch.arange(P, dtype=torch.int32))

    def forward(
        self, ring: Tensor, position: Tensor, ahead: Tensor, behind: Tensor, tile: Tensor,
        job: Tensor, time: Tensor, look: Tensor, fade: Tensor, origin: Tensor, noise: Tensor,
        embedding: Tensor, speed: Tensor, dream: Tensor,
    ) -> tuple[Tensor, ...]:  # fmt: skip
        """One frame; the outputs are the state in the order of STATE."""
        way = (speed * TRAVEL * CELL * self.parallax).round().to(torch.int32)
        way = torch.maximum(torch.minimum(way, ahead), -behind)  # a plane waits for its country
        position = (position + way) % (RING * CELL)
        ahead, behind = ahead - way, behind + way

        job, tile, time = self._begin(job, tile, time, position, ahead, behind, noise[0], speed)
        plane, side, column = job[0], job[1], job[2]
        context = self._context(ring, plane, side, column)
        number = plane[None].long()
        level = (0.6 * dream).reshape(1)
        rough = roughen(
            self.codec.encode(context, number), level, noise[1][None, :, :, :CONTEXT]
        )
        field = self.network(
            tile[None], time, rough, torch.ones_like(time), level, number, embedding[None]
        )
        stride = (speed.abs() * (_STRIDE / 1.15)).clamp(min=_STRIDE, max=1.0)
        stride = torch.minimum(stride, 1.0 - time)
        tile = tile + stride * field[0]
        time = time + stride

        done = (time > 0.999).to(torch.int32) * job[3]
        painted = self.codec.decode(torch.cat([rough, tile[None]], 3), number)[..., CONTEXT_CELLS:]
        ring, ahead, behind = self._lay(
            ring, painted[0], plane, side, column, done[0], position, ahead, behind
        )
        job = torch.cat([job[:3], job[3:] * (1 - done)])
        faith = ((embedding * origin).sum() * 2.5 - 1.25).clamp(0.0, 1.0)
        fade = fade * (1.0 - 0.01 * dream)
        fade = torch.minimum(fade, fade + 0.1 * (faith - fade))
        return ring, position, ahead, behind, tile, job, time, embedding + 0.0 * look, fade, origin

    def _begin(
        self, job: Tensor, tile: Tensor, time: Tensor, position: Tensor, ahead: Tensor,
        behind: Tensor, noise: Tensor, speed: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
        """Where no tile is being dreamt, begin the one that will be needed soonest."""
        left = (speed < 0.0).to(torch.int32)
        margin = torch.where(left > 0, behind, ahead).float() / CELL
        pace = self.parallax * TRAVEL * speed.abs().clamp(min=_STILL)
        soonest = ((margin + 4.0) / pace + (margin > _ROOM).float() * 1e7).argmin().to(torch.int32)
        mine = self.plane_numbers == soonest
        edge_right = (position + ahead) // CELL + VIEW_W
        edge_left = (position - behind) // CELL - TILE_CELLS
        column = torch.where(left > 0, edge_left, edge_right) % RING
        column = (column * mine).sum().to(torch.int32)
        fresh = torch.stack([soonest, left.reshape(()), column, torch.ones_like(soonest)])
        idle = job[3:] < 1
        job = torch.where(idle, fresh, job)
        tile = torch.where(idle[:, None, None], noise, tile)
        return job, tile, torch.where(idle, torch.zeros_like(time), time)

    def _context(self, ring: Tensor, plane: Tensor, side: Tensor, column: Tensor) -> Tensor:
        """Masks of the country the tile is to continue, mirrored where it grows to the left."""
        right = column - CONTEXT_CELLS + self.context_span
        left = column + TILE_CELLS + CONTEXT_CELLS - 1 - self.context_span
        at = torch.where(side > 0, left, right) % RING + plane * RING
        columns = ring[at.long()].float() / 255.0
        return from_columns(columns[None], CHANNELS)[:, :MATERIALS]

    def _lay(
        self, ring: Tensor, painted: Tensor, plane: Tensor, side: Tensor, column: Tensor, done: Tensor,
        position: Tensor, ahead: Tensor, behind: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
        """Lay a finished tile into the ring, if its place is still at the edge of its plane's country."""
        mine = (self.plane_numbers == plane).to(torch.int32)
        edge_right = ((position + ahead) // CELL + VIEW_W) % RING
        edge_left = ((position - behind) // CELL - TILE_CELLS) % RING
        edge = torch.where(side > 0, edge_left, edge_right)
        margin = torch.where(side > 0, behind, ahead)
        fits = (edge == column) & (margin <= _ROOM * CELL)
        ok = (mine * fits.to(torch.int32)).sum() * done
        masks = (painted.clamp(0, 1) * 255.0).round().to(torch.uint8)
        blank = torch.full((RESIDUAL, ROWS, TILE_CELLS), 128, dtype=torch.uint8)
        new = to_columns(torch.cat([masks, blank])[None])[0]
        forward = self.tile_span
        order = torch.where(side > 0, TILE_CELLS - 1 - forward, forward)
        at = ((column + order) % RING + plane * RING).long()
        new = torch.where(ok > 0, new, ring[at])
        ring = ring.index_put((at,), new)
        gain = mine * ok * (TILE_CELLS * CELL)
        ahead, behind = ahead + gain * (1 - side), behind + gain * side
        most = (RING - VIEW_W) * CELL
        over = (ahead + behind - most).clamp(min=0)
        over = -((-over) // (TILE_CELLS * CELL)) * (TILE_CELLS * CELL)  # whole tiles are forgotten
        behind = torch.where(side > 0, behind, behind - over)
        ahead = torch.where(side > 0, ahead - over, ahead)
        return ring, ahead, behind


class EncoderGraph(nn.Module):
    """`encoder.onnx`: frame uint8 [H, W, 3] -> a state whose window shows it."""

    def __init__(self, encoder: Encoder, codec: Codec, decoder: Decoder, embedder: Embedder) -> None:
        super().__init__()
        self.encoder, self.codec, self.decoder, self.embedder = encoder, codec, decoder, embedder
        self.composite = Composite()
        self.register_buffer("plane_numbers", torch.arange(P))

    def forward(self, frame: Tensor) -> tuple[Tensor, ...]:
        """Guess the planes, and keep what the guess does not say as a residual on each plane."""
        picture = frame.permute(2, 0, 1)[None].float() / 255.0
        look = self.embedder(F.avg_pool2d(picture, 4))
        small = F.avg_pool2d(picture, 2)
        masks = self.codec.decode(self.encoder(small)[0], self.plane_numbers)
        masks = (masks.clamp(0, 1) * 255.0).round()
        sheets = masks[None] / 255.0
        phase = torch.zeros(1, P)
        none = torch.zeros(1, P, RESIDUAL, ROWS, VIEW_W)
        said = self.decoder(sheets, phase, self.decoder.grain[None], none, look)
        missing = (small - F.avg_pool2d(said.clamp(0, 1), 2))[0]  # [3, VIEW_H, VIEW_W]
        residual = torch.stack(self._attach(sheets, missing))
        kept = ((residual.clamp(-1, 1) * 127.0).round() + 128.0).to(torch.uint8)
        view = to_columns(torch.cat([masks.to(torch.uint8), kept], 1))
        blank = torch.cat(
            [
                torch.zeros(P, RING - VIEW_W, MATERIALS * ROWS, dtype=torch.uint8),
                torch.full((P, RING - VIEW_W, RESIDUAL * ROWS), 128, dtype=torch.uint8),
            ],
            2,
        )
        ring = torch.cat([view, blank], 1).flatten(0, 1)
        zeros = torch.zeros(P, dtype=torch.int32)
        tile, job = torch.zeros(LATENT, TALL, TILE), torch.zeros(4, dtype=torch.int32)
        one = torch.ones(1)
        return ring, zeros, zeros + 0, zeros + 0, tile, job, one * 0.0, look[0], one, look[0] + 0.0

    def _attach(self, sheets: Tensor, missing: Tensor) -> list[Tensor]:
        """What is missing, given to the plane that is seen there: [3, ROWS, VIEW_W] for each."""
        codes, sky = sheets.new_zeros(1, P, MATERIALS, 8), sheets.new_zeros(1, 8, 1, 1)
        sky = sky.expand(1, 8, sheets.shape[3] * 2, 1)
        _, shares = self.composite(sheets, sheets.new_zeros(1, P, 1, ROWS, VIEW_W), codes, sky)
        out = []
        for p, plane in enumerate(PLANES):
            share = shares[0, p] if p else 1.0 - shares[0, 1:].sum(0)
            weighted = torch.cat([missing * (share * 1.5).clamp(max=1.0), share[None] * 0.0])[:3]
            rows = weighted[:, plane.top : plane.top + ROWS * plane.stretch]
            out.append(rows.unflatten(1, (ROWS, plane.stretch)).mean(2))
        return out


FRAME_SHAPE = (HEIGHT, WIDTH, 3)
