"""The student: one or two steps a frame, first tuned to agree with itself, then on its own frames.

Guidance on the embedding is baked into what the tuning aims at, so none is needed at run time.
Guidance on the context is never given: it freezes the train.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...model.full.denoiser import STEPS, Road
from ...model.full.network import FullNetwork
from ..critic import TURNS, Critic, judged
from ..few_losses import guided, tuning_loss
from .clips import Batch, Clips
from .teacher import draw_sheet, few_steps, roughened
from .travel import Brake, travel

GUIDANCE = (1.0, 4.0)
FIRST_K, LAST_K, GROWS = 4, 16, 100  # own frames in a row, and steps of training for one more
LOOKED, SEEN = 100, 6  # steps of training from one look at the travel to the next; own frames


class TuneStage:
    """Consistency tuning with the guided teacher's direction of the road."""

    name = "tune"

    def __init__(
        self, network: FullNetwork, taught: nn.Module, clips: Clips, display: Any, batch: int,
        steps: tuple[int, ...], teacher: FullNetwork, call: Any = None,
    ) -> None:  # fmt: skip
        self.network, self.taught, self.clips = network, taught, clips
        self.display, self.batch, self.steps = display, batch, steps
        self.teacher, self.call = teacher, call or network
        self.road = Road().to(clips.device)

    def modules(self) -> dict[str, nn.Module]:
        """What is taught."""
        return {"network": self.taught}

    def losses(self, index: int, rng: torch.Generator) -> dict[str, Tensor]:
        """One batch."""
        batch, level = roughened(self.clips.draw(self.batch, rng), rng)
        count, device = len(batch.target), batch.target.device
        noise = torch.randn(batch.target.shape, generator=rng).to(device)
        strength = GUIDANCE[0] + (GUIDANCE[1] - GUIDANCE[0]) * torch.rand(count, generator=rng)
        strength = strength.to(device)
        bare = replace(batch, embedding=torch.zeros_like(batch.embedding))

        def teacher(x: Tensor, at: Tensor) -> Tensor:
            with_look = said(self.teacher, x, at, batch, level)
            return guided(with_look, said(self.teacher, x, at, bare, level), strength)

        loss = tuning_loss(
            self.road,
            lambda x, at: said(self.call, x, at, batch, level),
            lambda x, at: said(self.network, x, at, batch, level),
            teacher, batch.target, noise, index, rng,
        )  # fmt: skip
        return {"loss": loss}

    def sample(self, path: Path, ema: dict[str, nn.Module]) -> None:
        """As the teacher's sheet, in the student's steps."""
        draw_sheet(path, self.network, self.display, self.clips, self.road, self.steps)


class RolloutStage(TuneStage):
    """The student's own frames as context, more and more of them; held to the teacher's frames."""

    name = "rollout"

    def __init__(self, *given: Any, learnt: nn.Module | None = None, **named: Any) -> None:
        """`learnt` is what of the teacher was taught; all of it where that is not told."""
        super().__init__(*given, **named)
        self.critic = Critic(self.teacher, learnt)
        self.brake = Brake()

    def modules(self) -> dict[str, nn.Module]:
        """What is taught; the score of the student's own pictures, which learns by itself; and
        how it travelled."""
        return {"network": self.taught, "fake": self.critic.kept(), "brake": self.brake}

    def losses(self, index: int, rng: torch.Generator) -> dict[str, Tensor]:
        """Some own frames without gradient, then one with; its look is the distribution's."""
        batch = self.clips.draw(self.batch, rng)
        count = min(LAST_K, FIRST_K + index // GROWS)
        own = int(torch.randint(count, (1,), generator=rng))
        size = batch.target.shape[1]
        context = batch.context
        with torch.no_grad():
            for _ in range(own):
                made = few_steps(self.network, self.road, _with(batch, context), self.steps, rng)
                context = torch.cat([context[:, size:], made.clamp(-8.0, 8.0)], 1)
        torch.clear_autocast_cache()
        rolled = _with(batch, context)
        made = few_steps(self.call, self.road, rolled, self.steps, rng)
        level = torch.full((len(made),), 0.02, device=made.device)
        if index % LOOKED == 0:
            self.brake.note(self._travelled(rolled, made.detach(), rng))
        least = 0 if index % TURNS else STEPS // 50
        step = torch.randint(least, STEPS, (len(made),), generator=rng).to(made.device)
        noise = torch.randn(made.shape, generator=rng).to(made.device)

        def critic(x: Tensor, at: Tensor) -> Tensor:
            return said(self.critic.network, x, at, rolled, level)

        if index % TURNS:  # its turn
            learnt = self.critic.learn(self.road, critic, made.detach(), noise, step)
            return {"loss": 0.0 * made.mean(), "fake": learnt}

        def teacher(x: Tensor, at: Tensor) -> Tensor:
            return said(self.teacher, x, at, rolled, level)

        loss = judged(self.road, teacher, critic, made, noise, step)
        return {"loss": loss, "match": loss.detach()}

    @torch.no_grad()
    def _travelled(self, batch: Batch, made: Tensor, rng: torch.Generator) -> float:
        """How far the first of a batch travels in some own frames, over what it is told."""
        size = made.shape[1]
        way = torch.where(batch.speed[:1] < 0.0, -1.0, 1.0)
        one = Batch(batch.target[:1], batch.context[:1], batch.mask[:1], way, batch.embedding[:1])
        context, frames = torch.cat([one.context[:, size:], made[:1]], 1), []
        for _ in range(SEEN):
            x = few_steps(self.network, self.road, _with(one, context), self.steps, rng)
            context = torch.cat([context[:, size:], x.clamp(-8.0, 8.0)], 1)
            seen = self.display.to(x.device).decode(x, return_dict=False)[0][0].float()
            levels = (seen * 127.5 + 127.5).clamp(0, 255).byte().permute(1, 2, 0)
            frames.append(levels.cpu().numpy())
        torch.clear_autocast_cache()
        return travel(frames, self.clips.cruising * float(way))


def said(network: Any, x: Tensor, step: Tensor, batch: Batch, level: Tensor) -> Tensor:
    """The velocity a network says of a batch, in float32."""
    velocity: Tensor = network(
        x, step, batch.context, batch.mask, level, batch.speed, batch.embedding
    ).float()
    return velocity


def _with(batch: Batch, context: Tensor) -> Batch:
    return replace(batch, context=context)
