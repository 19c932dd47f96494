"""A critic of decoded pictures or masks: it learns to tell them from true ones, patch by patch.

By pixels alone a decoder that is not sure where a line is draws it soft, which is right on average
and looks it. The critic sees patches of some twenty pixels (Isola et al. 2017) and in which look
they are (projection, Miyato & Koyama 2018). True and decoded picture are compared in pairs
(relativistic, Jolicoeur-Martineau 2018), so it has no more to say where one is as good as the
other; and what it says may not change by a little noise on true ones (R1, Mescheder et al. 2018,
by a difference instead of a gradient, Lin et al. 2025).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..model.embedder import SIZE

WIDTHS = (24, 48, 96)  # channels at a half, a quarter and an eighth of the picture
SLOPE = 0.2  # of the leaky rectifiers
NOISE, CALM = 0.05, 0.03  # what is added to true pictures, and how much it must not matter


class PatchCritic(nn.Module):
    """How true every patch of a picture is, and what it saw on the way there."""

    def __init__(self, channels: int = 3, told: int = SIZE) -> None:
        """Of pictures of so many `channels`; it is `told` so many numbers of each."""
        super().__init__()
        steps = zip((channels, *WIDTHS), WIDTHS, strict=False)
        self.steps = nn.ModuleList(nn.Conv2d(a, b, 4, 2, 1) for a, b in steps)
        self.says = nn.Conv2d(WIDTHS[-1], 1, 1)
        self.look = nn.Linear(told, WIDTHS[-1])
        for layer in (*self.steps, self.says):
            nn.init.kaiming_normal_(layer.weight, SLOPE)

    def forward(self, pictures: Tensor, embedding: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Pictures [B, channels, H, W] 0..1, told [B, told]: [B, 1, H / 8, W / 8], and features."""
        x, seen = 2.0 * pictures - 1.0, []
        for step in self.steps:
            x = F.leaky_relu(step(x), SLOPE)
            seen.append(x)
        fits = (x * self.look(embedding * SIZE**0.5)[..., None, None]).mean(1, keepdim=True)
        return self.says(x) + fits, seen

    def losses(
        self, made: Tensor, truth: Tensor, embedding: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """What it has still to learn; how far `made` is from passing for true; and how far what it
        sees of one is from what it sees of the other. Only the first teaches the critic, only the
        others the decoder.
        """
        true, seen = self(truth, embedding)
        learns = F.softplus(self(made.detach(), embedding)[0] - true).mean()
        rough, _ = self(truth + 0.5 * NOISE * torch.randn_like(truth), embedding)
        learns = learns + CALM * ((rough - true) / NOISE).square().mean()
        torch.clear_autocast_cache()  # of weights with a gradient
        self.requires_grad_(False)
        passed, seen_made = self(made, embedding)
        self.requires_grad_(True)
        torch.clear_autocast_cache()
        passes = F.softplus(true.detach() - passed).mean()
        pairs = zip(seen_made, seen, strict=True)
        near = sum((a - b.detach()).abs().mean() / b.detach().abs().mean() for a, b in pairs)
        return learns, passes, torch.as_tensor(near)
