"""Novelty: whether a journey comes by the same place twice, and how many places it has."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from trainjourney.types import Frame

from .picture import Floats, luma, shrink

APART = 500  # frames: nearer in time two frames show the same place
PLACES = 8  # frames among which distinct ones are counted: as many as real stretches are filmed
MANY = 400  # frames that are read together: of more, more meet by chance
NEAR = 1.0  # per cent: the distance that so few pairs undercut
_TOP = 8  # rows of 8 px left out: the sky changes too slowly to tell places apart
_CHUNK = 1024


def thumb(frame: Frame) -> NDArray[np.uint8]:
    """The land of a frame, small: what its print is made of."""
    return np.round(luma(shrink(frame, 8))[_TOP:]).astype(np.uint8)


def prints(thumbs: NDArray[np.uint8]) -> Floats:
    """Thumbs [n, h, w] as vectors of norm 1, without each row's mean: place, not time of day."""
    rows = thumbs.astype(np.float32)
    flat = (rows - rows.mean(2, keepdims=True)).reshape(len(rows), -1)
    size = np.linalg.norm(flat, axis=1, keepdims=True)
    # a picture without anything in it is like every other of its kind
    blank = np.full_like(flat, flat.shape[1] ** -0.5)
    out: Floats = np.where(size > 1.0, flat / np.maximum(size, 1.0), blank)
    return out


def nearest(ours: Floats, times: Floats) -> Floats:
    """For every print, the smallest distance (1 - correlation) to one APART or more, [n]."""
    out = np.full(len(ours), np.nan, np.float32)
    for first in range(0, len(ours), _CHUNK):
        part = slice(first, first + _CHUNK)
        apart = 1.0 - ours[part] @ ours.T
        apart[np.abs(times[part, None] - times[None]) < APART] = np.inf
        low = apart.min(1)
        out[part] = np.where(np.isfinite(low), np.maximum(low, 0.0), np.nan)
    return out


def _draws(count: int, most: int, draws: int) -> Iterator[NDArray[np.intp]]:
    """Which of `count` are read together, `most` at a time, in order; all at once if no more."""
    rng = np.random.default_rng(7)
    for _ in range(draws if count > most else 1):
        yield np.sort(rng.permutation(count)[:most])


def near_distance(ours: Floats, times: Floats) -> float:
    """The NEAR-th percentile of distances between frames APART or more, of MANY of them.

    The same number is taken from every film, long or short: more pairs would come nearer.
    """
    found = []
    for at in _draws(len(ours), MANY, 8):
        apart = 1.0 - ours[at] @ ours[at].T
        far = np.abs(times[at, None] - times[at]) >= APART
        if far.any():
            found.append(float(np.percentile(apart[far], NEAR)))
    return max(0.0, float(np.mean(found))) if found else float("nan")


def seen_before(ours: Floats, times: Floats, threshold: float) -> float:
    """Share of MANY frames that have a twin among them, nearer than half of `threshold`."""
    shares = []
    for at in _draws(len(ours), MANY, 8):
        low = nearest(ours[at], times[at])
        if np.isfinite(low).any():
            shares.append(float((low[np.isfinite(low)] < 0.5 * threshold).mean()))
    return float(np.mean(shares)) if shares else float("nan")


def places(ours: Floats, times: Floats, threshold: float, every: int = 250) -> float:
    """Share of distinct places among PLACES frames `every` apart or more, nan of fewer than 3.

    A frame is a new place if no earlier one is nearer than `threshold`. The mean over many draws
    of as many frames: of more frames, more meet by chance, in real country too.
    """
    at = np.unique(np.searchsorted(times, np.arange(times.min(), times.max() + 1, every)))
    at = at[at < len(ours)]
    shares = []
    for picked in _draws(len(at), PLACES, 64):
        drawn = at[picked]
        apart = 1.0 - ours[drawn] @ ours[drawn].T
        kept: list[int] = []
        for i in range(len(drawn)):
            if not kept or apart[i, kept].min() >= threshold:
                kept.append(i)
        shares.append(len(kept) / len(drawn))
    return float(np.mean(shares)) if len(at) >= 3 else float("nan")


def journeys_apart(journeys: Sequence[Floats]) -> float:
    """The NEAR-th percentile of distances between journeys at the same times, all pairs of them.

    Each is the prints [n, ...] of one; a longer one is read as far as the shorter goes. nan of one.
    """
    found = []
    for i, one in enumerate(journeys):
        for two in journeys[:i]:
            n = min(len(one), len(two))
            found.append(1.0 - (one[:n] * two[:n]).sum(1))
    return float(np.percentile(np.concatenate(found), NEAR)) if found else float("nan")
