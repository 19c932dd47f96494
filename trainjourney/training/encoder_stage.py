"""Stage 6, the encoder: one picture to the planes it might be made of, hidden parts included."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from ..model.codec import Codec
from ..model.embedder import Embedder
from ..model.encoder import Encoder
from ..model.planes import DOWN, MATERIALS, PLANES, VIEW_W, Plane, pool_rows
from .codec_stage import draw_masks
from .dataset import Shards
from .stage import Device


class EncoderStage:
    """Cross-entropy of every plane's materials through the frozen codec."""

    name = "encoder"

    def __init__(
        self, shards: Shards, codec: Codec, embedder: Embedder, batch: int = 8,
        device: Device = "cpu", planes: tuple[Plane, ...] = PLANES,
    ) -> None:  # fmt: skip
        self.encoder, self.device = Encoder(planes=planes), torch.device(device)
        self.planes = planes
        self.embedder = embedder.to(self.device).eval().requires_grad_(False)
        self.codec = codec.to(self.device).eval().requires_grad_(False)
        self.shards, self.batch = shards, batch

    def modules(self) -> dict[str, nn.Module]:
        """The encoder."""
        return {"encoder": self.encoder}

    def batch_of(self, rng: torch.Generator, count: int) -> tuple[Tensor, Tensor]:
        """Pictures [B, 3, 128, 256] and the masks behind [B, planes, MATERIALS, 64, VIEW_W]."""
        n = torch.randint(len(self.shards), (count,), generator=rng).tolist()
        k = torch.randint(3, (count,), generator=rng).tolist()
        masks, pictures = [], []
        for a, b in zip(n, k, strict=True):
            s, i = self.shards.where[a]
            start = np.round(self.shards.starts[s][i, b]).astype(int).tolist()
            strips = self.shards.strips[s][i]
            masks.append(np.stack([strips[p, :, :, x : x + VIEW_W] for p, x in enumerate(start)]))
            pictures.append(np.array(self.shards.frames[s][i, b]))
        picture = torch.from_numpy(np.stack(pictures)).to(self.device)
        small = F.avg_pool2d(picture.permute(0, 3, 1, 2).float() / 255.0, 2)
        gain = 1.0 + 0.12 * torch.randn(count, 3, 1, 1, generator=rng)
        shift = 0.04 * torch.randn(count, 1, 1, 1, generator=rng)
        rough = 0.03 * torch.rand(count, 1, 1, 1, generator=rng)
        rough = rough * torch.randn(small.shape, generator=rng)
        small = small * gain.to(self.device) + (shift + rough).to(self.device)
        target = torch.from_numpy(np.stack(masks)).to(self.device).float() / 255.0
        if torch.rand((), generator=rng) < 0.5:
            small, target = small.flip(3), target.flip(4)
        return small.clamp(0, 1), target

    def embed(self, pictures: Tensor) -> Tensor:
        """What the show's encoder graph will be told of these pictures, [B, SIZE]."""
        with torch.no_grad():
            embedding: Tensor = self.embedder(F.avg_pool2d(pictures, 2))
        return embedding.float()

    def losses(self, index: int, rng: torch.Generator) -> dict[str, Tensor]:
        """One batch: every plane's latent, and through the codec the materials of one of each.

        What is hidden behind nearer planes counts a fifth.
        """
        pictures, target = self.batch_of(rng, self.batch)
        b, n = target.shape[:2]
        weight = visibility(target, self.planes) * 0.8 + 0.2
        look = self.embed(pictures)
        latent = self.encoder(pictures, look)
        every = torch.arange(n, device=self.device).repeat(b)
        with torch.autocast(self.device.type, enabled=False):
            wanted = self.codec.encode(target.flatten(0, 1), every).view_as(latent)
        cells = F.avg_pool2d(weight, DOWN)[:, :, None]
        code = (F.smooth_l1_loss(latent.float(), wanted, reduction="none") * cells).mean()
        rows = torch.arange(b, device=self.device)
        one = torch.randint(n, (b,), generator=rng).to(self.device)
        logits = self.codec.logits(latent[rows, one], one, look).float()
        masks = target[rows, one]
        nothing = (1 - masks.sum(1, keepdim=True)).clamp(0, 1)
        rare = torch.ones(1, MATERIALS + 1, 1, 1, device=self.device)
        rare[:, 2:MATERIALS] = 2.0  # what stands on the ground
        cross = -(rare * torch.cat([masks, nothing], 1) * logits.log_softmax(1)).sum(1)
        cross = (cross * weight[rows, one]).mean()
        return {"loss": 4.0 * code + 2.0 * cross, "code": code, "cross": cross}

    def sample(self, path: Path, ema: dict[str, nn.Module]) -> None:
        """Four pictures; below each its planes as found, nearest last."""
        pictures, target = self.batch_of(torch.Generator().manual_seed(4), 4)
        look = self.embed(pictures)
        latent = ema["encoder"](pictures, look)
        plane = torch.arange(len(PLANES), device=self.device).repeat(4)
        looks = look.repeat_interleave(len(PLANES), 0)
        found = self.codec.decode(latent.flatten(0, 1).float(), plane, looks)
        found = found.reshape(4, len(PLANES), *found.shape[1:])
        columns = []
        for i in range(4):
            top = (pictures[i].permute(1, 2, 0) * 255).byte().cpu().numpy()
            sheets = [
                np.concatenate([draw_masks(target[i, p]), draw_masks(found[i, p])], 1)[:, ::2]
                for p in range(len(PLANES))
            ]
            columns.append(np.concatenate([top, *sheets], 0))
        Image.fromarray(np.concatenate(columns, 1)).save(path)


def visibility(masks: Tensor, planes: tuple[Plane, ...] = PLANES) -> Tensor:
    """How much of every plane's every cell is seen past nearer planes, [B, planes, 64, VIEW_W]."""
    b, n, _, rows, width = masks.shape
    assert masks.shape[2] == MATERIALS
    clear = torch.ones(b, 2 * rows, width, device=masks.device)
    seen = []
    for p in reversed(range(n)):
        plane = planes[p]
        cover = masks[:, p].sum(1)
        pool = torch.tensor(pool_rows(plane)).to(masks.device)
        tall = cover.repeat_interleave(torch.tensor(plane.heights).to(masks.device), 1)
        here = clear[:, plane.top : plane.top + tall.shape[1]]
        seen.append(pool @ here)
        below = tall[:, -1:].expand(b, 2 * rows - plane.top - tall.shape[1], width) * (p > 0)
        clear = torch.cat(
            [
                clear[:, : plane.top],
                here * (1 - tall),
                clear[:, plane.top + tall.shape[1] :] * (1 - below),
            ],
            1,
        )
    return torch.stack(seen[::-1], 1)
