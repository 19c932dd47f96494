"""Small random tensors for the tests of the model, and one thread to work on them."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from trainjourney.model.embedder import SIZE
from trainjourney.model.planes import MATERIALS, ROWS

__all__ = ["another_look", "one_thread", "random_masks", "rng"]


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Many small tensors: more threads would only wait for one another."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_masks(*shape: int, seed: int = 0) -> Tensor:
    """Masks [*batch, MATERIALS, ROWS, width] 0..1 of a sum below 1; shape is (*batch, width)."""
    *batch, width = shape
    logits = 3.0 * torch.randn(*batch, MATERIALS + 1, ROWS, width, generator=rng(seed))
    return logits.softmax(-3)[..., :MATERIALS, :, :]


def another_look(seed: int) -> Tensor:
    return F.normalize(torch.randn(SIZE, generator=rng(seed)), dim=0)
