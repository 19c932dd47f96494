"""The codec of a plane: material masks of a tile to a latent a quarter its size, and back.

Into the latent: principal components of 4x4 patches, a basis per plane, fitted and never trained,
so that a cell's code depends on that cell alone. Back: the same basis, then a network that draws
what the components leave out. It is told the look and, of what was dreamt, the signs: a window is
less than a component, but where a house stands, and which part of it this is, is known.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .embedder import SIZE
from .layers import conv
from .planes import DOWN, MATERIALS, PLANES, SIGNS

LATENT = 12  # channels
PATCH = MATERIALS * DOWN * DOWN


class Codec(nn.Module):
    """Masks [B, MATERIALS, 64, W] <-> latent [B, LATENT, 16, W/4], told which plane it is."""

    def __init__(self, width: int = 48, deep: int = 3, wide: int = 1) -> None:
        """`deep` residual pairs of convolutions at the latent's resolution, `wide` at twice it."""
        super().__init__()
        n, w = len(PLANES), width
        self.plane = nn.Embedding(n, 2 * w)
        self.look = nn.Linear(SIZE, 2 * w)
        self.signs = conv(SIGNS + 1, 2 * w)
        _silence(self.look)
        _silence(self.signs)
        self.start = conv(LATENT, 2 * w)
        self.deep = nn.ModuleList(_pair(2 * w) for _ in range(deep))
        self.middle = nn.Sequential(nn.SiLU(), conv(2 * w, 2 * w), nn.SiLU(), conv(2 * w, 4 * w))
        self.wide = nn.ModuleList(_pair(w) for _ in range(wide))
        self.end = nn.Sequential(
            nn.SiLU(), conv(w, w), nn.SiLU(), conv(w, 4 * (MATERIALS + 1)), nn.PixelShuffle(2)
        )
        self.mean: Tensor
        self.basis: Tensor
        self.scale: Tensor
        self.register_buffer("mean", torch.zeros(n, PATCH))
        self.register_buffer("basis", torch.zeros(n, LATENT, PATCH))  # orthonormal rows
        self.register_buffer("scale", torch.ones(n, LATENT))  # what a component is divided by

    def encode(self, masks: Tensor, plane: Tensor) -> Tensor:
        """Latent of masks 0..1, plane [B] int64; the strongest component has spread 1."""
        patches = F.pixel_unshuffle(masks, DOWN)
        b, _, h, w = patches.shape
        centred = patches.flatten(2) - self.mean[plane][:, :, None]
        return ((self.basis[plane] @ centred) / self.scale[plane][:, :, None]).view(b, LATENT, h, w)

    def logits(
        self, latent: Tensor, plane: Tensor, look: Tensor, signs: Tensor | None = None
    ) -> Tensor:
        """[B, MATERIALS + 1, 64, W]; the last is 'nothing'.

        look [B, SIZE], zeros for any; signs [B, SIGNS + 1, 16, up to W/4] of the last columns, as
        `known` makes them: elsewhere, or without, nobody knows what stands there.
        """
        b, _, h, w = latent.shape
        spread = latent.flatten(2) * self.scale[plane][:, :, None]
        patches = self.basis[plane].transpose(1, 2) @ spread + self.mean[plane][:, :, None]
        rough = F.pixel_shuffle(patches.view(b, PATCH, h, w), DOWN)
        rough = torch.cat([rough, 1.0 - rough.sum(1, keepdim=True)], 1)
        told = self.plane(plane) + self.look(look * SIZE**0.5)
        x = self.start(latent) + told[:, :, None, None]
        if signs is not None:
            x = x + self.signs(F.pad(signs, (w - signs.shape[3], 0)))
        for pair in self.deep:
            x = x + pair(x)
        x = F.pixel_shuffle(self.middle(x), 2)
        for pair in self.wide:
            x = x + pair(x)
        sharper: Tensor = self.end(x)
        return 8.0 * rough + sharper

    def decode(
        self, latent: Tensor, plane: Tensor, look: Tensor, signs: Tensor | None = None
    ) -> Tensor:
        """Masks [B, MATERIALS, 64, W] 0..1; arguments as of `logits`."""
        return self.logits(latent, plane, look, signs).softmax(1)[:, :MATERIALS]

    @torch.no_grad()
    def fit(self, plane: int, masks: Tensor) -> None:
        """Take the principal components of masks [N, MATERIALS, 64, W] as the basis of a plane."""
        patches = F.pixel_unshuffle(masks, DOWN).permute(0, 2, 3, 1).reshape(-1, PATCH).double()
        mean = patches.mean(0)
        centred = patches - mean
        power, vectors = torch.linalg.eigh(centred.T @ centred / len(centred))
        spread = power.flip(0)[:LATENT].clamp(min=1e-8).sqrt()
        self.mean[plane] = mean.float()
        self.basis[plane] = vectors.flip(1)[:, :LATENT].T.float()
        # hardly whitened: the weakest components keep less than the strongest (picture.md, 3)
        self.scale[plane] = (spread**0.65 * spread[0] ** 0.35).clamp(min=1e-3).float()


def known(signs: Tensor) -> Tensor:
    """Signs [B, SIGNS, H, W] that are known, with a channel that says so."""
    return torch.cat([signs, torch.ones_like(signs[:, :1])], 1)


def _pair(channels: int) -> nn.Sequential:
    """What a residual pair adds: nothing, until it is taught."""
    pair = [conv(channels, channels), conv(channels, channels)]
    _silence(pair[1])
    return nn.Sequential(nn.SiLU(), pair[0], nn.SiLU(), pair[1])


def _silence(layer: nn.Module) -> None:
    for weight in layer.parameters():
        nn.init.zeros_(weight)
