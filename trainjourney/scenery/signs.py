"""Signs: for every latent cell of a plane, what stands there and which part of it the cell is.

A code word of SIGNS - 2 signs says the kind, two numbers say where in the thing: from its left to
its right as it is drawn, and from its foot to its top, each -1..1. Where nothing stands all is 0.
The dream network learns to say them before it draws: a house is then a matter of drawing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from ..model.planes import DOWN, PLANES, ROWS, SIGNS, pool_rows
from .layout import Layout
from .style import KINDS
from .things import THINGS

_WORD = SIGNS - 2
STOOD = (*KINDS, "cloud", "streak", "sun", "pole", "wire", "fence", "platform", "bridge", "tunnel")
# Words of even parity: two of them differ in two places at least.
_WORDS = [word for word in product((-1.0, 1.0), repeat=_WORD) if np.prod(word) > 0]
CODES = {kind: np.array(word, np.float32) for kind, word in zip(STOOD, _WORDS, strict=False)}
assert len(CODES) == len(STOOD)


@dataclass(frozen=True)
class _Box:
    """A thing's place on its strip, px; `turned` where it is drawn mirrored."""

    kind: str
    left: float
    right: float
    top: float
    foot: float
    turned: bool = False


def _boxes(lay: Layout) -> Iterator[_Box]:
    """Everything that stands on a strip, far ones first, as strips.py draws it."""
    for s in lay.stands:
        half, top, _ = THINGS[s.kind].extent
        reach = half * s.size
        yield _Box(s.kind, s.x - reach, s.x + reach, s.y - top * s.size, s.y, s.mirrored)
    for a, b in lay.fence:
        for post in np.arange(a, b, 34.0):
            yield _Box("fence", post, min(post + 34.0, b), 201.0, 226.0)
    for name, a, b in lay.events:
        yield _Box(name, a, b, {"platform": 128.0, "bridge": 88.0}.get(name, 0.0), 256.0)
    if lay.wires > 0.3:
        for a, b in zip(lay.poles[:-1], lay.poles[1:], strict=True):
            yield _Box("wire", a + 8.0, b - 8.0, 20.0, 72.0)
        for x in lay.poles:
            yield _Box("pole", x - 8.0, x + 8.0, 14.0, 256.0)


def paint_signs(lay: Layout) -> NDArray[np.int8]:
    """The signs of a strip `width` px long, x 127: [SIGNS, ROWS / 4, width / 8] int8."""
    plane = PLANES[lay.plane]
    tall, step = 2 * plane.tall, 2 * DOWN
    fine = np.zeros((SIGNS, tall, lay.width // 2), np.float32)  # px down, cells across
    for box in _boxes(lay):
        x0, x1 = max(0, round(box.left / 2)), min(fine.shape[2], round(box.right / 2))
        y0, y1 = max(0, round(box.top)), min(tall, round(box.foot))
        if x0 >= x1 or y0 >= y1:
            continue
        across = (2.0 * np.arange(x0, x1) + 1.0 - box.left) / (box.right - box.left) * 2.0 - 1.0
        up = (box.foot - np.arange(y0, y1) - 0.5) / (box.foot - box.top) * 2.0 - 1.0
        fine[:_WORD, y0:y1, x0:x1] = CODES[box.kind][:, None, None]
        fine[_WORD, y0:y1, x0:x1] = (-across if box.turned else across)[None]
        fine[_WORD + 1, y0:y1, x0:x1] = up[:, None]
    rows = np.array(pool_rows(plane, 2), np.float32).reshape(ROWS // DOWN, DOWN, tall).mean(1)
    cells = fine.reshape(SIGNS, tall, lay.width // step, DOWN).mean(3)
    signs: NDArray[np.int8] = np.round(np.clip(rows @ cells, -1.0, 1.0) * 127.0).astype(np.int8)
    return signs
