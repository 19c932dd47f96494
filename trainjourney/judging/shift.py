"""How far a strip of picture went sideways: normalised correlation of blocks, to part of a pixel.

Blocks that have nothing to hold on to, match nowhere, or match in two places are left out; so noise
and blank country give no answer rather than a wrong one.
"""

import numpy as np
from numpy.typing import NDArray

from .picture import Floats, blur

BLOCK, STRIDE, ROWS = 48, 24, 8  # px: width of a block, from block to block, height
ALIKE = 0.7  # correlation below which a block was not found again
ALONE = 0.04  # by so much the best match must beat every other peak
TEXTURE = 1.5  # brightness levels (rms) that a block must vary by to be seen to move


def high_pass(rows: Floats) -> Floats:
    """Rows without what changes slowly along them."""
    return rows - blur(rows, 16, axes=(1,))


def block_shifts(before: Floats, after: Floats, reach: int) -> Floats:
    """Shifts to the right, px up to `reach` either way, of a strip's blocks, brightness [rows, W].

    The blocks are low, so that a fence or a trunk in front speaks only for the few it stands in.
    """
    assert before.shape == after.shape and before.ndim == 2, (before.shape, after.shape)
    lines = max(1, len(before) // ROWS)
    tall = len(before) // lines
    one, two = (
        high_pass(side[: lines * tall]).reshape(lines, tall, -1) for side in (before, after)
    )
    width = one.shape[2]
    starts = np.arange(0, width - BLOCK + 1, STRIDE)
    tries = np.arange(-reach, reach + 1)
    mine = _windows(np.square(one).sum(1))[:, starts]
    theirs = _windows(np.square(two).sum(1))
    products = np.zeros((len(tries), lines, width), np.float32)
    for product, d in zip(products, map(int, tries), strict=True):
        low, high = max(0, -d), min(width, width - d)
        if high > low:
            np.einsum(
                "lrx,lrx->lx", one[..., low:high], two[..., low + d : high + d],
                out=product[:, low:high],
            )  # fmt: skip
    at = starts + tries[:, None]  # [tries, starts]
    inside = (at >= 0) & (at + BLOCK <= width)
    theirs = theirs[:, np.clip(at, 0, width - BLOCK)].swapaxes(0, 1)
    scale = np.sqrt(mine * theirs) + 1e-3
    alike = np.where(inside[:, None], _windows(products)[..., starts] / scale, -1.0)
    alike = alike.astype(np.float32)
    return _trusted(alike.reshape(len(tries), -1), tries, mine.ravel() / (BLOCK * tall))


def _trusted(alike: Floats, tries: NDArray[np.int64], texture: Floats) -> Floats:
    """The shifts of those blocks whose best match among `tries` [d] is good, and the only one."""
    columns = np.arange(alike.shape[1])
    best = alike.argmax(0)
    top = alike[best, columns]
    peak = np.zeros_like(alike, bool)
    peak[1:-1] = (alike[1:-1] >= alike[:-2]) & (alike[1:-1] >= alike[2:])
    peak &= np.abs(tries[:, None] - tries[best][None]) > 2
    rival = np.where(peak, alike, -1.0).max(0)
    trusted = (top > ALIKE) & (top - rival > ALONE) & (best > 0) & (best < len(tries) - 1)
    trusted &= texture > TEXTURE**2
    part = _vertex(alike, best, columns)
    out: Floats = (tries[best] + part)[trusted].astype(np.float32)
    return out


def backdrop(values: Floats, width: float, share: float = 0.1) -> float:
    """The slowest movement that a `share` of the blocks agree on, to within `width`; nan of none.

    Before every stretch of country stand nearer, faster things; what moves least is the stretch.
    """
    if len(values) < 3:
        return float("nan")
    values = np.sort(values.astype(np.float64))
    inside = np.searchsorted(values, values + width, "right") - np.arange(len(values))
    many = np.flatnonzero(inside >= max(3.0, share * len(values)))
    if len(many) == 0:
        return float("nan")
    last = inside[many] - 1  # medians of what is sorted already
    middles = 0.5 * (values[many + last // 2] + values[many + (last + 1) // 2])
    slow = middles[np.abs(middles).argmin()]
    beside = np.abs(middles - slow) <= width
    first = many[beside][inside[many[beside]].argmax()]
    middle = float(middles[np.searchsorted(many, first)])
    return float(values[np.abs(values - middle) <= width].mean())


def _windows(a: Floats) -> Floats:
    """Sums over BLOCK columns of [..., W] from every column on, [..., W - BLOCK + 1]."""
    total = np.zeros((*a.shape[:-1], a.shape[-1] + 1))
    np.cumsum(a, axis=-1, dtype=np.float64, out=total[..., 1:])
    out: Floats = total[..., BLOCK:] - total[..., :-BLOCK]
    return out


def _vertex(alike: Floats, best: NDArray[np.int64], columns: NDArray[np.int64]) -> Floats:
    """The top of the parabola through the best match and its neighbours, -0.5..0.5."""
    i = np.clip(best, 1, len(alike) - 2)
    a, b, c = alike[i - 1, columns], alike[i, columns], alike[i + 1, columns]
    bend = a - 2.0 * b + c
    out: Floats = np.clip(0.5 * (a - c) / np.where(bend < -1e-9, bend, -1e9), -0.5, 0.5)
    return out
