"""The full network: an image-variations U-Net that is also shown what was.

Two former latents and a mask come in beside the noised one; how noisy they are, and how fast the
train runs, is added to the embedding of the step. At first all of that weighs next to nothing, so
training sets out from the pretrained model (as Pinkney did; GameNGen, Valevski 2024, for noise).
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

from .parts import LATENT

CONTEXT = 2  # former latents
CHANNELS = LATENT * (1 + CONTEXT) + 1
WAVES = 16


class FullNetwork(nn.Module):
    """The velocity of a noised latent, given context, mask, level, speed and embedding."""

    waves: Tensor

    def __init__(self, unet: Any) -> None:
        super().__init__()
        self.unet = unet
        first = unet.conv_in
        assert isinstance(first, nn.Conv2d) and first.in_channels == LATENT, first
        unet.conv_in = widened(first, CHANNELS)
        unet.class_embedding = nn.Identity()  # lets the U-Net add `class_labels` to its step's
        embedding = unet.time_embedding
        assert isinstance(embedding, nn.Module)
        width = int(embedding.linear_2.out_features)  # type: ignore[union-attr,arg-type]
        self.told = nn.Sequential(nn.Linear(4 * WAVES, width), nn.SiLU(), nn.Linear(width, width))
        nn.init.zeros_(self.told[2].weight)  # type: ignore[arg-type]
        nn.init.zeros_(self.told[2].bias)  # type: ignore[arg-type]
        # Said where, for torch forgets that linspace may stand on a default device once
        # transformers has loaded weights in this process (which patches it meanwhile).
        device = first.weight.device
        waves = torch.exp(torch.linspace(0.0, math.log(64.0), WAVES, device=device))
        self.register_buffer("waves", waves, persistent=False)

    def condition(self, level: Tensor, speed: Tensor) -> Tensor:
        """What is added to the step's embedding: context noise 0..1 and speed, each [B]."""
        angles = torch.cat([level[:, None] * self.waves, speed[:, None] * self.waves], 1)
        return self.told(torch.cat([angles.sin(), angles.cos()], 1))  # type: ignore[no-any-return]

    def forward(
        self, noised: Tensor, step: Tensor, context: Tensor, mask: Tensor, level: Tensor,
        speed: Tensor, embedding: Tensor,
    ) -> Tensor:  # fmt: skip
        """Velocity [B, LATENT, h, w].

        noised [B, LATENT, h, w] at step [B]; context [B, CONTEXT * LATENT, h, w], older first,
        noised by level [B]; mask [B, 1, h, w] 1 where it is told; speed [B] x cruising;
        embedding [B, D], zeros for any look.
        """
        told = self.condition(level, speed).to(noised.dtype)
        x = torch.cat([noised, context * mask, mask], 1)
        token = embedding[:, None].to(noised.dtype)
        said: Tensor = self.unet(x, step, token, class_labels=told, return_dict=False)[0]
        return said


def widened(first: nn.Conv2d, channels: int) -> nn.Conv2d:
    """The same convolution with more inputs, whose weights are next to nothing."""
    assert first.bias is not None and isinstance(first.padding, tuple)
    wide = nn.Conv2d(channels, first.out_channels, 3, padding=first.padding[0])
    wide = wide.to(first.weight.device, first.weight.dtype)
    with torch.no_grad():
        wide.weight.normal_(0.0, 1e-8)
        wide.weight[:, : first.in_channels] = first.weight
        wide.bias.copy_(first.bias)  # type: ignore[union-attr]
    return wide
