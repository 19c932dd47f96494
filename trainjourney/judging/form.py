"""Form: whether things look like the things they are, and stay so while they cross the window."""

import numpy as np
from numpy.typing import NDArray

from trainjourney.types import Frame

from .picture import Floats, blur, luma

SURE = 0.5  # chance from which a thing counts as seen
EDGE = 12.0  # brightness levels a px that make an edge


def counts(kinds: Floats) -> Floats:
    """Things of every kind seen in a frame, on average: from chances [n, kinds, columns]."""
    out: Floats = (kinds > SURE).sum(2).mean(0).astype(np.float32)
    return out


def sureness(kinds: Floats) -> float:
    """How sure the eye is of what it sees: the mean chance of what counts as seen."""
    seen = kinds[kinds > SURE]
    return float(seen.mean()) if len(seen) else 0.0


def overlap(ours: Floats, real: Floats) -> float:
    """Share of the real things a frame [kinds] that there are as many of in ours."""
    return float(np.minimum(ours, real).sum() / max(float(real.sum()), 1e-6))


def edges_kept(truth: Frame, ours: Frame, carried: NDArray[np.bool_]) -> float:
    """Share of the true picture's edges, where it was `carried` [H, W], that ours shows too.

    An edge is kept if ours rises or falls the same way by half as much, at most 1 px away.
    """
    sides = [_slopes(luma(blur(picture.astype(np.float32), 1))) for picture in (truth, ours)]
    kept = total = 0
    for true, seen in zip(*sides, strict=True):
        for sign in (1.0, -1.0):
            edge = (sign * true > EDGE / 3.0) & carried
            there = _spread(sign * seen) > 0.5 * sign * true
            kept += int((edge & there).sum())
            total += int(edge.sum())
    return kept / total if total else float("nan")


def _slopes(bright: Floats) -> tuple[Floats, Floats]:
    """Change to the right and downward."""
    return np.gradient(bright, axis=1), np.gradient(bright, axis=0)


def _spread(a: Floats) -> Floats:
    """The largest value among a pixel and its eight neighbours."""
    for axis in (0, 1):
        a = np.maximum(a, np.maximum(np.roll(a, 1, axis), np.roll(a, -1, axis)))
    return a
