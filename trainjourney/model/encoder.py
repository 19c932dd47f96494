"""The encoder: one picture to the latents of all planes; what is hidden is guessed."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .codec import DOWN, LATENT
from .layers import conv
from .planes import PLANES, ROWS, VIEW_H

TALL, GRID_H = ROWS // DOWN, VIEW_H // DOWN


class Encoder(nn.Module):
    """Picture [B, 3, 128, 256] in 0..1 -> latents [B, planes, LATENT, 16, 64]."""

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        w = width
        self.into = nn.Sequential(
            conv(3, w, 3, 2), nn.SiLU(), conv(w, w), nn.SiLU(), conv(w, 2 * w, 3, 2), nn.SiLU()
        )
        self.down = nn.Sequential(conv(2 * w, 4 * w, 3, 2), nn.SiLU())
        self.near = nn.ModuleList(conv(4 * w, 4 * w) for _ in range(3))
        self.far = nn.ModuleList(
            nn.Conv2d(4 * w, 4 * w, 3, padding=d, dilation=d) for d in (2, 4, 1)
        )
        self.columns = nn.Conv2d(4 * w * GRID_H // 2, 384, 1)
        self.spread = nn.Conv2d(384, 32 * GRID_H // 2, 1)
        self.up = conv(4 * w + 32, 4 * w, 1)
        self.join = conv(3 * w, 2 * w)
        self.planes = nn.ModuleList(
            nn.Sequential(conv(2 * w, w), nn.SiLU(), conv(w, LATENT)) for _ in PLANES
        )

    def forward(self, picture: Tensor) -> Tensor:
        """Guess every plane."""
        fine = self.into(picture * 2.0 - 1.0)
        x = self.down(fine)
        for a, b in zip(self.near, self.far, strict=True):
            x = x + b(F.silu(a(F.silu(x))))
        tall = x.flatten(1, 2)[:, :, None]  # every column sees all its rows
        told = self.spread(F.silu(self.columns(tall)))
        told = told.view(-1, 32, GRID_H // 2, x.shape[3])
        up = F.pixel_shuffle(self.up(torch.cat([x, told], 1)), 2)
        grid = F.silu(self.join(torch.cat([fine, up], 1)))
        outs = []
        for plane, head in zip(PLANES, self.planes, strict=True):
            if plane.stretch == 2:
                part = F.avg_pool2d(grid, (2, 1))
            else:  # the band of rows the plane lies in, to the nearest latent row
                top = min(GRID_H - TALL, round(plane.top / DOWN))
                part = grid[:, :, top : top + TALL]
            outs.append(head(part))
        return torch.stack(outs, 1)
