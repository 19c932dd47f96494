"""The pocket's other way to few steps: tuned by consistency, then on its own tiles.

It is the full model's way, so that this is proven on a model that trains here: losses and critic
are the very same, only the road and the network are the pocket's. Taken where it is named
(`--stage tune --stage rollout`), in the place of stage few.
"""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..model.codec import LATENT
from ..model.denoiser import lead
from ..model.network import CONTEXT, Network
from ..model.sampler import STEPS, sample
from .critic import TURNS, Critic, judged
from .dream_stage import DreamStage, Told
from .few_losses import Says, tuning_loss
from .few_stage import GUIDANCE, SPOILT, guided_field

FIRST_K, LAST_K, GROWS = 1, 4, 100  # own tiles in a row, and steps of training for one more
LEAST = 0.02  # of the road: nearer to the data there is nothing to match


class TileRoad:
    """The pocket's straight road (model.denoiser). A place is a time [B], 0 noise and 1 data; the
    signs of a tile are ahead of its latent."""

    def place(self, share: Tensor) -> Tensor:
        """The time where so much of the way from the data has been gone."""
        return 1.0 - share

    def between(self, data: Tensor, noise: Tensor, step: Tensor) -> Tensor:
        """The noised tile."""
        t = _times(step, data)
        return (1.0 - t) * noise + t * data

    def velocity(self, data: Tensor, noise: Tensor, step: Tensor) -> Tensor:
        """What the network is to say there."""
        return data - noise

    def clean(self, noised: Tensor, said: Tensor, step: Tensor) -> Tensor:
        """The tile that a velocity points to."""
        return noised + (1.0 - _times(step, noised)) * said

    def stray(self, noised: Tensor, said: Tensor, step: Tensor) -> Tensor:
        """The noise that a velocity points from."""
        return noised - _times(step, noised) * said


class TuneStage:
    """Consistency tuning; batches and sheets are the dream stage's."""

    name = "tune"

    def __init__(
        self, dream: DreamStage, teacher: Network, guidance: Sequence[float] = GUIDANCE
    ) -> None:
        """`dream` with the network to be tuned; `teacher` the one of many steps."""
        self.dream, self.network, self.guidance = dream, dream.network, guidance
        self.teacher = copy.deepcopy(teacher).to(dream.device).eval().requires_grad_(False)
        self.road = TileRoad()

    def modules(self) -> dict[str, nn.Module]:
        """The student."""
        return {"network": self.network}

    def losses(self, index: int, rng: torch.Generator) -> dict[str, Tensor]:
        """One batch."""
        tile, told, _ = self.dream.draw_told(rng, *SPOILT)
        noise = self.dream.noise(tile, rng)
        student = field(self.network, told)
        teacher = guided_field(self.teacher, told, self.guidance)
        loss = tuning_loss(self.road, student, student, teacher, tile, noise, index, rng)
        return {"loss": loss}

    def sample(self, path: Path, ema: dict[str, nn.Module]) -> None:
        """The dream stage's sheet, with the student."""
        self.dream.sample(path, ema)


class RolloutStage(TuneStage):
    """The student's own tiles as context, more and more of them; held to the teacher's tiles.

    The gradient goes through one step of the last tile, drawn at random (Huang et al. 2025).
    """

    name = "rollout"

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.critic = Critic(self.teacher)

    def modules(self) -> dict[str, nn.Module]:
        """The student and its critic, which learns by itself."""
        return {"network": self.network, "fake": self.critic.kept()}

    def losses(self, index: int, rng: torch.Generator) -> dict[str, Tensor]:
        """Some own tiles without gradient, then a step of one with; its look is the critic's."""
        tile, told, _ = self.dream.draw_told(rng, *SPOILT)
        context, mask, level, lot, plane, embedding = told
        count = min(LAST_K, FIRST_K + index // GROWS)
        own = int(torch.randint(count, (1,), generator=rng))
        until = int(torch.randint(STEPS, (1,), generator=rng))
        with torch.no_grad():
            for _ in range(own):
                told = (context, mask, level, lot, plane, embedding)
                made = sample(field(self.network, told), self.dream.noise(tile, rng))
                context = made[:, :LATENT, :, -CONTEXT:]
                mask, level = torch.ones_like(mask), torch.zeros_like(level)
                lot = torch.zeros_like(lot)  # of what was dreamt no place is known
            told = (context, mask, level, lot, plane, embedding)
            says = field(self.network, told)
            x = sample(says, self.dream.noise(tile, rng), STEPS, until)
        torch.clear_autocast_cache()
        time = torch.full_like(level, until / STEPS)
        made = self.road.clean(x, says(x, time), time)
        share = LEAST + (1.0 - LEAST) * torch.rand(len(tile), generator=rng)
        at = self.road.place(share.to(tile.device))
        noise = self.dream.noise(tile, rng)
        critic = field(self.critic.network, told)
        if index % TURNS:  # its turn
            learnt = self.critic.learn(self.road, critic, made.detach(), noise, at)
            return {"loss": 0.0 * made.mean(), "fake": learnt}
        teacher = guided_field(self.teacher, told, self.guidance)
        loss = judged(self.road, teacher, critic, made, noise, at)
        return {"loss": loss, "match": loss.detach()}


def field(network: nn.Module, told: Told) -> Says:
    """What a network says of a batch, in float32."""

    def says(place: Tensor, time: Tensor) -> Tensor:
        velocity: Tensor = network(place, time, *told).float()
        return velocity

    return says


def _times(time: Tensor, like: Tensor) -> Tensor:
    """Of every channel of a tile, [B, DREAMT, 1, 1]."""
    signs = like.shape[1] - LATENT
    times = [time[:, None].expand(-1, LATENT), lead(time)[:, None].expand(-1, signs)]
    return torch.cat(times, 1)[:, :, None, None]
