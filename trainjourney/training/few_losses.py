"""Losses that make a model of many steps one of few, and guidance. They know no network.

The full model is tuned by consistency and matching; the pocket, distilled in pairs of steps, has
of these the guidance alone.
"""

from collections.abc import Callable

import torch
from torch import Tensor

Predict = Callable[[Tensor], Tensor]  # noised data -> the clean data it is thought to be


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
