"""The band of a bundle: within what its pictures keep, by four figures that say when they rot."""

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from trainjourney.types import Frame

FIGURES = ("luma", "contrast", "saturation", "detail")
_GAP = 4  # px between the pixels that are looked at
_SHARE = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
Limits = tuple[_SHARE, _SHARE]


class Band(BaseModel):
    """Lowest and highest of each figure, 0..1, over the pictures that the bundle learned from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    luma: Limits
    contrast: Limits
    saturation: Limits
    detail: Limits

    def limits(self) -> NDArray[np.float64]:
        """[len(FIGURES), 2]."""
        return np.array([getattr(self, name) for name in FIGURES])


def figures(frame: Frame) -> NDArray[np.float64]:
    """Luma, its spread, saturation (max - min of RGB) and mean step to the right, each 0..1."""
    seen = frame[::_GAP, ::_GAP].astype(np.float32) / 255.0
    luma = seen @ np.array([0.299, 0.587, 0.114], np.float32)
    colour = seen.max(2) - seen.min(2)
    step = np.abs(np.diff(luma, axis=1))
    return np.array([luma.mean(), luma.std(), colour.mean(), step.mean()], np.float64)


def find_band(found: NDArray[np.float64], margin: float = 0.15) -> Band:
    """The band of figures [n, len(FIGURES)]: 0.5 to 99.5 %, and a margin of its width more."""
    low, high = np.percentile(found, [0.5, 99.5], axis=0)
    room = margin * (high - low)
    low, high = np.clip(low - room, 0.0, 1.0), np.clip(high + room, 0.0, 1.0)
    sides = zip(FIGURES, np.round(low, 4).tolist(), np.round(high, 4).tolist(), strict=True)
    return Band(**{name: (below, above) for name, below, above in sides})
