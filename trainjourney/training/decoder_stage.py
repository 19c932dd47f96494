"""Stage 3, the decoder: true planes and an embedding to the picture, at any sub-cell place."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from ..model.decoder import Decoder, grain_cells, pixels, weave
from ..model.embedder import Embedder
from ..model.planes import PLANES, ROWS, VIEW_W, Plane
from ..scenery.view import textures
from .dataset import Shards
from .look_stage import vary
from .stage import Device

NUDGES = (0.5, 1.0)  # cells; half a cell is a pixel. Every strip has a cell to spare
MARGIN = 16  # px at either side where a nudged picture shows other country


class DecoderStage:
    """L1 on pixels, on edges and on a smaller picture, so that colour and line both come right.

    And every picture is decoded a pixel or two further on too: it must be the same picture there,
    or else the country would shimmer as it rolls.
    """

    name = "decoder"

    def __init__(
        self,
        shards: Shards,
        pictures: Tensor,
        embedder: Embedder,
        paint: tuple[int, int, int] = (16, 48, 2),
        batch: int = 3,
        device: Device = "cpu",
        planes: tuple[Plane, ...] = PLANES,
    ) -> None:
        self.decoder, self.device = Decoder(*paint, planes=planes), torch.device(device)
        grain = grain_cells(torch.from_numpy(textures()), planes)
        self.decoder.grain.copy_(grain)
        self.grain = grain.to(self.device)
        self.embedder = embedder.eval().requires_grad_(False)
        self.shards, self.pictures, self.batch = shards, pictures, batch

    def modules(self) -> dict[str, nn.Module]:
        """The decoder."""
        return {"decoder": self.decoder}

    def batch_of(
        self, rng: torch.Generator, count: int
    ) -> tuple[dict[str, Tensor], Tensor, list[int]]:
        """Arguments of the decoder, the true pictures [count, 3, H, W], and nudges, px.

        There are twice as many arguments: after those of the pictures the same ones nudged.
        """
        n = torch.randint(1, len(self.shards), (count,), generator=rng).tolist()
        k = torch.randint(3, (count,), generator=rng).tolist()
        which = torch.randint(len(NUDGES), (count,), generator=rng).tolist()
        plain, nudged, truth, looks = [], [], [], []
        for a, b, c in zip(n, k, which, strict=True):
            s, i = self.shards.where[a]
            start = torch.from_numpy(np.array(self.shards.starts[s][i, b])).float()
            plain.append(self._view(a, start))
            nudged.append(self._view(a, start + NUDGES[c]))
            truth.append(torch.from_numpy(np.array(self.shards.frames[s][i, b])))
            same = b < 2 or self.shards.melts[a] or i == 0
            looks.append(self.pictures[a if same else a - 1, 1 - b if b < 2 else 0])
        masks, phase, grain = (torch.stack(part) for part in zip(*plain, *nudged, strict=True))
        looked = self.embedder(vary(torch.stack(looks).float() / 255.0, rng, 0.5))
        arguments = {
            "masks": masks,
            "phase": phase,
            "grain": grain,
            "residual": torch.zeros(2 * count, len(PLANES), 3, ROWS, VIEW_W, device=self.device),
            "embedding": torch.cat([looked, looked]).to(self.device),
        }
        pictures = torch.stack(truth).to(self.device).permute(0, 3, 1, 2).float() / 255.0
        return arguments, pictures, [round(2.0 * NUDGES[c]) for c in which]

    def _view(self, style: int, start: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Masks by pixels, phase and grain of a style's strips from `start` [planes] on, cells."""
        s, i = self.shards.where[style]
        strips = self.shards.strips[s][i]
        whole = start.floor().long()
        cut = [strips[p, :, :, x : x + VIEW_W + 1] for p, x in enumerate(whole.tolist())]
        sheet = torch.from_numpy(np.stack(cut)).to(self.device).float() / 255.0
        phase = (start - whole).to(self.device)
        halves = pixels(sheet[..., :-1], sheet[..., 1:], phase[:, None, None, None])
        return halves, phase, weave(self.grain, (2.0 * start).int().to(self.device))

    def losses(self, index: int, rng: torch.Generator) -> dict[str, Tensor]:
        """One batch of pictures."""
        with torch.no_grad():
            arguments, truth, nudges = self.batch_of(rng, self.batch)
        made, nudged = self.decoder(**arguments).float().chunk(2)
        pixel = (made - truth).abs().mean()
        edges = sum((made.diff(dim=d) - truth.diff(dim=d)).abs().mean() for d in (2, 3))
        small = (F.avg_pool2d(made, 8) - F.avg_pool2d(truth, 8)).abs().mean()
        back = torch.stack([x.roll(d, 2) for x, d in zip(nudged, nudges, strict=True)])
        steady = (back - made)[..., MARGIN:-MARGIN].abs().mean()
        psnr = -10.0 * (made.clamp(0, 1) - truth).square().mean().log10()
        loss = pixel + 0.5 * edges + small + steady
        return {"loss": loss, "pixel": pixel, "small": small, "steady": steady, "psnr": psnr}

    def sample(self, path: Path, ema: dict[str, nn.Module]) -> None:
        """Eight pictures, true beside decoded."""
        arguments, truth, _ = self.batch_of(torch.Generator().manual_seed(5), 8)
        made = ema["decoder"](**{name: given[:8] for name, given in arguments.items()})
        both = torch.cat([truth, made.float().clamp(0, 1)], 3)
        sheet = torch.cat(list(both), 1).permute(1, 2, 0)
        Image.fromarray((sheet * 255.0).round().byte().cpu().numpy()).save(path)
