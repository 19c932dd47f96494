"""Stage 3, the decoder: true planes and an embedding to the picture, at any sub-cell place."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from ..model.decoder import Decoder, grain_cells, weave
from ..model.embedder import Embedder
from ..model.planes import PLANES, ROWS, VIEW_W
from ..scenery.view import textures
from .dataset import Shards
from .look_stage import vary


def lerp_columns(sheet: Tensor, fraction: Tensor) -> Tensor:
    """[..., planes, C, R, W + 1] at fractions of a cell [..., planes] -> [..., planes, C, R, W]."""
    f = fraction[..., None, None, None]
    return sheet[..., :-1] * (1.0 - f) + sheet[..., 1:] * f


class DecoderStage:
    """L1 on pixels, on edges and on a smaller picture, so that colour and line both come right."""

    name = "decoder"

    def __init__(
        self,
        shards: Shards,
        pictures: Tensor,
        embedder: Embedder,
        paint: tuple[int, int, int] = (16, 48, 2),
        batch: int = 4,
    ) -> None:
        self.decoder = Decoder(*paint)
        self.decoder.grain.copy_(grain_cells(torch.from_numpy(textures())))
        self.embedder = embedder.eval().requires_grad_(False)
        self.shards, self.pictures, self.batch = shards, pictures, batch

    def modules(self) -> dict[str, nn.Module]:
        """The decoder."""
        return {"decoder": self.decoder}

    def batch_of(self, rng: torch.Generator, count: int) -> tuple[dict[str, Tensor], Tensor]:
        """Arguments of the decoder and the true pictures [B, 3, H, W]."""
        n = torch.randint(1, len(self.shards), (count,), generator=rng).tolist()
        k = torch.randint(3, (count,), generator=rng).tolist()
        masks, truth, fractions, grains, looks = [], [], [], [], []
        for a, b in zip(n, k, strict=True):
            s, i = self.shards.where[a]
            start = torch.from_numpy(np.array(self.shards.starts[s][i, b]))
            whole = start.floor().long()
            strips = self.shards.strips[s][i]
            cut = [strips[p, :, :, x : x + VIEW_W + 1] for p, x in enumerate(whole.tolist())]
            masks.append(torch.from_numpy(np.stack(cut)))
            fractions.append(start - whole)
            half = (2.0 * start.float()).floor()
            grains.append(weave(self.decoder.grain, half.int(), 2.0 * start.float() - half))
            truth.append(torch.from_numpy(np.array(self.shards.frames[s][i, b])))
            same = b < 2 or self.shards.melts[a] or i == 0
            looks.append(self.pictures[a if same else a - 1, 1 - b if b < 2 else 0])
        phase = torch.stack(fractions)
        looked = vary(torch.stack(looks).float() / 255.0, rng, 0.5)
        arguments = {
            "masks": lerp_columns(torch.stack(masks).float() / 255.0, phase),
            "phase": phase,
            "grain": torch.stack(grains),
            "residual": torch.zeros(count, len(PLANES), 3, ROWS, VIEW_W),
            "embedding": self.embedder(looked),
        }
        return arguments, torch.stack(truth).permute(0, 3, 1, 2).float() / 255.0

    def losses(self, index: int, rng: torch.Generator) -> dict[str, Tensor]:
        """One batch of pictures."""
        with torch.no_grad():
            arguments, truth = self.batch_of(rng, self.batch)
        made = self.decoder(**arguments).float()
        pixel = (made - truth).abs().mean()
        edges = sum((made.diff(dim=d) - truth.diff(dim=d)).abs().mean() for d in (2, 3))
        small = (F.avg_pool2d(made, 8) - F.avg_pool2d(truth, 8)).abs().mean()
        psnr = -10.0 * (made.clamp(0, 1) - truth).square().mean().log10()
        return {"loss": pixel + 0.5 * edges + small, "pixel": pixel, "small": small, "psnr": psnr}

    def sample(self, path: Path, ema: dict[str, nn.Module]) -> None:
        """Eight pictures, true beside decoded."""
        arguments, truth = self.batch_of(torch.Generator().manual_seed(5), 8)
        made = ema["decoder"](**arguments)
        both = torch.cat([truth, made.float().clamp(0, 1)], 3)
        sheet = torch.cat(list(both), 1).permute(1, 2, 0)
        Image.fromarray((sheet * 255.0).round().byte().numpy()).save(path)
