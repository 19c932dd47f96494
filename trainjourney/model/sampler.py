"""The sampler: Euler steps along the velocity field, one a frame or all at once."""

from collections.abc import Callable

import torch
from torch import Tensor

STEPS = 8  # a tile in the runway gets, one per predicted frame


def time_of(step: Tensor, steps: int = STEPS) -> Tensor:
    """Time at which `step` (0..steps-1) begins; shorter strides near the data end, 0..1."""
    s = step / steps
    return s + 0.25 * s * (1.0 - s)


def euler(tile: Tensor, velocity: Tensor, step: Tensor, steps: int = STEPS) -> Tensor:
    """One explicit Euler step from `step` to `step` + 1; tile and velocity [B, ...], step [B]."""
    stride = (time_of(step + 1, steps) - time_of(step, steps)).view(-1, *[1] * (tile.dim() - 1))
    return tile + stride * velocity


def sample(field: Callable[[Tensor, Tensor], Tensor], noise: Tensor, steps: int = STEPS) -> Tensor:
    """A whole tile from noise [B, ...]: field(tile, time [B]) is the velocity."""
    tile = noise
    for i in range(steps):
        step = torch.full((len(noise),), float(i))
        tile = euler(tile, field(tile, time_of(step, steps)), step, steps)
    return tile
