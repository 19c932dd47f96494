"""The encoder: one picture to the latents of all planes; what is hidden is guessed."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .codec import DOWN, LATENT
from .layers import ChannelNorm, conv
from .planes import PLANES, ROWS, VIEW_H

TALL, GRID_H = ROWS // DOWN, VIEW_H // DOWN


class Encoder(nn.Module):
    """Picture [B, 3, 128, 256] in 0..1 -> latents [B, planes, LATENT, 16, 64]."""

    def __init__(self, width: int = 96) -> None:
        super().__init__()
        w, d = width, 128
        self.into = nn.Sequential(
            nn.PixelUnshuffle(DOWN), conv(3 * DOWN * DOWN, w), ChannelNorm(w), nn.SiLU(),
            conv(w, w), ChannelNorm(w), nn.SiLU(),
        )  # fmt: skip
        self.down = nn.Sequential(conv(w, d, 3, 2), ChannelNorm(d), nn.SiLU())
        self.near = nn.ModuleList(nn.Sequential(ChannelNorm(d), conv(d, d)) for _ in range(3))
        self.far = nn.ModuleList(nn.Conv2d(d, d, 3, padding=n, dilation=n) for n in (2, 4, 1))
        self.columns = nn.Sequential(
            ChannelNorm(d * GRID_H // 2), nn.Conv2d(d * GRID_H // 2, 256, 1)
        )
        self.spread = nn.Conv2d(256, 32 * GRID_H // 2, 1)
        self.up = conv(d + 32, 4 * 64, 1)
        self.join = nn.Sequential(conv(w + 64, w), ChannelNorm(w), nn.SiLU())
        self.planes = nn.ModuleList(
            nn.Sequential(conv(w, 48), ChannelNorm(48), nn.SiLU(), conv(48, LATENT)) for _ in PLANES
        )

    def forward(self, picture: Tensor) -> Tensor:
        """Guess every plane."""
        fine = self.into(picture * 2.0 - 1.0)
        x = self.down(fine)
        for near, far in zip(self.near, self.far, strict=True):
            x = x + far(F.silu(near(x)))
        tall = x.flatten(1, 2)[:, :, None]  # every column sees all its rows
        told = self.spread(F.silu(self.columns(tall)))
        told = told.view(-1, 32, GRID_H // 2, x.shape[3])
        up = F.pixel_shuffle(self.up(torch.cat([x, told], 1)), 2)
        grid = self.join(torch.cat([fine, up], 1))
        outs = []
        for plane, head in zip(PLANES, self.planes, strict=True):
            if plane.stretch == 2:
                part = F.avg_pool2d(grid, (2, 1))
            else:  # the band of rows the plane lies in, to the nearest latent row
                top = min(GRID_H - TALL, round(plane.top / DOWN))
                part = grid[:, :, top : top + TALL]
            outs.append(head(part))
        return torch.stack(outs, 1)
