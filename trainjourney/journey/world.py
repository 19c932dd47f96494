"""The dreamed world: an engine's state carried from frame to frame.

A step that fails, or whose state is no longer finite, is thrown away: the last good frame is shown
again and the next step sets out from the last good state with the next frame's noise.

Where a bundle looks ahead, a frame is decoded from the state before it, and the state after it is
predicted at the same time, or else when the frame is out: a control is seen after a decoding alone.
"""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Event

import numpy as np

from trainjourney.errors import BackendError, PictureError
from trainjourney.inference import ON_GPU, Engine, GaveWay, Manifest, Overtaken, never
from trainjourney.inference.noise import NoiseAhead
from trainjourney.journey.departed import Departed
from trainjourney.journey.guard import Guard
from trainjourney.journey.leaving import Fade, Leaving
from trainjourney.journey.picture import load_picture
from trainjourney.types import Controls, Embedding, Frame, State

log = logging.getLogger(__name__)

PATIENCE = 90  # steps thrown away in a row before the world gives up
AT_ONCE = 2  # steps of a departure in one frame, beside which the old country is decoded
_UNSEEN = 2**40  # numbers of the noise that a departure takes, out of every journey's reach


class DreamWorld:
    """A world over an engine: its state, its seed, its frames counted from the last reset."""

    def __init__(
        self,
        engine: Engine,
        manifest: Manifest,
        seed: int,
        departed: Departed | None = None,
        pace: float = 1.0,
    ) -> None:
        """`departed`: where states are kept in which it sets out; `pace`: how far the train goes in
        a frame, x of what it goes at the bundle's own rate."""
        self.engine, self.manifest, self.seed, self._pace = engine, manifest, seed, pace
        self._departed = departed
        self.number = 0  # of the next frame
        self.thrown = 0  # steps thrown away since the reset
        self._in_a_row = 0
        self._state: State = {}
        self._frame: Frame | None = None
        self._due: Callable[[], State] | None = None  # gives the state of a frame that is out
        self._beside = ThreadPoolExecutor(1) if engine.side_by_side else None
        self._noise = NoiseAhead(manifest.noise.shape, engine.backend in ON_GPU)
        self.guard = Guard(manifest.band, manifest.frame.fps)
        self._fade = Fade(manifest.frame.fps, None)
        self._leaving: Leaving | None = None  # what is seen until a departure has its country
        self.unseen = 0  # steps of a departure until its country can be seen

    @property
    def state(self) -> State:
        """The state to go on from, in the engine's own memory: copy it to keep it.

        Raises BackendError as `step` does.
        """
        self.get_ready()
        return self._state

    def reset(self, start: Frame | None) -> None:
        """Begin at `start`; at None in a fog of mid grey. Raises BackendError."""
        shape = self.manifest.frame_shape
        frame = np.full(shape, 128, np.uint8) if start is None else start
        assert frame.shape == shape and frame.dtype == np.uint8, (frame.shape, frame.dtype)
        self._let_go()
        state = self.engine.encode(frame)
        if bad := _not_finite(state):
            raise BackendError(
                f"the picture gives a state that is not finite ({bad}); "
                "give --start another, or try --set engine.precision=f32"
            )
        self._state, self._frame, self._leaving = state, frame, None
        self._fade = Fade(self.manifest.frame.fps, frame)
        self.number = self.thrown = self._in_a_row = self.unseen = 0
        self.guard.reset()

    def depart(self, seed: int, picture: Path | None) -> None:
        """Set out anew with another seed.

        A bundle that can dreams a country from the look alone, out of sight, in the steps that
        follow, while the window is covered with breath; another begins in the look's own picture.
        What cannot be read or encoded is logged, and the journey goes on.
        """
        height, width, _ = self.manifest.frame_shape
        fade, thrown, alone = self._fade, self.thrown, self.manifest.departure
        try:
            leaving = self._rolling_on() if alone else None
            self.reset(load_picture(picture, width, height) if picture and not alone else None)
        except (BackendError, PictureError) as err:
            log.warning("no new departure: %s", err)
            return
        self.seed, self.thrown, self.unseen = seed, thrown, alone
        self._leaving, self._fade = leaving, fade
        if not alone:
            fade.leave()

    def set_out(self, embedding: Embedding) -> None:
        """Before the first frame, dream what the window is to show from the look alone.

        That takes seconds, unless it was kept. The picture of the last reset melts into it while
        the train already rolls. A bundle that cannot do that stays as it is, at the picture. Raises
        BackendError.
        """
        picture, alone = self._frame, self.manifest.departure
        if alone:
            self.reset(None)
            kept = self._departed.find(self.seed, embedding) if self._departed else None
            self._state, self.unseen = kept or self._state, 0 if kept else alone
            while self.unseen:
                self._dream(embedding)
            if self._departed and not kept and not self.thrown:
                self._departed.keep(self.seed, embedding, self._state)
            self._fade = Fade(self.manifest.frame.fps, picture)
            self._fade.leave()

    def resume(self, state: State, frame: Frame, seed: int, number: int, unseen: int = 0) -> None:
        """Go on from a state that was kept, with the noise of frame `number`. Raises BackendError.

        The state must be of this bundle; `frame` is the last that was seen. Of a departure that
        was cut off so many steps are still `unseen`.
        """
        wanted = {table.name: (table.shape, table.dtype) for table in self.manifest.state}
        assert wanted == {name: (one.shape, str(one.dtype)) for name, one in state.items()}
        if bad := _not_finite(state):
            raise BackendError(f"the kept state is not finite ({bad}); start anew")
        self._let_go()
        self._state, self._frame = state, frame
        fps = self.manifest.frame.fps
        self._fade = Fade(fps, frame)
        self._leaving = Leaving(self.engine, fps, frame, None) if unseen else None
        self.seed, self.number, self._in_a_row, self.unseen = seed, number, 0, unseen

    def step(self, controls: Controls, drawn: bool = True, overtaken: Overtaken = never) -> Frame:
        """The next frame; or the last good one, if this step had to be thrown away.

        One that need not be `drawn` is so only for the guard: it may be the frame before, and the
        journey is the same. Raises BackendError after `PATIENCE` such steps in a row; GaveWay, and
        all is as it was before, when it was `overtaken` by other controls while it was made.
        """
        assert self._frame is not None, "step before reset"
        controls = self._within(controls)
        if self.unseen:
            return self._dream_unseen(controls)
        self.get_ready()
        self.number += 1
        drawn, gone = drawn or self.guard.looks, Event()
        try:
            if self.manifest.looks_ahead:
                predict = partial(self._predict, self.number - 1, controls, gone.is_set)
                self._due = self._beside.submit(predict).result if self._beside else predict
                self._frame = (
                    self._decode(self._state, controls, overtaken) if drawn else self._frame
                )
            else:
                state = self._predict(self.number - 1, controls, overtaken)
                self._frame = self._decode(state, controls, overtaken) if drawn else self._frame
                self._state, self._in_a_row = state, 0
        except GaveWay:
            gone.set()
            self._let_go()
            self.number -= 1
            raise
        except BackendError as err:
            self._let_go()
            self._throw_away(err)
        else:
            self.guard.watch(self._frame)
        return self._fade.over(self._frame)

    def get_ready(self) -> None:
        """Have what the next frame is to show predicted, if that is still to be done.

        Raises BackendError as `step` does.
        """
        due, self._due = self._due, None
        if due is not None:
            try:
                self._state = due()
                self._in_a_row = 0
            except BackendError as err:
                self._throw_away(err)

    def _let_go(self) -> None:
        """Do without the state that is being predicted; an engine predicts one at a time."""
        due, self._due = self._due, None
        if due is not None and self._beside:
            with suppress(BackendError, GaveWay):
                due()

    def _within(self, controls: Controls) -> Controls:
        """Clipped to the bundle's ranges; the guard may have the world dream more."""
        dream = _clip(self.guard.dream(controls.dream), self.manifest.ranges.dream)
        return Controls(controls.embedding, self.reached(controls.speed) * self._pace, dream)

    def reached(self, speed: float) -> float:
        """The speed at which the train goes when it is to go at `speed`, both x cruising: at a low
        rate its way in a frame, which is bounded, may be too short."""
        return _clip(speed * self._pace, self.manifest.ranges.speed) / self._pace

    def _decode(self, state: State, controls: Controls, overtaken: Overtaken) -> Frame:
        return self.engine.decode(state, controls.embedding, controls.speed, overtaken)

    def _predict(self, number: int, controls: Controls, overtaken: Overtaken = never) -> State:
        """The state after this one, with the noise of that number. Raises BackendError, GaveWay."""
        noise = self._noise.take(self.seed, number, number - 1 if self.unseen else number + 1)
        state = self.engine.predict(
            self._state, noise, controls.embedding, controls.speed, controls.dream, overtaken
        )
        if bad := _not_finite(state):
            raise BackendError(f"state '{bad}' is not finite")
        return state

    def _rolling_on(self) -> Leaving:
        """What is seen while a departure is dreamt: of one that waits for its country, the same.

        Raises BackendError as `step` does.
        """
        assert self._frame is not None, "depart before reset"
        if self.unseen and self._leaving:
            return self._leaving
        rolling = None
        if self.manifest.looks_ahead:
            rolling = {name: array.copy() for name, array in self.state.items()}
        return Leaving(self.engine, self.manifest.frame.fps, self._frame, rolling)

    def _dream_unseen(self, controls: Controls) -> Frame:
        """A frame of a departure: some steps on the country to come, and what is left."""
        assert self._leaving is not None
        if self._beside:
            dreamt = self._beside.submit(self._dream, controls.embedding).result
            shown = self._fade.over(self._leaving.next(controls))
            dreamt()
        else:
            shown = self._fade.over(self._leaving.next(controls))
            self._dream(controls.embedding)
        if not self.unseen:
            self._leaving = None
            self._fade.leave()
        return shown

    def _dream(self, embedding: Embedding) -> None:
        """Some steps of a departure, standing and dreaming freely. Raises BackendError."""
        freely = Controls(embedding, 0.0, self.manifest.ranges.dream[1])
        try:
            for _ in range(min(AT_ONCE, self.unseen)):
                self._state = self._predict(_UNSEEN + self.unseen, freely)
                self._in_a_row = 0
                self.unseen -= 1
        except BackendError as err:
            self.unseen -= 1
            self._throw_away(err)

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
