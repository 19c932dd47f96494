"""Small random tensors for the tests of the model."""

from typing import Any

import torch
from torch import Tensor, nn
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


def predicted(modules: dict[str, nn.Module], h: int = 8, w: int = 16) -> Tensor:
    """What a full model of one step says of some latents, [2, 4, h, w]."""
    predictor: Any = modules["predictor"]
    g = rng(1)
    latents, noise = torch.randn(2, 4, h, w, generator=g), torch.randn(3, 4, h, w, generator=g)
    steering = torch.randn(sum(predictor.folded.sizes), generator=g)
    with torch.inference_mode():
        said: Tensor = predictor(latents, noise, steering, torch.tensor(0.7), torch.tensor(0.2))
        return said
