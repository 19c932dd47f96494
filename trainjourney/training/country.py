"""Where a training draws its crops of country: mapped from disk, or held whole on a GPU."""

import logging
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from ..model.planes import PLANES
from .dataset import Shards

log = logging.getLogger(__name__)

SHARE = 0.5  # of a GPU's free memory that the country may take


class Country(Protocol):
    """Crops by style [B], plane [B] and first cell or column [B]; all on the training's device."""

    def masks(self, style: Tensor, plane: Tensor, cell: Tensor, count: int) -> Tensor:
        """Masks of `count` cells, uint8 [B, MATERIALS, ROWS, count]."""
        ...

    def signs(self, style: Tensor, plane: Tensor, column: Tensor, count: int) -> Tensor:
        """Signs of `count` latent columns, int8 [B, SIGNS, TALL, count], x 127."""
        ...


class Mapped:
    """Out of the shards on disk, one crop after the other."""

    def __init__(self, shards: Shards, device: torch.device) -> None:
        self.shards, self.device = shards, device

    def masks(self, style: Tensor, plane: Tensor, cell: Tensor, count: int) -> Tensor:
        """Masks, uint8 [B, MATERIALS, ROWS, count]."""
        return self._crops(self.shards.strips, style, plane, cell, count)

    def signs(self, style: Tensor, plane: Tensor, column: Tensor, count: int) -> Tensor:
        """Signs, int8 [B, SIGNS, TALL, count]."""
        return self._crops(self.shards.signs, style, plane, column, count)

    def _crops(
        self, of: list[np.ndarray], style: Tensor, plane: Tensor, at: Tensor, count: int
    ) -> Tensor:
        places = torch.stack([style, plane, at], 1).cpu().tolist()
        crops = []
        for n, p, x in places:
            s, i = self.shards.where[n]
            crops.append(np.array(of[s][i, p, :, :, x : x + count]))
        return torch.from_numpy(np.stack(crops)).to(self.device)


class Held:
    """Out of the GPU's own memory, all crops at once."""

    def __init__(self, shards: Shards, device: torch.device) -> None:
        self._masks = _load(shards.strips, device)
        self._signs = _load(shards.signs, device)

    def masks(self, style: Tensor, plane: Tensor, cell: Tensor, count: int) -> Tensor:
        """Masks, uint8 [B, MATERIALS, ROWS, count]."""
        return _gather(self._masks, style, plane, cell, count)

    def signs(self, style: Tensor, plane: Tensor, column: Tensor, count: int) -> Tensor:
        """Signs, int8 [B, SIGNS, TALL, count]."""
        return _gather(self._signs, style, plane, column, count)


def open_country(shards: Shards, device: torch.device) -> Country:
    """Held where that is a GPU with room, else mapped."""
    if device.type == "cuda":
        size = sum(part.nbytes for part in (*shards.strips, *shards.signs))
        room = SHARE * torch.cuda.mem_get_info(device)[0]
        if size <= room:
            return Held(shards, device)
        log.info(
            "the country (%.1f GB) is read from disk: the GPU has room for %.1f GB of it",
            size / 1e9, room / 1e9,
        )  # fmt: skip
    return Mapped(shards, device)


def _load(parts: list[np.ndarray], device: torch.device) -> Tensor:
    """Shards one after the other, [all * planes, C, H, W]."""
    count, first = sum(len(part) for part in parts), torch.from_numpy(np.array(parts[0][:1]))
    whole = torch.empty(count, *first.shape[1:], dtype=first.dtype, device=device)
    at = 0
    for part in parts:
        whole[at : at + len(part)] = torch.from_numpy(np.array(part))
        at += len(part)
    return whole.flatten(0, 1)


def _gather(of: Tensor, style: Tensor, plane: Tensor, at: Tensor, count: int) -> Tensor:
    """[B, C, H, count] from columns `at` on."""
    along = at[:, None] + torch.arange(count, device=of.device)
    crops = of[(style * len(PLANES) + plane)[:, None], :, :, along]
    return crops.permute(0, 2, 3, 1).contiguous()
