"""Stage 3, the network that dreams tiles: flow matching beside a context, maybe noisy or absent.

Planes in which much stands are drawn more often; of one plane every place is as likely as another,
for a network that sees fuller ones more often dreams no open country.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from ..model.codec import LATENT, Codec, known
from ..model.decoder import Decoder
from ..model.denoiser import draw_times, lead, roughen, velocity
from ..model.embedder import SIZE, Embedder
from ..model.events import event_told
from ..model.network import CONTEXT, TILE, Network
from ..model.placement import disc_told
from ..model.planes import DOWN, VIEW_W
from ..model.sampler import on_the_road, sample
from .care import Care, careful
from .codec_stage import draw_masks
from .country import open_country
from .dataset import BORDER, CELLS, Shards
from .device import compiled
from .events import Passing, events_beside, passing, passing_loss
from .film import draw_film
from .stage import Device
from .suns import Suns, lot_loss, suns_of


@torch.no_grad()
def all_embeddings(pictures: Tensor, embedder: Embedder) -> Tensor:
    """Embeddings of every style's two pictures and their mirror images, [N, 4, SIZE]."""
    out = []
    for part in torch.split(pictures, 64):
        x = part.flatten(0, 1).float() / 255.0
        e = torch.stack([embedder(x), embedder(x.flip(3))], 1)
        out.append(e.view(len(part), 4, SIZE))
    return torch.cat(out)


OFTEN = (6.0, 1.0, 1.5, 2.0, 3.0, 3.0, 2.5, 1.0)  # how often a plane is drawn
WEIGHTS = (1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 2.2, 1.4)  # of its error: wires and blades are thin
SPOILT = (0.5, 0.7, 0.08)  # of the batch: noisy contexts, most noise of one, and any look
UNTOLD = 0.15  # of the batch, of which is not told what was drawn by lot
Told = tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]
"""Of a batch: context, mask, level, heading, plane, embedding (see Network)."""
SIGNED = 0.5  # weight of the signs' error beside the latent's
PLACED = 0.02  # and of the lot's, which teaches no other weights


class Lots(NamedTuple):
    """What is to be drawn by lot, of the places of a batch."""

    suns: Suns
    passing: Passing


