"""Stage 5, the codec's way back: it learns to draw whole things from what was dreamt of them.

More than half of the tiles are dreamt: they were taken back toward noise, and the dream network
brought them on again. The basis is fitted before any stage, for the dream is one of its latents.
"""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from ..model.codec import LATENT, Codec, known
from ..model.embedder import SIZE
from ..model.network import CONTEXT, TALL, TILE, TOLD, Network
from ..model.planes import DOWN, MATERIALS, PLANES
from ..model.predictor import SEAM
from ..model.sampler import STEPS, euler, on_the_road
from .country import open_country
from .dataset import BORDER, CELLS, Shards
from .patch_critic import PatchCritic
from .stage import Device

DREAMS = 0.6  # of the tiles are dreamt
BACK = ((3,), (4,), (5,), (5, 5), (6,))  # from these of its steps on, one after the other
UNSIGNED = 0.15  # of the tiles, of which no signs are told: a start picture has none
ANY_LOOK = 0.08
ROUGH = 0.2  # most noise on a true latent
RARE = 2.0  # how much more counts what stands on the ground
PASSES, NEAR = 0.2, 0.08  # weights of passing for true, and of seeming alike to the critic
LISTENS = 200  # steps until the critic is heard in full


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


def fit_basis(shards: Shards, count: int = 96, width: int = 128) -> Codec:
    """A codec on the principal components of that country; its network knows nothing yet."""
    codec, rng = Codec(), torch.Generator().manual_seed(1)
    for p in range(len(PLANES)):
        n = torch.randint(len(shards), (count,), generator=rng).tolist()
        at = torch.randint(CELLS - width, (count,), generator=rng).tolist()
        picked = []
        for k, x in zip(n, at, strict=True):
            s, i = shards.where[k]
            picked.append(np.array(shards.strips[s][i, p, :, :, x : x + width]))
        codec.fit(p, torch.from_numpy(np.stack(picked)).float() / 255.0)
    return codec


