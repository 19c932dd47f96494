"""The judge's eye: a small network that names what is in a picture. It steers nothing."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .layers import conv

EYE_W, EYE_H = 256, 128  # of the pictures it looks at
COLUMNS = 8  # windows side by side in which it names things
FEATURES = 32
WIDTHS = (20, 32, 48, 64, 80)


class Eye(nn.Module):
    """Picture [B, 3, EYE_H, EYE_W] in 0..1 -> what it shows, see `forward`."""

    def __init__(self, kinds: int, families: int) -> None:
        super().__init__()
        sizes = (3, *WIDTHS)
        self.stages = nn.ModuleList()
        for i, (a, b) in enumerate(zip(sizes[:-1], sizes[1:], strict=True)):
            more = (conv(b, b), nn.SiLU()) if i > 1 else ()  # dear where the picture is still large
            self.stages.append(nn.Sequential(conv(a, b, 5 if i == 0 else 3, 2), nn.SiLU(), *more))
        rows = EYE_H >> len(WIDTHS)
        self.kinds = nn.Sequential(
            nn.Conv1d(rows * WIDTHS[-1], 96, 3, padding=1), nn.SiLU(), nn.Conv1d(96, kinds, 1)
        )
        self.features = nn.Linear(2 * rows * WIDTHS[-1], FEATURES)
        self.family = nn.Linear(FEATURES, families)
        self.spoilt = nn.Linear(FEATURES, 1)

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Features [B, FEATURES], then logits: kinds [B, kinds, COLUMNS], family, spoilt [B]."""
        x = picture * 2.0 - 1.0
        for stage in self.stages:
            x = stage(x)
        columns = x.flatten(1, 2)  # [B, C * rows, COLUMNS]
        pooled = torch.cat([columns.mean(2), columns.amax(2)], 1)
        features = torch.tanh(self.features(pooled))
        family, spoilt = self.family(F.silu(features)), self.spoilt(features)[:, 0]
        return features, self.kinds(columns), family, spoilt


class EyeGraph(nn.Module):
    """`eye.onnx`: frames uint8 [n, EYE_H, EYE_W, 3] -> features and chances of what they show."""

    def __init__(self, eye: Eye) -> None:
        super().__init__()
        self.eye = eye

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Features, then chances: kinds [n, kinds, COLUMNS], family [n, families], spoilt [n]."""
        features, kinds, family, spoilt = self.eye(frames.permute(0, 3, 1, 2).float() / 255.0)
        return features, kinds.sigmoid(), family.softmax(1), spoilt.sigmoid()
