"""Stage 2, the decoder: true planes and an embedding to the picture, at any sub-cell place."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from ..model.decoder import Decoder, grain_cells, pixels, weave
from ..model.embedder import Embedder
from ..model.planes import DOWN, PLANES, ROWS, VIEW_W, Plane
from ..scenery.signs import CODES
from ..scenery.view import textures
from .dataset import Shards
from .look_stage import vary
from .patch_critic import PatchCritic
from .stage import Device

NUDGES = (0.5, 1.0)  # cells; half a cell is a pixel. Every strip has a cell to spare
MARGIN = 16  # px at either side where a nudged picture shows other country
STEADY = 2.0  # weight of what changes there: what a critic brings would shimmer otherwise
LINES = ("bridge", "platform")  # on the track, where lines cross rows that are four cells tall
LINED = 0.25  # of the pictures are drawn from those where these stand
TURNED = (0, 1, 3, 2, 5, 4)  # channels of grain, each phase of the dots at its mirrored place
PASSES, NEAR = 0.03, 0.02  # weights of passing for true, and of seeming alike to the critic
LISTENS = 400  # steps until the critic is heard in full


class DecoderStage:
    """L1 on pixels, on edges and on a smaller picture, so that colour and line both come right, and
    a critic beside, so that what is not certain is not drawn soft.

    Every picture is decoded a pixel or two further on too: it must be the same picture there, or
    else the country would shimmer as it rolls. Half of them are mirrored, as country is dreamt.
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
        critic: bool = True,
    ) -> None:
        """Without `critic` what is not certain stays soft: on photographs it was never tried."""
        self.decoder, self.device = Decoder(*paint, planes=planes), torch.device(device)
        grain = grain_cells(torch.from_numpy(textures()), planes)
        self.decoder.grain.copy_(grain)
        self.grain = grain.to(self.device)
        self.embedder = embedder.eval().requires_grad_(False)
        self.shards, self.pictures, self.batch = shards, pictures, batch
        self.critic = PatchCritic() if critic else None
        self.lined = list(_with_lines(shards))

    def modules(self) -> dict[str, nn.Module]:
        """The decoder, and its critic."""
        critic = {} if self.critic is None else {"critic": self.critic}
        return {"decoder": self.decoder, **critic}

    def batch_of(
        self, rng: torch.Generator, count: int
    ) -> tuple[dict[str, Tensor], Tensor, list[int]]:
        """Arguments of the decoder, the true pictures [count, 3, H, W], and nudges, px.

        There are twice as many arguments: after those of the pictures the same ones nudged.
        """
        n = torch.randint(1, len(self.shards), (count,), generator=rng).tolist()
        k = torch.randint(3, (count,), generator=rng).tolist()
        which = torch.randint(len(NUDGES), (count,), generator=rng).tolist()
        often, mirrored = torch.rand(2, count, generator=rng)
        for j in (often < LINED).nonzero().flatten().tolist() if self.lined else []:
            n[j], k[j] = self.lined[int(torch.randint(len(self.lined), (), generator=rng))]
        turns = list(zip(which, (mirrored < 0.5).tolist(), strict=True))
        plain, nudged, truth, looks = [], [], [], []
        nudges = [round(2.0 * NUDGES[c]) * (-1 if turned else 1) for c, turned in turns]
        for a, b, (c, turned) in zip(n, k, turns, strict=True):
            s, i = self.shards.where[a]
            start = torch.from_numpy(np.array(self.shards.starts[s][i, b])).float()
            plain.append(self._view(a, start, turned))
            nudged.append(self._view(a, start + NUDGES[c], turned))
            picture = torch.from_numpy(np.array(self.shards.frames[s][i, b]))
            truth.append(picture.flip(1) if turned else picture)
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
        return arguments, pictures, nudges

    def _view(
        self, style: int, start: Tensor, mirrored: bool = False
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Masks by pixels, phase and grain of a style's strips from `start` [planes] on, cells."""
        s, i = self.shards.where[style]
        strips = self.shards.strips[s][i]
        whole = start.floor().long()
        cut = [strips[p, :, :, x : x + VIEW_W + 1] for p, x in enumerate(whole.tolist())]
        sheet = torch.from_numpy(np.stack(cut)).to(self.device).float() / 255.0
        phase = (start - whole).to(self.device)
        halves = pixels(sheet[..., :-1], sheet[..., 1:], phase[:, None, None, None])
        grain = weave(self.grain, (2.0 * start).int().to(self.device))
        if mirrored:  # the right half of a cell is its left one then
            grain = torch.stack([grain[:, channel] for channel in TURNED], 1)
            return halves.flip(0, 4), (1.0 - phase) % 1.0, grain.flip(3)
        return halves, phase, grain

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
        shown = {"pixel": pixel, "small": small, "steady": steady, "psnr": psnr}
        loss = pixel + 0.5 * edges + small + STEADY * steady
        if self.critic is None:
            return {"loss": loss, **shown}
        looks = arguments["embedding"][: len(truth)]
        learns, passes, near = self.critic.losses(made, truth, looks)
        heard = min(1.0, index / LISTENS)
        loss = loss + heard * (PASSES * passes + NEAR * near) + learns
        return {"loss": loss, **shown, "passes": passes, "near": near, "learns": learns}

    def sample(self, path: Path, ema: dict[str, nn.Module]) -> None:
        """Eight pictures, true beside decoded."""
        arguments, truth, _ = self.batch_of(torch.Generator().manual_seed(5), 8)
        made = ema["decoder"](**{name: given[:8] for name, given in arguments.items()})
        both = torch.cat([truth, made.float().clamp(0, 1)], 3)
        sheet = torch.cat(list(both), 1).permute(1, 2, 0)
        Image.fromarray((sheet * 255.0).round().byte().cpu().numpy()).save(path)


def _with_lines(shards: Shards) -> Iterator[tuple[int, int]]:
    """Style and number of every picture in which one of LINES stands."""
    plane = [p.name for p in PLANES].index("track")
    words = np.stack([CODES[kind] for kind in LINES])[:, :, None, None]
    for n, (s, i) in enumerate(shards.where):
        signs = shards.signs[s][i, plane, : words.shape[1]] / np.float32(127)
        stands = (abs(signs - words).max(1) < 0.1).any((0, 1))
        for k, start in enumerate(shards.starts[s][i, :, plane].astype(int)):
            if n and stands[start // DOWN : (start + VIEW_W) // DOWN].mean() > 0.2:
                yield n, k