class CodecStage:
    """Soft cross-entropy of the material at every cell, and a critic beside, so that what is not
    certain is not drawn soft: half of a house would cross the window as a ghost."""

    name = "codec"

    def __init__(
        self, shards: Shards, embeddings: Tensor, codec: Codec, network: Network, batch: int = 24,
        device: Device = "cpu",
    ) -> None:  # fmt: skip
        """`embeddings` [N, 4, SIZE] as of `all_embeddings`; a `codec` with its basis, and the
        `network` that dreams its latents in few steps."""
        self.codec, self.device = codec, torch.device(device)
        self.critic = PatchCritic(MATERIALS + 1, SIZE + len(PLANES))
        self.shards, self.embeddings, self.batch = shards, embeddings.to(self.device), batch
        self.dreams = DREAMS
        self.network = network.to(self.device).eval().requires_grad_(False)
        self.country = open_country(shards, self.device)
        self.melts = torch.from_numpy(shards.melts)

    def modules(self) -> dict[str, nn.Module]:
        """The codec and its critic."""
        return {"codec": self.codec, "critic": self.critic}

    def batch_of(self, rng: torch.Generator, count: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Masks [B, MATERIALS, 64, 192] 0..1 of a context and a tile, signs of the latent columns,
        planes [B] and looks [B, SIZE]."""
        n = torch.randint(len(self.shards), (count,), generator=rng)
        plane = torch.randint(len(PLANES), (count,), generator=rng)
        low = self.melts[n] * (BORDER // DOWN)
        most = CELLS // DOWN - CONTEXT - TILE
        first = low + (torch.rand(count, generator=rng) * (most - low + 1)).long()
        mirrored = (torch.rand(count, generator=rng) < 0.5).to(self.device)[:, None, None, None]
        moment = torch.randint(4, (count,), generator=rng)
        n, plane, first, moment = (x.to(self.device) for x in (n, plane, first, moment))
        masks = self.country.masks(n, plane, first * DOWN, (CONTEXT + TILE) * DOWN)
        signs = self.country.signs(n, plane, first, CONTEXT + TILE)
        masks = torch.where(mirrored, masks.flip(3), masks).float() / 255.0
        signs = torch.where(mirrored, signs.flip(3), signs).float() / 127.0
        return masks, signs, plane, self.embeddings[n, moment]

    @torch.no_grad()
    def told(
        self, rng: torch.Generator, count: int
    ) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor, Tensor]]:
        """Latents of a seam and a tile, true masks of the tile, and what the way back is told:
        planes, looks, signs."""
        masks, signs, plane, look = self.batch_of(rng, count)
        with torch.autocast(self.device.type, enabled=False):
            latent = self.codec.encode(masks, plane)
        tile = torch.cat([latent, signs], 1)[..., CONTEXT:]
        chance = torch.rand(3, count, generator=rng).to(self.device)
        level = ROUGH * torch.rand(count, 1, 1, 1, generator=rng)
        rough = (level * torch.randn(latent.shape, generator=rng)).to(self.device)
        dreams = (chance[0] < self.dreams).nonzero()[:, 0]
        seen = latent + rough
        if len(dreams):
            context = latent[dreams, ..., :CONTEXT]
            again = self.dream(rng, tile[dreams], context, plane[dreams], look[dreams])
            tile[dreams], seen[dreams] = again, torch.cat([context, again[:, :LATENT]], 3)
        signs = known(tile[:, LATENT:])
        signs = signs * (chance[1] >= UNSIGNED)[:, None, None, None]
        look = look * (chance[2] >= ANY_LOOK)[:, None]
        return seen[..., CONTEXT - SEAM :], masks[..., CONTEXT * DOWN :], (plane, look, signs)

    def dream(
        self, rng: torch.Generator, tile: Tensor, context: Tensor, plane: Tensor, look: Tensor
    ) -> Tensor:
        """Tiles [B, DREAMT, TALL, TILE] taken back to one of their steps, and dreamt on from it."""
        one = torch.ones(len(tile), device=self.device)
        untold = torch.zeros(len(tile), TOLD, TALL, TILE, device=self.device)
        stride = one / STEPS
        for back in BACK[int(torch.randint(len(BACK), (), generator=rng))]:
            noise = torch.randn(tile.shape, generator=rng).to(self.device)
            tile = on_the_road(tile, noise, back * stride)
            for step in range(back, STEPS):
                time = step * stride
                said = self.network(tile, time, context, one, 0.0 * one, untold, plane, look)
                tile = euler(tile, said.float(), time, stride)
        return tile

    def losses(self, index: int, rng: torch.Generator) -> dict[str, Tensor]:
        """Reconstruction of one batch."""
        latent, masks, told = self.told(rng, self.batch)
        logits = self.codec.logits(latent, *told).float()[..., SEAM * DOWN :]
        nothing = (1 - masks.sum(1, keepdim=True)).clamp(0, 1)
        target = torch.cat([masks, nothing], 1)
        logp = logits.log_softmax(1)
        made = logp.exp()
        rare = torch.ones(1, MATERIALS + 1, 1, 1, device=self.device)
        rare[:, 2:MATERIALS] = RARE
        cross = -(rare * target * logp).sum(1).mean()
        entropy = -(rare * target * target.clamp(min=1e-4).log()).sum(1).mean()
        error = (made - target).abs().sum(1).mean()
        plane, look, _ = told
        judged = torch.cat([look, F.one_hot(plane, len(PLANES)) * SIZE**-0.5], 1)
        learns, passes, near = self.critic.losses(made, target, judged)
        heard = min(1.0, index / LISTENS)
        loss = cross - entropy + heard * (PASSES * passes + NEAR * near) + learns
        shown = {"cross": cross - entropy, "error": error, "passes": passes, "near": near}
        return {"loss": loss, **shown, "learns": learns}

    def sample(self, path: Path, ema: dict[str, nn.Module]) -> None:
        """Sixteen tiles, true beside drawn; more than half of them are dreamt."""
        codec = ema["codec"]
        assert isinstance(codec, Codec)
        latent, masks, told = self.told(torch.Generator().manual_seed(3), 16)
        back = codec.decode(latent, *told)[..., SEAM * DOWN :]
        rows = [
            np.concatenate([draw_masks(m), draw_masks(r)], 1)
            for m, r in zip(masks, back, strict=True)
        ]
        Image.fromarray(np.concatenate(rows, 0)).save(path)
