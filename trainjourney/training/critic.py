"""The critic of a student: a network that learns what the student's own pictures look like.

Between it and the teacher the student is told where to go (distribution matching, Yin et al. 2024).
It knows no network and no road: the full model's and the pocket's are both judged by it.
"""

import copy
import math

import torch
from torch import Tensor, nn

from .few_losses import AnyRoad, Says, matching_loss
from .stage import Kept
from .together import average_gradients, largest

TURNS = 5  # updates of the critic for one of the student (Yin et al. 2024 b)
RATE = 2e-6


class Critic:
    """Sets out as the teacher; taught beside a stage, by no loss of the stage's."""

    def __init__(self, teacher: nn.Module, learnt: nn.Module | None = None) -> None:
        """`learnt` is what of the teacher was taught, as adapters: the critic has its own of these
        alone, and all else in common with the teacher, memory too."""
        self.network, self.learnt = beside(teacher, learnt or teacher)
        self.learnt.requires_grad_(True)
        self._parameters = list(self.learnt.parameters())
        self._optimizer = torch.optim.AdamW(self._parameters, lr=RATE, fused=True)
        for p in self._parameters:  # at once, so that it is saved and filled like all else
            moments = {name: torch.zeros_like(p) for name in ("exp_avg", "exp_avg_sq")}
            self._optimizer.state[p] = {"step": torch.zeros((), device=p.device), **moments}

    def kept(self) -> Kept:
        """What a stage names among its modules, so that critic and moments are saved with it."""
        moments = {
            f"{name}.{entry}": tensor
            for name, p in self.learnt.named_parameters()
            for entry, tensor in self._optimizer.state[p].items()
        }
        return Kept({**self.learnt.state_dict(), **moments})

    def learn(self, road: AnyRoad, says: Says, made: Tensor, noise: Tensor, at: Tensor) -> Tensor:
        """One update on what the student made; `says` asks this critic's network.

        None where the loss of any process is not finite.
        """
        told = says(road.between(made, noise, at), at)
        loss = (told - road.velocity(made, noise, at)).square().mean()
        if not any(largest([not math.isfinite(float(loss.detach()))], made.device)):
            loss.backward()  # type: ignore[no-untyped-call]
            average_gradients(self._parameters)
            self._optimizer.step()
            self._optimizer.zero_grad(set_to_none=True)  # now: the student needs the room
        return loss.detach()


def beside(teacher: nn.Module, learnt: nn.Module) -> tuple[nn.Module, nn.Module]:
    """A network with its own copy of `learnt`, and the teacher's very tensors for the rest."""
    own = {id(p) for p in learnt.parameters()}
    common = {id(p): p for p in teacher.parameters() if id(p) not in own}
    return copy.deepcopy((teacher, learnt), common)


def judged(
    road: AnyRoad, teacher: Says, critic: Says, made: Tensor, noise: Tensor, at: Tensor
) -> Tensor:
    """The student's loss on what it made: noised again, and cleaned by both."""
    with torch.no_grad():
        x = road.between(made, noise, at)
        real, fake = (road.clean(x, says(x, at), at) for says in (teacher, critic))
    torch.clear_autocast_cache()
    return matching_loss(made, real, fake)
