"""Losses that make a model of many steps one of few, and guidance. They know no network, no road.

The full model is tuned by consistency, then by matching; so can the pocket be (tune_stage), which
else is distilled in pairs of steps and has of these the guidance alone.
"""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

Predict = Callable[[Tensor], Tensor]  # noised data -> the clean data it is thought to be
Says = Callable[[Tensor, Tensor], Tensor]  # noised data, its place -> what a network says there
HALVINGS = 1500  # steps of training after which the two points of the road lie twice as close
STEEP = 8.0  # most that two points which lie close weigh more than two far ones, squared


class AnyRoad(Protocol):
    """A way between data and noise. A place [B] is told in the road's own measure."""

    def place(self, share: Tensor) -> Tensor:
        """Where so much of the way from the data has been gone: 0 the data, 1 nothing but noise."""
        ...

    def between(self, data: Tensor, noise: Tensor, step: Tensor) -> Tensor: ...
    def velocity(self, data: Tensor, noise: Tensor, step: Tensor) -> Tensor: ...
    def clean(self, noised: Tensor, said: Tensor, step: Tensor) -> Tensor: ...
    def stray(self, noised: Tensor, said: Tensor, step: Tensor) -> Tensor: ...


def draw_span(count: int, index: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Two places on a road, in shares [count]: far out, half of them at its very end, where the
    student will mostly stand; and nearer to the data, a quarter of them the data itself."""
    u = torch.rand(count, 3, generator=rng)
    far = torch.where(u[:, 0] < 0.5, torch.ones(count), u[:, 1]).clamp(min=0.002)
    near = far * (1.0 - 0.5 ** (1 + index // HALVINGS))
    return far, torch.where(u[:, 2] < 0.25, torch.zeros(count), near)


def tuning_loss(
    road: AnyRoad, student: Says, target: Says, teacher: Says, data: Tensor, noise: Tensor,
    index: int, rng: torch.Generator,
) -> Tensor:  # fmt: skip
    """Consistency along the road that the teacher, already guided, would go (DDIM, Song et al.
    2021). `target` is the student or what trails it; `index` the step of training."""
    far, near = (share.to(data.device) for share in draw_span(len(data), index, rng))
    at, to = road.place(far), road.place(near)
    x = road.between(data, noise, at)
    with torch.no_grad():
        said = teacher(x, at)
        y = road.between(road.clean(x, said, at), road.stray(x, said, at), to)

    def aim(place: Tensor) -> Tensor:
        ends = (near == 0.0).view(-1, *[1] * (data.dim() - 1))
        return torch.where(ends, data, road.clean(place, target(place, to), to))

    weight = (1.0 / (far - near)).clamp(max=STEEP).sqrt()
    return consistency_loss(
        lambda place: road.clean(place, student(place, at), at), aim, x, y, weight
    )


def consistency_loss(
    student: Predict, target: Predict, far: Tensor, near: Tensor, weight: Tensor
) -> Tensor:
    """What the student says far out on a road is to be what `target` says nearer to the data.

    Consistency tuning (Song et al. 2023, eq. 10; Geng et al. 2024): `far` and `near` [B, ...] lie
    on one road with the same noise; where `near` is the data itself, `target` gives it back.
    Pseudo-Huber distance (Song & Dhariwal 2024); weight [B].
    """
    with torch.no_grad():
        wanted = target(near)
    torch.clear_autocast_cache()  # the student may be the target
    apart = (student(far) - wanted).float()
    size = apart[0].numel()
    edge = 0.00054 * size**0.5
    distance = (apart.square().flatten(1).sum(1) + edge**2).sqrt() - edge
    mean: Tensor = (weight * distance).mean()
    return mean * float(size**-0.5)


def guided(with_look: Tensor, without: Tensor, strength: Tensor) -> Tensor:
    """Guidance on the embedding alone (Ho & Salimans 2022), strength [B]; 1 leaves it as it is."""
    w = strength.view(-1, *[1] * (with_look.dim() - 1))
    return without + w * (with_look - without)


def matching_loss(made: Tensor, real: Tensor, fake: Tensor) -> Tensor:
    """Distribution matching (Yin et al. 2024, eq. 7 and 8): push what was made, [B, ...], from
    where a network of the student's own pictures would clean it to where the teacher would."""
    with torch.no_grad():
        size = (made - real).abs().flatten(1).mean(1).clamp(min=1e-3)
        push = (fake - real) / size.view(-1, *[1] * (made.dim() - 1))
        wanted = made - torch.nan_to_num(push)
    return 0.5 * (made - wanted).square().mean()
