"""The image encoder in CLIP's role: a picture to a point on the unit sphere."""

import torch
from torch import Tensor, nn

from .layers import conv

SIZE = 64  # of the embedding
PICTURE_W, PICTURE_H = 128, 64


class Embedder(nn.Module):
    """Picture [B, 3, 64, 128] in 0..1 -> embedding [B, SIZE] of norm 1."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        sizes = [3, width, 2 * width, 4 * width, 6 * width]
        self.stages = nn.ModuleList(
            nn.Sequential(conv(a, b, 3, 2), nn.SiLU(), conv(b, b), nn.SiLU())
            for a, b in zip(sizes[:-1], sizes[1:], strict=True)
        )
        self.mix = nn.Linear(2 * 4 * sizes[-1], 256)
        self.out = nn.Linear(256, SIZE)

    def forward(self, picture: Tensor) -> Tensor:
        """Embed a batch of pictures."""
        x = picture * 2.0 - 1.0
        for stage in self.stages:
            x = stage(x)
        rows = torch.cat([x.mean(3), x.amax(3)], dim=1)  # where across does not matter
        return nn.functional.normalize(self.out(nn.functional.silu(self.mix(rows.flatten(1)))))