class DreamStage:
    """Velocity regression; the look steers, the context continues."""

    name = "dream"

    def __init__(
        self, shards: Shards, embeddings: Tensor, codec: Codec, batch: int = 48, width: int = 64,
        blocks: int = 2, decoder: Decoder | None = None, film: int = 120, sheet: int = 48,
        device: Device = "cpu",
    ) -> None:  # fmt: skip
        self.decoder, self.film, self.sheet = decoder, film, sheet
        self.device = torch.device(device)
        self.network = compiled(Network(width, blocks), self.device)
        self.shards, self.embeddings = shards, embeddings.to(self.device)
        self.country = open_country(shards, self.device)
        self.codec = codec.to(self.device).eval().requires_grad_(False)
        self.batch = batch
        self.care = Care(self.device)
        self.melts = torch.from_numpy(shards.melts)
        self.discs = torch.from_numpy(shards.suns).to(self.device)
        self.events = torch.from_numpy(shards.events).to(self.device)
        self.often, self.weights = torch.tensor(OFTEN), torch.tensor(WEIGHTS).to(self.device)

    def modules(self) -> dict[str, nn.Module]:
        """The network."""
        return {"network": self.network}

    def batch_of(self, rng: torch.Generator, count: int) -> tuple[Tensor, Told, Lots]:
        """Tiles with their signs, what is told of them, of a calm context, and what is to be drawn
        by lot, of `count` places."""
        n = torch.randint(len(self.shards), (count,), generator=rng)
        melt = self.melts[n]
        # the train may run backwards: mirrored country, but a melt's new country lies to the right
        mirrored = (torch.rand(len(n), generator=rng) < 0.5) & ~melt
        plane = torch.multinomial(self.often, len(n), replacement=True, generator=rng)
        columns = CELLS // DOWN
        free = torch.randint(CONTEXT, columns - TILE, (count,), generator=rng)
        later = torch.randint(BORDER // DOWN + CONTEXT, columns - TILE, (count,), generator=rng)
        at_border = torch.rand(count, generator=rng) < 0.6
        at = torch.where(melt, torch.where(at_border, BORDER // DOWN, later), free)
        n, plane, at, mirrored = (x.to(self.device) for x in (n, plane, at, mirrored))
        first = torch.where(mirrored, columns - at - TILE, at - CONTEXT)
        signs = self.country.signs(n, plane, first, CONTEXT + TILE)
        masks = self.country.masks(n, plane, first * DOWN, (CONTEXT + TILE) * DOWN)
        flipped = mirrored[:, None, None, None]
        masks = torch.where(flipped, masks.flip(3), masks)
        signs = signs.float() / 127.0
        signs = torch.where(flipped, signs.flip(3), signs)[..., CONTEXT:]
        with torch.autocast(self.device.type, enabled=False):
            latent = self.codec.encode(masks.float() / 255.0, plane)
        moment = torch.randint(4, (count,), generator=rng).to(self.device)
        embedding = self.embeddings[n, moment]
        stray = torch.randn(embedding.shape, generator=rng) / SIZE**0.5
        stray = 0.3 * torch.rand(count, 1, generator=rng) * stray
        embedding = F.normalize(embedding + stray.to(self.device))
        suns = suns_of(self.country, self.discs, rng, n, plane, mirrored, at, embedding)
        disc = torch.full((count, 3), -1.0, device=self.device)
        disc[suns.of] = suns.disc
        left = (first + CONTEXT * ~mirrored) * DOWN
        event = events_beside(self.events[n], plane, left)
        lot = torch.cat([disc_told(disc, TILE), event_told(event, mirrored, TILE)], 1)
        tile = torch.cat([latent[..., CONTEXT:], signs], 1)
        one, calm = (torch.full((count,), x, device=self.device) for x in (1.0, 0.0))
        told = (latent[..., :CONTEXT], one, calm, lot, plane, embedding)
        return tile, told, Lots(suns, passing(event, mirrored, embedding))

    def draw_told(
        self, rng: torch.Generator, noisy: float, most: float, any_look: float
    ) -> tuple[Tensor, Told, Lots]:
        """A batch of tiles, and what is told of each: a share has a `noisy` context, of level
        U(0, `most`), a tenth none; a share `any_look`; of some it is not told what was drawn."""
        tile, (context, mask, _, lot, plane, embedding), lots = self.batch_of(rng, self.batch)
        b = len(tile)
        u = torch.rand(b, 4, generator=rng)
        level = (most * torch.rand(b, generator=rng) * (u[:, 0] < noisy).float()).to(self.device)
        mask = (u[:, 1] >= 0.1).float().to(self.device)
        embedding = embedding * (u[:, 2] >= any_look).float()[:, None].to(self.device)
        lot = lot * (u[:, 3] >= UNTOLD).float()[:, None, None, None].to(self.device)
        context = roughen(context, level, self.noise(context, rng))
        return tile, (context, mask, level, lot, plane, embedding), lots

    def placing(self, lots: Lots) -> Tensor:
        """The loss of the lots that are drawn: for suns, and for what comes by."""
        loss = torch.zeros((), device=self.device)
        if len(lots.suns.of):
            loss = loss + lot_loss(self.network.placement, lots.suns)
        if len(lots.passing.kind):
            loss = loss + passing_loss(self.network.events, lots.passing)
        return loss

    def noise(self, like: Tensor, rng: torch.Generator) -> Tensor:
        """Normal noise of that shape: the processor's, but on a GPU, where that would be waited
        for, the GPU's own, seeded by the processor's."""
        if self.device.type != "cuda":
            return torch.randn(like.shape, generator=rng).to(self.device)
        seed = int(torch.randint(2**62, (), generator=rng))
        own = torch.Generator(self.device).manual_seed(seed)
        return torch.randn(like.shape, generator=own, device=self.device)

    def losses(self, index: int, rng: torch.Generator) -> dict[str, Tensor]:
        """One batch."""
        tile, told, lots = self.draw_told(rng, *SPOILT)
        plane = told[4]
        noise = self.noise(tile, rng)
        time = draw_times(len(tile), rng).to(self.device)
        said = self.network(on_the_road(tile, noise, time), time, *told).float()
        error = (said - velocity(tile, noise)).square()
        error = careful(error, self.care.of(tile[:, LATENT:]), time)
        open_ = (lead(time) < 1.0).float()  # signs already certain
        latent, signs = error[:, :LATENT].mean(1), error[:, LATENT:].mean(1) * open_
        land = latent[plane >= 3]
        near = land.mean() if len(land) else latent.mean()
        placed = self.placing(lots)
        loss = self.weighed(latent + SIGNED * signs, plane) + PLACED * placed
        shown = {"latent": latent.mean(), "signs": signs.mean(), "near": near, "placed": placed}
        return {"loss": loss, **shown}

    def weighed(self, error: Tensor, plane: Tensor) -> Tensor:
        """The mean of errors [B], those of thin things counted more."""
        weight = self.weights[plane]
        return (weight * error).sum() / weight.sum()

    def sample(self, path: Path, ema: dict[str, nn.Module]) -> None:
        """Rows of one plane each: true context, dreamt tile, and a second tile that continues it.

        Beside it, where the stage was given a decoder, a film of `film` frames.
        """
        network, rng = ema["network"], torch.Generator().manual_seed(9)
        assert isinstance(network, Network)
        if self.decoder is not None:
            s, i = self.shards.where[0]
            masks = torch.from_numpy(np.array(self.shards.strips[s][i, :, :, :, :VIEW_W]))
            both = (0, len(self.embeddings) // 2)
            looks = torch.stack([self.embeddings[k, 0] for k in both]).cpu()
            film = path.with_suffix(".webp")
            draw_film(film, network, self.codec, self.decoder, masks, looks, self.film)
        tile, told, _ = self.batch_of(rng, self.sheet)
        order = told[4].argsort()
        tile, (context, mask, calm, lot, plane, embedding) = (
            tile[order], (part[order] for part in told)
        )  # fmt: skip
        seen = [context]
        for i in range(2):
            last = seen[-1][:, :LATENT, :, -CONTEXT:]
            noise = self.noise(tile, rng)
            sun = lot * (i == 0)

            def field(x: Tensor, t: Tensor, last: Tensor = last, sun: Tensor = sun) -> Tensor:
                velocity: Tensor = network(x, t, last, mask, calm, sun, plane, embedding)
                return velocity.float()

            seen.append(sample(field, noise))
        last = torch.cat([context, *(part[:, :LATENT] for part in seen[1:])], 3)
        signs = known(torch.cat([part[:, LATENT:] for part in seen[1:]], 3))
        masks = self.codec.decode(last, plane, embedding, signs)
        true = torch.cat([context, tile[:, :LATENT]], 3)
        true = self.codec.decode(true, plane, embedding, known(tile[:, LATENT:]))
        rows = []
        for i in range(0, self.sheet, 2):
            parts = [draw_masks(x) for j in (i, i + 1) for x in (true[j], masks[j])]
            rows.append(np.concatenate(parts, 1))
        Image.fromarray(np.concatenate(rows, 0)).save(path)
