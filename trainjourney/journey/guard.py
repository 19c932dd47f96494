"""The drift guard: where the picture has left the band of its training, the world repaints itself.

It watches running figures of the frames. Once they have been outside for PATIENCE_S, the dream
lever is held far up for REPAINT_S, the embedding kept: the country is dreamt anew, plane by plane,
without a cut. Then it waits REST_S, so that a look that lies outside by itself does not keep the
world restless. It knows frames, not seconds: a replay guards alike.
"""

import numpy as np

from trainjourney.inference.band import Band, figures
from trainjourney.types import Frame

PATIENCE_S = 2.0
REPAINT_S = 6.0
REST_S = 12.0
DREAM = 0.9  # where the lever is held
_SETTLE_S = 0.3  # of the running figures
_EVERY = 3  # frames between two looks


class Guard:
    """Fed every frame; says how freely to dream on the next."""

    def __init__(self, band: Band | None, fps: float) -> None:
        """Without a band it only ever says what is wished."""
        self.count = 0  # repaintings since the world began
        self._limits = None if band is None else band.limits()
        self._fps = fps
        self.reset()

    def reset(self) -> None:
        """Another journey begins."""
        self._mean: np.ndarray[tuple[int], np.dtype[np.float64]] | None = None
        self._number = self._outside = self._left = self._rest = 0

    @property
    def repainting(self) -> bool:
        """Whether the lever is held up now."""
        return self._left > 0

    @property
    def looks(self) -> bool:
        """Whether it looks at the next frame, or lets it pass."""
        return self._limits is not None and (self._number + 1) % _EVERY == 1

    def watch(self, frame: Frame) -> None:
        """Look at the frame that was made."""
        if self._limits is None:
            return
        self._left, self._rest = max(0, self._left - 1), max(0, self._rest - 1)
        looks = self.looks
        self._number += 1
        if looks:
            now = figures(frame)
            share = min(1.0, _EVERY / (_SETTLE_S * self._fps))
            self._mean = now if self._mean is None else self._mean + share * (now - self._mean)
        assert self._mean is not None
        low, high = self._limits.T
        out = bool(((self._mean < low) | (self._mean > high)).any())
        self._outside = self._outside + 1 if out else 0
        if self._outside >= PATIENCE_S * self._fps and not self._rest:
            self.count += 1
            self._left = round(REPAINT_S * self._fps)
            self._rest = self._left + round(REST_S * self._fps)

    def dream(self, wished: float) -> float:
        """How freely to dream on the next frame, 0..1."""
        return max(wished, DREAM) if self.repainting else wished
