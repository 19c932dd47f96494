"""The network that dreams a tile of one plane: velocity of a noisy latent beside its context."""

import torch
from torch import Tensor, nn

from .codec import LATENT
from .embedder import SIZE
from .events import EVENT_TOLD, Events
from .layers import Block, ChannelNorm, conv
from .placement import DISC_TOLD, Placement
from .planes import PLANES, SIGNS

CONTEXT, TILE, TALL = 16, 32, 16  # latent columns of context and of a new tile; latent rows
DREAMT = LATENT + SIGNS  # channels of a tile while it is dreamt; the signs are then let go
TOLD = DISC_TOLD + EVENT_TOLD  # channels of what was drawn by lot: see placement.py, events.py


class Network(nn.Module):
    """U-Net over [context | tile]; conditions: time, embedding, plane, context noise.

    An embedding of zeros means 'any look'; a mask of zeros means 'no context' (cold start). Beside
    the latent the network dreams signs, a little ahead of it: what a thing is before what it
    looks like (after ReDi, Kouzelis et al. 2025). Of the context no signs are known.
    """

    def __init__(self, width: int = 64, blocks: int = 2) -> None:
        super().__init__()
        k, w1, w2 = 4 * width, 2 * width, 4 * width
        self.position = nn.Parameter(torch.zeros(1, width, TALL, CONTEXT + TILE))
        self.plane = nn.Embedding(len(PLANES), k)
        self.look = nn.Linear(SIZE, k)
        self.scalars = nn.Linear(2 * 16, k)
        self.condition = nn.Sequential(nn.SiLU(), nn.Linear(k, k), nn.SiLU())
        self.placement, self.events = Placement(TILE), Events()
        self.heading = conv(TOLD, width)
        nn.init.zeros_(self.heading.weight)
        self.start = conv(DREAMT + 1, width)
        self.fine = _blocks(width, k, blocks)
        self.down1 = conv(width, w1, 3, 2)
        self.middle = _blocks(w1, k, blocks)
        self.down2 = conv(w1, w2, 3, 2)
        self.deep = _blocks(w2, k, blocks + 1)
        self.up2 = conv(w2, 4 * w1, 1)
        self.join2 = conv(2 * w1, w1, 1)
        self.middle_up = _blocks(w1, k, blocks)
        self.up1 = conv(w1, 4 * width, 1)
        self.join1 = conv(2 * width, width, 1)
        self.fine_up = _blocks(width, k, blocks)
        self.end = nn.Sequential(ChannelNorm(width), nn.SiLU(), conv(width, DREAMT))
        self.waves: Tensor
        self.register_buffer("waves", torch.exp(torch.linspace(0.0, 4.0, 8)))

    def forward(
        self, tile: Tensor, time: Tensor, context: Tensor, mask: Tensor, noise: Tensor,
        heading: Tensor, plane: Tensor, embedding: Tensor,
    ) -> Tensor:  # fmt: skip
        """Velocity [B, DREAMT, TALL, TILE].

        tile [B, DREAMT, TALL, TILE] at time [B] (0 noise, 1 data); context [B, LATENT, TALL,
        CONTEXT] with noise level `noise` [B]; mask [B] 1 where the context is told;
        heading [B, TOLD, TALL, TILE], its sun and what comes by; plane [B]; embedding [B, SIZE].
        """
        m = mask[:, None, None, None]
        unsigned = torch.zeros_like(tile[:, :SIGNS, :, :CONTEXT])
        x = torch.cat([torch.cat([context * m, unsigned], dim=1), tile], dim=3)
        known = torch.cat([m.expand(-1, 1, TALL, CONTEXT), torch.zeros_like(tile[:, :1])], dim=3)
        angles = torch.cat([time[:, None] * self.waves, noise[:, None] * self.waves], dim=1)
        scalars = torch.cat([angles.sin(), angles.cos()], dim=1)
        k = self.condition(
            self.scalars(scalars) + self.plane(plane) + self.look(embedding * SIZE**0.5)
        )
        x = self.start(torch.cat([x, known], dim=1)) + self.position
        x = x + nn.functional.pad(self.heading(heading), (CONTEXT, 0))
        fine = _through(self.fine, x, k)
        middle = _through(self.middle, self.down1(fine), k)
        deep = _through(self.deep, self.down2(middle), k)
        up = nn.functional.pixel_shuffle(self.up2(deep), 2)
        middle = _through(self.middle_up, self.join2(torch.cat([middle, up], 1)), k)
        up = nn.functional.pixel_shuffle(self.up1(middle), 2)
        fine = _through(self.fine_up, self.join1(torch.cat([fine, up], 1)), k)
        velocity: Tensor = self.end(fine[..., CONTEXT:])
        return velocity


def _blocks(channels: int, condition: int, count: int) -> nn.ModuleList:
    return nn.ModuleList(Block(channels, condition) for _ in range(count))


def _through(blocks: nn.ModuleList, x: Tensor, condition: Tensor) -> Tensor:
    for block in blocks:
        x = block(x, condition)
    return x
