"""The sampler: Euler steps along the velocity field, one a frame or all at once."""

from collections.abc import Callable

import torch
from torch import Tensor

from .codec import LATENT
from .denoiser import between, lead

STEPS = 8  # a tile in the runway gets, one per predicted frame at cruising speed


def euler(tile: Tensor, velocity: Tensor, time: Tensor, stride: Tensor) -> Tensor:
    """One explicit Euler step of `stride` [B] from `time` [B]; tile and velocity [B, DREAMT, ...].

    The signs go the way of their own time, which leads the latent's.
    """
    ahead = lead(time + stride) - lead(time)
    signs = tile.shape[1] - LATENT
    pace = torch.cat([stride[:, None].expand(-1, LATENT), ahead[:, None].expand(-1, signs)], 1)
    return tile + pace[:, :, None, None] * velocity


def on_the_road(tile: Tensor, noise: Tensor, time: Tensor) -> Tensor:
    """A tile [B, DREAMT, ...] at `time` [B] on its road from `noise` of its shape.

    The signs are where their own time says, which leads the latent's.
    """
    latent = between(tile[:, :LATENT], noise[:, :LATENT], time)
    return torch.cat([latent, between(tile[:, LATENT:], noise[:, LATENT:], lead(time))], 1)


def sample(
    field: Callable[[Tensor, Tensor], Tensor], noise: Tensor, steps: int = STEPS, until: int = STEPS
) -> Tensor:
    """A whole tile from noise [B, DREAMT, ...]: field(tile, time [B]) is the velocity.

    `until` so many steps have been made, it is a tile on its way.
    """
    tile = noise
    stride = torch.full((len(noise),), 1.0 / steps, device=noise.device)
    for i in range(min(steps, until)):
        time = stride * i
        tile = euler(tile, field(tile, time), time, stride)
    return tile
