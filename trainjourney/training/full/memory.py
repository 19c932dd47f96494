"""How much of a GPU's memory a training of the full model holds from step to step, counted on
torch's meta device. What a step works with besides (activations) hangs on the frames' shape, and
was never measured."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from diffusers import AutoencoderTiny, UNet2DConditionModel
from torch import Tensor, nn

from ...model.full.parts import TINY_UNET, UNET, Parts
from ..critic import beside
from .presets import FullPreset
from .student import make_student

CARD_GB = {"lora": 16, "full": 48}  # of the card that a preset is for, all its stages


@dataclass(frozen=True)
class Memory:
    """Bytes, in float32."""

    weights: int  # of student, teacher, critic and display; what they have in common once
    gradients: int  # the student's or the critic's, whichever are more: never both
    moments: int  # Adam's two, of both
    average: int  # of the student

    @property
    def whole(self) -> int:
        """All together."""
        return self.weights + self.gradients + self.moments + self.average


def count_memory(preset: FullPreset, stage: str) -> Memory:
    """Of a stage: teacher, tune or rollout."""
    with torch.device("meta"):
        sizes = TINY_UNET if preset.tiny else UNET
        parts = Parts(UNet2DConditionModel(**sizes), None, None, None)
        network, taught = make_student(preset, parts)
        there: list[nn.Module] = [network, AutoencoderTiny()]
        learning = [taught]
        if stage != "teacher":
            teacher, learnt = make_student(preset, parts)
            there.append(teacher)
            if stage == "rollout":
                critic, own = beside(teacher, learnt)
                there.append(critic)
                learning.append(own)
    sums = [_bytes(module.parameters()) for module in learning]
    weights = _bytes(p for module in there for p in module.parameters())
    return Memory(weights, max(sums), 2 * sum(sums), sums[0])


def _bytes(tensors: Iterable[Tensor]) -> int:
    once = {id(tensor): tensor for tensor in tensors}
    return sum(tensor.numel() * tensor.element_size() for tensor in once.values())
