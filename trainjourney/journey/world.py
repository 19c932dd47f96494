"""The dreamed world: an engine's state carried from frame to frame.

A step that fails, or whose state is no longer finite, is thrown away: the last good frame is shown
again and the next step sets out from the last good state with the next frame's noise.
"""

import logging

import numpy as np

from trainjourney.errors import BackendError
from trainjourney.inference import Engine, Manifest
from trainjourney.journey.noise import draw_noise
from trainjourney.types import Controls, Frame, State

log = logging.getLogger(__name__)

PATIENCE = 90  # steps thrown away in a row before the world gives up


class DreamWorld:
    """A world over an engine: its state, its seed, its frames counted from the last reset."""

    def __init__(self, engine: Engine, manifest: Manifest, seed: int) -> None:
        self.engine, self.manifest, self.seed = engine, manifest, seed
        self.number = 0  # of the next frame
        self.thrown = 0  # steps thrown away since the reset
        self._in_a_row = 0
        self._state: State = {}
        self._frame: Frame | None = None

    def reset(self, start: Frame | None) -> None:
        """Begin at `start`; at None in a fog of mid grey. Raises BackendError."""
        shape = self.manifest.frame_shape
        frame = np.full(shape, 128, np.uint8) if start is None else start
        assert frame.shape == shape and frame.dtype == np.uint8, (frame.shape, frame.dtype)
        state = self.engine.encode(frame)
        if bad := _not_finite(state):
            raise BackendError(
                f"the picture gives a state that is not finite ({bad}); "
                "give --start another, or try --set engine.precision=f32"
            )
        self._state, self._frame = state, frame
        self.number = self.thrown = self._in_a_row = 0

    def step(self, controls: Controls) -> Frame:
        """The next frame; or the last good one, if this step had to be thrown away.

        Raises BackendError after `PATIENCE` such steps in a row.
        """
        assert self._frame is not None, "step before reset"
        noise = draw_noise(self.seed, self.number, self.manifest.noise.shape)
        self.number += 1
        try:
            state = self.engine.predict(
                self._state,
                noise,
                controls.embedding,
                _clip(controls.speed, self.manifest.ranges.speed),
                _clip(controls.dream, self.manifest.ranges.dream),
            )
            if bad := _not_finite(state):
                raise BackendError(f"state '{bad}' is not finite")
            self._frame = self.engine.decode(state)
        except BackendError as err:
            self._throw_away(err)
        else:
            self._state, self._in_a_row = state, 0
        return self._frame

    def _throw_away(self, err: BackendError) -> None:
        self.thrown += 1
        self._in_a_row += 1
        if self._in_a_row == 1:
            log.warning("frame %d thrown away: %s", self.number - 1, err)
            # An engine may predict into buffers by turns: the next turn must not be this state's.
            self._state = {name: array.copy() for name, array in self._state.items()}
        if self._in_a_row >= PATIENCE:
            raise BackendError(
                f"{PATIENCE} steps failed in a row, the last since {err}; "
                "try --set engine.precision=f32 or another --set engine.backend"
            ) from err


def _not_finite(state: State) -> str:
    """The name of the first float tensor with a NaN or an infinity in it, or nothing."""
    for name, array in state.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            return name
    return ""


def _clip(value: float, limits: tuple[float, float]) -> float:
    low, high = limits
    return float(min(max(value, low), high))
