"""Building blocks shared by the networks: convolutions, modulation by a condition, channel norm."""

import torch
from torch import Tensor, nn


def conv(inside: int, outside: int, size: int = 3, stride: int = 1) -> nn.Conv2d:
    """A same-padded convolution."""
    return nn.Conv2d(inside, outside, size, stride, size // 2)


class ChannelNorm(nn.Module):
    """RMS norm over channels at every position (Zhang & Sennrich 2019); cheap at run time."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> same."""
        out: Tensor = x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-5) * self.gain
        return out


class Block(nn.Module):
    """Residual block modulated by a condition (FiLM, Perez et al. 2018)."""

    def __init__(self, channels: int, condition: int, norm: bool = True) -> None:
        super().__init__()
        self.norm = ChannelNorm(channels) if norm else nn.Identity()
        self.first = conv(channels, channels)
        self.film = nn.Linear(condition, 2 * channels)
        self.second = conv(channels, channels)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.film.weight)
        nn.init.zeros_(self.film.bias)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """x [B, C, H, W], condition [B, K] -> [B, C, H, W]."""
        scale, shift = self.film(condition)[..., None, None].chunk(2, dim=1)
        h = self.first(self.norm(x)) * (1.0 + scale) + shift
        out: Tensor = x + self.second(nn.functional.silu(h))
        return out


class Wanted(nn.Module):
    """What was made where it is wanted, else zeros. Exported as an attribute `wanted`, it leaves
    undone what is not, and all that served it alone (inference/branch.py)."""

    def forward(self, wanted: Tensor, made: Tensor) -> Tensor:
        """wanted [] or [1] bool; made as it is."""
        return torch.where(wanted, made, made.new_zeros([int(size) for size in made.shape]))
