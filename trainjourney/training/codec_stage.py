"""Stage 2, the codec of planes: masks to a latent an eighth their size and back."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from ..model.codec import Codec
from ..model.planes import MATERIALS, PLANES
from .dataset import CELLS, Shards


def draw_masks(masks: Tensor) -> np.ndarray:
    """Masks [MATERIALS, h, w] as a picture for people, [h, w, 3] uint8."""
    colours = torch.tensor(
        [[120, 170, 80], [190, 200, 110], [70, 190, 90], [20, 100, 50]]
        + [[240, 230, 210], [200, 70, 50], [255, 220, 60], [40, 40, 60]]
    ).float()
    nothing = (1 - masks.sum(0)).clamp(0, 1)
    rgb = torch.einsum("mhw,mc->hwc", masks, colours) + nothing[..., None] * 225.0
    return rgb.clamp(0, 255).byte().numpy()


class CodecStage:
    """Soft cross-entropy of the material at every cell; rare and thin things count more."""

    name = "codec"

    def __init__(self, shards: Shards, batch: int = 24, width: int = 128) -> None:
        self.codec = Codec()
        self.shards, self.batch, self.width = shards, batch, width

    def modules(self) -> dict[str, nn.Module]:
        """The codec."""
        return {"codec": self.codec}

    def batch_of(self, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Masks [B, MATERIALS, 64, width] 0..1 and their planes [B]."""
        n = torch.randint(len(self.shards), (self.batch,), generator=rng).tolist()
        plane = torch.randint(len(PLANES), (self.batch,), generator=rng)
        at = torch.randint(CELLS - self.width, (self.batch,), generator=rng).tolist()
        picked = []
        for k, p, x in zip(n, plane.tolist(), at, strict=True):
            s, i = self.shards.where[k]
            picked.append(np.array(self.shards.strips[s][i, p, :, :, x : x + self.width]))
        masks = torch.from_numpy(np.stack(picked)).float() / 255.0
        if torch.rand((), generator=rng) < 0.5:
            masks = masks.flip(3)
        return masks, plane

    def losses(self, index: int, rng: torch.Generator) -> dict[str, Tensor]:
        """Reconstruction of one batch through a slightly noisy latent."""
        masks, plane = self.batch_of(rng)
        raw = self.codec.encode_raw(masks, plane)
        noise = 0.08 * torch.randn(raw.shape, generator=rng)
        logits = self.codec.logits(raw + noise, plane).float()
        nothing = (1 - masks.sum(1, keepdim=True)).clamp(0, 1)
        target = torch.cat([masks, nothing], 1)
        logp = logits.log_softmax(1)
        rare = torch.ones(1, MATERIALS + 1, 1, 1)
        rare[:, 2:MATERIALS] = 2.0
        cross = -(rare * target * logp).sum(1).mean()
        entropy = -(rare * target * target.clamp(min=1e-4).log()).sum(1).mean()
        wide = 1e-3 * raw.float().square().mean()
        error = (logp.exp() - target).abs().sum(1).mean()
        return {"loss": cross - entropy + wide, "cross": cross - entropy, "error": error}

    @torch.no_grad()
    def whiten(self, codec: Codec, batches: int = 24) -> None:
        """Measure mean and spread of every plane's latent and keep them in the codec."""
        rng = torch.Generator().manual_seed(1)
        found: list[list[Tensor]] = [[] for _ in PLANES]
        for _ in range(batches):
            masks, plane = self.batch_of(rng)
            for raw, p in zip(codec.encode_raw(masks, plane), plane.tolist(), strict=True):
                found[p].append(raw.flatten(1))
        for p, many in enumerate(found):
            values = torch.cat(many, 1)
            codec.mean[p], codec.std[p] = values.mean(1), values.std(1).clamp(min=0.05)

    def sample(self, path: Path, ema: dict[str, nn.Module]) -> None:
        """Eight planes, true above decoded."""
        codec = ema["codec"]
        assert isinstance(codec, Codec)
        masks, plane = self.batch_of(torch.Generator().manual_seed(3))
        logits = codec.logits(codec.encode_raw(masks, plane), plane)
        back = logits.softmax(1)[:, :MATERIALS]
        rows = [
            np.concatenate([draw_masks(m), draw_masks(r)], 1)
            for m, r in zip(masks[:12], back[:12], strict=True)
        ]
        Image.fromarray(np.concatenate(rows, 0)).save(path)
