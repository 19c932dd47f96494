"""The network that dreams a tile of one plane: velocity of a noisy latent, seen beside its context."""

import torch
from torch import Tensor, nn

from .codec import LATENT
from .embedder import SIZE
from .layers import Block, ChannelNorm, conv
from .planes import PLANES

CONTEXT, TILE, TALL = 8, 16, 8  # latent columns of context and of a new tile; latent rows


class Network(nn.Module):
    """U-Net over [context | tile]; conditions: time, embedding, plane, context noise.

    An embedding of zeros means 'any look'; a mask of zeros means 'no context' (cold start).
    """

    def __init__(self, width: int = 128, deep: int = 256, blocks: int = 2) -> None:
        super().__init__()
        k = 256
        self.position = nn.Parameter(torch.zeros(1, width, TALL, CONTEXT + TILE))
        self.plane = nn.Embedding(len(PLANES), k)
        self.look = nn.Linear(SIZE, k)
        self.scalars = nn.Linear(2 * 16, k)
        self.condition = nn.Sequential(nn.SiLU(), nn.Linear(k, k), nn.SiLU())
        self.start = conv(LATENT + 1, width)
        self.down_blocks = nn.ModuleList(Block(width, k) for _ in range(blocks))
        self.down = conv(width, deep, 3, 2)
        self.deep = nn.ModuleList(Block(deep, k) for _ in range(blocks + 1))
        self.up = conv(deep, 4 * width, 1)
        self.join = conv(2 * width, width, 1)
        self.up_blocks = nn.ModuleList(Block(width, k) for _ in range(blocks))
        self.end = nn.Sequential(ChannelNorm(width), nn.SiLU(), conv(width, LATENT))
        self.waves: Tensor
        self.register_buffer("waves", torch.exp(torch.linspace(0.0, 4.0, 8)))

    def forward(
        self, tile: Tensor, time: Tensor, context: Tensor, mask: Tensor, noise: Tensor,
        plane: Tensor, embedding: Tensor,
    ) -> Tensor:  # fmt: skip
        """Velocity [B, LATENT, 8, TILE].

        tile [B, LATENT, 8, TILE] at time [B] (0 noise, 1 data); context [B, LATENT, 8, CONTEXT] with
        noise level `noise` [B]; mask [B] 1 where the context is told; plane [B]; embedding [B, SIZE].
        """
        m = mask[:, None, None, None]
        x = torch.cat([context * m, tile], dim=3)
        known = torch.cat(
            [m.expand(-1, 1, TALL, CONTEXT), torch.zeros_like(tile[:, :1])], dim=3
        )
        angles = torch.cat([time[:, None] * self.waves, noise[:, None] * self.waves], dim=1)
        scalars = torch.cat([angles.sin(), angles.cos()], dim=1)
        k = self.condition(
            self.scalars(scalars) + self.plane(plane) + self.look(embedding * SIZE**0.5)
        )
        x = self.start(torch.cat([x, known], dim=1)) + self.position
        for block in self.down_blocks:
            x = block(x, k)
        h = self.down(x)
        for block in self.deep:
            h = block(h, k)
        x = self.join(torch.cat([x, nn.functional.pixel_shuffle(self.up(h), 2)], dim=1))
        for block in self.up_blocks:
            x = block(x, k)
        return self.end(x[..., CONTEXT:])
