"""The encoder: one picture to the latents of all planes; what is hidden is guessed."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .codec import LATENT
from .embedder import SIZE
from .layers import ChannelNorm, conv
from .planes import DOWN, PLANES, ROWS, VIEW_H, Plane, pool_rows

TALL, GRID_H = ROWS // DOWN, VIEW_H // DOWN


class Encoder(nn.Module):
    """Picture [B, 3, 128, 256] in 0..1 and its embedding -> latents [B, planes, LATENT, 16, 64]."""

    def __init__(self, width: int = 96, planes: tuple[Plane, ...] = PLANES) -> None:
        super().__init__()
        self.sheets = planes
        w, d = width, 128
        self.mood = nn.Sequential(nn.Linear(SIZE, 128), nn.SiLU(), nn.Linear(128, 128), nn.SiLU())
        self.film_fine, self.film_grid = nn.Linear(128, 2 * w), nn.Linear(128, 2 * w)
        self.first = nn.Sequential(conv(3 * DOWN * DOWN + 4, w), ChannelNorm(w))
        self.second = nn.Sequential(nn.SiLU(), conv(w, w), ChannelNorm(w))
        self.down = nn.Sequential(conv(w, d, 3, 2), ChannelNorm(d), nn.SiLU())
        self.near = nn.ModuleList(nn.Sequential(ChannelNorm(d), conv(d, d)) for _ in range(3))
        self.far = nn.ModuleList(nn.Conv2d(d, d, 3, padding=n, dilation=n) for n in (2, 4, 1))
        self.up = conv(d, 4 * 64, 1)
        self.join = nn.Sequential(conv(w + 64, w), ChannelNorm(w))
        self.planes = nn.ModuleList(
            nn.Sequential(conv(w, 48), ChannelNorm(48), nn.SiLU(), conv(48, LATENT)) for _ in PLANES
        )
        self.rows: Tensor
        y = torch.linspace(0.0, 1.0, GRID_H)
        waves = torch.stack([y, (6.0 * y).sin(), (12.0 * y).sin(), (24.0 * y).sin()])
        self.register_buffer("rows", waves[None, :, :, None])
        for p, plane in enumerate(planes):
            if plane.tall > ROWS:
                self.register_buffer(f"tall_rows{p}", _grid_rows(plane), persistent=False)

    def forward(self, picture: Tensor, embedding: Tensor) -> Tensor:
        """Guess every plane; the picture's own embedding [B, SIZE] tells what its colours mean."""
        k = self.mood(embedding * SIZE**0.5)
        patches = F.pixel_unshuffle(picture * 2.0 - 1.0, DOWN)
        rows = self.rows.expand(len(patches), -1, -1, patches.shape[3])
        fine = _film(self.first(torch.cat([patches, rows], 1)), self.film_fine(k))
        fine = F.silu(self.second(fine))
        x = self.down(fine)
        for near, far in zip(self.near, self.far, strict=True):
            x = x + far(F.silu(near(x)))
        up = F.pixel_shuffle(self.up(x), 2)
        grid = F.silu(_film(self.join(torch.cat([fine, up], 1)), self.film_grid(k)))
        outs = []
        for p, (plane, head) in enumerate(zip(self.sheets, self.planes, strict=True)):
            if plane.tall > ROWS:
                part = self.get_buffer(f"tall_rows{p}") @ grid
            else:  # the band of rows the plane lies in, to the nearest latent row
                top = min(GRID_H - TALL, round(plane.top / DOWN))
                part = grid[:, :, top : top + TALL]
            outs.append(head(part))
        return torch.stack(outs, 1)


def _grid_rows(plane: Plane) -> Tensor:
    """Shares of the grid's rows in a tall plane's latent rows, [TALL, GRID_H]."""
    heights = torch.tensor(plane.heights, dtype=torch.float32)[:, None]
    view = (torch.tensor(pool_rows(plane)) * heights).view(TALL, DOWN, VIEW_H).sum(1)
    return (view / view.sum(1, keepdim=True)).view(TALL, GRID_H, DOWN).sum(2)


def _film(x: Tensor, told: Tensor) -> Tensor:
    scale, shift = told[..., None, None].chunk(2, 1)
    return x * (1.0 + scale) + shift
