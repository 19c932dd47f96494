"""Small random tensors for the tests of the model."""

import torch
from torch import Tensor
from torch.nn import functional as F

from trainjourney.model.embedder import SIZE
from trainjourney.model.planes import MATERIALS, ROWS


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_masks(*shape: int, seed: int = 0) -> Tensor:
    """Masks [*batch, MATERIALS, ROWS, width] 0..1 of a sum below 1; shape is (*batch, width)."""
    *batch, width = shape
    logits = 3.0 * torch.randn(*batch, MATERIALS + 1, ROWS, width, generator=rng(seed))
    return logits.softmax(-3)[..., :MATERIALS, :, :]


def another_look(seed: int) -> Tensor:
    return F.normalize(torch.randn(SIZE, generator=rng(seed)), dim=0)
