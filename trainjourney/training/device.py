"""Where a training computes: the processor, or a GPU that torch sees."""

import torch

from ..errors import TrainingError


def find_device(name: str) -> torch.device:
    """The device "cpu" or "cuda". Raises TrainingError."""
    if name not in ("cpu", "cuda"):
        raise TrainingError(f"no device '{name}'; give --device cpu or --device cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise TrainingError(
            "no CUDA device is seen by torch here; give --device cpu, or install torch for CUDA"
        )
    return torch.device(name)
