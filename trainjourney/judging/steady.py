"""The entering strip and flicker: new country comes in sharp, and stands still in itself."""

import numpy as np

from .picture import Floats, blur

STRIP = 48  # px at either side: what came in during the last half second, at middle distance
BLOCK_W, BLOCK_H = 32, 16
REACH = 24  # px a frame: twice the speed of what is nearest
KEPT = 0.85  # share of the blocks that count; the rest may be uncovered or have left


def strip_detail(bright: Floats) -> Floats:
    """Detail along the rows (mean high-passed brightness) of the left strip, the right, the rest.

    Of the land only: the sky hardly comes in at all.
    """
    land = bright[len(bright) // 2 :]
    sharp = np.abs(land - blur(land, 2, axes=(1,)))
    left, right = sharp[:, :STRIP].mean(), sharp[:, -STRIP:].mean()
    return np.array([left, right, sharp[:, STRIP:-STRIP].mean()], np.float32)


def edge_ratio(details: Floats, speed: float) -> float:
    """Detail of the strip that the train runs to against the rest, from `strip_detail` [n, 3]."""
    if len(details) == 0 or speed == 0.0:
        return float("nan")
    left, right, rest = details.mean(0)
    return float((right if speed > 0.0 else left) / max(float(rest), 1e-3))


def flicker(before: Floats, after: Floats) -> float:
    """What is left of the change between two frames in a row once every block is moved back.

    As a share of the picture's own detail: 0 for a picture carried whole, 1 and more for noise.
    """
    h, w = before.shape
    best = np.full((h // BLOCK_H, w // BLOCK_W), np.inf, np.float32)
    for d in range(-REACH, REACH + 1):
        moved = np.roll(before, d, axis=1)
        apart = np.abs(after - moved)
        if d > 0:
            apart[:, :d] = 255.0
        elif d < 0:
            apart[:, d:] = 255.0
        rows = apart.reshape(h // BLOCK_H, BLOCK_H, w).sum(1)
        cost = rows.reshape(len(rows), w // BLOCK_W, BLOCK_W).mean(2) / BLOCK_H
        best = np.minimum(best, cost)
    left = np.sort(best.ravel())[: int(KEPT * best.size)].mean()
    detail = np.abs(np.diff(after, axis=1)).mean()
    return float(left / (detail + 0.3))
