"""Noise of the full model: a variance-preserving road of 1000 steps, and v-prediction.

The betas are Stable Diffusion's, rescaled so that the last step is nothing but noise (Lin et al.
2024, algorithm 1): a model that is to dream in one step must start from there.
v = a * noise - s * data (Salimans & Ho 2022), a and s the shares of data and noise.
"""

import torch
from torch import Tensor, nn

STEPS = 1000
LAST = STEPS - 1


def even_steps(count: int) -> tuple[int, ...]:
    """Where a sampler of so many steps sets out from: LAST first, then evenly down the road."""
    return tuple(LAST - STEPS * i // count for i in range(count))


class Road(nn.Module):
    """Shares of data and noise at every step, [STEPS] each; step LAST is nothing but noise."""

    data: Tensor
    noise: Tensor

    def __init__(self) -> None:
        super().__init__()
        betas = torch.linspace(0.00085**0.5, 0.012**0.5, STEPS, dtype=torch.float64) ** 2
        share = torch.cumprod(1.0 - betas, 0).sqrt()
        share = (share - share[-1]) * share[0] / (share[0] - share[-1])
        self.register_buffer("data", share.float(), persistent=False)
        self.register_buffer("noise", (1.0 - share**2).clamp(min=0.0).sqrt().float(), False)

    def place(self, share: Tensor) -> Tensor:
        """The step [B] where so much of the road has been gone: 0 at the first, 1 at LAST."""
        return (share * LAST).round().long()

    def shares(self, step: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        """Shares at `step` [B] int64, shaped to multiply `like` [B, ...]."""
        shape = (-1, *[1] * (like.dim() - 1))
        return self.data[step].view(shape), self.noise[step].view(shape)

    def between(self, data: Tensor, noise: Tensor, step: Tensor) -> Tensor:
        """The noised data at `step` [B]."""
        a, s = self.shares(step, data)
        return a * data + s * noise

    def velocity(self, data: Tensor, noise: Tensor, step: Tensor) -> Tensor:
        """What the network is to say there."""
        a, s = self.shares(step, data)
        return a * noise - s * data

    def clean(self, noised: Tensor, velocity: Tensor, step: Tensor) -> Tensor:
        """The data that a velocity points to."""
        a, s = self.shares(step, noised)
        return a * noised - s * velocity

    def stray(self, noised: Tensor, velocity: Tensor, step: Tensor) -> Tensor:
        """The noise that a velocity points to."""
        a, s = self.shares(step, noised)
        return s * noised + a * velocity

    def weight(self, step: Tensor, most: float = 5.0) -> Tensor:
        """Min-SNR weight of a squared error of v at `step` [B] (Hang et al. 2023)."""
        snr = (self.data[step] / self.noise[step].clamp(min=1e-4)).square()
        return snr.clamp(max=most) / (snr + 1.0) + (snr < 1e-4).float() * 0.2
