"""The noise of a journey: a pure function of its seed and the frame's number.

Philox counts instead of walking, so any frame's noise is drawn without those before it. The bits
are numpy's promise, the way from bits to normals is not: a test holds a few values, and would tell
of a numpy that makes another film.
"""

import numpy as np
from numpy.typing import NDArray


def draw_noise(seed: int, number: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Standard normal float32 of `shape` for frame `number` of journey `seed`, both from 0."""
    assert 0 <= seed < 2**64 and 0 <= number < 2**64, (seed, number)
    # The frame's number is the high word of the counter: no frame reaches into the next one's.
    bits = np.random.Philox(
        key=np.array([seed, 0], np.uint64), counter=np.array([0, 0, 0, number], np.uint64)
    )
    return np.random.Generator(bits).standard_normal(shape, dtype=np.float32)
