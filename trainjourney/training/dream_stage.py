"""Stage 4, the network that dreams tiles: flow matching beside a context that may be noisy or absent."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from ..model.codec import DOWN, LATENT, Codec
from ..model.denoiser import between, draw_times, roughen, velocity
from ..model.embedder import SIZE, Embedder
from ..model.network import CONTEXT, TALL, TILE, Network
from ..model.planes import PLANES
from ..model.sampler import sample
from .codec_stage import draw_masks
from .dataset import BORDER, CELLS, Shards

SHIFT = 4  # cells by which the second coding of every strip is moved


@torch.no_grad()
def strip_latents(shards: Shards, codec: Codec, cache: Path) -> Tensor:
    """Every strip coded twice, as it is and mirrored: [N, 2, planes, LATENT, 8, 72] float16; cached."""
    if cache.exists():
        kept = torch.from_numpy(np.load(cache))
        if len(kept) == len(shards):
            return kept
    plane = torch.arange(len(PLANES))
    out = np.zeros((len(shards), 2, len(PLANES), LATENT, TALL, CELLS // DOWN), np.float16)
    for n, (s, i) in enumerate(shards.where):
        masks = torch.from_numpy(np.array(shards.strips[s][i])).float() / 255.0
        moved = torch.roll(masks.flip(3), SHIFT, 3)
        for k, m in enumerate((masks, moved)):
            with torch.autocast("cpu", torch.bfloat16):
                out[n, k] = codec.encode(m, plane).float().half().numpy()
    np.save(cache, out)
    return torch.from_numpy(out)


@torch.no_grad()
def all_embeddings(pictures: Tensor, embedder: Embedder) -> Tensor:
    """Embeddings of every style's two pictures and their mirror images, [N, 4, SIZE]."""
    out = []
    for part in pictures.split(64):
        x = part.flatten(0, 1).float() / 255.0
        e = torch.stack([embedder(x), embedder(x.flip(3))], 1)
        out.append(e.view(len(part), 4, SIZE))
    return torch.cat(out)


class DreamStage:
    """Velocity regression; the look steers, the context continues."""

    name = "dream"

    def __init__(
        self, shards: Shards, latents: Tensor, embeddings: Tensor, codec: Codec,
        batch: int = 64, width: int = 128, deep: int = 256, blocks: int = 2,
    ) -> None:  # fmt: skip
        self.network = Network(width, deep, blocks)
        self.shards, self.latents, self.embeddings = shards, latents, embeddings
        self.codec, self.batch = codec.eval().requires_grad_(False), batch
        self.melts = torch.from_numpy(shards.melts)

    def modules(self) -> dict[str, nn.Module]:
        """The network."""
        return {"network": self.network}

    def batch_of(self, rng: torch.Generator, count: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Context, tile, plane and embedding of `count` places."""
        n = torch.randint(len(self.latents), (count,), generator=rng)
        mirrored = torch.randint(2, (count,), generator=rng)
        melt = self.melts[n]
        mirrored = torch.where(melt, 0, mirrored)  # the new country lies to the right only
        plane = torch.randint(len(PLANES), (count,), generator=rng)
        columns = self.latents.shape[-1] - CONTEXT - TILE
        free = torch.randint(1, columns, (count,), generator=rng)
        border = BORDER // DOWN
        at_border = torch.rand(count, generator=rng) < 0.6
        later = torch.randint(border, columns, (count,), generator=rng)
        at = torch.where(melt, torch.where(at_border, border - CONTEXT, later), free)
        tiles, contexts = [], []
        for a, m, p, x in zip(
            n.tolist(), mirrored.tolist(), plane.tolist(), at.tolist(), strict=True
        ):
            tiles.append(self.latents[a, m, p, :, :, x + CONTEXT : x + CONTEXT + TILE].float())
            contexts.append(self._crop(a, p, x * DOWN, bool(m)))
        with torch.no_grad():
            context = self.codec.encode(torch.stack(contexts), plane).float()
        torch.clear_autocast_cache()
        moment = torch.randint(4, (count,), generator=rng)
        embedding = self.embeddings[n, moment]
        embedding = embedding + 0.3 / SIZE**0.5 * torch.rand(count, 1, generator=rng) * torch.randn(
            embedding.shape, generator=rng
        )
        return context, torch.stack(tiles), plane, F.normalize(embedding)

    def _crop(self, style: int, plane: int, x: int, mirrored: bool) -> Tensor:
        """Masks left of a tile, as the show will see them: nothing beyond the last column."""
        s, i = self.shards.where[style]
        strip = self.shards.strips[s][i, plane]
        width = CONTEXT * DOWN
        if mirrored:  # latents of the mirrored coding stand SHIFT cells to the right
            lo = CELLS - (x - SHIFT) - width
            part = strip[:, :, lo : lo + width][:, :, ::-1]
        else:
            part = strip[:, :, x : x + width]
        return torch.from_numpy(np.ascontiguousarray(part)).float() / 255.0

    def losses(self, index: int, rng: torch.Generator) -> dict[str, Tensor]:
        """One batch: context noise U(0, 0.7) on half, no context 10 %, any look 8 %."""
        context, tile, plane, embedding = self.batch_of(rng, self.batch)
        b = len(tile)
        u = torch.rand(b, 3, generator=rng)
        level = torch.where(u[:, 0] < 0.5, 0.7 * torch.rand(b, generator=rng), torch.zeros(b))
        mask = (u[:, 1] >= 0.1).float()
        embedding = embedding * (u[:, 2] >= 0.08).float()[:, None]
        context = roughen(context, level, torch.randn(context.shape, generator=rng))
        noise = torch.randn(tile.shape, generator=rng)
        time = draw_times(b, rng)
        said = self.network(
            between(tile, noise, time), time, context, mask, level, plane, embedding
        ).float()
        error = (said - velocity(tile, noise)).square().mean((1, 2, 3))
        near = error[plane >= 3].mean() if bool((plane >= 3).any()) else error.mean()
        return {"loss": error.mean(), "near": near.detach()}

    def sample(self, path: Path, ema: dict[str, nn.Module]) -> None:
        """Rows of one plane each: true context, dreamt tile, and a second tile that continues it."""
        network, rng = ema["network"], torch.Generator().manual_seed(9)
        context, tile, plane, embedding = self.batch_of(rng, 48)
        order = plane.argsort()
        context, tile, plane, embedding = context[order], tile[order], plane[order], embedding[order]
        seen, told, calm = [context], torch.ones(48), torch.zeros(48)
        for _ in range(2):
            last = seen[-1][..., -CONTEXT:]
            noise = torch.randn(tile.shape, generator=rng)
            seen.append(
                sample(lambda x, t: network(x, t, last, told, calm, plane, embedding).float(), noise)
            )
        masks = self.codec.decode(torch.cat(seen, 3), plane)
        true = self.codec.decode(torch.cat([context, tile], 3), plane)
        rows = []
        for i in range(0, 48, 2):
            parts = [draw_masks(x) for j in (i, i + 1) for x in (true[j], masks[j])]
            rows.append(np.concatenate(parts, 1))
        Image.fromarray(np.concatenate(rows, 0)).save(path)
