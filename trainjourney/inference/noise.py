"""The noise of a journey: a pure function of its seed and the frame's number.

Philox counts instead of walking, so any frame's noise is drawn without those before it. The bits
are numpy's promise, the way from bits to normals is not: a test holds a few values, and would tell
of a numpy that makes another film.
"""

import time
import weakref
from queue import SimpleQueue
from threading import Thread

import numpy as np
from numpy.typing import NDArray

Asked = SimpleQueue[tuple[int, int] | None]  # seed and frame; none are to come
LATER_S = 0.0005  # so that who has taken noise goes on at once: two threads share Python's lock


def draw_noise(seed: int, number: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Standard normal float32 of `shape` for frame `number` of journey `seed`, both from 0."""
    assert 0 <= seed < 2**64 and 0 <= number < 2**64, (seed, number)
    # The frame's number is the high word of the counter: no frame reaches into the next one's.
    bits = np.random.Philox(
        key=np.array([seed, 0], np.uint64), counter=np.array([0, 0, 0, number], np.uint64)
    )
    return np.random.Generator(bits).standard_normal(shape, dtype=np.float32)


class NoiseAhead:
    """Noise for frame after frame, each drawn while a GPU makes the frame before it.

    At 512x512 a full model's takes half a millisecond, in which the GPU would wait. Where the
    processor makes the frames it has no time to spare, and noise is drawn when it is asked for.
    """

    def __init__(self, shape: tuple[int, ...], on_gpu: bool) -> None:
        self._shape, self._on_gpu = shape, on_gpu
        self._asked: Asked = SimpleQueue()
        self._drawn: SimpleQueue[NDArray[np.float32]] = SimpleQueue()
        self._due: tuple[int, int] | None = None
        if not on_gpu:
            return
        beside = (self._asked, self._drawn, shape)
        Thread(target=_draw_beside, args=beside, name="noise", daemon=True).start()
        weakref.finalize(self, self._asked.put, None)

    def take(self, seed: int, number: int, following: int) -> NDArray[np.float32]:
        """That of frame `number`, as `draw_noise` gives it; `following` is likely asked for next.

        Whoever asks for another one waits for it, and all is as it would have been.
        """
        if not self._on_gpu:
            return draw_noise(seed, number, self._shape)
        assert 0 <= seed < 2**64 and 0 <= following < 2**64, (seed, following)
        ahead = self._drawn.get() if self._due else None
        due, self._due = self._due, (seed, following)
        self._asked.put(self._due)
        if ahead is not None and due == (seed, number):
            return ahead
        return draw_noise(seed, number, self._shape)


def _draw_beside(
    asked: Asked, drawn: SimpleQueue[NDArray[np.float32]], shape: tuple[int, ...]
) -> None:
    while one := asked.get():
        time.sleep(LATER_S)
        drawn.put(draw_noise(*one, shape))
