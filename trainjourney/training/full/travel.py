"""Whether a student still travels: its frames' measured motion over the motion that was told.

Training on a distribution too long freezes the train (Causal Forcing reports it after some
thousand steps), and no loss shows it.
"""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from ...rides.flow import LUMA_H, LUMA_W, SURE, luma, measure
from ...types import Frame

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


class Brake:
    """Ends a training whose student travels less and less."""

    def __init__(self) -> None:
        self.first: float | None = None
        self.last = 0.0

    def note(self, travelled: float) -> None:
        """Take a measurement; the first one is what later ones are held to."""
        self.first = travelled if self.first is None else self.first
        self.last = travelled

    def __call__(self) -> bool:
        """Whether it is time to stop."""
        return self.first is not None and self.first > TOLD and self.last < LEAST * self.first
