"""Stage 4, few steps: the dream network learns to say in one step what it says in many, guided.

Distillation (Salimans & Ho 2022) with the guidance baked in (Meng et al. 2023): the teacher, the
network as it was, makes a guided step of the midpoint method from a place on the road; the student
is to arrive there in one of Euler's. Eight such strides give as many things as 64 of Euler's do;
sixteen of Euler's leave the country too empty, and guidance that fills it makes it all alike.
Guidance (Ho & Salimans 2021) is on the look alone, never on the context.
"""

import copy
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from ..model.codec import LATENT
from ..model.network import Network
from ..model.sampler import STEPS, euler, on_the_road
from .device import compiled
from .dream_stage import PLACED, DreamStage, Told
from .few_losses import Says, guided

# On the look, by plane: hills and what is far come out too empty without, what is near too full
# with more, and the more of it, the more alike they are.
GUIDANCE = (1.35, 1.2, 1.6, 1.6, 1.35, 1.2, 1.3, 1.3)
SPOILT = (0.7, 0.6, 0.05)  # of the batch: noisy contexts, most noise of one, and any look


class FewStage:
    """Regression on where the guided teacher arrives; batches and sheets are the dream stage's."""

    name = "few"

    def __init__(self, dream: DreamStage, guidance: Sequence[float] = GUIDANCE) -> None:
        """`dream` with the network that its own stage has trained."""
        self.dream, self.guidance = dream, guidance
        self.network = dream.network
        teacher = copy.deepcopy(dream.network).to(dream.device).eval().requires_grad_(False)
        self.teacher = compiled(teacher, dream.device)

    def modules(self) -> dict[str, nn.Module]:
        """The student."""
        return {"network": self.network}

    def losses(self, index: int, rng: torch.Generator) -> dict[str, Tensor]:
        """One batch, each at the beginning of one of the sampler's steps."""
        tile, told, lots = self.dream.draw_told(rng, *SPOILT)
        b = len(tile)
        noise = self.dream.noise(tile, rng)
        time = (torch.randint(STEPS, (b,), generator=rng) / STEPS).to(tile.device)
        stride = torch.full_like(time, 1.0 / STEPS)
        start = on_the_road(tile, noise, time)
        with torch.no_grad():
            goal = self.arrive(start, time, stride, told)
        torch.clear_autocast_cache()
        said = self.network(start, time, *told).float()
        apart = (euler(start, said, time, stride) - goal) / stride[:, None, None, None]
        error = apart.square().mean((2, 3))
        latent, named = error[:, :LATENT].mean(1), error[:, LATENT:].mean(1)
        loss = self.dream.weighed(latent + 0.5 * named, told[4])
        loss = loss + PLACED * self.dream.placing(lots)
        return {"loss": loss, "latent": latent.mean(), "signs": named.mean()}

    def arrive(self, start: Tensor, time: Tensor, stride: Tensor, told: Told) -> Tensor:
        """Where the guided teacher leads in one stride from `start`, [B, DREAMT, TALL, TILE]."""
        says, half = guided_field(self.teacher, told, self.guidance), 0.5 * stride
        middle = euler(start, says(start, time), time, half)
        return euler(start, says(middle, time + half), time, stride)

    def sample(self, path: Path, ema: dict[str, nn.Module]) -> None:
        """The dream stage's sheet, with the student."""
        assert isinstance(ema["network"], Network)
        self.dream.sample(path, ema)


def guided_field(network: nn.Module, told: Told, guidance: Sequence[float]) -> Says:
    """What a network says of a batch, guided on the look, every plane in its strength."""
    *rest, plane, embedding = told
    strength, rest = torch.tensor(guidance).to(plane.device)[plane], [*rest, plane]
    twice = [torch.cat([x, x]) for x in rest]
    looks = torch.cat([embedding, torch.zeros_like(embedding)])

    def says(place: Tensor, time: Tensor) -> Tensor:
        both = network(torch.cat([place, place]), torch.cat([time, time]), *twice, looks)
        with_look, free = both.float().chunk(2)
        return guided(with_look, free, strength)

    return says
