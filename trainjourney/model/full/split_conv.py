"""Convolutions by 3x3 of the deepest levels: few places, many channels, all weights read for them.

64 places of 1280 channels are 20 tiles of 64 by 64, and a card has six times as many
multiprocessors; 29 MB of weights would go through those 20. Here a tile is shared by several, each
of which sums up a part of its 11520 products ("split-K"); what comes next adds what they give.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MOST = 64  # places from which on it gains nothing
PARTS = 13  # of a tile's products: 260 blocks where there are 1280 channels
TILE = 64  # places, channels out and channels in of a step


@torch.library.custom_op("trainjourney::split_conv", mutates_args=())
def split_conv(x: Tensor, weight: Tensor) -> Tensor:
    """Parts [PARTS, H, W, N] float32, whose sum is the convolution of `x` [1, H, W, C], with a
    border of zeros, by `weight` [N, 3, 3, C]; both packed, C divisible by TILE."""
    made = torch.empty(_shape(x, weight), dtype=torch.float32, device=x.device)
    if x.device.type == "cuda":
        from .kernels import sum_parts

        sum_parts(x, weight, made)
        return made
    whole = F.conv2d(x.permute(0, 3, 1, 2), weight.permute(0, 3, 1, 2), padding=1)
    made.zero_()[0] = whole[0].permute(1, 2, 0)
    return made


@split_conv.register_fake
def _(x: Tensor, weight: Tensor) -> Tensor:
    return torch.empty(_shape(x, weight), dtype=torch.float32, device=x.device)


def _shape(x: Tensor, weight: Tensor) -> tuple[int, ...]:
    return (PARTS, x.shape[1], x.shape[2], weight.shape[0])


class SplitConv(nn.Module):
    """In the place of a convolution by 3x3 with a border and stride 1: itself, where the picture
    is large."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv

    def forward(self, x: Tensor) -> Tensor:
        """As the convolution's: [1, C, H, W] to [1, N, H, W]."""
        conv: Any = self.conv
        if x.shape[2] * x.shape[3] > MOST or x.shape[1] % TILE or len(x) > 1:
            whole: Tensor = conv(x)
            return whole
        lying = x.permute(0, 2, 3, 1).contiguous()
        weight = conv.weight.permute(0, 2, 3, 1).contiguous()  # lies so already: channels last
        made = split_conv(lying, weight).sum(0, keepdim=True) + conv.bias
        split: Tensor = made.to(x.dtype).permute(0, 3, 1, 2)
        return split
