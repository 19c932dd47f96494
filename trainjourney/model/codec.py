"""The codec of a plane: material masks of a tile to a latent an eighth its size, and back."""

import torch
from torch import Tensor, nn

from .layers import conv
from .planes import MATERIALS, PLANES

LATENT = 16  # channels
DOWN = 8  # cells per latent cell


class Codec(nn.Module):
    """Masks [B, MATERIALS, 64, W] <-> latent [B, LATENT, 8, W/8], told which plane it is."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        w = width
        self.planes = len(PLANES)
        self.into = nn.Sequential(
            conv(MATERIALS, w, 3, 2), nn.SiLU(), conv(w, w), nn.SiLU(),
            conv(w, 2 * w, 3, 2), nn.SiLU(), conv(2 * w, 2 * w), nn.SiLU(),
            conv(2 * w, 4 * w, 3, 2), nn.SiLU(),
        )  # fmt: skip
        self.into_plane = nn.Embedding(self.planes, 4 * w)
        self.into_end = nn.Sequential(conv(4 * w, 4 * w), nn.SiLU(), conv(4 * w, LATENT))
        self.out_start = conv(LATENT, 4 * w)
        self.out_plane = nn.Embedding(self.planes, 4 * w)
        self.out = nn.Sequential(
            nn.SiLU(), conv(4 * w, 4 * w), nn.SiLU(), conv(4 * w, 8 * w), nn.PixelShuffle(2),
            conv(2 * w, 2 * w), nn.SiLU(), conv(2 * w, 4 * w), nn.PixelShuffle(2),
            conv(w, w), nn.SiLU(), conv(w, 4 * (MATERIALS + 1)), nn.PixelShuffle(2),
        )  # fmt: skip
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.zeros(self.planes, LATENT))
        self.register_buffer("std", torch.ones(self.planes, LATENT))

    def encode_raw(self, masks: Tensor, plane: Tensor) -> Tensor:
        """Latent before whitening; masks 0..1, plane [B] int64."""
        x = self.into(masks * 2.0 - 1.0) + self.into_plane(plane)[:, :, None, None]
        return self.into_end(x)

    def logits(self, raw: Tensor, plane: Tensor) -> Tensor:
        """[B, MATERIALS + 1, 64, W] logits from a latent before whitening; the last is 'nothing'."""
        return self.out(self.out_start(raw) + self.out_plane(plane)[:, :, None, None])

    def encode(self, masks: Tensor, plane: Tensor) -> Tensor:
        """Whitened latent, about N(0, 1)."""
        mean, std = self.mean[plane][:, :, None, None], self.std[plane][:, :, None, None]
        return (self.encode_raw(masks, plane) - mean) / std

    def decode(self, latent: Tensor, plane: Tensor) -> Tensor:
        """Masks [B, MATERIALS, 64, W] 0..1 from a whitened latent."""
        mean, std = self.mean[plane][:, :, None, None], self.std[plane][:, :, None, None]
        return self.logits(latent * std + mean, plane).softmax(1)[:, :MATERIALS]
