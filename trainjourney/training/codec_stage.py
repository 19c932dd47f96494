"""Stage 2, the codec of planes: a basis fitted to every plane, a network to sharpen its words."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from ..model.codec import Codec
from ..model.planes import MATERIALS, PLANES
from .dataset import CELLS, Shards
from .stage import Device


def draw_masks(masks: Tensor) -> np.ndarray:
    """Masks [MATERIALS, h, w] as a picture for people, [h, w, 3] uint8."""
    colours = torch.tensor(
        [[120, 170, 80], [190, 200, 110], [70, 190, 90], [20, 100, 50]]
        + [[240, 230, 210], [200, 70, 50], [255, 220, 60], [40, 40, 60]]
    ).float()
    masks = masks.cpu()
    nothing = (1 - masks.sum(0)).clamp(0, 1)
    rgb = torch.einsum("mhw,mc->hwc", masks, colours) + nothing[..., None] * 225.0
    return rgb.clamp(0, 255).byte().numpy()


class CodecStage:
    """Soft cross-entropy of the material at every cell; rare and thin things count more."""

    name = "codec"

    def __init__(
        self, shards: Shards, batch: int = 24, width: int = 128, device: Device = "cpu"
    ) -> None:
        self.codec, self.device = Codec(), torch.device(device)
        self.shards, self.batch, self.width = shards, batch, width
        rng = torch.Generator().manual_seed(1)
        for p in range(len(PLANES)):
            self.codec.fit(p, self.batch_of(rng, 96, p)[0].cpu())

    def modules(self) -> dict[str, nn.Module]:
        """The codec."""
        return {"codec": self.codec}

    def batch_of(
        self, rng: torch.Generator, count: int, only: int | None = None
    ) -> tuple[Tensor, Tensor]:
        """Masks [B, MATERIALS, 64, width] 0..1 and their planes [B]."""
        n = torch.randint(len(self.shards), (count,), generator=rng).tolist()
        plane = torch.randint(len(PLANES), (count,), generator=rng)
        plane = plane if only is None else torch.full_like(plane, only)
        at = torch.randint(CELLS - self.width, (count,), generator=rng).tolist()
        picked = []
        for k, p, x in zip(n, plane.tolist(), at, strict=True):
            s, i = self.shards.where[k]
            picked.append(np.array(self.shards.strips[s][i, p, :, :, x : x + self.width]))
        masks = torch.from_numpy(np.stack(picked)).float() / 255.0
        mirrored = torch.rand(count, 1, 1, 1, generator=rng) < 0.5
        masks = torch.where(mirrored, masks.flip(3), masks)
        return masks.to(self.device), plane.to(self.device)

    def losses(self, index: int, rng: torch.Generator) -> dict[str, Tensor]:
        """Reconstruction of one batch through a slightly noisy latent."""
        masks, plane = self.batch_of(rng, self.batch)
        latent = self.codec.encode(masks, plane)
        level = 0.2 * torch.rand(len(latent), 1, 1, 1, generator=rng)
        noise = (level * torch.randn(latent.shape, generator=rng)).to(self.device)
        logits = self.codec.logits(latent + noise, plane).float()
        nothing = (1 - masks.sum(1, keepdim=True)).clamp(0, 1)
        target = torch.cat([masks, nothing], 1)
        logp = logits.log_softmax(1)
        rare = torch.ones(1, MATERIALS + 1, 1, 1, device=self.device)
        rare[:, 2:MATERIALS] = 2.0
        cross = -(rare * target * logp).sum(1).mean()
        entropy = -(rare * target * target.clamp(min=1e-4).log()).sum(1).mean()
        error = (logp.exp() - target).abs().sum(1).mean()
        return {"loss": cross - entropy, "cross": cross - entropy, "error": error}

    def sample(self, path: Path, ema: dict[str, nn.Module]) -> None:
        """Eight planes, true above decoded."""
        codec = ema["codec"]
        assert isinstance(codec, Codec)
        masks, plane = self.batch_of(torch.Generator().manual_seed(3), 12)
        back = codec.decode(codec.encode(masks, plane), plane)
        rows = [
            np.concatenate([draw_masks(m), draw_masks(r)], 1)
            for m, r in zip(masks[:12], back[:12], strict=True)
        ]
        Image.fromarray(np.concatenate(rows, 0)).save(path)
