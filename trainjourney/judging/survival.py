"""Survival: whether every stretch of a film stays as near to real country as real country does."""

from collections.abc import Mapping, Sequence

import numpy as np

from .picture import Floats

WINDOW = 250  # frames
PARTS = 8  # principal parts of the eye's features that are compared
WITHIN = 0.95  # share of the windows that must lie inside for a film to be alive
LOST = 3  # so many windows in a row outside, and it is not
PERCENTILE = 99.0


def limit_of(distances: Sequence[float]) -> float:
    """The distance that PERCENTILE of real stretches keep within: one of theirs, not between."""
    return float(np.percentile(distances, PERCENTILE, method="higher"))


def frechet(a: Floats, b: Floats) -> float:
    """Fréchet distance of two sets of features [n, d], taken as Gaussian (Heusel 2017, eq. 6)."""
    mean = np.square(a.mean(0) - b.mean(0)).sum()
    one, two = (_covariance(x) for x in (a, b))
    # tr sqrt(one two) from the eigenvalues of a symmetric product
    half = _root(one)
    cross = np.sqrt(np.clip(np.linalg.eigvalsh(half @ two @ half), 0.0, None)).sum()
    return float(max(0.0, mean + np.trace(one) + np.trace(two) - 2.0 * cross))


def principal(features: Floats) -> Floats:
    """The directions [d, PARTS] in which real features differ most."""
    middle = features - features.mean(0)
    _, _, ways = np.linalg.svd(middle, full_matrices=False)
    out: Floats = ways[:PARTS].T
    return out


def windows(times: Floats, values: Floats) -> dict[int, Floats]:
    """The values of every whole window by its first frame."""
    number = (times // WINDOW).astype(np.int64)
    full = np.bincount(number).max() if len(number) else 0
    return {
        int(n) * WINDOW: values[number == n]
        for n in np.unique(number)
        if (number == n).sum() >= 0.9 * full
    }


def real_distances(stretches: Sequence[Floats], ways: Floats) -> list[float]:
    """The distance of every real stretch of a world to all others of it."""
    placed = [stretch @ ways for stretch in stretches]
    return [
        frechet(mine, np.concatenate([other for j, other in enumerate(placed) if j != i]))
        for i, mine in enumerate(placed)
        if len(placed) > 1
    ]


def film_distances(
    times: Floats, features: Floats, real: Sequence[Floats], ways: Floats
) -> dict[int, float]:
    """The distance of every window of a film to real stretches of its world."""
    home = np.concatenate([stretch @ ways for stretch in real])
    parts = windows(times, features @ ways)
    return {start: frechet(part, home) for start, part in parts.items()}


def alive(distances: Mapping[int, float], limit: float, until: int) -> bool | None:
    """Whether a film is alive at a frame, by its windows that ended until then; None: no window."""
    inside = [apart <= limit for start, apart in sorted(distances.items()) if start < until]
    if not inside:
        return None
    return bool(np.mean(inside) >= WITHIN or sum(not i for i in inside) <= 1) and any(
        inside[-LOST:]
    )


def _covariance(a: Floats) -> Floats:
    out: Floats = np.cov(a.astype(np.float64), rowvar=False) + 1e-6 * np.eye(a.shape[1])
    return out


def _root(matrix: Floats) -> Floats:
    values, ways = np.linalg.eigh(matrix)
    out: Floats = (ways * np.sqrt(np.clip(values, 0.0, None))) @ ways.T
    return out
