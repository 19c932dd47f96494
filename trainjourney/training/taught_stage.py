"""Stage 4 of a small pocket: its dream network learns each step from a larger one's few steps.

Distillation (Hinton et al. 2015) on the road itself: the larger network, whose steps are few and
guided already, says where a step leads, and there is one answer. So a small network learns in an
hour what country alone would take days to teach it.
"""

from pathlib import Path

from torch import Tensor

from ..inference import load_bundle
from ..model.network import Network
from ..model.sampler import euler
from .checkpoint import load_weights
from .dream_stage import DreamStage, Told
from .few_stage import FewStage
from .presets import find_preset


class TaughtStage(FewStage):
    """Regression on where the larger network arrives; of the stage few in all else."""

    def __init__(self, dream: DreamStage, teacher: Network) -> None:
        super().__init__(dream)
        self.teacher = teacher.to(dream.device).eval().requires_grad_(False)

    def arrive(self, start: Tensor, time: Tensor, stride: Tensor, told: Told) -> Tensor:
        """Where one step of the teacher leads from `start`, [B, DREAMT, TALL, TILE]."""
        return euler(start, self.teacher(start, time, *told).float(), time, stride)


def open_teacher(bundle: Path) -> Network:
    """The dream network of a bundle. Raises BundleError, TrainingError."""
    options = find_preset(str(load_bundle(bundle).manifest.training.get("preset", "s")))
    network = Network(options.width, options.blocks)
    load_weights(bundle / "weights.safetensors", {"network": network})
    return network
