"""What one step of any training is made of: optimizer, running average, and chance by number."""

from typing import Any

import torch
from torch import Tensor, nn

from .stage import Schedule


def make_optimizer(modules: dict[str, nn.Module], schedule: Schedule) -> torch.optim.AdamW:
    """AdamW over every parameter that wants a gradient, once each."""
    found = {id(p): p for m in modules.values() for p in m.parameters() if p.requires_grad}
    assert found, "a stage without parameters"
    groups: list[dict[str, Any]] = [
        {"params": [p for p in found.values() if p.ndim >= 2]},
        {"params": [p for p in found.values() if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=schedule.lr,
        betas=(0.9, schedule.beta2),
        weight_decay=schedule.weight_decay,
        fused=True,
    )


@torch.no_grad()
def average(ema: dict[str, nn.Module], modules: dict[str, nn.Module], decay: float) -> None:
    """ema = decay * ema + (1 - decay) * now; buffers are copied."""
    ours: list[Tensor] = []
    theirs: list[Tensor] = []
    seen: set[int] = set()
    for name, mean_module in ema.items():
        module = modules[name]
        for mean, now in zip(mean_module.parameters(), module.parameters(), strict=True):
            if id(mean) not in seen and mean.is_floating_point():
                seen.add(id(mean))
                ours.append(mean)
                theirs.append(now)
        for kept, buffer in zip(mean_module.buffers(), module.buffers(), strict=True):
            kept.copy_(buffer)
    torch._foreach_lerp_(ours, theirs, 1.0 - decay)


def seeded(seed: int, step: int) -> torch.Generator:
    """The chance of one step as a pure function of seed and step, torch's global one too.

    It is the processor's, whatever device trains: the same batches everywhere.
    """
    mixed = (seed * 0x9E3779B97F4A7C15 + step * 0xD1B54A32D192ED03 + 1) % 2**63
    torch.manual_seed(mixed)
    return torch.Generator().manual_seed(mixed)


def numbers(losses: dict[str, Tensor]) -> dict[str, float]:
    """Losses as plain numbers, fetched together."""
    values = torch.stack([value.detach().float() for value in losses.values()]).cpu().tolist()
    return dict(zip(losses, values, strict=True))
