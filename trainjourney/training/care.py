"""Care: how much the error of a latent cell counts, by what stands there.

Suns, cacti and towers fill few cells, so hardly any of the gradient is theirs. They count more, but
only near the end of the road, where it is certain what stands where: at its beginning the network
weighs what might come, and there it would dream more of them than there are.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from ..model.planes import SIGNS
from ..scenery.signs import CODES

# Once certain, so many times the error of open ground; what is not named counts once.
CARE: Mapping[str, float] = {
    "sun": 8.0, "cactus": 3.0, "palm": 3.0, "tower": 2.5, "church": 3.0, "lighthouse": 3.0,
    "torii": 3.0, "boat": 2.0, "house": 1.5, "round": 1.3,
}  # fmt: skip
_WORD = SIGNS - 2


class Care:
    """How many times the error of every cell counts, from its signs."""

    def __init__(self, device: torch.device) -> None:
        words = [list(CODES[kind]) for kind in CARE]
        self.words = torch.tensor(words).to(device) / _WORD
        more = torch.tensor([times - 1.0 for times in CARE.values()])
        self.more = more.to(device)[None, :, None, None]

    def of(self, signs: Tensor) -> Tensor:
        """[B, 1, TALL, TILE], 1 or more, of `signs` [B, SIGNS, TALL, TILE], -1..1.

        A cell that is a thing's in part counts in part.
        """
        alike = torch.einsum("kw,bwhc->bkhc", self.words, signs[:, :_WORD])
        # two words differ in two places or more: a third of their length alike at most
        share = ((alike - 0.4) / 0.6).clamp(0.0, 1.0)
        return 1.0 + (self.more * share).amax(1, keepdim=True)


def careful(error: Tensor, care: Tensor, time: Tensor) -> Tensor:
    """The mean of errors [B, C, TALL, TILE] over the cells, [B, C]; care grows with `time` [B]."""
    certain = (2.0 * time - 0.5).clamp(0.0, 1.0)[:, None, None, None]
    weight = 1.0 + (care - 1.0) * certain
    return (weight * error).mean((2, 3))
