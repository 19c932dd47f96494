"""Look response: how soon a film turns into another look once it is asked for."""

from dataclasses import dataclass

import numpy as np

from .picture import Floats

SETTLING = 100  # frames at the end of a film in which it is taken to have arrived


@dataclass(frozen=True)
class Response:
    """Frames to half and to nine tenths of the way (inf: never), and the way along time."""

    half: float
    most: float
    times: Floats
    progress: Floats


def respond(times: Floats, looks: Floats, switch: int) -> Response:
    """Response of a film whose `looks` [n, d] were asked to change after frame `switch`.

    The way is measured from the mean before the switch to the mean at the end, along the straight
    line between them; what the country does meanwhile is at right angles to it, mostly.
    """
    before = times <= switch
    end = times > times.max() - SETTLING
    assert before.any() and end.any() and not (before & end).any(), "too short a film"
    start = looks[before][-12:].mean(0)
    way = looks[end].mean(0) - start
    length = float(way @ way)
    after = times > switch
    if length < 1e-6:  # nothing changed at all
        return Response(np.inf, np.inf, times[after] - switch, np.zeros(int(after.sum())))
    progress = (looks[after] - start) @ way / length
    since = times[after] - switch
    return Response(_first(since, progress, 0.5), _first(since, progress, 0.9), since, progress)


def cut(before: Floats, after: Floats, every: int) -> Response:
    """Response of a film that is other country from one frame to the next: of `before` [n, d] and
    `after` [m, d], a sample `every` so many frames. What passes by makes even that slow at times.
    """
    times = every * np.arange(1.0, len(before) + len(after) + 1.0)
    return respond(times, np.concatenate([before, after]), every * len(before))


def look_error(end: Floats, start: Floats, wanted: Floats) -> float:
    """Share of the way to the `wanted` look [d] that is still open at the end of a film."""
    way = float(np.linalg.norm(wanted - start))
    return float(np.linalg.norm(wanted - end)) / max(way, 1e-6)


def _first(times: Floats, progress: Floats, level: float) -> float:
    """The first time from which two samples in a row are past the level."""
    past = progress >= level
    both = past[:-1] & past[1:]
    return float(times[:-1][both][0]) if both.any() else float("inf")
