"""Restart sampling: a dreamt tile that is not yet wanted goes back toward noise, and on again.

After Xu et al. 2023. Each of a few steps is a little wrong; on the road once more, from fresh
noise, the errors of before are forgotten and what stands there is kept: suns grow round, and what
is half of a thing becomes one or goes. Where country is wanted soon there is none of it.
"""

import torch
from torch import Tensor

from .repaint import RESTLESS, TILES, TRACK
from .ring import P
from .sampler import STEPS, on_the_road

# By plane, sky first. Of a tile's steps, the one that it goes back to: from an earlier one clouds
# fade, and from a later one suns stay dented. How many times at most; poles stand whole by it.
BACK = (3, 5, 5, 5, 5, 5, 5, 5)
MOST = (6, 4, 4, 4, 4, 4, 1, 0)
IN_SIGHT = (5, 2, 1, 1, 1, 1, 1, 0)  # of a repainting, which is waited for
HURRIED = (2, 0, 0, 0, 0, 0, 0, 0)  # while more is out of date: suns stay in sight for minutes
# Frames of cruising that all other planes must be able to wait: less where a tile is seen for long.
SPARE = (24.0, 24.0, 24.0, 32.0, 40.0, 48.0, 64.0, 64.0)
OWN = 12.0  # and the tile's own
LEAST = 12.0  # of all, in a hurry
# Steps of standing and dreaming freely after which nothing of what was is left in the window.
_TILE = [STEPS + times * (STEPS - back) for times, back in zip(IN_SIGHT, BACK, strict=True)]
DEPARTURE = 16 + TILES * sum(_TILE) + _TILE[TRACK]


def may_restart(
    job: Tensor, restarts: Tensor, frames: Tensor, speed: Tensor, departs: Tensor, dream: Tensor,
    hurry: Tensor,
) -> Tensor:  # fmt: skip
    """Whether a finished tile of `job` [4] is to go back once more, [1] bool.

    It did `restarts` [1] times; every plane wants country in so many `frames` [P]. A train that
    `departs` waits for nothing else; one that dreams wildly restarts nothing. In a `hurry` to
    repaint hardly anything goes back.
    """
    plane, repainting = job[:1].long(), job[3] == 2
    wait = torch.where(torch.arange(P) == plane, OWN, torch.tensor(SPARE)[plane])
    wait = torch.where(hurry & repainting, LEAST, wait)
    calm = (dream <= RESTLESS) & ((frames * speed.abs().clamp(min=1.0)) > wait).all()
    unseen, in_sight, hurried = (torch.tensor(x)[plane] for x in (MOST, IN_SIGHT, HURRIED))
    in_sight = torch.where(hurry & ~departs, hurried, in_sight)
    most = torch.where(repainting, in_sight, unseen)
    return (restarts < most) & (departs | calm)


def go_back(tile: Tensor, plane: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """A tile [DREAMT, TALL, TILE] of a `plane` [1] with `noise` of its shape; and its time [1]."""
    time = torch.tensor(BACK)[plane.long()] / STEPS
    return on_the_road(tile[None], noise[None], time)[0], time
