"""Flow matching: a straight road from noise to data (Lipman et al. 2023; Liu et al. 2023)."""

import torch
from torch import Tensor

LEAD = 1.5  # how much faster the signs of a tile go from noise to data than its latent
EARLY = 0.3  # of the road


def lead(time: Tensor) -> Tensor:
    """The time of the signs when the latent is at `time`."""
    return (LEAD * time).clamp(max=1.0)


def between(data: Tensor, noise: Tensor, time: Tensor) -> Tensor:
    """The point at `time` [B] (0 noise, 1 data) on the road, same shape as data."""
    t = time.view(-1, *[1] * (data.dim() - 1))
    return (1.0 - t) * noise + t * data


def velocity(data: Tensor, noise: Tensor) -> Tensor:
    """What the network is to say anywhere on the road."""
    return data - noise


def roughen(context: Tensor, level: Tensor, noise: Tensor) -> Tensor:
    """Context with noise of the told level [B], 0 none, 1 nothing but (GameNGen, Valevski 2024)."""
    k = level.view(-1, *[1] * (context.dim() - 1))
    return (1.0 - k) * context + k * noise


def draw_times(count: int, rng: torch.Generator) -> Tensor:
    """Training times [count]: logit-normal, a sixth uniform, so that both ends are learnt, and a
    fifth under `EARLY`, where it is decided what stands where."""
    times = torch.sigmoid(torch.randn(count, generator=rng) * 1.1 - 0.2)
    even, kind = torch.rand(2, count, generator=rng)
    times = torch.where(kind < 0.36, even, times)
    return torch.where(kind < 0.2, EARLY * even, times)
