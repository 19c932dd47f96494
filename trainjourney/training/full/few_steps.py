"""The student: one or two steps a frame, first tuned to agree with itself, then on its own frames.

Guidance on the embedding is baked into what the tuning aims at, so none is needed at run time.
Guidance on the context is never given: it freezes the train.
"""

import copy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...model.full.denoiser import LAST, STEPS, Road
from ...model.full.network import FullNetwork
from ..few_losses import consistency_loss, guided, matching_loss
from .clips import Batch, Clips
from .teacher import draw_sheet, few_steps, on_processor, roughened
from .travel import Brake, travel

GUIDANCE = (1.0, 4.0)
HALVINGS = 1500  # steps of training after which the two points of the road lie twice as close
FIRST_K, LAST_K, GROWS = 4, 16, 100  # own frames in a row, and steps of training for one more
LOOKED, SEEN = 100, 6  # steps of training from one look at the travel to the next; own frames
CRITIC = 5  # updates of the fake score for one of the student (Yin et al. 2024 b)
CRITIC_RATE = 2e-6


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
        """One batch: half of it from pure noise, where the student will mostly stand."""
        rng = on_processor(rng)
        batch, level = roughened(self.clips.draw(self.batch, rng), rng)
        count, device = len(batch.target), batch.target.device
        u = torch.rand(count, 3, generator=rng).to(device)
        far = torch.where(u[:, 0] < 0.5, torch.ones_like(u[:, 1]), u[:, 1])
        far = (far * LAST).long().clamp(min=1)
        near = (far.float() * (1.0 - 0.5 ** (1 + index // HALVINGS))).long()
        near = torch.where(u[:, 2] < 0.25, torch.zeros_like(near), near)
        noise = torch.randn(batch.target.shape, generator=rng).to(device)
        x = self.road.between(batch.target, noise, far)
        strength = GUIDANCE[0] + (GUIDANCE[1] - GUIDANCE[0]) * torch.rand(count, generator=rng)
        with torch.no_grad():
            y = self._step(batch, level, x, far, near, strength.to(device))

        def student(at: Tensor) -> Tensor:
            return self.road.clean(at, said(self.call, at, far, batch, level), far)

        def target(at: Tensor) -> Tensor:
            clean = self.road.clean(at, said(self.network, at, near, batch, level), near)
            ends = (near == 0).view(-1, 1, 1, 1)
            return torch.where(ends, batch.target, clean)

        weight = (STEPS / (far - near).clamp(min=1).float()).clamp(max=8.0).sqrt()
        torch.clear_autocast_cache()
        return {"loss": consistency_loss(student, target, x, y, weight)}

    def _step(
        self, batch: Batch, level: Tensor, x: Tensor, far: Tensor, near: Tensor, strength: Tensor
    ) -> Tensor:
        """Along the guided teacher's road from `far` to `near` (DDIM, Song et al. 2021)."""
        with_look = said(self.teacher, x, far, batch, level)
        bare = Batch(
            batch.target, batch.context, batch.mask, batch.speed, torch.zeros_like(batch.embedding)
        )
        v = guided(with_look, said(self.teacher, x, far, bare, level), strength)
        clean, stray = self.road.clean(x, v, far), self.road.stray(x, v, far)
        return self.road.between(clean, stray, near)

    def sample(self, path: Path, ema: dict[str, nn.Module]) -> None:
        """As the teacher's sheet, in the student's steps."""
        draw_sheet(path, self.network, self.display, self.clips, self.road, self.steps)


class RolloutStage(TuneStage):
    """The student's own frames as context, more and more of them; held to the teacher's frames."""

    name = "rollout"

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.fake = copy.deepcopy(self.teacher).requires_grad_(True)
        self.optimizer = torch.optim.AdamW(self.fake.parameters(), lr=CRITIC_RATE)
        self.brake = Brake()

    def modules(self) -> dict[str, nn.Module]:
        """What is taught, and the score of the student's own pictures, which learns by itself."""
        return {"network": self.taught, "fake": _Kept(self.fake)}

    def losses(self, index: int, rng: torch.Generator) -> dict[str, Tensor]:
        """Some own frames without gradient, then one with; its look is the distribution's."""
        rng = on_processor(rng)
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
        if index % CRITIC:  # its turn
            return {"loss": 0.0 * made.mean(), "fake": self._critic(made.detach(), rolled, rng)}
        step = torch.randint(STEPS // 50, STEPS, (len(made),), generator=rng).to(made.device)
        noise = torch.randn(made.shape, generator=rng).to(made.device)
        with torch.no_grad():
            x = self.road.between(made, noise, step)
            real = self.road.clean(x, said(self.teacher, x, step, rolled, level), step)
            fake = self.road.clean(x, said(self.fake, x, step, rolled, level), step)
        torch.clear_autocast_cache()
        loss = matching_loss(made, real, fake)
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

    def _critic(self, made: Tensor, batch: Batch, rng: torch.Generator) -> Tensor:
        """One update of the score of the student's pictures."""
        step = torch.randint(STEPS, (len(made),), generator=rng).to(made.device)
        noise = torch.randn(made.shape, generator=rng).to(made.device)
        level = torch.full((len(made),), 0.02, device=made.device)
        v = said(self.fake, self.road.between(made, noise, step), step, batch, level)
        loss = (v - self.road.velocity(made, noise, step)).square().mean()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return loss.detach()


class _Kept(nn.Module):
    """Holds a network so that it is saved with a stage and is not taught by the stage's loss."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        for name, value in network.state_dict().items():
            self.register_buffer(name.replace(".", "/"), value)  # the same memory


def said(network: Any, x: Tensor, step: Tensor, batch: Batch, level: Tensor) -> Tensor:
    """The velocity a network says of a batch, in float32."""
    velocity: Tensor = network(
        x, step, batch.context, batch.mask, level, batch.speed, batch.embedding
    ).float()
    return velocity


def _with(batch: Batch, context: Tensor) -> Batch:
    return Batch(batch.target, context, batch.mask, batch.speed, batch.embedding)
