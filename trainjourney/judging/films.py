"""Films to be judged: real country, the two baselines made of it, and what a bundle dreams.

A film gives its wanted frames as (number, frame); the renderer draws no others.
"""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from trainjourney.journey.world import DreamWorld
from trainjourney.scenery.ride import Ride, flow, new_pixels
from trainjourney.scenery.style import Style, jitter
from trainjourney.scenery.view import View
from trainjourney.scenery.worlds import WORLDS
from trainjourney.types import Controls, Frame

from .observer import wanted
from .picture import WIDTH
from .travel import TRAVEL_PX

Film = Iterator[tuple[int, Frame]]
Wanted = Callable[[int], bool]


def real_style(look: str, seed: int) -> Style:
    """The world of that name, or any relative of the worlds where the scenery has none such."""
    if look in WORLDS:
        return WORLDS[look]
    rng = np.random.default_rng(seed)
    return jitter(WORLDS[list(WORLDS)[rng.integers(len(WORLDS))]], rng, 1.0)


def real_ride(look: str, seed: int, frames: int) -> Ride:
    """A ride in a world with country enough for so many frames either way."""
    return Ride(7_000_000 + seed, real_style(look, seed), reach=TRAVEL_PX * frames)


def to_bytes(view: View) -> Frame:
    """The picture of a view as a frame."""
    return np.round(np.asarray(view.frame) * 255.0).astype(np.uint8)


def real_film(ride: Ride, frames: int, speed: float = 1.0) -> Film:
    """What a ride shows from frame 1 on."""
    start = ride.distance
    for time in range(1, frames + 1):
        if wanted(time):
            ride.distance = start + TRAVEL_PX * speed * time
            yield time, to_bytes(ride.view())
    ride.distance = start


def frozen_film(frame: Frame, frames: int) -> Film:
    """Baseline "copy": the last frame over and over."""
    for time in range(1, frames + 1):
        if wanted(time):
            yield time, frame


def warped_film(ride: Ride, frames: int) -> Film:
    """Baseline "warp": the start frame carried by the true motion; nothing new ever comes in."""
    start = ride.distance
    first = to_bytes(ride.view())
    rows = np.arange(first.shape[0])[:, None]
    for time in range(1, frames + 1):
        if wanted(time):
            ride.distance = start + TRAVEL_PX * time
            motion = flow(ride.view(), time)
            came = np.round(np.arange(WIDTH)[None] - motion).astype(np.int64)
            yield time, first[rows, np.clip(came, 0, WIDTH - 1)]
    ride.distance = start


def carried(ride: Ride, time: int) -> tuple[Frame, NDArray[np.bool_]]:
    """The true picture after so many frames, and where it could be seen in the first one."""
    start, before = ride.distance, ride.view()
    ride.distance = start + TRAVEL_PX * time
    after = ride.view()
    ride.distance = start
    return to_bytes(after), ~new_pixels(before, after, time)


def dreamt_film(
    world: DreamWorld,
    controls: Callable[[int], Controls],
    frames: int,
    wants: Wanted = wanted,
) -> Film:
    """What a world dreams from where it stands; `controls` are asked for every frame."""
    for time in range(1, frames + 1):
        frame = world.step(controls(time), drawn=wants(time))
        if wants(time):
            yield time, frame
