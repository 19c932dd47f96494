"""The critic of a student: a network that learns what the student's own pictures look like.

Between it and the teacher the student is told where to go (distribution matching, Yin et al. 2024).
It knows no network and no road: the full model's and the pocket's are both judged by it.
"""

import copy

import torch
from torch import Tensor, nn

from .few_losses import AnyRoad, Says, matching_loss

TURNS = 5  # updates of the critic for one of the student (Yin et al. 2024 b)
RATE = 2e-6


class Critic:
    """Sets out as the teacher; taught beside a stage, by no loss of the stage's."""

    def __init__(self, teacher: nn.Module) -> None:
        self.network = copy.deepcopy(teacher).requires_grad_(True)
        self._optimizer = torch.optim.AdamW(self.network.parameters(), lr=RATE)

    def kept(self) -> nn.Module:
        """What a stage names among its modules, so that the critic is saved with it."""
        return _Kept(self.network)

    def learn(self, road: AnyRoad, says: Says, made: Tensor, noise: Tensor, at: Tensor) -> Tensor:
        """One update on what the student made; `says` asks this critic's network."""
        told = says(road.between(made, noise, at), at)
        loss = (told - road.velocity(made, noise, at)).square().mean()
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        return loss.detach()


def judged(
    road: AnyRoad, teacher: Says, critic: Says, made: Tensor, noise: Tensor, at: Tensor
) -> Tensor:
    """The student's loss on what it made: noised again, and cleaned by both."""
    with torch.no_grad():
        x = road.between(made, noise, at)
        real, fake = (road.clean(x, says(x, at), at) for says in (teacher, critic))
    torch.clear_autocast_cache()
    return matching_loss(made, real, fake)


class _Kept(nn.Module):
    """Holds a network so that it is saved with a stage and is not taught by the stage's loss."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        for name, value in network.state_dict().items():
            self.register_buffer(name.replace(".", "/"), value)  # the same memory
