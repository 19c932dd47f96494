"""The colours of a real ride made into materials, by k-means.

A material plays one part in the whole ride, and its colour goes half the way to what it is at a
place: the dreaming wanders from place to place, and what it brings from another one is to have a
colour there that it could have.
"""

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
ROUNDS = 8  # of k-means
PULL = 0.5  # of the way from the ride's colours to a place's own


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


def sky_masks(picture: Tensor, usual: Tensor) -> Tensor:
    """What is lighter and darker in a sky [rows, cells, 3] than its rows are usually, [rows, 3].

    Masks [MATERIALS, rows, cells], of which `sky_colours` gives the colours.
    """
    apart = (picture.mean(2) - usual.mean(1, keepdim=True)) / CLOUD
    masks = torch.zeros(MATERIALS, *apart.shape)
    masks[CLEAR], masks[SHADE] = apart.clamp(0.0, 1.0), (-apart).clamp(0.0, 1.0)
    return masks


def sky_colours(usual: Tensor) -> Tensor:
    """Of every material in a sky whose rows [rows, 3] are usually so, [MATERIALS, 3]."""
    colours = usual.mean(0).expand(MATERIALS, 3).clone()
    colours[CLEAR] += CLOUD
    colours[SHADE] -= CLOUD
    return colours


def gradient(usual: Tensor) -> Tensor:
    """Of the rows [rows, 3] from the top down, what the decoder paints behind all, [KNOTS, 3]."""
    knots = (torch.arange(KNOTS) * SKY_ROWS / (KNOTS - 1)).long().clamp(max=len(usual) - 1)
    return usual[knots]


def usual_rows(picture: Tensor) -> Tensor:
    """The colour that each row of a picture [rows, cells, 3] mostly has, [rows, 3]."""
    return picture.median(1).values


def find_colours(picture: Tensor, colours: Tensor, rounds: int = ROUNDS) -> Tensor:
    """The MATERIALS colours of a picture [rows, cells, 3], from the given ones on.

    k-means (Lloyd 1982), so that a material keeps, as far as may be, the part it plays there; one
    that nothing is near keeps its colour.
    """
    some = _smooth(picture)[::4]
    for _ in range(rounds):
        nearest = _apart(some, colours).argmin(1)
        sums = torch.zeros_like(colours).index_add_(0, nearest, some)
        count = torch.bincount(nearest, minlength=MATERIALS)[:, None]
        colours = torch.where(count > 0, sums / count.clamp(min=1), colours)
    return colours


def brought_to(colours: Tensor, picture: Tensor) -> Tensor:
    """Colours [MATERIALS, 3] at the mean and spread of a picture: of a palette that is all too dark
    most would have nothing near."""
    flat = _smooth(picture)
    return (colours - colours.mean(0)) / (colours.std(0) + 0.05) * flat.std(0) + flat.mean(0)


def masks_of(picture: Tensor, colours: Tensor) -> Tensor:
    """Masks [MATERIALS, rows, cells] of a picture [rows, cells, 3] in these colours, of sum 1."""
    soft = (-_apart(_smooth(picture), colours) / (2 * SPREAD**2)).softmax(1)
    return soft.T.reshape(MATERIALS, *picture.shape[:2])


def _smooth(picture: Tensor) -> Tensor:
    """Its colours [n, 3] without grain, which the codec's patches of four cells do not know."""
    smooth = F.avg_pool2d(picture.permute(2, 0, 1)[None], 3, 1, 1, count_include_pad=False)
    return smooth[0].permute(1, 2, 0).reshape(-1, 3)


def _apart(colours: Tensor, centres: Tensor) -> Tensor:
    """Squared distances [n, m] of colours [n, 3] and centres [m, 3]."""
    return colours.square().sum(1, True) - 2.0 * colours @ centres.T + centres.square().sum(1)
