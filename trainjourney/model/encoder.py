"""The encoder: one picture to the latents of all planes, what is hidden guessed from what is seen."""

import torch
from torch import Tensor, nn

from .codec import LATENT
from .layers import conv
from .planes import PLANES

GRID_H, GRID_W = 16, 32  # of the picture at an eighth of the view
TALL = 8


class Encoder(nn.Module):
    """Picture [B, 3, 128, 256] in 0..1 -> whitened latents [B, planes, LATENT, 8, 32]."""

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        w = width
        self.into = nn.Sequential(
            conv(3, w, 3, 2), nn.SiLU(), conv(w, w), nn.SiLU(),
            conv(w, 2 * w, 3, 2), nn.SiLU(), conv(2 * w, 2 * w), nn.SiLU(),
            conv(2 * w, 4 * w, 3, 2), nn.SiLU(),
        )  # fmt: skip
        self.near = nn.ModuleList(conv(4 * w, 4 * w) for _ in range(3))
        self.far = nn.ModuleList(
            nn.Conv2d(4 * w, 4 * w, 3, padding=d, dilation=d) for d in (2, 4, 1)
        )
        self.columns = nn.Conv2d(4 * w * GRID_H, 384, 1)
        self.out = nn.Conv2d(384, len(PLANES) * LATENT * TALL, 1)
        self.direct = nn.Conv2d(4 * w, 96, 1)
        self.planes = nn.ModuleList(conv(96 + LATENT, LATENT) for _ in PLANES)

    def forward(self, picture: Tensor) -> Tensor:
        """Guess every plane."""
        x = self.into(picture * 2.0 - 1.0)
        for a, b in zip(self.near, self.far, strict=True):
            x = x + b(nn.functional.silu(a(nn.functional.silu(x))))
        tall = x.flatten(1, 2)[:, :, None]  # [B, C * 16, 1, 32]: every column sees all its rows
        rough = self.out(nn.functional.silu(self.columns(tall)))
        rough = rough.view(-1, len(PLANES), LATENT, TALL, GRID_W)
        fine = nn.functional.silu(self.direct(x))
        outs = []
        for p, plane in enumerate(PLANES):
            if plane.stretch == 2:
                part = nn.functional.avg_pool2d(fine, (2, 1))
            else:  # the band of rows the plane lies in, to the nearest whole cell
                top = min(GRID_H - TALL, round(plane.top / 8))
                part = fine[:, :, top : top + TALL]
            outs.append(rough[:, p] + self.planes[p](torch.cat([part, rough[:, p]], 1)))
        return torch.stack(outs, 1)

