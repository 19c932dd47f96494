"""The melt: one embedding crossfaded into another, directions on the sphere, norms on a line.

And the mix: the weighted mean of any number of them, which of two is a place on their melt.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from trainjourney.types import Embedding

Vector = NDArray[np.float64]

CURVES: dict[str, Callable[[float], float]] = {
    "linear": lambda t: t,
    "smooth": lambda t: t * t * (3.0 - 2.0 * t),
    "soft": lambda t: t**3 * (t * (6.0 * t - 15.0) + 10.0),
}
_TINY = 1e-6  # of a norm: shorter has no direction
_ROUNDS = 12  # a mean is found in three or four


def slerp(a: Embedding, b: Embedding, t: float) -> Embedding:
    """From `a` at t 0 to `b` at t 1: direction by slerp, norm by lerp (Shoemake 1985).

    A zero embedding has no direction and takes the other's. Opposite embeddings have no one
    shortest way; they go by a fixed direction at right angles, the same each time.
    """
    assert a.shape == b.shape and a.ndim == 1, (a.shape, b.shape)
    if t <= 0.0:
        return a
    if t >= 1.0:
        return b
    long_a, long_b = float(np.linalg.norm(a)), float(np.linalg.norm(b))
    if long_a < _TINY or long_b < _TINY:
        return np.asarray((1.0 - t) * a + t * b, np.float32)
    from_, to = a.astype(np.float64) / long_a, b.astype(np.float64) / long_b
    along = float(from_ @ to)
    across = to - along * from_
    width = float(np.linalg.norm(across))
    angle = float(np.arctan2(width, along))
    side = across / width if width > _TINY else _right_angle(from_)
    direction = np.cos(angle * t) * from_ + np.sin(angle * t) * side
    return np.asarray(((1.0 - t) * long_a + t * long_b) * direction, np.float32)


def mix(embeddings: NDArray[np.float32], weights: Vector) -> Embedding:
    """The weighted mean of embeddings [N, D] on the sphere, norms by their plain mean.

    Weights [N] are none below 0 and not all 0. The direction is the one from which the ways to
    all others, drawn by the weights, cancel out (Buss and Fillmore 2001, algorithm A1). Where
    they leave it open, as opposite ones do, they are melted one after the other.
    """
    assert embeddings.ndim == 2 and len(embeddings) == len(weights), (embeddings.shape, weights)
    shares = weights / weights.sum()
    wide = embeddings.astype(np.float64)
    norms = np.linalg.norm(wide, axis=1)
    units = wide / np.maximum(norms, _TINY)[:, None]
    mean: Vector = shares @ units
    if float(np.linalg.norm(mean)) < 1e-3:
        return _one_by_one(embeddings, shares)
    mean /= np.linalg.norm(mean)
    for _ in range(_ROUNDS):
        along = units @ mean
        across = units - along[:, None] * mean
        width = np.linalg.norm(across, axis=1)
        pull = shares * np.arctan2(width, along) / np.maximum(width, _TINY)
        step = pull @ across
        length = float(np.linalg.norm(step))
        if length < 1e-9:
            break
        mean = np.cos(length) * mean + np.sin(length) / length * step
        mean /= np.linalg.norm(mean)
    return np.asarray(mean * float(shares @ norms), np.float32)


def _one_by_one(embeddings: NDArray[np.float32], shares: Vector) -> Embedding:
    mixed: Embedding = embeddings[0]
    total = float(shares[0])
    for embedding, share in zip(embeddings[1:], shares[1:].tolist(), strict=True):
        total += share
        mixed = slerp(mixed, embedding, share / total if total else 0.0)
    return mixed


def _right_angle(direction: Vector) -> Vector:
    """A unit vector across `direction`, a pure function of it."""
    if direction.size == 1:  # a line has nothing across it
        return np.zeros(1)
    axis = np.zeros_like(direction)
    axis[np.argmin(np.abs(direction))] = 1.0
    across = axis - float(axis @ direction) * direction
    return np.asarray(across / np.linalg.norm(across))


class Melt:
    """The embedding that steers the world, on its way from one look to another."""

    def __init__(self, embedding: Embedding) -> None:
        self.reset(embedding)

    def reset(self, embedding: Embedding) -> None:
        """Be at `embedding` now, on the way nowhere."""
        self.embedding = self.target = self._from = embedding
        self._seconds = self._elapsed_s = 0.0
        self._curve = "smooth"

    def to(self, target: Embedding, seconds: float, curve: str = "smooth") -> None:
        """Set out for `target`, from wherever the melt is now. 0 seconds cuts."""
        assert target.shape == self.embedding.shape, (target.shape, self.embedding.shape)
        assert seconds >= 0.0 and curve in CURVES, (seconds, curve)
        if seconds == 0.0:
            self.reset(target)
        elif not np.array_equal(target, self.target):  # the same wish again does not start anew
            self._from, self.target = self.embedding, target
            self._seconds, self._elapsed_s, self._curve = seconds, 0.0, curve

    def follow(self, target: Embedding) -> None:
        """The target has moved: go on towards where it is now; at rest, be there."""
        self.target = target
        if not self._seconds:
            self.embedding = target

    @property
    def progress(self) -> float:
        """How far the melt is, 0..1 in time; 1 when at rest."""
        return min(self._elapsed_s / self._seconds, 1.0) if self._seconds else 1.0

    def step(self, elapsed_s: float) -> Embedding:
        """The embedding `elapsed_s` later."""
        if self._seconds:
            self._elapsed_s += elapsed_s
            # A hair short of the end is the end: thirty thirtieths need not add up to one.
            done = self._elapsed_s >= self._seconds - 1e-9
            t = 1.0 if done else CURVES[self._curve](self.progress)
            self.embedding = slerp(self._from, self.target, t)
            if done:
                self._seconds = self._elapsed_s = 0.0
        return self.embedding
