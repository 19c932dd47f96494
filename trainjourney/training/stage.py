"""Stage and Schedule: what the runner trains, and for how long and how fast it learns."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

# Where a stage's networks and losses are; its chance is the processor's.
Device = str | torch.device


class Kept(nn.Module):
    """Tensors that a stage has saved to go on from; nothing of them is taught or averaged."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        super().__init__()
        for name, tensor in tensors.items():
            self.register_buffer(name.replace(".", "/"), tensor)  # the same memory


class Stage(Protocol):
    """One part of a training: its networks, its loss, its sample sheet. Owns no loop, no files."""

    name: str
    """Also the name of the stage's folder in the run folder."""

    def modules(self) -> dict[str, nn.Module]:
        """What is trained and saved, by name; the same tensors at every call."""
        ...

    def losses(self, index: int, rng: torch.Generator) -> dict[str, Tensor]:
        """The scalar losses of batch `index`: "loss" is differentiated, the rest are shown.

        Runs under the runner's autocast. All chance must come from `rng` (the processor's on any
        device, seeded from the run's seed and `index`, so a resumed run sees the same batches) or
        from torch's global generator, or be the device's own, seeded by them. After no-grad work
        with a module that is trained, call `torch.clear_autocast_cache()`: otherwise its casts
        without gradient are used again.
        """
        ...

    def sample(self, path: Path, ema: dict[str, nn.Module]) -> None:
        """Draw a sheet PNG to `path` with the averaged weights; runs under no-grad, in eval."""
        ...


@dataclass(frozen=True)
class Schedule:
    """How long a stage trains and how its learning rate goes.

    By `steps`, or, with `minutes` above 0, by training time added up over all resumes,
    whichever ends first: on a CPU we plan by the hour, so the cosine follows the clock there.
    """

    steps: int
    lr: float
    warmup: int = 200
    """Steps of linear rise; at most a fifth of `steps`."""
    final_lr: float = 0.05
    """Where the cosine ends, as a fraction of `lr`."""
    weight_decay: float = 0.01
    """On matrices and kernels; biases, gains and other vectors are left free."""
    beta2: float = 0.99
    grad_clip: float = 1.0
    """Largest gradient norm; 0 for none."""
    ema: float = 0.999
    bf16: bool = True
    """Where the device is quick in it."""
    minutes: float = 0.0
    checkpoint_s: float = 120.0
    sample_s: float = 240.0

    def __post_init__(self) -> None:
        assert self.steps > 0 and self.lr > 0.0, (self.steps, self.lr)
        assert 0.0 <= self.ema < 1.0 and 0.0 <= self.final_lr <= 1.0, (self.ema, self.final_lr)

    def fraction(self, step: int, elapsed_s: float) -> float:
        """How much of the stage is done after `step` steps and `elapsed_s` seconds, 0..1."""
        by_time = elapsed_s / (60.0 * self.minutes) if self.minutes > 0.0 else 0.0
        return min(1.0, max(step / self.steps, by_time))

    def rate(self, step: int, elapsed_s: float) -> float:
        """The learning rate of step `step` (the first is 0): linear warm-up, then a cosine."""
        warmup = max(1, min(self.warmup, self.steps // 5))
        rise = min(1.0, (step + 1) / warmup)
        cosine = 0.5 * (1.0 + math.cos(math.pi * self.fraction(step, elapsed_s)))
        return self.lr * rise * (self.final_lr + (1.0 - self.final_lr) * cosine)

    def decay(self, updates: int) -> float:
        """EMA decay after `updates` updates: short at first, so the start is soon forgotten."""
        return min(self.ema, (1.0 + updates) / (10.0 + updates))
