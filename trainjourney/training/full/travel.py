"""Whether a student still travels: its frames' measured motion over the motion that was told.

Training on a distribution too long freezes the train (Causal Forcing reports it after some
thousand steps), and no loss shows it.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ...rides.flow import LUMA_H, LUMA_W, SURE, luma, measure
from ...types import Frame
from ..stage import Kept

LEAST = 0.6  # of what it travelled at first; below it the training ends
TOLD = 0.3  # travel below which a model is held to nothing: it never travelled


def travel(frames: Sequence[Frame], wished_px: float) -> float:
    """Median motion from frame to frame over the wished one, px of the frames' width.

    0 where nothing moves, 1 where all is as told; 0 too where no motion can be told.
    """
    assert len(frames) >= 2 and wished_px != 0.0, (len(frames), wished_px)
    size = (LUMA_W, LUMA_H)
    greys = [luma(np.asarray(Image.fromarray(frame).resize(size))) for frame in frames]
    scale = frames[0].shape[1] / LUMA_W
    found = []
    for before, after in zip(greys[:-1], greys[1:], strict=True):
        motion = measure(before, after)
        sure = motion.bands_sure >= SURE
        found.append(float(np.median(-motion.bands[sure])) * scale if sure.any() else 0.0)
    return float(np.median(found)) / wished_px


class Brake(Kept):
    """Ends a training whose student travels less and less; saved with it."""

    first: Tensor  # measurement, NaN before it; what later ones are held to
    last: Tensor

    def __init__(self) -> None:
        super().__init__({"first": torch.tensor(math.nan), "last": torch.tensor(math.nan)})

    def note(self, travelled: float) -> None:
        """Take a measurement."""
        if bool(self.first.isnan()):
            self.first.fill_(travelled)
        self.last.fill_(travelled)

    def stops(self) -> bool:
        """Whether it is time to stop."""
        first, last = float(self.first), float(self.last)
        return first > TOLD and last < LEAST * first
