"""The colours of a real ride made into materials, by k-means, a palette a place."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..model.decoder import CODE, KNOTS, Decoder
from ..model.embedder import SIZE
from ..model.planes import MATERIALS, PLANES

CLEAR, SHADE = 0, 1  # materials of the sky: lighter and darker than its row
CLOUD = 0.3  # of lightness that a cloud or its shade differs from its row
SKY_ROWS = 72  # of the view, that the gradient of the decoder reaches down
SPREAD = 0.05  # of a colour about its material, 0..1


def palette_in(decoder: Decoder, look: Tensor) -> Tensor:
    """Colour of every material in a look, [planes, MATERIALS, 3]."""
    with torch.no_grad():
        colours, _ = _painted(decoder, look[None])
    return colours[0].clamp(0.0, 1.0)


def _painted(decoder: Decoder, looks: Tensor) -> tuple[Tensor, Tensor]:
    """Colours [B, planes, MATERIALS, 3] and gradients [B, KNOTS, 3] in looks [B, SIZE]."""
    n = len(PLANES) * MATERIALS * CODE
    codes, sky = decoder.palette(looks * SIZE**0.5).float().split([n, KNOTS * CODE], 1)
    codes = codes.view(-1, len(PLANES), MATERIALS, CODE)
    return codes[..., :3], sky.view(-1, KNOTS, CODE)[..., :3]


def fit_palette(decoder: Decoder, folder: Path, kept: Tensor, steps: int = 300) -> float:
    """Teach the decoder's palette the colours of the places in `folder`; gives the last error.

    That is a small network and takes seconds, and spares the decoder's own stage many minutes.
    In the looks `kept` [n, SIZE] it is to paint as before.
    """
    found = sorted(folder.glob("real*"))

    def gather(name: str) -> Tensor:
        return torch.from_numpy(np.stack([np.load(place / f"{name}.npy") for place in found]))

    looks, paint, sky = gather("looks"), gather("paint"), gather("sky")
    again = looks.shape[1]
    looks = looks.flatten(0, 1)
    paint, sky = paint.repeat_interleave(again, 0), sky.repeat_interleave(again, 0)
    with torch.no_grad():
        old = decoder.palette(kept * SIZE**0.5)
    optimizer = torch.optim.Adam(decoder.palette.parameters(), lr=1e-3)
    rng, error = torch.Generator().manual_seed(3), torch.zeros(())
    for _ in range(steps):
        stray = torch.randn(looks.shape, generator=rng) * (0.15 / SIZE**0.5)
        colours, gradient = _painted(decoder, F.normalize(looks + stray, dim=1))
        error = (colours - paint).abs().mean() + (gradient - sky).abs().mean()
        loss = error + (decoder.palette(kept * SIZE**0.5) - old).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return float(error.detach())


def sky_masks(picture: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What differs from its row in a sky [rows, cells, 3], the colours of that, and the rows'.

    Masks [MATERIALS, rows, cells], colours [MATERIALS, 3], and the gradient [KNOTS, 3].
    """
    light, usual = picture.mean(2), picture.median(1).values  # [rows, cells], [rows, 3]
    apart = (light - usual.mean(1, keepdim=True)) / CLOUD
    masks = torch.zeros(MATERIALS, *light.shape)
    masks[CLEAR], masks[SHADE] = apart.clamp(0.0, 1.0), (-apart).clamp(0.0, 1.0)
    colours = usual.mean(0).expand(MATERIALS, 3).clone()
    colours[CLEAR] += CLOUD
    colours[SHADE] -= CLOUD
    knots = (torch.arange(KNOTS) * SKY_ROWS / (KNOTS - 1)).long().clamp(max=len(usual) - 1)
    return masks, colours, usual[knots]


def land_masks(picture: Tensor, colours: Tensor, rounds: int = 8) -> tuple[Tensor, Tensor]:
    """Masks [MATERIALS, rows, cells] of land [rows, cells, 3], summing to 1, and their colours.

    k-means from the given colours [MATERIALS, 3] (Lloyd 1982), so that a material keeps, as far
    as may be, the part it plays in the scenery.
    """
    # the codec knows patches of four cells, and no grain
    smooth = F.avg_pool2d(picture.permute(2, 0, 1)[None], 3, 1, 1, count_include_pad=False)
    flat = smooth[0].permute(1, 2, 0).reshape(-1, 3)
    # the same mean and spread first: a palette that is all too dark would leave most unused
    centres = (colours - colours.mean(0)) / (colours.std(0) + 0.05) * flat.std(0) + flat.mean(0)
    some = flat[::4]
    for _ in range(rounds):
        nearest = _apart(some, centres).argmin(1)
        sums = torch.zeros_like(centres).index_add_(0, nearest, some)
        count = torch.bincount(nearest, minlength=MATERIALS)[:, None]
        centres = torch.where(count > 0, sums / count.clamp(min=1), centres)
    soft = (-_apart(flat, centres) / (2 * SPREAD**2)).softmax(1)
    return soft.T.reshape(MATERIALS, *picture.shape[:2]), centres


def _apart(colours: Tensor, centres: Tensor) -> Tensor:
    """Squared distances [n, m] of colours [n, 3] and centres [m, 3]."""
    return colours.square().sum(1, True) - 2.0 * colours @ centres.T + centres.square().sum(1)
