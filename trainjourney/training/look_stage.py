"""Stage 1, the image encoder: two moments of a ride embed alike, and tell the style."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from ..model.embedder import PICTURE_H, PICTURE_W, SIZE, Embedder
from ..scenery.style import NAMES
from .checkpoint import replacing
from .dataset import Shards
from .stage import Device


def small_pictures(shards: Shards, cache: Path) -> Tensor:
    """Every style's two own pictures, uint8 [N, 2, 3, PICTURE_H, PICTURE_W]; cached on disk."""
    if cache.exists():
        kept = torch.from_numpy(np.load(cache))
        if len(kept) == len(shards):
            return kept
    out = np.zeros((len(shards), 2, 3, PICTURE_H, PICTURE_W), np.uint8)
    for n, (s, i) in enumerate(shards.where):
        f = torch.from_numpy(np.array(shards.frames[s][i, :2])).permute(0, 3, 1, 2).float()
        out[n] = F.avg_pool2d(f, 4).round().byte().numpy()
    with replacing(cache) as temporary, temporary.open("wb") as file:
        np.save(file, out)
    return torch.from_numpy(out)


def vary(pictures: Tensor, rng: torch.Generator, strength: float = 1.0) -> Tensor:
    """Mirror, crop, recolour slightly, blur and roughen pictures [B, 3, h, w] 0..1."""
    b, _, h, w = pictures.shape
    u = torch.rand(b, 8, generator=rng)
    zoom = 1.0 - 0.35 * strength * u[:, 0]
    side = torch.where(u[:, 1] < 0.5, -1.0, 1.0)
    theta = torch.zeros(b, 2, 3)
    theta[:, 0, 0], theta[:, 1, 1] = side * zoom, zoom
    theta[:, 0, 2] = (2 * u[:, 2] - 1) * (1 - zoom)
    theta[:, 1, 2] = (2 * u[:, 3] - 1) * (1 - zoom)
    grid = F.affine_grid(theta, [b, 3, h, w], align_corners=False)
    x = F.grid_sample(pictures, grid, padding_mode="reflection", align_corners=False)
    gain = 1.0 + 0.1 * strength * torch.randn(b, 3, 1, 1, generator=rng)
    x = x * gain + 0.03 * strength * torch.randn(b, 1, 1, 1, generator=rng)
    rough = (u[:, 4] < 0.3).float()[:, None, None, None]
    x = x + rough * 0.06 * torch.randn(x.shape, generator=rng)
    soft = (u[:, 5] < 0.2).float()[:, None, None, None]
    x = x + soft * (F.avg_pool2d(x, 3, 1, 1) - x)
    flat = (u[:, 6] < 0.12).float()[:, None, None, None]
    return (x + flat * ((x * 6).round() / 6 - x)).clamp(0, 1)


class LookStage:
    """InfoNCE (van den Oord 2018) between moments, regression of the style, and a spread sphere."""

    name = "look"

    def __init__(
        self, shards: Shards, pictures: Tensor, batch: int = 128, device: Device = "cpu"
    ) -> None:
        self.device = torch.device(device)
        self.embedder, self.tell = Embedder(), nn.Linear(SIZE, len(NAMES))
        self.pictures, self.batch = pictures, batch
        styles = torch.from_numpy(shards.styles)
        self.styles = (styles - styles.mean(0)) / (styles.std(0) + 0.02)
        self.keep = max(1, len(shards) // 20)  # the last ones are kept for validation

    def modules(self) -> dict[str, nn.Module]:
        """The encoder and the head that tells the style."""
        return {"embedder": self.embedder, "tell": self.tell}

    def _draw(self, n: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        pair = self.pictures[n].float() / 255.0
        one, other = (vary(pair[:, i], rng).to(self.device) for i in (0, 1))
        return one, other

    def losses(self, index: int, rng: torch.Generator) -> dict[str, Tensor]:
        """One batch of pairs of moments."""
        last = len(self.pictures) - self.keep
        n = torch.randperm(last, generator=rng)[: self.batch]
        a, b = (self.embedder(x) for x in self._draw(n, rng))
        alike = (a.float() @ b.float().T) / 0.1
        own = torch.arange(len(n), device=self.device)
        nce = (F.cross_entropy(alike, own) + F.cross_entropy(alike.T, own)) / 2
        told = self.tell(torch.cat([a, b]) * SIZE**0.5).float()
        style = F.smooth_l1_loss(told, self.styles[n].repeat(2, 1).to(self.device))
        return {"loss": 0.25 * nce + style, "nce": nce, "style": style}

    def sample(self, path: Path, ema: dict[str, nn.Module]) -> None:
        """Validation pictures, each beside the three of 400 whose embeddings are nearest."""
        shown = self.pictures[-8:, 0]
        others = self.pictures[:400, 1]
        mine, theirs = (ema["embedder"](x.to(self.device).float() / 255.0) for x in (shown, others))
        near = (mine @ theirs.T).topk(3).indices.cpu()
        rows = [
            torch.cat([shown[i], *(others[j] for j in near[i])], dim=2) for i in range(len(mine))
        ]
        Image.fromarray(torch.cat(rows, 1).permute(1, 2, 0).numpy()).save(path)
